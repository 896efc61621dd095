"""What an evaluation has finished, batch by batch, so that a killed one need not begin again.

The parts lie in ``.checkpoints/evaluate/<key>/<split>/``. The key is a hash of everything that
decides the answers, so that another adapter, question or precision never resumes from them. Each
part begins with the SHA-256 of its content: one that was cut off, or changed, is not used.
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from verdict.core.errors import VerdictError
from verdict.core.files import replacing, sha256_of, sha256_of_tree
from verdict.core.kept import digests_of_sources, folder_of

#: The packages that decide what a model answers, and how images reach it.
_PACKAGES = ("torch", "transformers", "peft", "tokenizers", "numpy", "pillow", "jinja2")
#: The folders of our own code that do.
_SOURCES = ("answers", "conversations.py", "models", "records")


def folder_for(paths: Sequence[Path], settings: Mapping[str, Any]) -> Path:
    """Return the folder of the evaluation that these files and settings decide.

    Args:
        paths: files and folders of the model, the adapter, the conversations and the records.
        settings: all else that decides the answers, as JSON.
    """
    decisive = {
        "files": {path.as_posix(): _digest(path) for path in paths},
        "settings": settings,
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "sources": digests_of_sources(*_SOURCES),
    }
    return folder_of("evaluate", decisive)


class Parts:
    """The finished batches of one split, in a folder of their own."""

    def __init__(self, folder: Path):
        self._folder = folder

    def read(self, batches: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
        """Return the contents of the first batches up to one that is missing or cannot be used.

        Args:
            batches: the ids of the records of each batch, as they are planned now.
        """
        contents = []
        for number, ids in enumerate(batches):
            content = _read(self._path(number))
            if content is None or content["ids"] != list(ids):
                break
            contents.append(content)
        return contents

    def write(self, number: int, ids: Sequence[str], content: Mapping[str, Any]) -> None:
        """Keep what came of a batch (JSON, in which numbers stay as they are to the last bit)."""
        text = json.dumps({"ids": list(ids), **content}, ensure_ascii=False, allow_nan=False)
        seal = hashlib.sha256(text.encode()).hexdigest()
        with replacing(self._path(number)) as partial:
            partial.write_text(f"{seal}\n{text}", encoding="utf-8", newline="")

    def _path(self, number: int) -> Path:
        return self._folder / f"part-{number:06d}.json"


def _read(path: Path) -> dict[str, Any] | None:
    """Return a part's content; None where there is none, or its seal does not hold."""
    try:
        seal, _, text = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    if hashlib.sha256(text).hexdigest().encode() != seal:
        return None
    return json.loads(text)


def _digest(path: Path) -> str:
    if not path.exists():
        raise VerdictError(f"{path} is not here; run `dvc repro` or `dvc pull` first")
    return sha256_of_tree(path) if path.is_dir() else sha256_of(path)
