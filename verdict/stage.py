"""What every stage script does around its own work."""

import logging
import os
import sys
import warnings
from collections.abc import Callable

from verdict.errors import VerdictError
from verdict.params import Params
from verdict.params_file import load_params


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
