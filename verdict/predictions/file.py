"""Make, write and read predictions."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verdict.predictions.check import check_predictions
from verdict.predictions.table import METADATA_KEY, SCHEMA, THOUGHT, Predictions

ZSTD_LEVEL = 9


def make_predictions(
    model: str,
    labels: Sequence[str],
    positive: str | None,
    rows: Iterable[Mapping[str, Any]],
    length_normalization: str | None = None,
) -> Predictions:
    """Build predictions from rows in any order.

    Args:
        model: the model's name.
        labels: the candidate labels, in the order of ``log_probabilities``; none for free text.
        positive: one of ``labels`` where there are two; else None.
        rows: mappings with the columns of ``SCHEMA`` but ``predicted``, which is the label of the
            largest log-probability (the first one of equals), or null for free text; and maybe
            ``thought``.
        length_normalization: as ``Predictions`` has it.

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
    thoughts = [row.get(THOUGHT.name) for row in rows]
    if any(thought is not None for thought in thoughts):
        table = table.append_column(THOUGHT, pa.array(thoughts, THOUGHT.type))
    predictions = Predictions(model, tuple(labels), positive, table, length_normalization)
    check_predictions(predictions, f"predictions of {model}")
    return predictions


def write_predictions(path: Path | str, predictions: Predictions) -> None:
    """Write predictions; the bytes depend on the content alone.

    Raises:
        VerdictError: as ``read_predictions``; then nothing is written.
    """
    check_predictions(predictions, str(path))
    description = {
        "model": predictions.model,
        "labels": list(predictions.labels),
        "positive": predictions.positive,
        "length_normalization": predictions.length_normalization,
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
            unknown, ``predicted`` is not the likeliest label, or a free-text task has labels, or
            an empty text that is not called so. The message names file and row (counted from 1).
    """
    try:
        table = pq.read_table(path, partitioning=None)
        table.validate(full=True)  # also that all text is UTF-8
    except FileNotFoundError:
        raise VerdictError(
            f"{path} is not here: `dvc pull {path}` fetches it, `dvc repro` computes it"
        ) from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise VerdictError(
            f"{path} is not a readable Parquet file ({error}); delete it and run `dvc repro`"
        ) from None
    described = _description(path, table.schema.metadata or {})
    predictions = Predictions(table=table.replace_schema_metadata(None), **described)
    check_predictions(predictions, str(path))
    return predictions


def _description(path: Path | str, metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    try:
        described = json.loads(metadata[METADATA_KEY])
        return {
            "model": described["model"],
            "labels": tuple(described["labels"]),
            "positive": described["positive"],
            "length_normalization": described["length_normalization"],
        }
    except (KeyError, TypeError, ValueError, RecursionError):
        raise VerdictError(
            f'{path} has no "verdict" entry (model, labels, positive, length_normalization) in its '
            "metadata; it was not written by this evaluate stage (`dvc repro` writes it anew), or "
            "another tool rewrote it"
        ) from None
