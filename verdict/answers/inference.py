"""Load what answers questions: a model as it comes, under an adapter, or wholly fine-tuned."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoConfig, ProcessorMixin
from transformers.tokenization_utils_base import FULL_TOKENIZER_FILE, TOKENIZER_CONFIG_FILE
from transformers.utils import IMAGE_PROCESSOR_NAME, PROCESSOR_NAME

from verdict.answers.adapter import ADAPTER_CONFIG, check_adapter, lay_over, trained_from
from verdict.core.errors import VerdictError, first_line
from verdict.core.files import sha256_of_tree
from verdict.models.folder import (
    SIGNS_OF_DAMAGE,
    DamagedModelError,
    damage_explained,
    require_folder,
)
from verdict.models.load import load_model, load_processor
from verdict.models.provenance import PROVENANCE_FILE, read_provenance
from verdict.params.data import Form
from verdict.params.training import ModelOptions

#: Beside weights it makes a folder a whole model.
MODEL_CONFIG = "config.json"

#: One of them is in every folder that a processor or a tokenizer was saved to.
_PROCESSOR_FILES = (
    PROCESSOR_NAME, IMAGE_PROCESSOR_NAME, TOKENIZER_CONFIG_FILE, FULL_TOKENIZER_FILE
)  # fmt: skip
#: One of them is in the folder of a processor that reads images.
_IMAGE_FILES = PROCESSOR_NAME, IMAGE_PROCESSOR_NAME


@dataclass(frozen=True)
class Loaded:
    """A model in evaluation mode, and the processor saved beside its adapter or weights.

    Where none was saved (peft alone saves none), it is the base's.

    Attributes:
        labels: a classifier's labels in the order of its outputs; None for a model that writes.
        limit: the most tokens that the model reads; None where its configuration names none.
    """

    model: Any
    processor: ProcessorMixin
    labels: list[str] | None
    limit: int | None = None


def load_for_inference(
    folder: Path, adapter: Path, options: ModelOptions, device: str, form: Form = "turns"
) -> Loaded:
    """Load a model unquantized, on ``cpu``, ``cuda`` or ``mps``.

    Args:
        folder: the model that the adapter was trained on, or the one to take as it comes.
        adapter: a folder with a peft adapter, or with a wholly fine-tuned model; or the
            ``config.json`` of ``folder``, to take that model as it comes.
        form: how it is asked; turns are those of its own chat template.

    Raises:
        VerdictError: a folder is missing or damaged, holds no adapter, was trained from another
            base, is a classifier whose labels are not recorded, or has no chat template for turns.
    """
    return _load_all(folder, adapter, options, device, form)


def without_weights(folder: Path, adapter: Path, form: Form = "turns") -> Loaded:
    """Open the same model for one who plans what others ask: its ``model`` is None.

    Raises:
        VerdictError: as ``load_for_inference``, as far as no weights are read.
    """
    return _load_all(folder, adapter, None, "cpu", form)


def _load_all(
    folder: Path, adapter: Path, options: ModelOptions | None, device: str, form: Form
) -> Loaded:
    """Load what belongs to a model; without options no weights."""
    kind = _kind_of(folder, adapter)
    model = None
    if kind == "base":
        if options:
            model = load_model(folder, options, device).eval()
        return Loaded(model, load_processor(folder, form), None, _limit(folder))
    with _damage_explained(folder, adapter):
        provenance = read_provenance(adapter)
        if options:
            _check_base(folder, adapter, provenance)
        if kind == "adapter":
            check_adapter(adapter)
        labels = _labels(kind, adapter, provenance)
        if options and kind == "adapter":
            model = lay_over(_load(folder, options, device, labels), adapter, device).eval()
        elif options:
            model = _load(adapter, options, device, labels).eval()
        return Loaded(model, _processor_of(folder, adapter, form), labels, _limit(folder))


def _kind_of(folder: Path, adapter: Path) -> Literal["base", "adapter", "fine-tuned"]:
    require_folder(folder)
    if (adapter / ADAPTER_CONFIG).is_file():
        return "adapter"
    if (adapter / MODEL_CONFIG).is_file():
        return "fine-tuned"
    if adapter.name == MODEL_CONFIG:
        return "base"
    raise VerdictError(f"{adapter} holds no adapter; run `dvc repro train` or `dvc pull`")


def _limit(folder: Path) -> int | None:
    """Return a model's context; an adapter, or tuning as a whole, does not change it."""
    with damage_explained(folder):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def _processor_of(folder: Path, adapter: Path, form: Form) -> ProcessorMixin:
    needed: tuple[str, ...] = _PROCESSOR_FILES
    if (adapter / ADAPTER_CONFIG).is_file() and _any_of(_IMAGE_FILES, folder):
        # Who trains on texts alone saves no more than the tokenizer, of a model that sees.
        needed = _IMAGE_FILES
    return load_processor(adapter if _any_of(needed, adapter) else folder, form)


