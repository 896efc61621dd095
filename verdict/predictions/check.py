"""Refuse predictions that no number could rest on, naming the file and the row."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from verdict.core.errors import VerdictError
from verdict.parse import EMPTY, UNFINISHED
from verdict.predictions.table import LENGTH_NORMALIZATIONS, SCHEMA, THOUGHT, Predictions

#: Columns that may hold null: most records have one group alone, and an answer that could not be
#: parsed has no label but a reason.
NULLABLE = {"other_group", "parsed", "invalid_reason"}

#: Columns that hold nothing but null where the task is free text.
OF_LABELS = {"label", "predicted", "parsed"}


def check_predictions(predictions: Predictions, where: str) -> None:
    """Raise on the first thing in the predictions that the numbers could not rest on.

    Args:
        predictions: what to check.
        where: what messages call the predictions: their file.

    Raises:
        VerdictError: as ``read_predictions``.
    """
    _check_labels(predictions, where)
    _check_columns(predictions.table, where)
    rows = _Rows(predictions.table, where)
    nullable = NULLABLE | OF_LABELS if predictions.free_text else NULLABLE
    for name in SCHEMA.names:
        if name not in nullable:
            rows.refuse(rows.null(name), f"{name} is null")
    _check_ids(predictions, rows)
    if predictions.free_text:
        _check_texts(predictions, rows)
    else:
        _check_answers(predictions, rows)


class _Rows:
    """The rows of a table, refused by their number and id."""

    def __init__(self, table: pa.Table, where: str):
        self._table, self._where = table, where

    def null(self, column: str) -> np.ndarray:
        return self._table[column].is_null().to_numpy()

    def refuse(self, wrong: np.ndarray, problem: str) -> None:
        """Raise for the first row that is ``wrong`` (n)."""
        if wrong.any():
            row = int(np.argmax(wrong))
            name = self._table["id"][row].as_py()
            raise VerdictError(f"{self._where}, row {row + 1} (id {name}): {problem}")

    def lengths(self) -> np.ndarray:
        """Return how many log-probabilities each row has."""
        return pc.list_value_length(self._table["log_probabilities"]).to_numpy()


def _check_ids(predictions: Predictions, rows: _Rows) -> None:
    ids = predictions.ids
    repeats = np.concatenate([[False], ids[1:] == ids[:-1]]) if len(ids) else np.zeros(0, bool)
    rows.refuse(repeats, "this id occurs twice; each record has one row")
    falls = np.concatenate([[False], ids[1:] < ids[:-1]]) if len(ids) else np.zeros(0, bool)
    rows.refuse(falls, "the rows are not sorted by id")


def _check_answers(predictions: Predictions, rows: _Rows) -> None:
    """Check what a task with labels needs."""
    known = ", ".join(predictions.labels)
    for name, codes in (
        ("label", predictions.actual),
        ("predicted", predictions.predicted),
        ("parsed", predictions.parsed),
    ):
        unknown = (codes < 0) & ~rows.null(name)
        rows.refuse(unknown, f"{name} is not one of the labels {known}")
    rows.refuse(
        rows.null("parsed") == rows.null("invalid_reason"),
        "exactly one of parsed and invalid_reason must be given",
    )
    rows.refuse(
        rows.lengths() != len(predictions.labels),
        f"log_probabilities needs {len(predictions.labels)} values, one for each of {known}",
    )
    values = predictions.log_probabilities
    rows.refuse(~np.isfinite(values).all(axis=1), "a log-probability is not a finite number")
    rows.refuse(
        np.argmax(values, axis=1) != predictions.predicted,
        "predicted is not the label with the largest log-probability",
    )


def _check_texts(predictions: Predictions, rows: _Rows) -> None:
    """Check what a free-text task needs."""
    for name in sorted(OF_LABELS):
        rows.refuse(~rows.null(name), f"{name} is given, but these predictions have no labels")
    rows.refuse(rows.lengths() > 0, "log_probabilities are given, but there are no labels")
    rows.refuse(_blank(predictions.answers), "answer, the reference text, is blank")
    reasons = predictions.table["invalid_reason"].to_pylist()
    wrong = [
        reason not in ((EMPTY, UNFINISHED) if blank else (None,))
        for reason, blank in zip(reasons, _blank(predictions.generated), strict=True)
    ]
    rows.refuse(
        np.array(wrong, bool),
        f"invalid_reason must be {EMPTY} where nothing was generated (or {UNFINISHED}), and null "
        "elsewhere",
    )


def _blank(texts: np.ndarray) -> np.ndarray:
    return np.array([not text.strip() for text in texts], bool)


def _check_labels(predictions: Predictions, where: str) -> None:
    labels, positive = predictions.labels, predictions.positive
    if len(labels) == 1 or len(set(labels)) < len(labels):
        raise VerdictError(
            f"{where}: labels are {', '.join(labels)}; two or more different ones are needed, or "
            "none for free text"
        )
    if predictions.free_text and positive is not None:
        raise VerdictError(f"{where}: the positive label is {positive}, but there are no labels")
    if predictions.length_normalization not in (*LENGTH_NORMALIZATIONS, None):
        raise VerdictError(
            f"{where}: length_normalization is {predictions.length_normalization}; it must be "
            f"{' or '.join(LENGTH_NORMALIZATIONS)}, or null where no answers were scored"
        )
    if positive not in labels and (predictions.binary or positive is not None):
        raise VerdictError(
            f"{where}: the positive label is {positive}; it must be one of {', '.join(labels)}"
        )


def _check_columns(table: pa.Table, where: str) -> None:
    thought = [THOUGHT] if THOUGHT.name in table.schema.names else []
    expected = [*SCHEMA, *thought]
    for field in expected:
        if field.name not in table.schema.names:
            raise VerdictError(
                f"{where}: the column {field.name} is missing; it has "
                + ", ".join(table.schema.names)
                + "; `dvc repro` writes it anew"
            )
        found = table.schema.field(field.name).type
        if found != field.type:
            raise VerdictError(
                f"{where}: the column {field.name} is {found}; {field.type} is expected"
            )
    names = [field.name for field in expected]
    if table.schema.names != names:
        raise VerdictError(
            f"{where}: the columns are {', '.join(table.schema.names)}; "
            f"exactly {', '.join(names)} are expected"
        )
