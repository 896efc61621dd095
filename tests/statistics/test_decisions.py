import numpy as np
import pytest

from testing.samples import predictions_from, skin_models
from verdict.comparison.thresholds import at_threshold
from verdict.predictions import Predictions
from verdict.statistics.decisions import (
    COVERAGES,
    ODDS,
    PROBABILITIES,
    CostMeasurement,
    NetBenefit,
    Selection,
    certainty_of,
    threshold_by_cost,
    threshold_by_coverage,
    treat_all,
)


@pytest.fixture(scope="module")
def tuned() -> Predictions:
    return skin_models()[1]


@pytest.fixture(scope="module")
def weights(tuned: Predictions) -> np.ndarray:
    cells = len(tuned.cell_groups)
    return np.random.default_rng(0).multinomial(cells, np.full(cells, 1 / cells), 3).astype(float)


def rows_of(p: Predictions, drawn: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(p)), drawn.astype(int)[p.cell_codes])


def test_net_benefit_is_what_vickers_and_elkin_write(
    tuned: Predictions, weights: np.ndarray
) -> None:
    positive, probability = tuned.actual == 1, tuned.probabilities[:, 1]
    found = NetBenefit(tuned.cell_codes, positive, probability)(weights)["net_benefit"]
    assert found.shape == (3, 99)
    for i, drawn in enumerate(weights):
        rows = rows_of(tuned, drawn)
        for j in (0, 9, 49, 80, 98):
            p = PROBABILITIES[j]
            called = probability[rows] >= p
            true, false = (called & positive[rows]).sum(), (called & ~positive[rows]).sum()
            expected = true / len(rows) - false / len(rows) * p / (1 - p)
            assert found[i, j] == pytest.approx(expected)


def test_probabilities_of_0_and_1_are_called_as_they_are() -> None:
    positive = np.array([True, False, True, False])
    curve = NetBenefit(np.arange(4), positive, np.array([1.0, 0.0, 0.0, 1.0]))
    found = curve(np.ones((1, 4)))["net_benefit"][0]
    assert found == pytest.approx((1 - ODDS) / 4)
    every = NetBenefit(np.arange(4), positive, np.ones(4))(np.ones((1, 4)))["net_benefit"][0]
    assert every == pytest.approx(treat_all(0.5))
    assert treat_all(0.3)[29] == pytest.approx(0.0)


def test_risk_and_coverage_are_shares_of_what_is_answered(
    tuned: Predictions, weights: np.ndarray
) -> None:
    certainty, wrong = certainty_of(tuned), tuned.predicted != tuned.actual
    levels = np.array([threshold_by_coverage(certainty, share) for share in COVERAGES])
    selection = Selection(tuned.cell_codes, wrong, certainty, levels)
    assert selection.whole()["coverage"] == pytest.approx(COVERAGES, abs=1 / len(tuned))
    assert selection.whole()["risk"][0] == pytest.approx(wrong.mean())
    assert selection.whole()["risk"][10] < wrong.mean() / 2
    found = selection(weights)
    for i, drawn in enumerate(weights):
        rows = rows_of(tuned, drawn)
        for j in (0, 7, 19):
            kept = certainty[rows] >= levels[j]
            assert found["coverage"][i, j] == pytest.approx(kept.mean())
            assert found["risk"][i, j] == pytest.approx(wrong[rows][kept].mean())
            assert found["spared"][i, j] == pytest.approx(
                wrong[rows].mean() - wrong[rows][kept].mean()
            )


def test_nothing_answered_has_no_risk() -> None:
    selection = Selection(np.arange(2), np.array([True, False]), np.zeros(2), np.array([1.0]))
    assert selection.whole()["coverage"].tolist() == [0]
    assert np.isnan(selection.whole()["risk"]).all()


def test_ties_are_answered_together() -> None:
    certainty = np.array([1.0, 1.0, 1.0, 2.0])
    assert threshold_by_coverage(certainty, 0.25) == 2
    assert threshold_by_coverage(certainty, 0.3) == 1
    assert threshold_by_coverage(certainty, 1.0) == 1


@pytest.mark.parametrize("cost", [0.2, 1.0, 3.0, 20.0])
def test_no_threshold_costs_less(cost: float) -> None:
    rng = np.random.default_rng(1)
    for _ in range(30):
        positive = rng.random(50) < 0.3
        scores = np.round(rng.normal(positive, 1), 1)  # With ties.
        costs = {
            t: (cost * (positive & (scores < t)) + (~positive & (scores >= t))).mean()
            for t in (*scores, np.inf)
        }
        least = min(costs.values())
        expected = max(t for t, found in costs.items() if found <= least + 1e-12)
        found, paid = threshold_by_cost(scores, positive, cost)
        assert paid == pytest.approx(least)
        assert (np.inf if found is None else found) == expected


def test_where_no_call_is_worth_it_there_is_no_threshold() -> None:
    scores, positive = np.array([2.0, 1.0, 0.0]), np.array([False, False, True])
    assert threshold_by_cost(scores, positive, 1.0) == (None, pytest.approx(1 / 3))
    assert threshold_by_cost(scores, positive, 5.0) == (0.0, pytest.approx(2 / 3))


def test_costs_are_those_of_counted_errors(tuned: Predictions, weights: np.ndarray) -> None:
    measured = CostMeasurement(at_threshold(tuned, 0.4), 7.0)
    found = measured(weights)
    for i, drawn in enumerate(weights):
        rows = rows_of(tuned, drawn)
        called, positive = tuned.scores[rows, 1] >= 0.4, tuned.actual[rows] == 1
        cost = (7 * (positive & ~called) + (~positive & called)).mean()
        assert found["cost"][i] == pytest.approx(cost)
        assert found["below_all"][i] == pytest.approx((~positive).mean() - cost)
        assert found["below_none"][i] == pytest.approx(7 * positive.mean() - cost)
        assert found["found"][i] == pytest.approx((positive & called).mean())
        assert found["recall"][i] == pytest.approx((positive & called).sum() / positive.sum())


def test_costs_are_sums_of_their_proportions(tuned: Predictions) -> None:
    measured = CostMeasurement(at_threshold(tuned, 0.4), 7.0)
    values = measured.values()
    for name, parts in measured.proportions(50).items():
        assert sum(part.weight * part.value for part in parts) == pytest.approx(values[name])


def test_costs_without_a_positive_record() -> None:
    p = predictions_from("m", [0, 0], np.log([[0.9, 0.1], [0.2, 0.8]]))
    values = CostMeasurement(at_threshold(p, 0.0), 7.0).values()
    assert (values["cost"], values["found"], values["recall"]) == (0.5, 0.0, None)
