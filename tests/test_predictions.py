import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testing.samples import SKIN, drawn, predictions_from, texts_from
from verdict.core.errors import VerdictError
from verdict.predictions import (
    METADATA_KEY,
    SCHEMA,
    Predictions,
    make_predictions,
    read_predictions,
    write_predictions,
)

LOG_PROBABILITIES = np.log([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])


@pytest.fixture
def predictions() -> Predictions:
    return predictions_from(
        "tuned", [0, 1, 1], LOG_PROBABILITIES, groups=[7, 7, 8], parsed=[0, 1, -1]
    )


@pytest.fixture
def texts() -> Predictions:
    return texts_from("tuned", [("axial", "Axial"), ("", "CT"), ("It is a CT.", "CT")])


def change(predictions: Predictions, column: str, row: int, value: object) -> pa.Table:
    values = predictions.table[column].to_pylist()
    values[row] = value
    index = SCHEMA.get_field_index(column)
    return predictions.table.set_column(
        index, SCHEMA.field(index), pa.array(values, SCHEMA.field(index).type)
    )


#: What the metadata of a sound file says.
SOUND: dict[str, object] = {
    "model": "tuned",
    "labels": list(SKIN),
    "positive": "melanoma",
    "length_normalization": "none",
}


def store(path: Path, table: pa.Table, description: dict[str, object] = SOUND) -> Path:
    text = json.dumps(description).encode()
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: text}), path)
    return path


def test_what_is_written_is_read(tmp_path: Path, predictions: Predictions) -> None:
    write_predictions(tmp_path / "tuned.parquet", predictions)
    read = read_predictions(tmp_path / "tuned.parquet")
    assert read == predictions
    assert (read.model, read.labels, read.positive) == ("tuned", SKIN, "melanoma")
    assert read.actual.tolist() == [0, 1, 1]
    assert read.predicted.tolist() == [0, 1, 0]
    assert read.parsed.tolist() == [0, 1, -1]
    assert read.groups.tolist() == ["IP_0000007", "IP_0000007", "IP_0000008"]
    np.testing.assert_array_equal(read.log_probabilities, LOG_PROBABILITIES)
    assert read.attributes == [{"age": "45", "sex": "female"}] * 3
    assert read.answers.tolist() == ["benign", "melanoma", "melanoma"]
    assert read.cell_codes.tolist() == [0, 0, 1]
    assert read.other_groups.tolist() == [None, None, None]
    assert not read.free_text
    assert list(tmp_path.iterdir()) == [tmp_path / "tuned.parquet"]


def test_a_second_group_is_read_as_it_was_written(tmp_path: Path) -> None:
    pairs = predictions_from("tuned", [0, 1], LOG_PROBABILITIES[:2], groups=[7, 8], others=[9, 8])
    write_predictions(tmp_path / "tuned.parquet", pairs)
    read = read_predictions(tmp_path / "tuned.parquet")
    assert read.other_groups.tolist() == ["IP_0000009", "IP_0000008"]
    assert read.cell_groups.tolist() == [[0, 2], [1, 1]]


def test_bytes_do_not_depend_on_the_order_or_chunks_of_rows(tmp_path: Path) -> None:
    predictions = drawn("tuned", seed=1, signal=1.0, records=21_000)
    rows = predictions.table.to_pylist()
    for name, order in (("forward", rows), ("backward", rows[::-1])):
        write_predictions(tmp_path / name, make_predictions("tuned", SKIN, "melanoma", iter(order)))
    pieces = pa.concat_tables([predictions.table.slice(i, 97) for i in range(0, 21_000, 97)])
    write_predictions(tmp_path / "pieces", Predictions("tuned", SKIN, "melanoma", pieces))
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.iterdir()}
    assert len(digests) == 1


def test_scores_rank_as_softmax_does_and_do_not_saturate() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 2, (50, 3))
    labels = ("a", "b", "c")
    scores = predictions_from("m", np.zeros(50, int), values, labels=labels, positive=None).scores
    softmax = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(scores, np.log(softmax / (1 - softmax)), atol=1e-9)
    certain = predictions_from("m", [0, 0], np.array([[0.0, -50.0], [0.0, -60.0]])).scores
    assert certain[:, 0].tolist() == [50, 60]


