"""Records that link two groups: both are drawn again, and nothing changes where none does."""

import warnings
from itertools import product
from typing import Any

import numpy as np
import pytest
from sacrebleu.metrics import BLEU

from testing.samples import (
    SETTINGS,
    TISSUE,
    compare,
    drawn_pairs,
    predictions_from,
    skin_models,
    text_models,
    texts_from,
    tissue_models,
    written_pairs,
)
from tests.statistics.oracle import by_scikit_learn
from verdict.comparison.bootstrap import bootstrap, cell_weights, group_weights
from verdict.comparison.inputs import merge_labels
from verdict.comparison.verdict import find_obstacle
from verdict.core.errors import VerdictError
from verdict.predictions import Predictions, make_predictions
from verdict.statistics.kinds import kind_of
from verdict.statistics.measurement import measure


def changed(p: Predictions, change: Any) -> Predictions:
    rows = [row | change(row) for row in p.table.to_pylist()]
    return make_predictions(p.model, p.labels, p.positive, rows)


def linked(pairs: list[tuple[int, int]], actual: list[int] | None = None) -> Predictions:
    """Return predictions of records that link these groups."""
    first, second = zip(*pairs, strict=True)
    actual = actual or [0, 1] * (len(pairs) // 2) + [0] * (len(pairs) % 2)
    log_probabilities = np.log(np.tile([0.7, 0.3], (len(pairs), 1)))
    return predictions_from("base", actual, log_probabilities, groups=first, others=second)


def test_a_pair_weighs_its_groups_draws_multiplied() -> None:
    weights = np.array([[1.0, 1, 1], [2, 0, 1], [0, 3, 0]])
    cells = np.array([[0, 0], [0, 1], [0, 2], [1, 2], [2, 2]])
    assert cell_weights(weights, cells).tolist() == [
        [1, 1, 1, 1, 1],
        [2, 0, 2, 0, 1],
        [0, 0, 0, 0, 0],
    ]
    alone = np.array([[0, 0], [1, 1], [2, 2]])
    assert cell_weights(weights, alone) is weights


def test_cells_are_groups_and_unordered_pairs_of_them() -> None:
    p = linked([(7, 7), (8, 7), (7, 8), (9, 7), (8, 8)])
    assert p.group_names.tolist() == ["IP_0000007", "IP_0000008", "IP_0000009"]
    assert p.cell_groups.tolist() == [[0, 0], [0, 1], [0, 2], [1, 1]]
    assert p.cell_codes.tolist() == [0, 1, 1, 2, 3]
    assert p.linked
    part = p.part(np.array([False, False, False, True, True]))
    assert part.cell_groups.tolist() == [[0, 2], [1, 1]]
    assert part.cell_codes.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("pairs", "independent"),
    [
        ([(1, 2), (3, 4), (5, 5)], True),
        ([(1, 2), (3, 2)], False),
        ([(1, 2), (2, 3)], False),
        ([(1, 2), (2, 1)], False),
        ([(1, 2), (1, 1)], False),
    ],
)
def test_pairs_that_share_a_group_are_not_independent(
    pairs: list[tuple[int, int]], independent: bool
) -> None:
    p = linked(pairs)
    assert p.independent == independent
    models = [p, Predictions("tuned", p.labels, p.positive, p.table)]
    secondary = compare(models, **SETTINGS).differences[0].secondary
    assert (secondary["mcnemar_p"] is not None) == independent


@pytest.mark.parametrize("models", [skin_models(), tissue_models(), text_models()])
def test_a_second_group_that_is_the_first_changes_nothing(models: list[Predictions]) -> None:
    same = [changed(p, lambda row: {"other_group": row["group"]}) for p in models]
    settings = {**SETTINGS, "resamples": 300}
    assert compare(same, **settings).flat() == compare(models, **settings).flat()


def test_numbers_without_pairs_are_those_of_drawing_groups() -> None:
    """As they were before there were pairs."""
    flat = compare(skin_models(), **SETTINGS).flat()
    expected = {"balanced_accuracy": 0.196329, "accuracy": 0.446591, "group_accuracy": 0.433438}
    assert {name: flat[f"tuned_minus_base.{name}_low"] for name in expected} == expected
    assert compare(text_models(), **SETTINGS).flat()["tuned_minus_base.bleu_low"] == 0.239024


def repeated(p: Predictions, weight: np.ndarray) -> Predictions:
    """Write every drawn row out: each copy of its one group beside each copy of the other."""
    rows = []
    counts = dict(zip(p.group_names, weight, strict=True))
    for row in p.table.to_pylist():
        first, second = row["group"], row["other_group"]
        pairs: Any = product(range(counts[first]), range(counts[second]))
        if first == second:
            pairs = [(copy, copy) for copy in range(counts[first])]
        rows += [
            row
            | {"id": f"{row['id']}-{a}-{b}"}
            | {"group": f"{first}-{a}", "other_group": f"{second}-{b}"}
            for a, b in pairs
        ]
    return make_predictions(p.model, p.labels, p.positive, rows)


