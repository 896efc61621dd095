"""What is published: a list of names, so that nothing else can slip in."""

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tools.verify.pipeline import Pipeline
from tools.verify.recorded import some
from tools.verify.signing import claimed_commit
from verdict.errors import VerdictError

ADAPTER = Path("models/adapter")
CARD = Path("metrics/report/model_card.md")
#: What a verification leaves, if there was one.
VERIFICATION, SIGNATURE = "verification.json", "verification.sig"

#: What peft and transformers write for an adapter or a whole model with its processor.
WEIGHTS = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9].safetensors",
    "model.safetensors.index.json",
    "provenance.json",
)
PROCESSOR = (
    "added_tokens.json",
    "additional_chat_templates/*.jinja",
    "chat_template.jinja",
    "merges.txt",
    "preprocessor_config.json",
    "processor_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
#: Numbers that would repeat answers of training records word by word.
_QUOTES_DATA = frozenset({"metrics/preflight.json"})


@dataclass(frozen=True)
class Published:
    """A file, by its path here and its name in the hub's repository."""

    path: Path
    name: str

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size


def collect(root: Path, commit: str) -> list[Published]:
    """Return what is to be published of a project.

    Args:
        commit: the checked-out one; a verification has to be about it.

    Raises:
        VerdictError: the card or the adapter is not here, a file lies beside the adapter that is
            none of its own, or a verification is about another commit.
    """
    if not (root / CARD).is_file():
        raise VerdictError(f"{CARD}, the model card, is not here: `dvc repro report` writes it")
    return [
        Published(root / CARD, "README.md"),
        *_adapter(root),
        *(Published(root / path, path) for path in _metrics(root)),
        *_verification(root, commit),
    ]


def publishable(name: str) -> bool:
    """Say whether a file of the hub's repository may be an earlier publication's."""
    return (
        any(fnmatchcase(name, pattern) for pattern in (*WEIGHTS, *PROCESSOR))
        or name in ("README.md", VERIFICATION, SIGNATURE)
        or fnmatchcase(name, "metrics/*.json")
    )


def _adapter(root: Path) -> list[Published]:
    folder = root / ADAPTER
    found = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    names = [path.relative_to(folder).as_posix() for path in found]
    if not any(name.endswith(".safetensors") for name in names):
        raise VerdictError(f"{ADAPTER} holds no weights: `dvc pull {ADAPTER}` or `dvc repro`")
    foreign = [
        f"{ADAPTER}/{name}"
        for name in names
        if not any(fnmatchcase(name, pattern) for pattern in (*WEIGHTS, *PROCESSOR))
    ]
    if foreign:
        raise VerdictError(
            f"{some(foreign)} is no part of an adapter or its processor, and nothing was sent: "
            "take it away"
        )
    return [Published(path, name) for path, name in zip(found, names, strict=True)]


def _metrics(root: Path) -> list[str]:
    outputs = sorted(path for stage in Pipeline(root).stages for path in stage.outs)
    return [
        path for path in outputs if fnmatchcase(path, "metrics/*.json") and path not in _QUOTES_DATA
    ]


def _verification(root: Path, commit: str) -> list[Published]:
    found = [name for name in (VERIFICATION, SIGNATURE) if (root / name).is_file()]
    for name in found:
        about = (
            claimed_commit(root / name)
            if name == SIGNATURE
            else _verified_commit(root / VERIFICATION)
        )
        if about != commit:
            raise VerdictError(
                f"{name} is not about the commit that is to be published: run tools.verify again, "
                "or move the file away"
            )
    return [Published(root / name, name) for name in found]


def _verified_commit(path: Path) -> str:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found["commit"] if found["holds"] else ""
    except (ValueError, TypeError, LookupError):
        return ""
