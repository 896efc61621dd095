"""What every stage script does around its own work."""

import errno
import logging
import os
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.params import Params
from verdict.pipeline.definition import load_params

#: What the system refuses a file for, and what helps.
_REFUSALS = {
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some space there, or ask for a larger quota",
    errno.EFBIG: "raise the limit of a file's size (`ulimit -f`)",
    errno.EROFS: "mount it so that it can be written, or move the project to where it can",
    errno.EACCES: "give yourself the right to read and write there (`chmod`, `chown`)",
    errno.EPERM: "give yourself the right to read and write there (`chmod`, `chown`)",
    errno.ENAMETOOLONG: "give it a name of at most 255 bytes",
}


def run(stage: str, work: Callable[[Params], None]) -> None:
    """Load the stage's parameters and do its work; a user's problem ends as one message.

    Args:
        stage: the stage's name in dvc.yaml, with its key for a ``foreach`` one.
        work: gets the parameters that dvc.yaml lists for the stage.
    """
    quieten_libraries()
    try:
        work(load_params(stage))
    except VerdictError as error:
        sys.exit(f"\n{stage}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"\n{stage}: interrupted; nothing was replaced")
    except Exception as error:
        if problem := storage_problem(error):
            sys.exit(f"\n{stage}: {problem} and run `dvc repro` again; nothing was replaced")
        raise


def storage_problem(error: BaseException | None) -> str | None:
    """Return what is wrong with a disk or a folder, and what to do, if an error comes of that.

    Some libraries raise an error of their own, which tells the system's in its text, or from it.
    """
    while error is not None:
        number = getattr(error, "errno", None)
        if "No space left on device" in str(error):
            number = errno.ENOSPC
        if number in _REFUSALS:
            named = getattr(error, "filename", None)
            place = Path(os.fsdecode(named) if isinstance(named, str | bytes) else "").absolute()
            there = next(path for path in (place, *place.parents) if os.path.exists(path))
            free = shutil.disk_usage(there).free / 1e6
            return (
                f"{place}: {os.strerror(number)} ({free:,.0f} MB are free on its disk now); "
                f"{_REFUSALS[number]}"
            )
        error = error.__cause__ or error.__context__
    return None


def key_of(stage: str) -> str:
    """Return the key of one of a ``foreach``'s stages: of ``evaluate@tuned``, or just ``tuned``.

    DVC gives a stage's name in ``$DVC_STAGE``, which dvc.yaml passes on in quotes: a key in the
    command itself would be read by a shell.
    """
    return stage.rpartition("@")[2]


def quieten_libraries() -> None:
    """Hide what the pinned libraries say about one another, which no user can act on."""
    if not sys.stderr.isatty():
        # Their bars are made for terminals; in a log they are noise.
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    for library in ("transformers", "peft", "trl"):
        warnings.filterwarnings("ignore", category=FutureWarning, module=library)
    # It looks for an optional package of CPU kernels, and works without.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    # Checkpoints of a tiny model are written within a second of one another; the order that it
    # then falls back to is the right one.
    logging.getLogger("transformers.trainer_utils").setLevel(logging.ERROR)
