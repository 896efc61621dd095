"""Let DVC see what an address on this machine stands for: ``fetch.local`` must hold all of it.

DVC takes one path there, so the stage depends on that and runs again when anything in it is edited.
"""

import glob
import os
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.params.data import Fetch
from verdict.sources.addresses import local_path, scheme_of

#: What ``fetch.local`` names where nothing is local: what the stage depends on anyway.
NOTHING = "stages/fetch.py"


def check_local(options: Fetch, raw: Path) -> None:
    """Refuse addresses on this machine whose edits DVC would not see.

    Args:
        options: where the raw data come from; not the synthetic archive.
        raw: the folder that they are brought to, which ``fetch.local`` must not hold.

    Raises:
        VerdictError: an address is outside of ``fetch.local``, or that holds ``raw``, too.
    """
    meant = {
        key: _meant(file.address)
        for key, file in options.files.items()
        if scheme_of(file.address) == "file"
    }
    if not meant:
        return
    outside = [key for key, path in meant.items() if not _holds(Path(options.local), path)]
    if not outside and not _holds(Path(options.local), raw):
        return
    why = (
        f"fetch.files.{outside[0]}.address is outside of it"
        if outside
        else f"it holds {raw}, which the stage writes"
    )
    common = Path(os.path.commonpath([path.absolute() for path in meant.values()]))
    remedy = (
        "Put the files, or links to them, into a folder of their own, and name that in all of them"
        if _holds(common, raw)
        else f"Set it to the file or folder that holds all local addresses: {common}"
    )
    raise VerdictError(
        f"params.yaml: fetch.local is {options.local}, and {why}. DVC looks there whether local "
        f"data were edited. {remedy}."
    )


def check_there(options: Fetch, above: str = "") -> None:
    """Refuse local data that are not here, of which DVC would say no more than that.

    Args:
        above: the keys that ``fetch`` is in: ``outside.NAME.``, or none.

    Raises:
        VerdictError: ``fetch.local`` names nothing.
    """
    if options.source == "files" and not Path(options.local).exists():
        raise VerdictError(
            f"params.yaml: {above}fetch.local is {options.local}, where nothing lies. Put the data "
            f"there, or name their place in {above}fetch.local and {above}fetch.files.*.address"
        )


def _meant(address: str) -> Path:
    """Return the file or folder that an address means; of a pattern, the folder that it is in."""
    path = local_path(address)
    if path.exists():
        return path
    return next(place for place in (path, *path.parents) if not glob.has_magic(str(place)))


def _holds(folder: Path, path: Path) -> bool:
    """Say whether a path is, or lies in, a folder: as written, or where links lead."""
    return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder)) or (
        path.resolve().is_relative_to(folder.resolve())
    )
