"""Answers for people, and as JSON lines, CSV or Parquet."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tools.predict.answering import Answered
from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verdict.pipeline.command import check_writable

Write = Callable[[Answered], None]

#: Rows of a Parquet file that are held until they are written.
_GROUP = 1024


def as_json(answered: Answered, model: str) -> dict[str, Any]:
    """Return an answer as one JSON object: what ``--json`` prints and a .jsonl file holds."""
    return {
        "input": answered.question.name,
        "text": answered.question.text,
        "model": model,
        "answer": answered.answer or None,
        "probabilities": answered.probabilities,
        "log_probabilities": answered.log_probabilities or {},
        "words": answered.words or None,
        "label_in_words": answered.label_in_words,
        "invalid": answered.invalid,
        "error": answered.error,
    }


def for_people(answered: Answered, answers: dict[str, str]) -> str:
    """Return an answer as lines to read; there is one.

    Args:
        answers: the words that stand for each label; none where the task is free text.
    """
    lines = [answered.question.name]
    ranked = sorted(answered.probabilities.items(), key=lambda item: -item[1])
    width = max((len(label) for label, _ in ranked), default=0)
    for label, probability in ranked:
        lines.append(f"  {probability:6.1%}  {label:<{width}}  {answers[label]}")
    if answered.words or answered.invalid:
        lines.append(f"  in words: {' '.join(answered.words.split()) or '(nothing)'}")
    if answered.invalid:
        lines.append(f"  invalid: no answer can be read from the words ({answered.invalid})")
    elif answered.words and answered.label_in_words not in (None, answered.answer):
        lines.append(f"  the words say {answered.label_in_words}, the probabilities another answer")
    return "\n".join(lines)


@contextmanager
def writing(path: Path, labels: Sequence[str], model: str) -> Iterator[Write]:
    """Yield what adds an answer to a file; it is put in place when the block ends, whole.

    Raises:
        VerdictError: it ends in another than .jsonl, .csv or .parquet, or cannot be written.
    """
    check_output(path)
    open_file = _WRITERS[path.suffix.lower()]
    with replacing(path) as partial, open_file(partial, labels, model) as write:
        yield write


def check_output(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Refuse what cannot be written, before any work is done.

    Args:
        inputs: files that are asked about, which answers must not replace.

    Raises:
        VerdictError: as ``writing``; or it is one of ``inputs``.
    """
    if path.suffix.lower() not in _WRITERS:
        raise VerdictError(f"{path} has to end in {', '.join(_WRITERS)}")
    if os.path.exists(path) and any(
        os.path.exists(given) and given.samefile(path) for given in inputs
    ):
        raise VerdictError(
            f"{path} holds what is asked about, and would be replaced; name another --output"
        )
    check_writable(path)


@contextmanager
def _jsonl(path: Path, labels: Sequence[str], model: str) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        yield lambda answered: print(
            json.dumps(as_json(answered, model), ensure_ascii=False), file=file
        )


@contextmanager
def _csv(path: Path, labels: Sequence[str], model: str) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _schema(labels).names, lineterminator="\n")
        writer.writeheader()
        yield lambda answered: writer.writerow(_flat(answered, labels, model))


@contextmanager
def _parquet(path: Path, labels: Sequence[str], model: str) -> Iterator[Write]:
    schema = _schema(labels)
    held: list[dict[str, Any]] = []
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:

        def flush() -> None:
            writer.write_table(pa.Table.from_pylist(held, schema))
            held.clear()

        def write(answered: Answered) -> None:
            held.append(_flat(answered, labels, model))
            if len(held) == _GROUP:
                flush()

        yield write
        flush()


def _schema(labels: Sequence[str]) -> pa.Schema:
    """Return the columns of a table: those of ``as_json``, with one of each kind a label."""
    numbers = [f"{kind}_{label}" for kind in _KINDS for label in labels]
    before, after = ("input", "text", "model", "answer"), ("words", "label_in_words", "invalid")
    return pa.schema(
        [(name, pa.string()) for name in before]
        + [(name, pa.float64()) for name in numbers]
        + [(name, pa.string()) for name in (*after, "error")]
    )


_KINDS = ("probability", "log_probability")


def _flat(answered: Answered, labels: Sequence[str], model: str) -> dict[str, Any]:
    values = as_json(answered, model)
    groups = (values.pop("probabilities"), values.pop("log_probabilities"))
    for kind, numbers in zip(_KINDS, groups, strict=True):
        values |= {f"{kind}_{label}": numbers.get(label) for label in labels}
    return values


_WRITERS = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
