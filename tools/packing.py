"""Read somebody's folder of images and CSV file, and pack the images into a ZIP.

What ``tools.pack_isic`` and ``tools.new_task`` share. The same input gives the same bytes.
"""

import csv
import hashlib
import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from tools.image_finder import ImageFinder
from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verdict.extraction.dicom.file import DicomFile
from verdict.extraction.images import FORMATS
from verdict.params.data import Dicom
from verdict.records.image_files import is_dicom
from verdict.records.raw import refuse_repeated, tidy
from verdict.runtime.progress import progress

_SAFE_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
#: How programs write that a cell has no value.
NO_VALUE = {"nan", "na", "n/a", "#n/a", "<na>", "null"}
#: Faults and images of which a message names no more.
_SHOWN = 20
_JPEG_FORMATS = {"JPEG", "MPO"}  # MPO: a JPEG with a preview behind it, from some cameras


@dataclass(frozen=True)
class Row:
    """A row of the table and its images.

    Attributes:
        where: file and line, for messages.
        id: what names the image; safe as a file name.
        cells: by column, each as ``tidy`` returns it; what stands for no value is empty.
        paths: the files of its images, in their order.
    """

    where: str
    id: str
    cells: dict[str, str]
    paths: tuple[Path, ...]


def read_rows(
    images: Path,
    table: Path,
    columns: Mapping[str, str | None],
    files: Sequence[str] = (),
    slices: int | None = None,
) -> list[Row]:
    """Read a table with one row a record, and find the images.

    Args:
        images: the folder of images.
        table: a CSV file in UTF-8 with a header.
        columns: the table's column by the option that names it: ``id`` and ``group`` at least.
        files: columns whose cells are paths in ``images``, of one image each; without any, a row
            has one image, ``<id>.*``.
        slices: where an image is a folder with a series of DICOM files, how many of them are taken.

    Raises:
        VerdictError: a missing column or image, a repeated or unsafe id, an empty group, or no
            rows; the message names every line at fault.
    """
    id_column, group_column = columns["id"], columns["group"]
    assert id_column is not None, "asked of every caller"
    assert group_column is not None, "asked of every caller"
    finder = ImageFinder(images, slices)
    rows, faults = [], []
    lines: dict[str, int] = {}  # by the id in lower case: some file systems do not tell them apart
    for line, cells in _table_rows(table, columns, files):
        where, name = f"{table} line {line}", cells[id_column]
        if not _SAFE_ID.fullmatch(name):
            faults.append(
                f"{where}: the id {name[:300]!r} cannot name a file in the archive; use letters, "
                "digits, '_', '-' and '.' alone, 200 at most."
            )
            continue
        if not cells[group_column]:
            faults.append(
                f"{where}: {group_column} of {name} is empty. Without a group, images of one "
                "patient could end up in two splits; give it one."
            )
        if name.lower() in lines:
            faults.append(
                f"{where}: {name} stands in line {lines[name.lower()]} already (upper and lower "
                "case count as the same). Each image needs an id of its own; remove one row."
            )
        lines.setdefault(name.lower(), line)
        try:
            named: list[str | None] = [cells[column] for column in files]
            paths = tuple(
                path for cell in named or [None] for path in finder.find(where, name, cell)
            )
        except VerdictError as error:
            faults.append(str(error))
        else:
            rows.append(Row(where, name, cells, paths))
    refuse(faults)
    if not rows:
        raise VerdictError(f"{table} has no rows below its header; expected one for each image.")
    return rows


def under_two_labels(identical: Iterable[Sequence[str]], labels: Mapping[str, str]) -> str:
    """Say which byte-identical images have different labels, or nothing where none has."""
    found = [names for names in identical if len({labels[name] for name in names}) > 1]
    if not found:
        return ""
    shown = "; ".join(
        " = ".join(f"{name} ({labels[name]})" for name in names) for names in found[:_SHOWN]
    )
    more = f"; and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    return (
        f"The same picture has different labels, {len(found):,} time"
        f"{'' if len(found) == 1 else 's'}: {shown}{more}. At most one of them can be right; mend "
        "the table, or remove the rows."
    )


