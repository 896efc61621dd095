"""Predictions: one row a record, as a Parquet file that every number can be recomputed from."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.special import logsumexp

from verdict.errors import VerdictError
from verdict.files import replacing

#: One row a record. ``log_probabilities`` are those of the candidate answers or, from a classifier,
#: of the labels. A classifier writes nothing: its ``generated`` is empty, and its ``parsed`` the
#: likeliest label, so that the metrics of generated answers equal those of the likeliest label.
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("group", pa.string()),
        pa.field("label", pa.string()),
        pa.field("predicted", pa.string()),
        pa.field("generated", pa.string()),
        pa.field("parsed", pa.string()),
        pa.field("invalid_reason", pa.string()),
        pa.field("log_probabilities", pa.list_(pa.float64())),
        pa.field("attributes", pa.map_(pa.string(), pa.string())),
        pa.field("prompt_sha256", pa.string()),
    ]
)

#: Columns that may hold null: an answer that could not be parsed has no label but a reason.
NULLABLE = {"parsed", "invalid_reason"}

#: The key of the JSON object in the Parquet schema's metadata: model, labels, positive.
METADATA_KEY = b"verdict"

ZSTD_LEVEL = 9


@dataclass(frozen=True)
class Predictions:
    """What one model answered, sorted by id; arrays below have one entry a record (n).

    Labels are given as codes: their positions in ``labels``.
    """

    model: str
    labels: tuple[str, ...]
    #: The label that recall, precision and AUROC are about; None with more than two labels.
    positive: str | None
    #: The rows, in ``SCHEMA``.
    table: pa.Table

    def __len__(self) -> int:
        return self.table.num_rows

    @property
    def binary(self) -> bool:
        return len(self.labels) == 2

    @property
    def positive_code(self) -> int:
        """The code of the positive label of a binary task."""
        if self.positive is None:
            raise ValueError(f"the predictions of {self.model} have no positive label")
        return self.labels.index(self.positive)

    @cached_property
    def ids(self) -> np.ndarray:
        """Strings (n), in rising order."""
        return self._strings("id")

    @cached_property
    def groups(self) -> np.ndarray:
        """Strings (n): the patient, case or lesion of each record."""
        return self._strings("group")

    @cached_property
    def prompts(self) -> np.ndarray:
        """Strings (n): the SHA-256 of each record's prompt."""
        return self._strings("prompt_sha256")

    @cached_property
    def actual(self) -> np.ndarray:
        """Codes (n) of the true labels."""
        return self._codes("label")

    @cached_property
    def predicted(self) -> np.ndarray:
        """Codes (n) of the likeliest labels."""
        return self._codes("predicted")

    @cached_property
    def parsed(self) -> np.ndarray:
        """Codes (n) of the labels in the generated answers; -1 where there is none."""
        return self._codes("parsed")

    @cached_property
    def log_probabilities(self) -> np.ndarray:
        """Log-likelihoods (n, labels) of the candidate answers, in nats."""
        return _matrix(self.table, len(self.labels))

    @cached_property
    def scores(self) -> np.ndarray:
        """Log-odds (n, labels) of each label against all others, under a softmax.

        They rank records exactly as the softmax probabilities do, but do not run into ties at 0
        and 1 as those do, so ranking metrics take these.
        """
        values = self.log_probabilities
        others = [logsumexp(np.delete(values, i, axis=1), axis=1) for i in range(values.shape[1])]
        return values - np.stack(others, axis=1)

    def _strings(self, column: str) -> np.ndarray:
        return self.table[column].to_numpy(zero_copy_only=False).astype(object)

    def _codes(self, column: str) -> np.ndarray:
        codes = pc.index_in(self.table[column], value_set=pa.array(self.labels, pa.string()))
        return codes.fill_null(-1).to_numpy().astype(np.int64)


def make_predictions(
    model: str, labels: Sequence[str], positive: str | None, rows: Iterable[Mapping[str, Any]]
) -> Predictions:
    """Build predictions from rows in any order.

    Args:
        model: the model's name.
        labels: the candidate labels, in the order of ``log_probabilities``.
        positive: one of ``labels``; None where there are more than two.
        rows: mappings with the columns of ``SCHEMA`` but ``predicted``, which is the label of the
            largest log-probability (the first one of equals).

    Raises:
        VerdictError: as ``read_predictions``.
    """
    rows = sorted(rows, key=lambda row: row["id"])
    columns: dict[str, list[Any]] = {
        name: [row[name] for row in rows] for name in SCHEMA.names if name != "predicted"
    }
    columns["attributes"] = [sorted(dict(value).items()) for value in columns["attributes"]]
    columns["predicted"] = [
        labels[int(np.argmax(value))] if len(value) else None
        for value in columns["log_probabilities"]
    ]
    table = pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)
    predictions = Predictions(model, tuple(labels), positive, table)
    _check(predictions, f"predictions of {model}")
    return predictions


