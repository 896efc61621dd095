"""Rare labels: fewer rows of the others, more of these, or more weight."""

import pytest

from verdict.core.errors import VerdictError
from verdict.training.rows import select_rows

LABELS = ["a"] * 6 + ["b"] * 2 + ["a"] * 3 + ["c"] * 4


def count(positions: list[int]) -> dict[str, int]:
    drawn = [LABELS[position] for position in positions]
    return {label: drawn.count(label) for label in "abc"}


def test_none_keeps_every_row_once() -> None:
    selection = select_rows(LABELS, "none", 0)
    assert selection.positions == list(range(15))
    assert selection.weights is None
    assert selection.before == selection.after == {"a": 9, "b": 2, "c": 4}


def test_undersampling_draws_as_many_as_the_rarest_has_without_repeating() -> None:
    selection = select_rows(LABELS, "undersample", 42)
    assert count(selection.positions) == selection.after == {"a": 2, "b": 2, "c": 2}
    assert len(set(selection.positions)) == 6
    assert selection.positions == sorted(selection.positions)


def test_oversampling_keeps_all_and_repeats_rarer_ones_evenly() -> None:
    selection = select_rows(LABELS, "oversample", 42)
    assert count(selection.positions) == {"a": 9, "b": 9, "c": 9}
    assert set(selection.positions) == set(range(15))
    times = [selection.positions.count(position) for position in (6, 7)]
    assert sorted(times) == [4, 5]


@pytest.mark.parametrize("method", ["undersample", "oversample"])
def test_the_draw_is_a_function_of_the_seed(method: str) -> None:
    first = select_rows(LABELS, method, 42)  # type: ignore[arg-type]
    assert first == select_rows(LABELS, method, 42)  # type: ignore[arg-type]
    others = {tuple(select_rows(LABELS, method, seed).positions) for seed in range(5)}  # type: ignore[arg-type]
    assert len(others) > 1


def test_weights_let_labels_count_the_same_and_average_one() -> None:
    selection = select_rows(LABELS, "weighted_loss", 0)
    assert selection.weights is not None
    total = {label: selection.weights[label] * LABELS.count(label) for label in "abc"}
    assert total == pytest.approx(dict.fromkeys("abc", 5.0))
    assert selection.positions == list(range(15))
    assert selection.summary()["label_weights"] == {"a": 0.555556, "b": 2.5, "c": 1.25}


@pytest.mark.parametrize("labels", [["a"] * 3, ["a", None, "b"]])
def test_rows_without_two_labels_are_refused(labels: list[str | None]) -> None:
    with pytest.raises(VerdictError, match=r"class_imbalance is oversample, which needs .* none"):
        select_rows(labels, "oversample", 0)