def test_empty_predictions_are_readable(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p", predictions_from("tuned", [], np.zeros((0, 2))))
    read = read_predictions(tmp_path / "p")
    assert len(read) == 0
    assert read.log_probabilities.shape == read.scores.shape == (0, 2)


def test_free_text_is_read_as_it_was_written(tmp_path: Path, texts: Predictions) -> None:
    write_predictions(tmp_path / "tuned.parquet", texts)
    read = read_predictions(tmp_path / "tuned.parquet")
    assert read == texts
    assert read.free_text
    assert (read.labels, read.positive) == ((), None)
    assert read.answers.tolist() == ["Axial", "CT", "CT"]
    assert read.generated.tolist() == ["axial", "", "It is a CT."]
    assert read.table["invalid_reason"].to_pylist() == [None, "empty", None]
    assert read.log_probabilities.shape == (3, 0)
    assert read.part(np.array([True, False, True])).ids.tolist() == ["MPX_00000", "MPX_00002"]


@pytest.mark.parametrize(
    ("column", "row", "value", "problem"),
    [
        ("label", 1, "CT", r"row 2 .*label is given, but these predictions have no labels"),
        ("parsed", 0, "Axial", r"row 1 .*parsed is given"),
        ("predicted", 0, "Axial", r"row 1 .*predicted is given"),
        ("log_probabilities", 2, [-0.1], r"row 3 .*log_probabilities are given"),
        ("answer", 2, None, r"row 3 .*answer is null"),
        ("answer", 2, "  ", r"row 3 .*the reference text, is blank"),
        ("generated", 0, " ", r"row 1 .*invalid_reason must be empty where nothing was generated"),
        ("invalid_reason", 2, "empty", r"row 3 .*and null elsewhere"),
        ("invalid_reason", 2, "no answer", r"row 3 .*and null elsewhere"),
        ("group", 1, None, r"row 2 .*group is null"),
    ],
)
def test_a_wrong_value_of_free_text_is_named(
    tmp_path: Path, texts: Predictions, column: str, row: int, value: object, problem: str
) -> None:
    description = {**SOUND, "labels": [], "positive": None, "length_normalization": None}
    path = store(tmp_path / "tuned.parquet", change(texts, column, row, value), description)
    with pytest.raises(VerdictError, match=r"tuned\.parquet, " + problem):
        read_predictions(path)


@pytest.mark.fault("pulled data")
@pytest.mark.parametrize(
    ("column", "row", "value", "problem"),
    [
        ("id", 2, "ISIC_0000001", r"row 3 \(id ISIC_0000001\): this id occurs twice"),
        ("id", 1, "ISIC_9", r"row 3 .* not sorted by id"),
        ("group", 1, None, r"row 2 .*group is null"),
        ("label", 1, None, r"row 2 .*label is null"),
        ("answer", 1, None, r"row 2 .*answer is null"),
        ("label", 1, "nevus", r"row 2 .*label is not one of the labels benign, melanoma"),
        ("parsed", 0, "nevus", r"row 1 .*parsed is not one of"),
        ("predicted", 0, "melanoma", r"row 1 .*not the label with the largest"),
        ("parsed", 0, None, r"row 1 .*exactly one of parsed and invalid_reason"),
        ("log_probabilities", 2, [0.0], r"row 3 .*needs 2 values"),
        ("log_probabilities", 1, [float("nan"), 0.0], r"row 2 .*not a finite number"),
        ("log_probabilities", 1, [float("-inf"), 0.0], r"row 2 .*not a finite number"),
        ("log_probabilities", 1, [None, 0.0], r"row 2 .*not a finite number"),
    ],
)
def test_a_wrong_value_is_named(
    tmp_path: Path,
    predictions: Predictions,
    column: str,
    row: int,
    value: object,
    problem: str,
) -> None:
    path = store(tmp_path / "tuned.parquet", change(predictions, column, row, value))
    with pytest.raises(VerdictError, match=r"tuned\.parquet, " + problem):
        read_predictions(path)


@pytest.mark.fault("pulled data")
def test_wrong_columns_are_named(tmp_path: Path, predictions: Predictions) -> None:
    table = predictions.table
    with pytest.raises(VerdictError, match=r"the column group is missing.*`dvc repro`"):
        read_predictions(store(tmp_path / "p", table.drop_columns("group")))
    position = SCHEMA.get_field_index("id")
    numbered = table.set_column(position, "id", pa.array([1, 2, 3]))
    with pytest.raises(VerdictError, match="the column id is int64; string is expected"):
        read_predictions(store(tmp_path / "p", numbered))
    with pytest.raises(VerdictError, match="exactly id, group"):
        read_predictions(store(tmp_path / "p", table.append_column("more", pa.array([1, 2, 3]))))


@pytest.mark.fault("pulled data")
@pytest.mark.parametrize(
    ("description", "problem"),
    [
        ({}, 'no "verdict" entry .*`dvc repro` writes it anew'),
        ({**SOUND, "labels": ["benign"], "positive": "benign"}, "two or more"),
        ({**SOUND, "labels": [], "positive": "benign"}, "there are no labels"),
        ({**SOUND, "positive": None}, "positive"),
        ({**SOUND, "positive": "nevus"}, "nevus"),
        ({**SOUND, "length_normalization": "words"}, "is words; it must be none or tokens"),
    ],
)
def test_a_wrong_description_is_named(
    tmp_path: Path, predictions: Predictions, description: dict[str, object], problem: str
) -> None:
    with pytest.raises(VerdictError, match=problem):
        read_predictions(store(tmp_path / "p", predictions.table, description))


def test_how_log_likelihoods_were_normalized_is_kept(
    tmp_path: Path, predictions: Predictions
) -> None:
    for kind in ("none", "tokens", None):
        normalized = replace(predictions, length_normalization=kind)
        write_predictions(tmp_path / "p", normalized)
        assert read_predictions(tmp_path / "p").length_normalization == kind
        assert normalized.part(np.array([True, False, True])).length_normalization == kind


@pytest.mark.fault("pulled data")
def test_missing_and_damaged_files_are_named(tmp_path: Path, predictions: Predictions) -> None:
    with pytest.raises(VerdictError, match=r"gone\.parquet is not here: `dvc pull"):
        read_predictions(tmp_path / "gone.parquet")
    path = tmp_path / "cut.parquet"
    write_predictions(path, predictions)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(VerdictError, match="not a readable Parquet file"):
        read_predictions(path)


@pytest.mark.fault("pulled data")
def test_text_that_is_not_utf_8_is_named(tmp_path: Path, predictions: Predictions) -> None:
    path = tmp_path / "p.parquet"
    pq.write_table(
        predictions.table.replace_schema_metadata({METADATA_KEY: json.dumps(SOUND).encode()}),
        path, compression="none", use_dictionary=False, write_statistics=False,
    )  # fmt: skip
    content = path.read_bytes()
    assert content.count(b"female")
    path.write_bytes(content.replace(b"female", b"fema\xffe"))
    with pytest.raises(VerdictError, match=r"p\.parquet is not a readable Parquet file \(.*UTF8"):
        read_predictions(path)


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(12)))
def test_the_order_of_the_rows_changes_nothing(order: list[int]) -> None:
    sound = drawn("tuned", seed=3, signal=1.0, records=12, groups=5)
    rows = sound.table.to_pylist()
    again = make_predictions(
        sound.model, sound.labels, sound.positive, (rows[i] for i in order),
        sound.length_normalization,
    )  # fmt: skip
    assert again.table.equals(sound.table)


