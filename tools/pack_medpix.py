"""Pack images and questions into the layout of MedPix-VQA, for the medpix_vqa task.

    python -m tools.pack_medpix --records derived_vqa.jsonl --out data/own

Each line of ``--records``, or each item of its JSON array, is an object with ``split`` (train, dev,
valid, validation or test), ``case_id``, ``image_id``, ``image`` (the path of a file, from the
records' folder), ``question`` and ``answer`` (text or number); ``mode`` is optional. The published
set has no test split: records of every split but ``train`` go to ``validation``, from which the
pipeline cuts its own. Image files are copied byte for byte. The same input gives the same bytes.
"""

import argparse
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from verdict.errors import VerdictError
from verdict.files import replacing
from verdict.progress import Bar, progress
from verdict.records.images import FORMATS
from verdict.records.raw import parse_json
from verdict.tasks.medpix_vqa.layout import FILES, IMAGE, Split, write_split

#: Fields that each record needs, as text.
FIELDS = ("split", "case_id", "image_id", "image", "question", "answer")
_SPLITS: dict[str, Split] = {
    "train": "train",
    "dev": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "validation",
}


@dataclass(frozen=True)
class Packed:
    """How many questions of each split, cases and images; ``test``: given as test."""

    train: int
    validation: int
    cases: int
    images: int
    test: int = 0


def pack(records: Path, out: Path) -> Packed:
    """Write the Parquet files of both splits into ``out``; rows keep the order of the records.

    Raises:
        VerdictError: a line that is no record, a field that is missing or blank, an unknown split,
            an image that does not decode or that two records name differently, or a split without
            records; the message names the line and the field.
    """
    rows = list(_read_records(records))
    by_split: dict[Split, list[dict[str, str]]] = {"train": [], "validation": []}
    for row in rows:
        by_split[_SPLITS[row["split"]]].append(row)
    for split, members in by_split.items():
        if not members:
            raise VerdictError(
                f"{records} has no records of {split}; the published set has both splits, so give "
                "some records the other one."
            )
    _check_images(records, rows)
    with progress("pack", len(rows), "questions") as bar:
        for split, members in by_split.items():
            with replacing(out / FILES[split]) as partial:
                write_split(partial, split, _cells(records, members, bar), len(members))
    return Packed(
        train=len(by_split["train"]),
        validation=len(by_split["validation"]),
        cases=len({row["case_id"] for row in rows}),
        images=len({row["image_id"] for row in rows}),
        test=sum(row["split"] == "test" for row in rows),
    )


def _read_records(path: Path) -> Iterator[dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise VerdictError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise VerdictError(
            f"{path} is no text in UTF-8: {error.reason}. Save it as such."
        ) from None
    if text.lstrip().startswith("["):
        values = parse_json(text, str(path))
        for number, value in enumerate(values, start=1):
            yield _record(f"{path} record {number}", value)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _record(f"{path} line {number}", parse_json(line, f"{path} line {number}"))


def _record(where: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise VerdictError(f"{where} is no JSON object; write the fields {', '.join(FIELDS)}.")
    record = {}
    for field in (*FIELDS, "mode"):
        given = value.get(field)
        if field == "mode" and given is None:
            continue
        if field == "answer" and isinstance(given, int | float) and not isinstance(given, bool):
            given = str(given)
        if not isinstance(given, str) or not given.strip():
            raise VerdictError(
                f"{where}: {field} is {_shown(given)}; expected a text. It has "
                f"{', '.join(value) or 'nothing'}; needed are {', '.join(FIELDS)}. Mend it."
            )
        record[field] = given.strip()
    if record["split"] not in _SPLITS:
        raise VerdictError(
            f"{where}: split is {record['split']!r}; expected one of {', '.join(_SPLITS)}."
        )
    record["where"] = where
    return record


def _shown(value: Any) -> str:
    return "missing" if value is None else f"{value!r}"


def _check_images(records: Path, rows: Iterable[dict[str, str]]) -> None:
    """See that every image is there and decodes, and that each id is one file."""
    first: dict[str, dict[str, str]] = {}
    for row in rows:
        known = first.setdefault(row["image_id"], row)
        if known is row:
            _check_image(records, row)
        elif known["image"] != row["image"]:
            raise VerdictError(
                f"{row['where']}: image_id {row['image_id']} is {row['image']}, but "
                f"{known['image']} in {known['where']}. Each image needs an id of its own."
            )


def _check_image(records: Path, row: dict[str, str]) -> None:
    path = records.parent / row["image"]
    try:
        with Image.open(io.BytesIO(path.read_bytes()), formats=FORMATS) as image:
            image.load()
    except FileNotFoundError:
        raise VerdictError(
            f"{row['where']}: there is no image {path}. Add it, or remove the record."
        ) from None
    except Exception as error:  # Pillow promises no kind: see verdict/records/images.py
        raise VerdictError(
            f"{row['where']}: image {path} cannot be read: {error}. Replace it, or remove the "
            "record."
        ) from None


def _cells(records: Path, rows: Iterable[dict[str, str]], bar: Bar) -> Iterator[dict[str, Any]]:
    for row in rows:
        bar.advance()
        path = records.parent / row["image"]
        yield {
            IMAGE: {"bytes": path.read_bytes(), "path": path.name},
            "mode": row.get("mode"),
            "case_id": row["case_id"],
            "question": row["question"],
            "answer": row["answer"],
        }


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, pack, and print a summary."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.pack_medpix",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--records", type=Path, required=True, help="JSON-lines file")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    options = parser.parse_args(arguments)
    try:
        packed = pack(options.records, options.out)
    except VerdictError as error:
        sys.exit(f"\npack_medpix: {error}")
    print(
        f"{packed.train:,} questions for training, {packed.validation:,} for validation, on "
        f"{packed.images:,} images of {packed.cases:,} cases. Their addresses for fetch.files: "
        + ", ".join(f"{key}: {options.out / name}" for key, name in FILES.items())
    )
    if packed.test:
        print(
            f"The {packed.test:,} questions of the test split are among those for validation, from "
            "which the pipeline cuts a test split of its own: its numbers are not comparable with "
            "those published for that split."
        )


if __name__ == "__main__":
    main()
