"""Pack a folder of images and a table into the layout of SIIM-ISIC 2020, for the melanoma task.

    python -m tools.pack_isic --images DIR --table labels.csv --id image_id \\
        --label melanoma --group patient_id --out data/own

``--label`` holds 0 or 1, or benign or malignant. ``--group`` holds what must not be divided between
splits: the patient, or at least the lesion. The other columns are optional. JPEG files are copied
byte for byte, other formats are converted. The same input gives the same bytes.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path

from tools.packing import NO_VALUE, Row, read_rows, write_images, write_table
from verdict.errors import VerdictError
from verdict.tasks.melanoma.layout import COLUMNS, FILES

_TARGETS = {"0": 0, "1": 1, "benign": 0, "malignant": 1}
#: How tables other than ISIC's word an empty cell.
_UNKNOWN = {"unknown", *NO_VALUE}


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
    found = sorted(read_rows(images, table, vars(columns)), key=lambda row: row.id)
    rows = [_isic_row(row, columns) for row in found]
    identical = write_images(out / FILES["images"], "train", {row.id: row.path for row in found})
    write_table(out / FILES["ground_truth"], COLUMNS, rows)
    write_table(out / FILES["ground_truth_v2"], (*COLUMNS[:2], "lesion_id", *COLUMNS[2:]), rows)
    pairs = [
        {"image_name_1": first, "image_name_2": other}
        for first, *others in identical
        for other in others
    ]
    write_table(out / FILES["duplicates"], ("image_name_1", "image_name_2"), pairs)
    return Packed(
        images=len(rows),
        positive=sum(row["target"] == "1" for row in rows),
        groups=len({row["patient_id"] for row in rows}),
        duplicates=len(pairs),
    )


def _isic_row(row: Row, columns: Columns) -> dict[str, str]:
    """Return a row's cells in ISIC's columns, with ``lesion_id``."""
    cells = row.cells
    target = _TARGETS.get(cells[columns.label].lower())
    if target is None:
        raise VerdictError(
            f"{row.where}: {columns.label} of {row.id} is {cells[columns.label]!r}; expected 0 or "
            "1, or benign or malignant."
        )
    return {
        "image_name": row.id,
        "patient_id": cells[columns.group],
        "lesion_id": cells[columns.lesion] if columns.lesion else "",
        "sex": _known(cells, columns.sex),
        "age_approx": _age(row.where, _known(cells, columns.age)),
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
        f"{packed.duplicates:,} byte-identical pairs. Their addresses for fetch.files: "
        + ", ".join(f"{key}: {out / name}" for key, name in FILES.items())
        + ". Say in compare.groups_are what --group holds: patients or lesions."
    )


if __name__ == "__main__":
    main()
