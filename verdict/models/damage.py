"""Say which file of a model's folder is damaged; its libraries raise whatever they happen to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from verdict.core.errors import VerdictError

#: What json, safetensors, peft and transformers raise for files that are damaged or do not fit.
SIGNS_OF_DAMAGE = (
    OSError,
    ValueError,
    RuntimeError,
    AttributeError,
    LookupError,
    TypeError,
    SafetensorError,
    UserWarning,
)


class DamagedModelError(VerdictError):
    """A model's folder that does not load.

    Attributes:
        folder: the folder.
        problem: its damaged file with what is wrong; where all can be read, what was raised.
    """

    def __init__(self, folder: Path, problem: str):
        super().__init__(
            f"{folder} does not load: {problem}; fetch it again with "
            "`dvc repro --force fetch_model`, or choose another in models"
        )
        self.folder, self.problem = folder, problem


@contextmanager
def damage_explained(folder: Path) -> Iterator[None]:
    """Raise a DamagedModelError where a model or a processor does not load from its folder."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except SIGNS_OF_DAMAGE as error:
        # Memory that runs out on a CPU, and what is wrong with a GPU, are errors of no own kind.
        if any(sign in str(error) for sign in ("memory", "CUDA")):
            raise
        raise DamagedModelError(folder, _damaged_file(folder) or first_line(error)) from error


def first_line(error: BaseException) -> str:
    """Return an error's kind, and its words on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:300]}"


def _damaged_file(folder: Path) -> str | None:
    """Return the first file that is cut, or no such file at all, and in what way."""
    for path in sorted(folder.glob("*.json")):
        try:
            json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            return f"{path.name} is damaged ({first_line(error)})"
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, "pt"):
                pass
        except SafetensorError as error:
            return f"{path.name} is damaged ({first_line(error)})"
    return None