def test_nothing_wrong_is_written(tmp_path: Path, predictions: Predictions) -> None:
    wrong = Predictions("tuned", SKIN, "melanoma", change(predictions, "label", 0, "nevus"))
    with pytest.raises(VerdictError, match="label is not one of the labels"):
        write_predictions(tmp_path / "p", wrong)
    assert list(tmp_path.iterdir()) == []


def test_thoughts_are_a_column_where_there_are_any(
    tmp_path: Path, predictions: Predictions
) -> None:
    rows = predictions.table.to_pylist()
    assert "thought" not in predictions.table.schema.names
    rows[1]["thought"] = "It is brown."
    thinking = make_predictions("tuned", SKIN, "melanoma", rows, "none")
    write_predictions(tmp_path / "tuned.parquet", thinking)
    read = read_predictions(tmp_path / "tuned.parquet")
    assert read == thinking
    assert read.table["thought"].to_pylist() == [None, "It is brown.", None]


def test_a_text_whose_thought_did_not_end_is_invalid(texts: Predictions) -> None:
    rows = texts.table.to_pylist()
    rows[1] |= {"thought": "It is", "invalid_reason": "unfinished thought"}
    read = make_predictions("tuned", [], None, rows)
    assert read.table["invalid_reason"].to_pylist() == [None, "unfinished thought", None]
