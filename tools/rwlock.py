"""Remove DVC's file of locks where a kill or a full disk has left it cut.

DVC reads ``.dvc/tmp/rwlock`` before every stage, and ends while it cannot; it never removes it.
"""

import json
from pathlib import Path

import psutil
from dvc.lock import LockError, make_lock

from verdict.core.errors import VerdictError

_FILE = Path(".dvc/tmp/rwlock")


def remove_cut() -> str | None:
    """Remove a cut ``.dvc/tmp/rwlock``, and say so; ``None`` if there is none, or a whole one.

    While DVC runs, it stays: what it held would keep another one away from that one's outputs.

    Raises:
        VerdictError: DVC runs in this project, or another program holds the file.
    """
    if _whole():
        return None
    if (process := _running()) is not None:
        raise VerdictError(
            f"{_FILE} is cut (by a kill or a full disk), and DVC runs here as process {process}. "
            "Wait until that has ended, or end it; then try again."
        )
    try:
        # DVC writes the file under this lock: it might only be half written yet.
        with make_lock(f"{_FILE}.lock"):
            if _whole():
                return None
            _FILE.unlink()
    except LockError:
        raise VerdictError(
            f"{_FILE} is cut (by a kill or a full disk), and another program holds {_FILE}.lock. "
            "End that one, and try again."
        ) from None
    return f"Removed {_FILE}, in which DVC keeps its locks: a kill or a full disk had cut it."


def _whole() -> bool:
    try:
        json.loads(_FILE.read_bytes())
    except FileNotFoundError:
        return True
    except ValueError:  # also where a character is cut
        return False
    return True


def _running() -> int | None:
    """Return the number of a process of DVC in this project, of which there may be none."""
    here = Path.cwd()
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words, folder = process.info["cmdline"] or (), process.info["cwd"]
        # As `dvc …`, `python …/bin/dvc …` or `python -m dvc …`.
        called = any(Path(word).name == "dvc" for word in words[:4])
        if called and folder and Path(folder).is_relative_to(here):
            return process.pid
    return None
