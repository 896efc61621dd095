"""Pack a folder of images and a table into the layout of SIIM-ISIC 2020, for the melanoma task.

    python -m tools.pack_isic --images DIR --table labels.csv --id image_id \\
        --label melanoma --group patient_id --out data/own

``--label`` holds 0 or 1, or benign or malignant. ``--group`` holds what must not be divided between
splits: the patient, or at least the lesion. The other columns are optional. JPEG files are copied
byte for byte, other formats are converted. The same input gives the same bytes.
"""

import argparse
import csv
import hashlib
import io
import re
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path

from PIL import Image, ImageOps

from verdict.errors import VerdictError
from verdict.files import replacing
from verdict.progress import progress
from verdict.records.archive import IMAGE_SUFFIXES
from verdict.tasks.melanoma.layout import COLUMNS, FILES

_TARGETS = {"0": 0, "1": 1, "benign": 0, "malignant": 1}
#: How tables other than ISIC's word an empty cell.
_UNKNOWN = {"unknown", "na", "nan", "n/a"}
_SAFE_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_JPEG_FORMATS = {"JPEG", "MPO"}  # MPO: a JPEG with a preview behind it, from some cameras


@dataclass(frozen=True)
class Columns:
    """Names of the table's columns; None where the table has no such column."""

    id: str = field(metadata={"help": "unique name of the image"})
    label: str = field(metadata={"help": "0 or 1, or benign or malignant"})
    group: str = field(metadata={"help": "patient, or lesion where patients are not known"})
    file: str | None = field(default=None, metadata={"help": "path in --images; else it is ID.*"})
    sex: str | None = field(default=None, metadata={"help": "male or female"})
    age: str | None = field(default=None, metadata={"help": "years"})
    site: str | None = field(default=None, metadata={"help": "place on the body"})
    diagnosis: str | None = field(default=None, metadata={"help": "kind of lesion"})
    lesion: str | None = field(default=None, metadata={"help": "lesion, where --group is patient"})


@dataclass(frozen=True)
class Packed:
    """How many images, positives, groups and byte-identical pairs were written."""

    images: int
    positive: int
    groups: int
    duplicates: int