@pytest.mark.parametrize(
    "p",
    [
        drawn_pairs("m", seed=1, signal=0.5, records=60, groups=12),
        drawn_pairs("m", seed=1, signal=0.5, records=60, groups=12, labels=TISSUE[:3]),
        written_pairs("m", seed=1, right=0.4, records=70, groups=12),
    ],
    ids=["two labels", "three labels", "texts"],
)
def test_each_resample_is_the_metric_of_its_repeated_pairs(p: Predictions) -> None:
    fast = bootstrap({"m": measure(p)}, cells=p.cell_groups, records=len(p), resamples=25, seed=0)[
        "m"
    ]
    weights = next(group_weights(len(p.group_names), 25, 0, 25)).astype(int)
    compared = 0
    for i, weight in enumerate(weights):
        rows = repeated(p, weight)
        if len(rows) == 0 or len(set(rows.actual)) < len(p.labels):
            continue
        compared += 1
        slow: dict[str, Any] = by_scikit_learn(rows) if p.labels else measure(rows).values()
        if p.free_text:
            slow["bleu"] = BLEU().corpus_score(list(rows.generated), [list(rows.answers)]).score
            slow["bleu"] /= 100
        for name in kind_of(p).metrics:
            expected = np.nan if slow[name] is None else slow[name]
            np.testing.assert_allclose(fast[name][i], expected, atol=1e-6, err_msg=name)
    assert compared > 15


def width(models: list[Predictions]) -> float:
    metric = "token_f1" if models[0].free_text else "balanced_accuracy"
    found = compare(models, **SETTINGS).differences[0].metrics[metric]
    return (found.high or 0) - (found.low or 0)


@pytest.mark.parametrize("text", [False, True])
def test_drawing_both_sides_is_wider_than_the_first_alone(text: bool) -> None:
    if text:
        models = [written_pairs("base", seed=1, right=0.2), written_pairs("tuned", seed=2, right=1)]
    else:
        models = [drawn_pairs("base", seed=1, signal=0), drawn_pairs("tuned", seed=2, signal=1)]
    first_alone = [changed(p, lambda row: {"other_group": None}) for p in models]
    assert width(models) > 1.2 * width(first_alone)


def test_every_group_is_counted_on_either_side() -> None:
    models = [drawn_pairs("base", seed=1, signal=0), drawn_pairs("tuned", seed=2, signal=2)]
    models = [
        changed(p, lambda row: {"attributes": {"half": "ab"[int(row["id"][-1]) % 2]}})
        for p in models
    ]
    rows = models[0].table.to_pylist()
    either = {row["group"] for row in rows} | {row["other_group"] for row in rows}
    assert len(either) > len({row["group"] for row in rows})
    comparison = compare(models, **SETTINGS, noun="entities", subgroups=["half"])
    assert comparison.groups == comparison.flat()["groups"] == len(either)
    assert f"{len(either)} entities)" in comparison.verdict.sentence
    half = [row for row in rows if int(row["id"][-1]) % 2 == 0]
    assert comparison.subgroups[0].groups == len(
        {row["group"] for row in half} | {row["other_group"] for row in half}
    )
    accuracy, estimates = 0.0, comparison.models["tuned"]
    tuned = models[1]
    for code in range(len(tuned.cell_groups)):
        held = tuned.cell_codes == code
        accuracy += (tuned.actual == tuned.predicted)[held].mean() / len(tuned.cell_groups)
    assert estimates["group_accuracy"].value == pytest.approx(accuracy, abs=1e-6)


def test_pairs_are_no_more_evidence_than_there_are_of_them() -> None:
    """Nine pairs of eighteen groups are nine observations."""
    p = linked([(2 * i, 2 * i + 1) for i in range(9)])
    assert find_obstacle(p, "entities") == (
        "there are too few entities or pairs of them, 9 where 10 are needed"
    )
    rare = linked([(2 * i, 2 * i + 1) for i in range(20)], [1] * 5 + [0] * 15)
    assert "melanoma occurs in too few entities or pairs of them, 5" in (
        find_obstacle(rare, "entities") or ""
    )


def test_a_resample_without_any_pair_is_undefined() -> None:
    p = linked([(2 * i, 2 * i + 1) for i in range(6)])
    texts = texts_from("m", [("a", "b")] * 6, groups=range(0, 12, 2), others=range(1, 12, 2))
    for each in (p, texts):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = bootstrap(
                {"m": measure(each)}, cells=each.cell_groups, records=6, resamples=400, seed=0
            )["m"]
        weights = cell_weights(next(group_weights(12, 400, 0, 400)), each.cell_groups)
        empty = weights.sum(axis=1) == 0
        assert empty.any()
        for name in kind_of(each).metrics:
            assert np.isnan(found[name][empty]).all(), name


def test_models_must_have_been_asked_about_the_same_pairs() -> None:
    base, tuned = (drawn_pairs(name, seed=1, signal=1) for name in ("base", "tuned"))
    moved = changed(tuned, lambda row: {"other_group": None if row["id"][-1] == "3" else "x"})
    with pytest.raises(VerdictError, match="records have another second group in tuned"):
        compare([base, moved], **SETTINGS)


def test_validation_shares_no_group_of_either_side() -> None:
    models = [drawn_pairs(name, seed=1, signal=1) for name in ("base", "tuned")]

    def elsewhere(row: dict[str, Any]) -> dict[str, Any]:
        return {"id": "V" + row["id"], "group": "V" + row["group"]}

    def apart(row: dict[str, Any]) -> dict[str, Any]:
        return elsewhere(row) | {"other_group": "V" + row["other_group"]}

    settings = {**SETTINGS, "resamples": 50, "sensitivity": 0.9}
    assert compare(models, **settings, validation=[changed(p, apart) for p in models]).thresholds
    with pytest.raises(VerdictError, match=r"groups of the test split .* in the validation split"):
        compare(models, **settings, validation=[changed(p, elsewhere) for p in models])


def test_merging_labels_keeps_both_groups() -> None:
    p = drawn_pairs("m", seed=1, signal=1, labels=TISSUE[:3])
    merged = merge_labels(p, {"a": TISSUE[:2], "b": TISSUE[2:3]}, "b")
    assert merged.table["other_group"] == p.table["other_group"]
    assert merged.cell_groups.tolist() == p.cell_groups.tolist()
