"""How quickly a model answered; no output of its stage has it, since no two runs agree on it."""

import json
from pathlib import Path

from verdict.core.files import sha256_of, write_json
from verdict.core.project import project_root

#: In the project's folder; not in git.
FOLDER = Path(".tracking/throughput")


def keep_throughput(predictions: Path, records_per_second: float) -> None:
    """Keep, for the trackers, how quickly the records of a file of predictions were answered."""
    path = _path(predictions)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"records_per_second": records_per_second})


def throughput_of(predictions: Path) -> float | None:
    """Return the records a second; None where these predictions were not made on this machine."""
    try:
        return json.loads(_path(predictions).read_text("utf-8"))["records_per_second"]
    except FileNotFoundError:
        return None


def _path(predictions: Path) -> Path:
    return project_root() / FOLDER / f"{sha256_of(predictions)}.json"
