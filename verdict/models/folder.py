"""A model's folder on disk: its tokenizer, and what is wrong where something does not load.

Of a damaged file the libraries raise whatever they happen to; here it gets a name.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from verdict.core.errors import VerdictError, first_line

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


def require_folder(folder: Path) -> None:
    """Raise a VerdictError unless the folder is there."""
    if not folder.is_dir():
        raise VerdictError(f"{folder} is not here; run `dvc repro` or `dvc pull` first")


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer alone, which takes a third of the time of a whole processor.

    Raises:
        VerdictError: the folder is missing or damaged.
    """
    require_folder(folder)
    with damage_explained(folder), without_code(folder):
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


@contextmanager
def without_code(folder: Path) -> Iterator[None]:
    """Say of a folder that wants its own Python code run that it is refused.

    Raises:
        VerdictError: instead of transformers' advice to let it.
    """
    try:
        yield
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise VerdictError(
            f"{folder} holds Python code that would have to run to load it, and none is ever run "
            "from a model's folder; choose a model that transformers knows"
        ) from None


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
