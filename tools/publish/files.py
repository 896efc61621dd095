"""What is published, and when: a list of names, so that nothing else can slip in.

Only of a project that is committed, up to date, and whose numbers are those that it predicts.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.core.paths import ADAPTER, CARD, EXTRACT_METRICS, PREFLIGHT_METRICS, SPLIT_METRICS
from verify.clone import checked_out, dvc, refuse_uncommitted
from verify.findings import some
from verify.pipeline import Pipeline
from verify.signature import claimed
from verify.statement import compare_tree
from verify.verification import verify

#: What a verification leaves, if there was one.
VERIFICATION, SIGNATURE = "verification.json", "verification.sig"

#: What goes along because the base model's terms ask for it: a file, and a folder.
NOTICE, TERMS = "NOTICE", "terms"

#: What says that an adapter was trained here, and from what.
_PROVENANCE = "provenance.json"
#: What peft and transformers write for an adapter or a whole model with its processor.
WEIGHTS = (
    "adapter_config.json",
    "adapter_model.safetensors",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9].safetensors",
    "model.safetensors.index.json",
    _PROVENANCE,
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
#: Numbers beside which answers of training records stand word by word, images that were rejected,
#: or the patients, slides and entities that published splits divide.
_QUOTES_DATA = {path.name for path in (EXTRACT_METRICS, PREFLIGHT_METRICS, SPLIT_METRICS)}
#: What a repository may hold before its first publication: what the hub makes, and a word or two.
_BEFORE = (".gitattributes", ".gitignore", "LICENSE*", "README.md")


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
            none of its own, or a verification is about another commit or other files, or signed by
            nobody.
    """
    if not (root / CARD).is_file():
        raise VerdictError(f"{CARD}, the model card, is not here: `dvc repro report` writes it")
    return [
        Published(root / CARD, "README.md"),
        *_adapter(root),
        *(Published(root / path, path) for path in _metrics(root)),
        *_verification(root, commit),
    ]


def removed(repository: str, listed: Sequence[str], files: Sequence[Published]) -> list[str]:
    """Return which files of an earlier publication this one has not, so that no models are mixed.

    Args:
        listed: what the repository holds.

    Raises:
        VerdictError: it holds something else than an earlier publication.
    """
    if _PROVENANCE not in listed:
        foreign = [n for n in listed if not any(fnmatchcase(n, one) for one in _BEFORE)]
        if foreign:
            raise VerdictError(
                f"{repository} holds another model, which was not published from here "
                f"({some(foreign)}): choose another name"
            )
        return []
    sent = {file.name for file in files}
    return sorted(name for name in listed if _publishable(name) and name not in sent)


def _publishable(name: str) -> bool:
    """Say whether a file of the hub's repository may be an earlier publication's."""
    return (
        any(fnmatchcase(name, pattern) for pattern in (*WEIGHTS, *PROCESSOR))
        or name in ("README.md", NOTICE, VERIFICATION, SIGNATURE)
        or fnmatchcase(name, "metrics/*.json")
        or fnmatchcase(name, f"{TERMS}/*")
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
        path
        for path in outputs
        if fnmatchcase(path, "metrics/*.json") and Path(path).name not in _QUOTES_DATA
    ]


def _verification(root: Path, commit: str) -> list[Published]:
    found = [name for name in (VERIFICATION, SIGNATURE) if (root / name).is_file()]
    for name in found:
        statement = claimed(root / name) if name == SIGNATURE else None
        about = statement.commit if statement else _verified_commit(root / name)
        if about != commit:
            raise VerdictError(
                f"{name} is not about the commit that is to be published: run verify again, "
                "or move the file away"
            )
        if statement and (wrong := compare_tree(root, statement).wrong):
            raise VerdictError(
                f"{name} is about other files than those here ({some(wrong)}): sign again, or move "
                "the file away"
            )
    return [Published(root / name, name) for name in found]


def _verified_commit(path: Path) -> str:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found["commit"] if found["holds"] else ""
    except (ValueError, TypeError, LookupError):
        return ""


def clean_commit(root: Path) -> str:
    """Return the checked-out commit, of which everything is as committed and up to date.

    Raises:
        VerdictError: something is edited, or `dvc status` is not clean or cannot be asked.
    """
    refuse_uncommitted(root)
    status = json.loads(dvc(root, "status", "--json"))
    if status:
        raise VerdictError(
            f"`dvc status` is not clean: {some(sorted(status))} would run again or lacks files. "
            "`dvc pull` fetches what is missing, `dvc repro` runs what changed"
        )
    return checked_out(root)


def check_numbers(root: Path, say: Callable[[str], None]) -> str:
    """Compute metrics, figures and verdict again from the predictions, as verify does.

    Returns:
        What was found, in one sentence.

    Raises:
        VerdictError: something is different.
    """
    result = verify(root, minutes=0, train=False, keep=False, say=say)
    if not result.holds:
        raise VerdictError(f"{result.sentence.rstrip('.')}. `python -m verify` says what and why")
    return result.sentence