def refuse(faults: Sequence[str]) -> None:
    """Raise one VerdictError of all faults, the first of them in full; nothing without any."""
    if len(faults) == 1:
        raise VerdictError(faults[0])
    if faults:
        more = f"\n  … and {len(faults) - _SHOWN:,} more" if len(faults) > _SHOWN else ""
        listed = "\n".join(f"  {fault}" for fault in faults[:_SHOWN])
        raise VerdictError(f"{len(faults):,} faults:\n{listed}{more}")


def write_images(path: Path, folder: str, images: Mapping[str, Path]) -> list[list[str]]:
    """Pack images into a ZIP as ``<folder>/<id>.jpg`` (or ``.dcm``), sorted by id.

    JPEG files are copied byte for byte, other formats are converted; of a DICOM file the picture is
    kept as it is, and of its header what ``extract`` reads.

    Returns:
        The ids of byte-identical images, in groups of two or more.

    Raises:
        VerdictError: a file does not decode; the message names it, and no ZIP is left.
    """
    identical: dict[str, list[str]] = defaultdict(list)
    with (
        replacing(path) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive,
        progress("pack", total=len(images), unit="images") as bar,
    ):
        for name, image in sorted(images.items()):
            data, suffix = _packed(image)
            # A fixed date and system: the archive depends on nothing but its images.
            member = zipfile.ZipInfo(f"{folder}/{name}{suffix}", date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system = 3
            member.external_attr = 0o644 << 16
            archive.writestr(member, data)
            identical[hashlib.sha256(data).hexdigest()].append(name)
            bar.advance()
    return [names for names in identical.values() if len(names) > 1]


def write_table(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write the given columns of ``rows`` as CSV with CRLF line ends."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(columns), extrasaction="ignore", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)


def _table_rows(
    table: Path, columns: Mapping[str, str | None], files: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = reader.fieldnames = [tidy(name) for name in reader.fieldnames or []]
            refuse_repeated(str(table), header)
            for option, name in (*columns.items(), *(("file", name) for name in files)):
                if name is not None and name not in header:
                    raise VerdictError(
                        f"{table} has no column {name!r} (--{option}); it has {', '.join(header)}."
                    )
            for row in reader:
                if None in row or None in row.values():
                    raise VerdictError(
                        f"{table} line {reader.line_num} has more or fewer cells than the header's "
                        f"{len(header)}; mend the line."
                    )
                yield (
                    reader.line_num,
                    {
                        # A path is that of a file, whatever spaces it has.
                        key: value.strip() if key in files else _cell(value)
                        for key, value in row.items()
                    },
                )
    except OSError as error:
        raise VerdictError(f"{table} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise VerdictError(f"{table} is no CSV file in UTF-8: {error}. Save it as one.") from None


def _cell(text: str) -> str:
    text = tidy(text)
    return "" if text.casefold() in NO_VALUE else text


def _packed(path: Path) -> tuple[bytes, str]:
    """Return what is packed of an image, and its suffix: see ``write_images``.

    Every image is decoded, so that a damaged one is noticed here.
    """
    try:
        data = path.read_bytes()
        if is_dicom(data):
            return _bare(data), ".dcm"
        image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
        is_jpeg = image.format in _JPEG_FORMATS
        if is_jpeg:
            image.draft("RGB", (1, 1))  # as small as the decoder can: it still reads every byte
        image.load()
        frames = 1 if is_jpeg else getattr(image, "n_frames", 1)
        ImageOps.exif_transpose(image, in_place=True)
    except Exception as error:  # Pillow promises no kind: see verdict/extraction/images.py
        raise VerdictError(
            f"{path} is no image that can be read: {error}. Replace it, or remove its row."
        ) from None
    if is_jpeg:
        return data, ".jpg"
    if frames > 1 or image.mode.startswith("I") or image.mode == "F":
        raise VerdictError(
            f"{path} holds several images, or pixels whose brightness range is not known (mode "
            f"{image.mode}). Convert it to one image of 8 bits a channel first."
        )
    if image.has_transparency_data:  # laid on black, as the pipeline does
        layers = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layers.size, (0, 0, 0, 255)), layers)
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue(), ".jpg"


def _bare(data: bytes) -> bytes:
    file = DicomFile(data)
    if file.pixels > 2 * (Image.MAX_IMAGE_PIXELS or file.pixels):  # as Pillow of other formats
        raise ValueError(f"has {file.pixels:,} pixels, which is too many")
    file.picture(Dicom(window="file", frame="middle"))
    return file.bare()
