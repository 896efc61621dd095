"""What a former recipe left in data/predictions and metrics for models that no one asks any more.

``compare`` depends on the whole folder of predictions, so DVC would hash what lies there beside
this recipe's own.
"""

import hashlib
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.core.paths import LOCK_FILE, METRICS, PLOTS, PREDICTIONS, VALIDATION_PREDICTIONS
from verdict.core.yaml12 import load_yaml
from verdict.predictions.origin import NOT_AS_WRITTEN

#: The stages that write predictions.
_STAGES = ("evaluate@", "baseline@")


@dataclass(frozen=True)
class Leftover:
    """A file that can be brought back; ``committed``: from git, too."""

    path: Path
    committed: bool


def leftovers(evaluated: Collection[str], recipe: str) -> list[Leftover]:
    """Return the files of models other than ``evaluated``: predictions, metrics and plots.

    Raises:
        VerdictError: one of them is neither what dvc.lock records nor what git has, so that
            removing it would lose it.
    """
    locked = _locked()
    found = []
    for path in sorted(_files_of_others(evaluated, locked)):
        committed = _committed(path)
        with path.open("rb") as file:
            known = hashlib.file_digest(file, "md5").hexdigest() == locked.get(path)
        if not known and not committed:
            raise VerdictError(
                f"{path} belongs to a model that {recipe} does not evaluate, but it is not what "
                f"{LOCK_FILE} records, so it could not be brought back. Finish that run "
                "(`dvc repro`), or move the file away; then switch again. Nothing was changed."
            )
        found.append(Leftover(path, committed))
    return found


def _files_of_others(evaluated: Collection[str], locked: dict[Path, str]) -> set[Path]:
    others = {path.stem for path in PREDICTIONS.glob("*.parquet")}
    others |= {path.stem.removeprefix("confusion_") for path in PLOTS.glob("confusion_*.csv")}
    others |= {path.stem for path in locked if path.parent == PREDICTIONS}
    return {
        path
        for name in others - set(evaluated)
        for path in (
            PREDICTIONS / f"{name}.parquet",
            VALIDATION_PREDICTIONS / f"{name}.parquet",
            METRICS / f"{name}.json",
            PLOTS / f"confusion_{name}.csv",
            PLOTS / f"roc_{name}.csv",
        )
        if path.exists()
    }


def _locked() -> dict[Path, str]:
    """Return the MD5 of each file that an evaluation wrote, as dvc.lock records it."""
    if not LOCK_FILE.exists():
        return {}
    try:
        stages = load_yaml(LOCK_FILE.read_bytes(), LOCK_FILE).get("stages", {})
        return {
            Path(out["path"]): out.get("md5", "")
            for name, stage in stages.items()
            if name.startswith(_STAGES)
            for out in stage.get("outs", [])
        }
    except NOT_AS_WRITTEN as error:
        raise VerdictError(
            f"{LOCK_FILE} is not as DVC writes it ({type(error).__name__}): `git checkout "
            f"{LOCK_FILE}`, or `dvc repro`. Nothing was changed."
        ) from None


def _committed(path: Path) -> bool:
    """Say whether the last commit has this file with this content."""
    try:
        shown = subprocess.run(["git", "show", f"HEAD:./{path.as_posix()}"], capture_output=True)
    except FileNotFoundError:
        return False
    return shown.returncode == 0 and shown.stdout == path.read_bytes()
