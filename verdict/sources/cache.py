"""What DVC's cache has already is not downloaded again, whatever made the stage run."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from verdict.core.files import sha256_of


def from_cache(name: str, sha256: str, folder: Path) -> Path | None:
    """Copy a file out of DVC's cache, if it was ever in an output under this name.

    DVC names what it keeps by MD5, in listings of folders, so every file of that name is read.

    Args:
        name: the file's own name.
        sha256: the SHA-256 that it must have, in hexadecimal.
        folder: where the copy is put; it is made if it is not there.

    Returns:
        The copy; None where the cache does not have the file.
    """
    objects = _cache() / "files" / "md5"
    for md5 in sorted(set(_digests(objects, name))):
        path = objects / md5[:2] / md5[2:]
        if path.is_file() and sha256_of(path) == sha256.lower():
            folder.mkdir(parents=True, exist_ok=True)
            copy = folder / f"{sha256}.cached"
            shutil.copyfile(path, copy)
            print(f"{name} was here already, in DVC's cache", flush=True)
            return copy
    return None


def _cache() -> Path:
    """Return DVC's cache; a folder that is not there where this is no project of DVC's."""
    if not Path(".dvc").is_dir():
        return Path(".dvc/cache")
    told = subprocess.run(["dvc", "cache", "dir"], capture_output=True, text=True, check=False)
    return Path(told.stdout.strip() or ".dvc/cache")


def _digests(objects: Path, name: str) -> Iterator[str]:
    """Yield the MD5 of each file of this name in a folder that the cache knows."""
    for listing in objects.glob("*/*.dir"):
        try:
            entries = json.loads(listing.read_bytes())
            yield from (e["md5"] for e in entries if Path(e["relpath"]).name == name)
        except (OSError, ValueError, LookupError, TypeError):
            continue  # a listing that is damaged says nothing; DVC will tell
