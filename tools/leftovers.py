"""What a former recipe left in data/predictions and metrics for models that no one asks any more.

``compare`` depends on the whole folder of predictions, so DVC would hash what lies there beside
this recipe's own.
"""

import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.core.paths import (
    LOCK_FILE,
    METRICS,
    OUTSIDE_PREDICTIONS,
    PLOTS,
    PREDICTIONS,
    VALIDATION_PREDICTIONS,
)
from verdict.core.yaml12 import load_yaml
from verdict.predictions.origin import NOT_AS_WRITTEN
from verify.pipeline import Digester

#: The stages that write predictions.
_STAGES = ("evaluate@", "baseline@", "evaluate_outside@")


@dataclass(frozen=True)
class Leftover:
    """A file, or a set's folder, that can be brought back; ``committed``: from git, too."""

    path: Path
    committed: bool

    def remove(self) -> None:
        if self.path.is_dir():
            shutil.rmtree(self.path)
        else:
            self.path.unlink()


def leftovers(
    evaluated: Collection[str], recipe: str, sets: Collection[str] = ()
) -> list[Leftover]:
    """Return the files of models other than ``evaluated``: predictions, metrics and plots.

    And the folders of predictions on test sets from elsewhere other than ``sets``.

    Raises:
        VerdictError: one of them is neither what dvc.lock records nor what git has, so that
            removing it would lose it.
    """
    locked = _locked()
    found = []
    others = {path for path in OUTSIDE_PREDICTIONS.glob("*") if path.name not in sets}
    for path in sorted(_files_of_others(evaluated, locked) | others):
        committed = path.is_file() and _committed(path)
        if not committed and not _as_locked(path, locked):
            what = "set" if path in others else "model"
            raise VerdictError(
                f"{path} belongs to a {what} that {recipe} does not evaluate, but it is not what "
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


def _as_locked(path: Path, locked: dict[Path, str]) -> bool:
    found = Digester()(path)
    return found is not None and found.md5 == locked.get(path)


def _committed(path: Path) -> bool:
    """Say whether the last commit has this file with this content."""
    try:
        shown = subprocess.run(["git", "show", f"HEAD:./{path.as_posix()}"], capture_output=True)
    except FileNotFoundError:
        return False
    return shown.returncode == 0 and shown.stdout == path.read_bytes()
