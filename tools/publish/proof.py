"""Whether a project may be published: committed, up to date, and its numbers those it predicts."""

import json
from collections.abc import Callable
from pathlib import Path

from tools.verify.copying import dvc, git, uncommitted
from tools.verify.recorded import some
from tools.verify.verification import verify
from verdict.core.errors import VerdictError


def clean_commit(root: Path) -> str:
    """Return the checked-out commit, of which everything is as committed and up to date.

    Raises:
        VerdictError: something is edited, or `dvc status` is not clean or cannot be asked.
    """
    changes = [path for _, path in uncommitted(root)]
    if changes:
        raise VerdictError(
            f"{some(changes)} is not as committed (`git status`): commit it, or take it away"
        )
    status = json.loads(dvc(root, "status", "--json"))
    if status:
        raise VerdictError(
            f"`dvc status` is not clean: {some(sorted(status))} would run again or lacks files. "
            "`dvc pull` fetches what is missing, `dvc repro` runs what changed"
        )
    return git(root, "rev-parse", "HEAD").strip()


def check_numbers(root: Path, say: Callable[[str], None]) -> str:
    """Compute metrics, figures and verdict again from the predictions, as tools.verify does.

    Returns:
        What was found, in one sentence.

    Raises:
        VerdictError: something is different.
    """
    result = verify(root, minutes=0, train=False, keep=False, say=say)
    if not result.holds:
        raise VerdictError(
            f"{result.sentence.rstrip('.')}. `python -m tools.verify` says what and why"
        )
    return result.sentence
