"""Where a raw archive keeps its images: the members of a ZIP (or Parquet: ``parquet_images``).

The archive was made by somebody else, and nothing in it is trusted.
"""

import functools
import hashlib
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from verdict.core.errors import VerdictError
from verdict.records.image_files import EXPECTED, image_name

#: Largest uncompressed size of one member; a dermoscopic JPEG has about 1 MB, a PNG slide 30 MB.
MAX_MEMBER_BYTES = 512 * 2**20


class Reader(Protocol):
    """Reads images of an open archive."""

    def read(self, place: Any) -> bytes:
        """Return the encoded bytes of the image at a place of ``ImageSource.places``.

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

    def places(self) -> Mapping[str, Any]:
        """Return where each image is, by its key: whoever knows it need not look for the others.

        Raises:
            VerdictError: the archive is missing, damaged or without images.
        """

    def open(self) -> AbstractContextManager[Reader]:
        """Open the archive for reading in this process."""

    def digest(self) -> str:
        """Return a SHA-256 that another image, anywhere in the archive, changes."""


#: Of a member: where its header is, its compressed and its own size, CRC, method and flags.
_PLACE = struct.Struct("<QQQIHH")
_ENCRYPTED = 1  # the flag, by the ZIP format's specification (APPNOTE 4.4.4)
#: What zipfile raises for damaged archives: names that are not UTF-8 though they are said to be,
#: versions it does not know, offsets that no file has, and what its decompressors raise.
DAMAGE = (
    zipfile.BadZipFile,
    NotImplementedError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    ValueError,
    OverflowError,
)
#: A position that a file can have; beyond it, seeking fails.
_LARGEST_OFFSET = 2**63 - 1


@dataclass(frozen=True)
class ZipImages:
    """The images of a ZIP archive; an image's key is its file name without folder and suffix."""

    path: Path

    def places(self) -> dict[str, bytes]:
        """As in ``ImageSource``; a place is packed: of a million members it is 0.1 GB.

        Raises:
            VerdictError: no such file, no ZIP, no images in it, two members with one key, or a
                member whose name leaves the archive.
        """
        found: dict[str, bytes] = {}
        with _opened(self.path, zipfile.ZipFile) as archive:
            for info in archive.infolist():
                if info.filename.endswith("/"):  # `is_dir` fails for a name of no characters
                    continue
                name = PurePosixPath(info.filename.replace("\\", "/"))
                in_file = 0 <= info.header_offset <= _LARGEST_OFFSET
                if name.is_absolute() or ".." in name.parts or not in_file:
                    raise VerdictError(
                        f"{self.path}: member {info.filename!r} points outside the archive"
                    )
                key = image_name(name, functools.partial(_head, archive, info))
                if key is None:
                    continue
                if key in found:
                    other = _unpacked(found[key]).filename
                    raise VerdictError(
                        f"{self.path}: {info.filename!r} and {other!r} have the same id {key}"
                    )
                found[key] = _packed(info)
        if not found:
            raise VerdictError(
                f"{self.path} holds no images ({EXPECTED}); is it the right archive?"
            )
        return found

    @contextmanager
    def open(self) -> Iterator["_ZipReader"]:
        with _opened(self.path, _WithoutDirectory) as archive:
            yield _ZipReader(archive)

    def digest(self) -> str:
        """As in ``ImageSource``: of the members' names, sizes and checksums, not their bytes."""
        sha256 = hashlib.sha256()
        for info in directory(self.path):
            sha256.update(repr((info.filename, info.file_size, info.CRC)).encode())
        return sha256.hexdigest()


def _head(archive: zipfile.ZipFile, info: zipfile.ZipInfo, length: int) -> bytes:
    """Return the first bytes of a member, or none where it is damaged or encrypted."""
    try:
        with archive.open(info) as member:
            return member.read(length)
    except (*DAMAGE, RuntimeError):  # the latter where it is encrypted
        return b""
    except OSError as error:
        if error.errno is None:  # as in ``_ZipReader.read``
            return b""
        raise


def _packed(info: zipfile.ZipInfo) -> bytes:
    numbers = info.header_offset, info.compress_size, info.file_size, info.CRC
    flags = info.compress_type, info.flag_bits
    return _PLACE.pack(*numbers, *flags) + info.orig_filename.encode()


def _unpacked(place: bytes) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(place[_PLACE.size :].decode())
    numbers = _PLACE.unpack_from(place)
    info.header_offset, info.compress_size, info.file_size, info.CRC = numbers[:4]
    info.compress_type, info.flag_bits = numbers[4:]
    return info


class _WithoutDirectory(zipfile.ZipFile):
    """Opens members whose places are known, and so spares the archive's directory.

    Of a million members it would take 0.9 GB in every worker.
    """

    def _RealGetContents(self) -> None:
        pass


class _ZipReader:
    def __init__(self, archive: zipfile.ZipFile):
        self._archive = archive

    def read(self, place: bytes) -> bytes:
        """Return a member's bytes; its checksum is verified.

        Raises:
            ValueError: the member is damaged, encrypted, or larger than it declares or than
                allowed.
        """
        info = _unpacked(place)
        if info.flag_bits & _ENCRYPTED:
            raise ValueError("is encrypted")
        declared = info.file_size
        if declared > MAX_MEMBER_BYTES:
            raise ValueError(f"declares {declared:,} bytes, more than {MAX_MEMBER_BYTES:,}")
        try:
            with self._archive.open(info) as member:
                data = member.read(declared + 1)
        except DAMAGE as error:
            raise ValueError(str(error)) from None
        except OSError as error:
            if error.errno is None:  # as bzip2's decompressor says that the data are damaged
                raise ValueError(str(error)) from None
            raise
        if len(data) != declared:
            raise ValueError(f"declares {declared:,} bytes but holds another number")
        return data


def directory(path: Path) -> list[zipfile.ZipInfo]:
    """Return the members of a ZIP archive; raise a VerdictError where there is none."""
    with _opened(path, zipfile.ZipFile) as archive:
        return archive.infolist()


def _opened(path: Path, kind: type[zipfile.ZipFile]) -> zipfile.ZipFile:
    try:
        return kind(path)
    except FileNotFoundError:
        raise VerdictError(f"{path} is missing; run `dvc repro fetch` again") from None
    except DAMAGE as error:
        raise VerdictError(
            f"{path} is not a complete ZIP archive ({error}); fetch it again, and give its sha256 "
            "in fetch.files so that a damaged download is noticed at once"
        ) from None