def write_predictions(path: Path | str, predictions: Predictions) -> None:
    """Write predictions; the bytes depend on the content alone.

    Raises:
        VerdictError: as ``read_predictions``; then nothing is written.
    """
    _check(predictions, str(path))
    description = {
        "model": predictions.model,
        "labels": list(predictions.labels),
        "positive": predictions.positive,
    }
    metadata = {METADATA_KEY: json.dumps(description, ensure_ascii=False).encode()}
    table = predictions.table.combine_chunks().replace_schema_metadata(metadata)
    with replacing(path) as partial:
        pq.write_table(
            table, partial, compression="zstd", compression_level=ZSTD_LEVEL, version="2.6"
        )


def read_predictions(path: Path | str) -> Predictions:
    """Read and validate predictions.

    Raises:
        VerdictError: the file is missing, not Parquet, lacks a column or has another type, its ids
            are not unique and sorted, a value is null, a log-probability is not finite, a label is
            unknown, or ``predicted`` is not the likeliest label. The message names file and row
            (counted from 1).
    """
    try:
        table = pq.read_table(path, partitioning=None)
    except FileNotFoundError:
        raise VerdictError(
            f"{path} is not here: `dvc pull {path}` fetches it, `dvc repro` computes it"
        ) from None
    except (pa.ArrowInvalid, OSError) as error:
        raise VerdictError(
            f"{path} is not a readable Parquet file ({error}); delete it and run `dvc repro`"
        ) from None
    description = _description(path, table.schema.metadata or {})
    predictions = Predictions(*description, table.replace_schema_metadata(None))
    _check(predictions, str(path))
    return predictions


def _description(
    path: Path | str, metadata: Mapping[bytes, bytes]
) -> tuple[str, tuple[str, ...], str | None]:
    try:
        described = json.loads(metadata[METADATA_KEY])
        return described["model"], tuple(described["labels"]), described["positive"]
    except (KeyError, TypeError, ValueError):
        raise VerdictError(
            f'{path} has no "verdict" entry (model, labels, positive) in its metadata; '
            "it was not written by the evaluate stage, or another tool rewrote it"
        ) from None


def _check(predictions: Predictions, where: str) -> None:
    """Raise on the first thing in the predictions that the numbers could not rest on."""
    _check_labels(predictions, where)
    table = predictions.table
    _check_columns(table, where)

    def refuse(wrong: np.ndarray, problem: str) -> None:
        if wrong.any():
            row = int(np.argmax(wrong))
            name = table["id"][row].as_py()
            raise VerdictError(f"{where}, row {row + 1} (id {name}): {problem}")

    for name in SCHEMA.names:
        if name not in NULLABLE:
            refuse(table[name].is_null().to_numpy(), f"{name} is null")
    ids = predictions.ids
    repeats = np.concatenate([[False], ids[1:] == ids[:-1]]) if len(ids) else np.zeros(0, bool)
    refuse(repeats, "this id occurs twice; each record has one row")
    falls = np.concatenate([[False], ids[1:] < ids[:-1]]) if len(ids) else np.zeros(0, bool)
    refuse(falls, "the rows are not sorted by id")
    known = ", ".join(predictions.labels)
    for name, codes in (
        ("label", predictions.actual),
        ("predicted", predictions.predicted),
        ("parsed", predictions.parsed),
    ):
        unknown = (codes < 0) & table[name].is_valid().to_numpy()
        refuse(unknown, f"{name} is not one of the labels {known}")
    refuse(
        table["parsed"].is_null().to_numpy() != table["invalid_reason"].is_valid().to_numpy(),
        "exactly one of parsed and invalid_reason must be given",
    )
    lengths = pc.list_value_length(table["log_probabilities"]).to_numpy()
    refuse(
        lengths != len(predictions.labels),
        f"log_probabilities needs {len(predictions.labels)} values, one for each of {known}",
    )
    values = predictions.log_probabilities
    refuse(~np.isfinite(values).all(axis=1), "a log-probability is not a finite number")
    refuse(
        np.argmax(values, axis=1) != predictions.predicted,
        "predicted is not the label with the largest log-probability",
    )


def _check_labels(predictions: Predictions, where: str) -> None:
    labels, positive = predictions.labels, predictions.positive
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise VerdictError(
            f"{where}: labels are {', '.join(labels)}; two or more different ones are needed"
        )
    if positive not in labels and (predictions.binary or positive is not None):
        raise VerdictError(
            f"{where}: the positive label is {positive}; it must be one of {', '.join(labels)}"
        )


def _check_columns(table: pa.Table, where: str) -> None:
    for field in SCHEMA:
        if field.name not in table.schema.names:
            raise VerdictError(
                f"{where}: the column {field.name} is missing; it has "
                + ", ".join(table.schema.names)
            )
        found = table.schema.field(field.name).type
        if found != field.type:
            raise VerdictError(
                f"{where}: the column {field.name} is {found}; {field.type} is expected"
            )
    if table.schema.names != SCHEMA.names:
        raise VerdictError(
            f"{where}: the columns are {', '.join(table.schema.names)}; "
            f"exactly {', '.join(SCHEMA.names)} are expected"
        )


def _matrix(table: pa.Table, columns: int) -> np.ndarray:
    """Return the log-probabilities (n, columns); null becomes NaN."""
    values = table["log_probabilities"].combine_chunks().flatten()
    return values.to_numpy(zero_copy_only=False).astype(np.float64).reshape(-1, columns)