def pack(images: Path, table: Path, columns: Columns, out: Path) -> Packed:
    """Write the ZIP of images, both ground-truth tables and the list of duplicates into ``out``.

    Rows and images are sorted by id. An image is ``images/<--file cell>``, or ``<id>.*`` in
    ``images``. Files without a row are left out.

    Raises:
        VerdictError: a missing column or image, a repeated id, an unknown label or age, an empty
            group, or a file that does not decode; the message names the row or the file.
    """
    rows, paths = _read_rows(images, table, columns)
    rows.sort(key=lambda row: row["image_name"])
    identical: dict[str, list[str]] = defaultdict(list)
    with (
        replacing(out / FILES["images"]) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive,
        progress("pack", total=len(rows), unit="images") as bar,
    ):
        for name, path in sorted(paths.items()):
            data = _as_jpeg(path)
            # A fixed date and system: the archive depends on nothing but its images.
            member = zipfile.ZipInfo(f"train/{name}.jpg", date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system = 3
            member.external_attr = 0o644 << 16
            archive.writestr(member, data)
            identical[hashlib.sha256(data).hexdigest()].append(name)
            bar.advance()
    _write_csv(out / FILES["ground_truth"], COLUMNS, rows)
    _write_csv(out / FILES["ground_truth_v2"], (*COLUMNS[:2], "lesion_id", *COLUMNS[2:]), rows)
    pairs = [
        {"image_name_1": first, "image_name_2": other}
        for first, *others in identical.values()
        for other in others
    ]
    _write_csv(out / FILES["duplicates"], ("image_name_1", "image_name_2"), pairs)
    return Packed(
        images=len(rows),
        positive=sum(row["target"] == "1" for row in rows),
        groups=len({row["patient_id"] for row in rows}),
        duplicates=len(pairs),
    )


def _read_rows(
    images: Path, table: Path, columns: Columns
) -> tuple[list[dict[str, str]], dict[str, Path]]:
    """Return the rows in ISIC's columns (with ``lesion_id``), and the file of each id."""
    finder = _Finder(images)
    rows, paths = [], {}
    lines: dict[str, int] = {}  # by the id in lower case: some file systems do not tell them apart
    for line, cells in _table_rows(table, columns):
        where = f"{table} line {line}"
        row = _row(where, cells, columns)
        name = row["image_name"]
        if name.lower() in lines:
            raise VerdictError(
                f"{where}: {name} stands in line {lines[name.lower()]} already (upper and lower "
                "case count as the same). Each image needs an id of its own; remove one row."
            )
        lines[name.lower()] = line
        paths[name] = finder.find(where, name, cells[columns.file] if columns.file else None)
        rows.append(row)
    if not rows:
        raise VerdictError(f"{table} has no rows below its header; expected one for each image.")
    return rows, paths


def _table_rows(table: Path, columns: Columns) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = reader.fieldnames or []
            for option, name in vars(columns).items():
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
                yield reader.line_num, {key: value.strip() for key, value in row.items()}
    except OSError as error:
        raise VerdictError(f"{table} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise VerdictError(f"{table} is no CSV file in UTF-8: {error}. Save it as one.") from None


def _row(where: str, cells: dict[str, str], columns: Columns) -> dict[str, str]:
    name, group = cells[columns.id], cells[columns.group]
    if not _SAFE_ID.fullmatch(name):
        raise VerdictError(
            f"{where}: the id {name!r} cannot name a file in the archive; use letters, digits, "
            "'_', '-' and '.' alone."
        )
    if not group:
        raise VerdictError(
            f"{where}: {columns.group} of {name} is empty. Without a group, images of one patient "
            "could end up in two splits; give it one."
        )
    target = _TARGETS.get(cells[columns.label].lower())
    if target is None:
        raise VerdictError(
            f"{where}: {columns.label} of {name} is {cells[columns.label]!r}; expected 0 or 1, or "
            "benign or malignant."
        )
    return {
        "image_name": name,
        "patient_id": group,
        "lesion_id": cells[columns.lesion] if columns.lesion else "",
        "sex": _known(cells, columns.sex),
        "age_approx": _age(where, _known(cells, columns.age)),
        "anatom_site_general_challenge": _known(cells, columns.site),
        # ISIC itself writes "unknown" here, and leaves the other cells empty.
        "diagnosis": _known(cells, columns.diagnosis) or "unknown",
        "benign_malignant": "malignant" if target else "benign",
        "target": str(target),
    }


def _known(cells: dict[str, str], column: str | None) -> str:
    value = cells[column] if column else ""
    return "" if value.lower() in _UNKNOWN else value


def _age(where: str, value: str) -> str:
    if not value:
        return ""
    if not re.fullmatch(r"\d{1,3}(\.\d+)?", value):
        raise VerdictError(f"{where}: the age is {value!r}; expected years, such as 45, or none.")
    return f"{float(value):g}"


class _Finder:
    """Finds the file of a row in a folder that is listed once."""

    def __init__(self, folder: Path):
        if not folder.is_dir():
            raise VerdictError(f"{folder} is not a folder; --images expects the folder of images.")
        self._folder = folder
        self._by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                self._by_stem[path.stem].append(path)

    def find(self, where: str, name: str, cell: str | None) -> Path:
        """Return the row's file: as its ``--file`` cell says, or by its id."""
        if cell is not None:
            candidates = [self._folder / cell, self._folder / Path(cell).name]
            found = [path for path in candidates if path.is_file()][:1]
            wanted = cell or "(an empty cell)"
        else:
            found = self._by_stem[name]
            wanted = f"{name}.*"
        if not found:
            raise VerdictError(
                f"{where}: there is no image {wanted} in {self._folder} "
                f"({', '.join(sorted(IMAGE_SUFFIXES))}). Add it, or remove the row."
            )
        if len(found) > 1:
            raise VerdictError(
                f"{where}: {name} has several images, {' and '.join(path.name for path in found)}. "
                "Keep one, or name it in a column given by --file."
            )
        return found[0]


def _as_jpeg(path: Path) -> bytes:
    """Return the bytes of a JPEG file as they are, or those of another format converted.

    Every image is decoded, so that a damaged one is noticed here.
    """
    try:
        data = path.read_bytes()
        image: Image.Image = Image.open(io.BytesIO(data))
        is_jpeg = image.format in _JPEG_FORMATS
        if is_jpeg:
            image.draft("RGB", (1, 1))  # as small as the decoder can: it still reads every byte
        image.load()
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise VerdictError(
            f"{path} is no image that can be read: {error}. Replace it, or remove its row."
        ) from None
    if is_jpeg:
        return data
    if getattr(image, "n_frames", 1) > 1 or image.mode.startswith("I") or image.mode == "F":
        raise VerdictError(
            f"{path} holds several images, or pixels whose brightness range is not known (mode "
            f"{image.mode}). Convert it to one image of 8 bits a channel first."
        )
    ImageOps.exif_transpose(image, in_place=True)
    if image.has_transparency_data:  # laid on black, as the pipeline does
        layers = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layers.size, (0, 0, 0, 255)), layers)
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[dict[str, str]]) -> None:
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, pack, and print a summary."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.pack_isic",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=Path, required=True, help="folder of images")
    parser.add_argument("--table", type=Path, required=True, help="CSV file, one row an image")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    for column in fields(Columns):
        required = column.default is MISSING
        parser.add_argument(
            f"--{column.name}", required=required, metavar="COLUMN", help=column.metadata["help"]
        )
    options = vars(parser.parse_args(arguments))
    images, table, out = options.pop("images"), options.pop("table"), options.pop("out")
    try:
        packed = pack(images, table, Columns(**options), out)
    except VerdictError as error:
        sys.exit(f"\npack_isic: {error}")
    print(
        f"{packed.images:,} images, {packed.positive:,} positive "
        f"({packed.positive / packed.images:.1%}), {packed.groups:,} groups, "
        f"{packed.duplicates:,} byte-identical pairs, in {out}"
    )


if __name__ == "__main__":
    main()
