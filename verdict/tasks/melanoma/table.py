"""Read and check the published tables of SIIM-ISIC 2020."""

import re
from collections.abc import Container
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.params.section import Section
from verdict.records.archive import ZipImages
from verdict.records.raw import RawRow, RawTable, read_csv
from verdict.tasks.melanoma.archive.layout import COLUMNS, FILES, NOT_MELANOMA


class Options(Section):
    """Nothing can be chosen: the tables are read as they are."""


_LABELS = {"0": "benign", "1": "melanoma"}
_STATED = {"benign": "benign", NOT_MELANOMA: "benign", "malignant": "melanoma"}

#: Name of each attribute in the records, by its column.
_ATTRIBUTES = {
    "sex": "sex",
    "age_approx": "age",
    "anatom_site_general_challenge": "site",
    "diagnosis": "diagnosis",
    "lesion_id": "lesion",
}


def read_table(folder: Path, options: Options) -> RawTable:
    """Read the ground truth (both versions) and the list of duplicates.

    The group is the patient. Both versions of the table must agree on every image's patient and
    target; version 2 adds the lesion. It and the list of duplicates may be absent. The label of
    target 0 is ``benign``, or ``not_melanoma`` where the table calls a row "not melanoma".

    Raises:
        VerdictError: a missing column, an unknown label, a repeated id, tables that disagree, or
            a duplicate pair that names an unknown image.
    """
    path, path_v2 = folder / FILES["ground_truth"], folder / FILES["ground_truth_v2"]
    rows = []
    first = _by_image(path, read_csv(path, COLUMNS))
    second = first
    if path_v2.exists():
        second = _by_image(path_v2, read_csv(path_v2, (*COLUMNS, "lesion_id")))
    negative = _LABELS["0"]
    if any(cells["benign_malignant"] == NOT_MELANOMA for _, cells in first.values()):
        negative = NOT_MELANOMA.replace(" ", "_")
    for name, (line, cells) in first.items():
        label = _label(path, line, cells)
        _, cells_v2 = second.get(name, (0, None))
        if cells_v2 is None:
            raise VerdictError(f"{path_v2} has no row for {name} ({path.name} line {line} has)")
        for column in ("patient_id", "target"):
            if cells[column] != cells_v2[column]:
                raise VerdictError(
                    f"{name}: {column} is {cells[column]!r} in {path.name} but "
                    f"{cells_v2[column]!r} in {path_v2.name}; fetch both files again"
                )
        if not cells["patient_id"]:
            raise VerdictError(
                f"{path} line {line}: {name} has no patient_id; without it a patient could end up "
                "in two splits"
            )
        label = negative if label == _LABELS["0"] else label
        attributes = {new: cells_v2[old] for old, new in _ATTRIBUTES.items() if cells_v2.get(old)}
        if age := attributes.get("age"):
            attributes["age"] = re.sub(r"\.0+$", "", age)  # Kaggle's copy has 45.0
        rows.append(RawRow(name, cells["patient_id"], label, attributes, image=name))
    if extra := sorted(second.keys() - first.keys()):
        raise VerdictError(f"{path} has no row for {extra[0]}, which {path_v2.name} has")
    if not rows:
        raise VerdictError(f"{path} has no rows; fetch it again or check fetch.files")
    return RawTable(
        rows, _duplicates(folder, first.keys()), images=ZipImages(folder / FILES["images"])
    )


def _by_image(path: Path, rows: list[dict[str, str]]) -> dict[str, tuple[int, dict[str, str]]]:
    """Return line number and cells of each image; line 1 is the header."""
    result: dict[str, tuple[int, dict[str, str]]] = {}
    for line, cells in enumerate(rows, start=2):
        name = cells["image_name"]
        if not name:
            raise VerdictError(f"{path} line {line}: image_name is empty")
        if name in result:
            raise VerdictError(
                f"{path} line {line}: {name} stands in line {result[name][0]} already; "
                "each image has one row"
            )
        result[name] = (line, cells)
    return result


def _label(path: Path, line: int, cells: dict[str, str]) -> str:
    label = _LABELS.get(cells["target"])
    if label is None:
        raise VerdictError(
            f"{path} line {line}: target of {cells['image_name']} is {cells['target']!r}; "
            "expected 0 (benign) or 1 (melanoma)"
        )
    stated = cells["benign_malignant"]
    if _STATED.get(stated) != label:
        raise VerdictError(
            f"{path} line {line}: {cells['image_name']} has target {cells['target']} but "
            f"benign_malignant {stated!r}; expected 0 with benign or 1 with malignant"
        )
    return label


def _duplicates(folder: Path, known: Container[str]) -> list[tuple[str, str]]:
    path = folder / FILES["duplicates"]
    if not path.exists():
        print("melanoma: no list of duplicates; only equal files are known to be one image")
        return []
    pairs = []
    for line, cells in enumerate(read_csv(path, ("image_name_1", "image_name_2")), start=2):
        pair = (cells["image_name_1"], cells["image_name_2"])
        for name in pair:
            if name not in known:
                raise VerdictError(f"{path} line {line}: {name} is not in {FILES['ground_truth']}")
        pairs.append(pair)
    return pairs
