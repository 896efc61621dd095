"""Read members of a ZIP archive that somebody else made, without trusting it."""

import zipfile
from pathlib import Path, PurePosixPath

from verdict.errors import VerdictError

#: Largest uncompressed size of one member; a dermoscopic JPEG has about 1 MB, a PNG slide 30 MB.
MAX_MEMBER_BYTES = 512 * 2**20
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}


def image_members(path: Path) -> dict[str, str]:
    """Return the archive's image members by their id (the file name without folder and suffix).

    Raises:
        VerdictError: no such file, no ZIP, no images in it, two members with one id, or a member
            whose name leaves the archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
    except FileNotFoundError:
        raise VerdictError(f"{path} is missing; run `dvc repro fetch` again") from None
    except zipfile.BadZipFile as error:
        raise VerdictError(
            f"{path} is not a complete ZIP archive ({error}); fetch it again, and give its sha256 "
            "in fetch.files so that a damaged download is noticed at once"
        ) from None
    found: dict[str, str] = {}
    for info in members:
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
