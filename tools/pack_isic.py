"""Pack a folder of images and a table into the layout of SIIM-ISIC 2020, for the melanoma task.

    python -m tools.pack_isic --images DIR --table labels.csv --id image_id \\
        --label melanoma --group patient_id --out data/own

``--label`` holds 1 or 0, melanoma or not melanoma; or malignant or benign, where ``--diagnosis``
says that malignant means melanoma. ``tools.new_task`` asks other questions, keeps your words, and
takes labels from folders where there is no table. ``--group`` holds what must not be divided
between splits: the patient, or at least the lesion. The other columns are optional. JPEG files are
copied byte for byte, other formats are converted. The same input gives the same bytes. A recipe
is written, ready to run.
"""

import re
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from tools.folders import not_packed
from tools.own_recipe import write_recipe
from tools.packing import (
    NO_VALUE,
    Row,
    read_rows,
    under_two_labels,
    write_images,
    write_table,
)
from verdict.core.errors import VerdictError
from verdict.pipeline.command import command, parser_of
from verdict.tasks.melanoma.archive.layout import COLUMNS, FILES, NOT_MELANOMA

_TARGETS = {
    "0": 0, "1": 1, "not melanoma": 0, "melanoma": 1, "benign": 0, "malignant": 1,
}  # fmt: skip
#: Diagnoses, in words and as HAM10000 abbreviates them: melanomas, other cancers, all others.
_MELANOMA = re.compile(r"\bmel\b|\bmelanoma|\blentigo maligna\b")
_CANCER = re.compile(r"carcinoma|\bbcc\b|\bscc\b|malignan|lymphoma|sarcoma")
_OTHER = re.compile(_CANCER.pattern + r"|\bn[ae]+v|\bnv\b|keratos|\b(bkl|akiec|df|vasc)\b")
#: Options whose columns make subgroups of a size to look at; their attributes are called the same.
_SUBGROUPS = ("sex", "age", "site")
#: What the recipe is made from, and its answers where nobody calls 0 benign.
_BASE = "recipes/embedded/melanoma.yaml"
_ANSWERS = {
    "not_melanoma": "No, this does not appear to be malignant melanoma.",
    "melanoma": "Yes, this appears to be malignant melanoma.",
}
#: How tables other than ISIC's word an empty cell.
_UNKNOWN = {"unknown", *NO_VALUE}


@dataclass(frozen=True)
class Columns:
    """Names of the table's columns; None where the table has no such column."""

    id: str = field(metadata={"help": "unique name of the image"})
    label: str = field(metadata={"help": "0 or 1, or (not) melanoma"})
    group: str = field(metadata={"help": "patient, or lesion where patients are not known"})
    file: str | None = field(default=None, metadata={"help": "path in --images; else it is ID.*"})
    sex: str | None = field(default=None, metadata={"help": "male or female"})
    age: str | None = field(default=None, metadata={"help": "years"})
    site: str | None = field(default=None, metadata={"help": "place on the body"})
    diagnosis: str | None = field(default=None, metadata={"help": "kind of lesion"})
    lesion: str | None = field(default=None, metadata={"help": "lesion, where --group is patient"})


@dataclass(frozen=True)
class Packed:
    """How many images, positives, groups and byte-identical pairs were written.

    Attributes:
        not_melanoma: whether the negative label is "not melanoma", and not ISIC's "benign".
        notes: what the user should know of the input.
    """

    images: int
    positive: int
    groups: int
    duplicates: int
    not_melanoma: bool = False
    notes: tuple[str, ...] = ()


def pack(images: Path, table: Path, columns: Columns, out: Path) -> Packed:
    """Write the ZIP of images, both ground-truth tables and the list of duplicates into ``out``.

    Rows and images are sorted by id. An image is ``images/<--file cell>``, or ``<id>.*`` in
    ``images``. Files without a row are left out.

    Raises:
        VerdictError: a missing column or image, a repeated id, an unknown label or age, a label
            that the diagnosis contradicts, an empty group, or a file that does not decode; the
            message names the row or the file.
    """
    files = [columns.file] if columns.file else []
    found = sorted(read_rows(images, table, vars(columns), files), key=lambda row: row.id)
    rows = [_isic_row(row, columns) for row in found]
    identical = write_images(
        out / FILES["images"], "train", {row.id: row.paths[0] for row in found}
    )
    write_table(out / FILES["ground_truth"], COLUMNS, rows)
    write_table(out / FILES["ground_truth_v2"], (*COLUMNS[:2], "lesion_id", *COLUMNS[2:]), rows)
    notes = (
        under_two_labels(identical, {row["image_name"]: row["target"] for row in rows}),
        not_packed(images, found, besides=table),
    )
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
        not_melanoma=any(row["benign_malignant"] == NOT_MELANOMA for row in rows),
        notes=tuple(filter(None, notes)),
    )


