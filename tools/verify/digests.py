"""DVC's hashes of files and folders, computed from the bytes themselves.

DVC remembers hashes by size and time of change; here every byte is read, since a file may have been
changed in a way that leaves both as they were.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

#: What .dvcignore leaves out of folders of code.
_IGNORED = ("__pycache__", ".pyc")
_NAMED = 3  # files


@dataclass(frozen=True)
class Digest:
    """The MD5 that dvc.lock writes for a path; of a folder also those of its files, by name."""

    md5: str
    files: dict[str, str] | None = None


class Digester:
    """Computes digests; bytes that several links share are read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], str] = {}

    def __call__(self, path: Path) -> Digest | None:
        """Return the digest of a file or folder; None where there is neither."""
        if path.is_dir():
            files = {
                file.relative_to(path).as_posix(): self._file(file)
                for file in sorted(path.rglob("*"))
                if file.is_file() and not ignored(file)
            }
            return Digest(digest_of_listing(files), files)
        return Digest(self._file(path)) if path.is_file() else None

    def _file(self, path: Path) -> str:
        status = path.stat()
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if key not in self._known:
            with path.open("rb") as file:
                self._known[key] = hashlib.file_digest(file, "md5").hexdigest()
        return self._known[key]


def ignored(path: Path) -> bool:
    """Say whether a file counts as no part of the folder that it is in."""
    return any(part.endswith(_IGNORED) for part in path.parts)


def digest_of_listing(files: dict[str, str]) -> str:
    """Return DVC's MD5 of a folder from those of its files, by their names relative to it."""
    # As DVC writes a folder's `.dir` file: keys and files sorted, non-ASCII letters escaped.
    listing = [{"md5": files[name], "relpath": name} for name in sorted(files)]
    text = json.dumps(listing)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"


def changes(files: dict[str, str], recorded: dict[str, str] | None) -> str:
    """Name the files of a folder that are not as recorded; nothing without a record of them."""
    if recorded is None:
        return ""
    changed = [name for name in files if recorded.get(name, files[name]) != files[name]]
    parts = (
        ("", changed),
        ("missing ", [name for name in recorded if name not in files]),
        ("added ", [name for name in files if name not in recorded]),
    )
    return "; ".join(
        word + ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if rest else "")
        for word, names in parts
        if names
        for rest in [names[_NAMED:]]
    )