def _any_of(names: Sequence[str], folder: Path) -> bool:
    return any((folder / name).exists() for name in names)


def _labels(kind: str, adapter: Path, provenance: dict[str, Any]) -> list[str] | None:
    """Return a classifier's labels in the order of its outputs; None for a model that writes."""
    if kind == "adapter":
        from peft import PeftConfig, TaskType

        if PeftConfig.from_pretrained(str(adapter)).task_type != TaskType.SEQ_CLS:
            return None
        return _known_labels(adapter, provenance.get("labels"))
    config = json.loads((adapter / MODEL_CONFIG).read_text(encoding="utf-8"))
    if not any(name.endswith("ForSequenceClassification") for name in config["architectures"]):
        return None
    by_index = config.get("id2label", {})
    recorded = [by_index[str(index)] for index in range(len(by_index))]
    return _known_labels(adapter, provenance.get("labels") or recorded)


def _load(folder: Path, options: ModelOptions, device: str, labels: list[str] | None) -> Any:
    """Load a model; a classifier's head computes in float32, whatever the rest does.

    In bfloat16 its few outputs would often tie, which blurs what ranks by them.
    """
    model: Any = load_model(folder, options, device, labels=labels)
    if labels is not None:
        model.score.float()
        model.score.register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
    return model


def _known_labels(adapter: Path, labels: list[str] | None) -> list[str]:
    if not labels:
        raise VerdictError(
            f"{adapter} is a classifier, but its {PROVENANCE_FILE} does not say which labels its "
            "outputs stand for; run `dvc repro train` or `dvc pull`"
        )
    return labels


def _check_base(folder: Path, adapter: Path, provenance: dict[str, Any]) -> None:
    base = provenance.get("base")
    if base is None:
        return
    found = sha256_of_tree(folder)
    if found != base["sha256"]:
        revision = f" at revision {base['revision']}" if base["revision"] else ""
        raise VerdictError(
            f"{adapter} was trained from {base['name']}{revision} (SHA-256 "
            f"{base['sha256'][:12]}), but {folder} is another model ({found[:12]}); name the model "
            "it was trained from in evaluate.models.*.model, or run `dvc repro train`"
        )


@contextmanager
def _damage_explained(folder: Path, adapter: Path) -> Iterator[None]:
    """Raise a VerdictError where an adapter cannot be read, or not be laid over the model."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except DamagedModelError as error:
        if error.folder != adapter:
            raise
        raise _does_not_fit(folder, adapter, error.problem) from error
    except SIGNS_OF_DAMAGE as error:
        raise _does_not_fit(folder, adapter, first_line(error)) from error


def _does_not_fit(folder: Path, adapter: Path, problem: str) -> VerdictError:
    return VerdictError(
        f"{adapter} does not load over {folder}: it is damaged, or was trained from another "
        f"model{trained_from(adapter)}: {problem}; run `dvc pull` or `dvc repro train`, or name "
        "its own base in evaluate.models.*.model"
    )