def _isic_row(row: Row, columns: Columns) -> dict[str, str]:
    """Return a row's cells in ISIC's columns, with ``lesion_id``."""
    cells = row.cells
    diagnosis = _known(cells, columns.diagnosis)
    target, stated = _stated(row, cells[columns.label], columns.label, diagnosis)
    return {
        "image_name": row.id,
        "patient_id": cells[columns.group],
        "lesion_id": cells[columns.lesion] if columns.lesion else "",
        "sex": _known(cells, columns.sex),
        "age_approx": _age(row.where, _known(cells, columns.age)),
        "anatom_site_general_challenge": _known(cells, columns.site),
        # ISIC itself writes "unknown" here, and leaves the other cells empty.
        "diagnosis": diagnosis or "unknown",
        "benign_malignant": stated,
        "target": str(target),
    }


def _stated(row: Row, label: str, column: str, diagnosis: str) -> tuple[int, str]:
    """Return the target and its word in ISIC's column ``benign_malignant``."""
    where, word, kind = f"{row.where}: {column} of {row.id}", label.lower(), diagnosis.lower()
    target = _TARGETS.get(word)
    if target is None:
        raise VerdictError(
            f"{where} is {label!r}; expected 0 or 1, or melanoma or not melanoma. Labels of other "
            "kinds are kept by tools.new_task."
        )
    is_melanoma = bool(_MELANOMA.search(kind))
    contradicts = not is_melanoma and bool(_OTHER.search(kind)) if target else is_melanoma
    if contradicts or (word == "benign" and _CANCER.search(kind)):
        raise VerdictError(
            f"{where} is {label!r}, but its diagnosis {diagnosis!r}. Mend one of them: 1 is "
            "melanoma alone, 0 or not melanoma is every other lesion, benign no cancer."
        )
    if word == "malignant" and not is_melanoma:
        raise VerdictError(
            f"{where} is {label!r}, and nothing says that it is a melanoma and no other cancer. "
            "Give --diagnosis, or write melanoma and not melanoma; or ask your own question with "
            "tools.new_task."
        )
    return target, "malignant" if target else "benign" if word == "benign" else NOT_MELANOMA


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
    parser = parser_of("tools.pack_isic", __doc__)
    parser.add_argument("--images", type=Path, required=True, help="folder of images")
    table_help = "CSV file, one row an image; without one, see tools.new_task"
    parser.add_argument("--table", type=Path, help=table_help)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    for column in fields(Columns):
        parser.add_argument(f"--{column.name}", metavar="COLUMN", help=column.metadata["help"])
    options = vars(parser.parse_args(arguments))
    needed = ["table", *(column.name for column in fields(Columns) if column.default is MISSING)]
    if missing := [name for name in needed if options[name] is None]:
        parser.error(
            f"--{', --'.join(missing)} must be given. Where a folder's name is the label and there "
            "is no table: python -m tools.new_task NAME --images DIR --out DIR"
        )
    images, table, out = options.pop("images"), options.pop("table"), options.pop("out")
    former = [name for name in FILES.values() if (out / name).exists()]
    with command("pack_isic"):
        packed = pack(images, table, Columns(**options), out)
    entries: dict[str, Any] = {"compare.subgroups": [name for name in _SUBGROUPS if options[name]]}
    if packed.not_melanoma:
        entries["format.answers"] = _ANSWERS
    written = write_recipe("python -m tools.pack_isic", _BASE, out, FILES, entries)
    print(
        f"{packed.images:,} images, {packed.positive:,} positive "
        f"({packed.positive / packed.images:.1%}), {packed.groups:,} groups, "
        f"{packed.duplicates:,} byte-identical pairs. {written} Say in its compare.groups_are what "
        "--group holds: patients or lesions."
    )
    if former:
        print(f"In {out} was overwritten: {', '.join(former)}.")
    print(*packed.notes, sep="\n", end="\n" if packed.notes else "")


if __name__ == "__main__":
    main()
