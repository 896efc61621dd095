"""Models as training saves them, and as evaluation loads them, for the tests of that."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testing.tiny import LORA, MODEL, TRAIN, Tiny, ask_tiny
from verdict.core.files import sha256_of, sha256_of_tree, write_json
from verdict.params.training import ModelOptions

torch = pytest.importorskip("torch")

#: In another order than the answers, so that a mix-up shows.
LABELS = ["melanoma", "benign"]
#: All matrices of a language model's layers.
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def trained(
    base: Path, method: str = "lora", labels: list[str] | None = None, options: ModelOptions = MODEL
) -> Any:
    """A model whose trainable weights have moved, as if it had been trained."""
    from verdict.models.load import load_model
    from verdict.training.adaptation import make_trainable

    torch.manual_seed(7)
    model = make_trainable(
        load_model(base, options, "cpu", labels=labels),
        TRAIN.model_copy(update={"method": method}),
        LORA,
    )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.02 * torch.randn_like(parameter)
    return model.eval()


def origin(tiny: Tiny, labels: list[str] | None) -> dict[str, Any]:
    from verdict.models.provenance import describe_origin

    return describe_origin(
        base_name="owner/model",
        base_revision="0123abcd",
        digests={
            "models/base": sha256_of_tree(tiny.base),
            "data/chat/train.jsonl": sha256_of(tiny.chat / "train.jsonl"),
            "data/records": sha256_of_tree(tiny.records),
        },
        labels=labels,
        parameters={"lora": {"r": 16}},
    )


def save(tiny: Tiny, folder: Path, model: Any, labels: list[str] | None, dtype: Any = None) -> Path:
    from verdict.models.load import load_processor
    from verdict.training.results import save_adapter

    save_adapter(
        folder, model, load_processor(tiny.base), origin(tiny, labels), dtype or torch.float32
    )
    return folder


def load(tiny: Tiny, adapter: Path, options: ModelOptions = MODEL) -> Any:
    from verdict.answers.inference import load_for_inference

    return load_for_inference(tiny.base, adapter, options, "cpu")


def logits(tiny: Tiny, model: Any, processor: Any) -> Any:
    from verdict.answers.batches import batches

    batch = next(batches(processor, tiny.conversations, tiny.images, 4, "cpu"))
    with torch.no_grad():
        return model(**batch.inputs).logits


def predict(tiny: Tiny, loaded: Any, batch_size: int = 8) -> Any:
    return ask_tiny(tiny, loaded, name="tuned", batch_size=batch_size)


def asked(text: Tiny, loaded: Any) -> list[dict[str, Any]]:
    """Return a row for each of a text model's answers."""
    return ask_tiny(text, loaded, max_new_tokens=16).table.to_pylist()


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads(path.read_text())
    change(content)
    write_json(path, content)
