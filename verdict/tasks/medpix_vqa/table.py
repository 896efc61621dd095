"""Read and check the published Parquet files of MedPix-VQA."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from verdict.core.errors import VerdictError
from verdict.params.section import Section
from verdict.records.parquet_images import ParquetImages, parquet_explained, parquet_key
from verdict.records.raw import RawRow, RawTable, not_read, refuse_repeated, tidy
from verdict.tasks.medpix_vqa.archive.layout import COLUMNS, FILES, IMAGE, OPTIONAL, TEXTS, Split


class Options(Section):
    """What to do about rows whose answer is missing or blank: stop, or leave them out."""

    blank_answers: Literal["fail", "leave_out"]


#: A longer question is no name for a subgroup.
_LONGEST_ATTRIBUTE = 80
#: Rows left out that metrics/extract.json names.
_LISTED = 20
#: How MedPix's own form begins where nobody wrote an answer: "Replace this - DESCRIPTION OF THE
#: IMAGE OR FINDINGS."
_FORM = "replace this"
#: Rows read at a time; their images are not.
_BATCH = 4096


def read_table(folder: Path, options: Options) -> RawTable:
    """Read the questions and answers of the splits that are there; the group is the case.

    A question is ``closed`` if its answer is yes or no alone, otherwise ``open``; columns of text
    beside the published ones become attributes, and their ``question_type`` stands where they have
    one. Spaces around texts are no part of them. Answers that are the words of MedPix's form are
    read as they are, and counted in the findings: a model learns to say them.

    Raises:
        VerdictError: a file or column is missing, a file is damaged, or a row lacks its case,
            question or (unless ``blank_answers`` leaves it out) answer.
    """
    files = {
        split: _files(folder / name)
        for split, name in FILES.items()
        if split not in OPTIONAL or (folder / name).is_dir()
    }
    everywhere = [path for paths in files.values() for path in paths]
    _check_names(everywhere)
    rows: list[RawRow] = []
    blank: list[str] = []
    for split, paths in files.items():
        for path in paths:
            for number, texts in enumerate(_texts(path)):
                row = _row(path, number, texts, split)
                if row.answer:
                    rows.append(row)
                elif options.blank_answers == "leave_out":
                    blank.append(row.id)
                else:
                    raise VerdictError(
                        f"{path} row {number}: the answer is blank; fetch the file again, or set "
                        "dataset.blank_answers to leave_out"
                    )
    if not rows:
        raise VerdictError(f"{folder} has no rows with an answer; check fetch.files")
    unwritten = [row.id for row in rows if (row.answer or "").casefold().startswith(_FORM)]
    closed = sum(_question_type(row.answer or "") == "closed" for row in rows)
    return RawTable(
        rows,
        images=ParquetImages(folder, tuple(everywhere), IMAGE),
        every_image=not blank,
        findings={
            "closed_questions": closed,
            "open_questions": len(rows) - closed,
            "blank_answers_left_out": len(blank),
            "blank_answers": blank[:_LISTED],
            "unwritten_answers_kept": len(unwritten),
            "unwritten_answers": unwritten[:_LISTED],
        },
    )


def _files(folder: Path) -> list[Path]:
    not_read(
        folder, lambda path: path.suffix == ".parquet", (folder.name,), "that ends in .parquet"
    )
    paths = sorted(folder.glob("*.parquet"))
    if not paths:
        raise VerdictError(
            f"{folder} has no Parquet files (*.parquet); check fetch.files.{folder.name}, and run "
            "`dvc repro fetch`"
        )
    return paths


def _check_names(paths: list[Path]) -> None:
    by_stem: dict[str, Path] = {}
    for path in paths:
        if (other := by_stem.setdefault(path.stem, path)) != path:
            raise VerdictError(
                f"{other} and {path} have the same name, from which ids are made; rename one"
            )


def _texts(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the cells of each row by column, without its image."""
    with parquet_explained(path), pq.ParquetFile(path) as file:
        present = file.schema_arrow.names
        refuse_repeated(str(path), present)
        if missing := [name for name in COLUMNS if name not in present]:
            raise VerdictError(
                f"{path} lacks the column{'s' if len(missing) > 1 else ''} "
                f"{', '.join(missing)}; it has {', '.join(present)}. Check that fetch.files "
                "names the right data set"
            )
        further = [
            field.name
            for field in file.schema_arrow
            if field.name not in COLUMNS and pa.types.is_string(field.type)
        ]
        for batch in file.iter_batches(_BATCH, columns=[*TEXTS, *further]):
            yield from batch.to_pylist()


def _row(path: Path, number: int, cells: dict[str, Any], split: Split) -> RawRow:
    texts = {name: "" if cell is None else str(cell).strip() for name, cell in cells.items()}
    for name, harm in (
        ("case_id", "without it a case could end up in two splits"),
        ("question", "there is nothing to answer"),
    ):
        if not texts[name]:
            raise VerdictError(f"{path} row {number}: {name} is blank; {harm}. Mend the file")
    attributes = {"mode": texts["mode"], "question_type": _question_type(texts["answer"])}
    if len(texts["question"]) <= _LONGEST_ATTRIBUTE:
        attributes["question"] = texts["question"]
    attributes |= {tidy(name): tidy(text) for name, text in texts.items() if name not in TEXTS}
    return RawRow(
        id=f"{path.stem}-{number:06d}",
        group=tidy(texts["case_id"]),
        label=None,
        attributes={name: value for name, value in attributes.items() if value},
        image=parquet_key(path, number),
        text=texts["question"],
        answer=texts["answer"],
        split=split,
    )


def _question_type(answer: str) -> str:
    return "closed" if answer.rstrip(".!").casefold() in ("yes", "no") else "open"
