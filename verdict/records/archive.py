"""Where a raw archive keeps its images: the members of a ZIP, or a column of Parquet files.

The archive was made by somebody else, and nothing in it is trusted.
"""

import functools
import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from verdict.errors import VerdictError
from verdict.files import sha256_of

#: Largest uncompressed size of one member; a dermoscopic JPEG has about 1 MB, a PNG slide 30 MB.
MAX_MEMBER_BYTES = 512 * 2**20
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}


class Reader(Protocol):
    """Reads images of an open archive."""

    def read(self, key: str) -> bytes:
        """Return an image's encoded bytes.

        Raises:
            ValueError: there are none, or they are damaged.
        """


class ImageSource(Protocol):
    """An archive of images, each with a key; it is passed to other processes, so it is small.

    Attributes:
        path: what messages call it.
    """

    @property
    def path(self) -> Path: ...

    def image_keys(self) -> Sequence[str]:
        """Return the keys of all images.

        Raises:
            VerdictError: the archive is missing, damaged or without images.
        """

    def open(self) -> AbstractContextManager[Reader]:
        """Open the archive for reading in this process."""

    def digest(self) -> str:
        """Return a SHA-256 that another image, anywhere in the archive, changes."""


@dataclass(frozen=True)
class ZipImages:
    """The images of a ZIP archive; an image's key is its file name without folder and suffix."""

    path: Path

    def image_keys(self) -> list[str]:
        """Return the keys.

        Raises:
            VerdictError: no such file, no ZIP, no images in it, two members with one key, or a
                member whose name leaves the archive.
        """
        return list(image_members(self.path))

    @contextmanager
    def open(self) -> Iterator["_ZipReader"]:
        members = image_members(self.path)
        with zipfile.ZipFile(self.path) as archive:
            yield _ZipReader(archive, members)

    def digest(self) -> str:
        """As in ``ImageSource``: of the members' names, sizes and checksums, not their bytes."""
        members = [(info.filename, info.file_size, info.CRC) for info in _directory(self.path)]
        return hashlib.sha256(repr(members).encode()).hexdigest()


class _ZipReader:
    def __init__(self, archive: zipfile.ZipFile, members: dict[str, str]):
        self._archive, self._members = archive, members

    def read(self, key: str) -> bytes:
        return read_member(self._archive, self._members[key])


@dataclass(frozen=True)
class ParquetImages:
    """The images of Parquet files as the hub has them: a column of ``{bytes, path}``.

    An image's key is ``NAME:ROW``: the file's name without suffix, and its row from 0.
    """

    path: Path
    files: tuple[Path, ...]
    column: str

    def image_keys(self) -> list[str]:
        return [
            parquet_key(file, row)
            for file in self.files
            for row in range(pq.ParquetFile(file).metadata.num_rows)
        ]

    @contextmanager
    def open(self) -> Iterator["_ParquetReader"]:
        yield _ParquetReader(self.files, self.column)

    def digest(self) -> str:
        digests = [(file.name, sha256_of(file)) for file in self.files]
        return hashlib.sha256(repr((digests, self.column)).encode()).hexdigest()


def parquet_key(file: Path, row: int) -> str:
    """Return the key of an image in ``ParquetImages``."""
    return f"{file.stem}:{row}"


class _ParquetReader:
    """Keeps the row group that was read last: neighbouring rows are asked for one after another."""

    def __init__(self, files: Sequence[Path], column: str):
        self._files = {file.stem: pq.ParquetFile(file) for file in files}
        self._column = column
        self._group = functools.lru_cache(maxsize=1)(self._read_group)
        self._starts: dict[str, list[int]] = {}
        for name, file in self._files.items():
            starts = [0]
            for group in range(file.num_row_groups):
                starts.append(starts[-1] + file.metadata.row_group(group).num_rows)
            self._starts[name] = starts

    def read(self, key: str) -> bytes:
        name, _, row = key.rpartition(":")
        starts = self._starts[name]
        group = next(i for i, end in enumerate(starts[1:]) if int(row) < end)
        value = self._group(name, group)[int(row) - starts[group]].as_py()
        data = value["bytes"] if isinstance(value, dict) else value
        if not data:
            raise ValueError(f"holds no image in the column {self._column}")
        return data

    def _read_group(self, name: str, group: int) -> pa.ChunkedArray:
        return self._files[name].read_row_group(group, columns=[self._column])[self._column]


def image_members(path: Path) -> dict[str, str]:
    """Return the archive's image members by their key (the file name without folder and suffix).

    Raises:
        VerdictError: no such file, no ZIP, no images in it, two members with one key, or a member
            whose name leaves the archive.
    """
    found: dict[str, str] = {}
    for info in _directory(path):
        if info.is_dir():
            continue
        name = PurePosixPath(info.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts:
            raise VerdictError(f"{path}: member {info.filename!r} points outside the archive")
        if name.suffix.lower() not in IMAGE_SUFFIXES or name.name.startswith("."):
            continue
        if name.stem in found:
            raise VerdictError(
                f"{path}: {info.filename!r} and {found[name.stem]!r} have the same id {name.stem}"
            )
        found[name.stem] = info.filename
    if not found:
        raise VerdictError(
            f"{path} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))}); "
            "is it the right archive?"
        )
    return found


def _directory(path: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.infolist()
    except FileNotFoundError:
        raise VerdictError(f"{path} is missing; run `dvc repro fetch` again") from None
    except zipfile.BadZipFile as error:
        raise VerdictError(
            f"{path} is not a complete ZIP archive ({error}); fetch it again, and give its sha256 "
            "in fetch.files so that a damaged download is noticed at once"
        ) from None


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a member's bytes; its checksum is verified.

    Raises:
        ValueError: the member is damaged, encrypted, or larger than it declares or than allowed.
    """
    declared = archive.getinfo(name).file_size
    if declared > MAX_MEMBER_BYTES:
        raise ValueError(f"declares {declared:,} bytes, more than {MAX_MEMBER_BYTES:,}")
    try:
        with archive.open(name) as member:
            data = member.read(declared + 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise ValueError(str(error)) from None
    if len(data) != declared:
        raise ValueError(f"declares {declared:,} bytes but holds another number")
    return data
