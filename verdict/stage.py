"""What every stage script does around its own work."""

import sys
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
    try:
        work(load_params(stage))
    except VerdictError as error:
        sys.exit(f"\n{stage}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"\n{stage}: interrupted; nothing was replaced")
