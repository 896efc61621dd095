import numpy as np
import pytest
from scipy.stats import norm

from testing.samples import predictions_from
from verdict.comparison.bootstrap import bootstrap
from verdict.comparison.gaps import SubgroupShares, pair_intervals
from verdict.predictions import Predictions

ABOUT = {"attribute": "site", "model": "m", "metric": "recall", "by": "likeliest"}


def shares_of(right: dict[str, list[bool]], a_group: int = 1) -> tuple[SubgroupShares, Predictions]:
    """Return the shares of positive records by site, ``a_group`` records of it in each group."""
    values = np.concatenate([np.full(len(found), site) for site, found in right.items()])
    said = np.concatenate(list(right.values())).astype(int)
    log_probabilities = np.where(np.eye(2)[said] > 0, -0.1, -2.4)
    groups = np.arange(len(said)) // a_group
    p = predictions_from("m", np.ones(len(said), int), log_probabilities, groups=groups)
    parts = {site: values == site for site in right}
    return SubgroupShares(p, p.predicted == 1, p.actual == 1, parts, ABOUT), p


def resampled(shares: SubgroupShares, p: Predictions) -> dict[str, np.ndarray]:
    statistics = {"m": shares}
    return bootstrap(statistics, cells=p.cell_groups, records=len(p), resamples=2000, seed=0)["m"]


def test_two_values_have_the_usual_interval() -> None:
    right = {"arm": [True] * 160 + [False] * 40, "leg": [True] * 120 + [False] * 80}
    shares, p = shares_of(right)
    gap = shares.answer(resampled(shares, p), 0.95)
    assert gap is not None
    assert (gap.highest, gap.lowest, gap.high, gap.low) == ("arm", "leg", 0.8, 0.6)
    error = np.sqrt(0.8 * 0.2 / 200 + 0.6 * 0.4 / 200)
    difference = gap.difference
    assert difference.value == pytest.approx(0.2)
    assert difference.low == pytest.approx(0.2 - 1.96 * error, abs=0.01)
    assert difference.high == pytest.approx(0.2 + 1.96 * error, abs=0.01)


def test_more_values_widen_it_by_the_studentised_range() -> None:
    """For many records it is that of Tukey's q for three means: 3.31 / √2 instead of 1.96."""
    right = {site: [True] * 150 + [False] * 150 for site in ("arm", "leg", "torso")}
    shares, p = shares_of(right)
    ends = pair_intervals(shares.values, resampled(shares, p)["shares"], shares.sizes, 0.95)
    assert len(ends) == 3
    error = np.sqrt(2 * 0.25 / 300)
    for low, high in ends.values():
        assert (high - low) / 2 / error == pytest.approx(3.314 / np.sqrt(2), rel=0.05)


def test_records_of_a_group_are_not_independent() -> None:
    rng = np.random.default_rng(0)
    right = {site: np.repeat(rng.random(40) < 0.7, 5).tolist() for site in ("arm", "leg")}
    widths = []
    for a_group in (1, 5):
        shares, p = shares_of(right, a_group)
        gap = shares.answer(resampled(shares, p), 0.95)
        assert gap is not None
        assert gap.difference.low is not None
        assert gap.difference.high is not None
        widths.append(gap.difference.high - gap.difference.low)
    assert widths[1] == pytest.approx(np.sqrt(5) * widths[0], rel=0.1)


@pytest.mark.parametrize("right", [{"arm": 15, "leg": 15}, {"arm": 15, "leg": 15, "torso": 9}])
def test_where_nothing_moves_there_is_still_a_width(right: dict[str, int]) -> None:
    held = {site: [i < n for i in range(15)] for site, n in right.items()}
    shares, p = shares_of(held)
    gap = shares.answer(resampled(shares, p), 0.95)
    assert gap is not None
    low, high = gap.difference.low, gap.difference.high
    assert low is not None
    assert high is not None
    if len(right) == 2:
        # Agresti and Coull: 17 of 19, whose standard error is 0.0704.
        assert gap.difference.value == 0
        assert high == -low == pytest.approx(norm.isf(0.025) * np.sqrt(2) * 0.0704, abs=1e-3)
    else:
        assert (gap.highest, gap.lowest) == ("arm", "torso")
        assert low < 0.4 < high


def test_intervals_stay_between_minus_one_and_one() -> None:
    shares, p = shares_of({"arm": [True] * 11, "leg": [False] * 11})
    gap = shares.answer(resampled(shares, p), 0.95)
    assert gap is not None
    assert (gap.difference.value, gap.difference.high) == (1, 1)
    assert gap.difference.low is not None
    assert 0.3 < gap.difference.low < 0.8


def test_values_of_few_groups_are_left_out() -> None:
    right = {"arm": [True] * 20, "leg": [True, False] * 9, "torso": [False] * 9, "sole": []}
    shares, p = shares_of(right, a_group=1)
    assert (shares.compared, shares.left_out) == (["arm", "leg"], ["torso", "sole"])
    alone, p = shares_of({"arm": [True] * 20, "torso": [False] * 9})
    assert alone.answer(resampled(alone, p), 0.95) is None
    nobody, p = shares_of({"arm": [True] * 9, "torso": [False] * 9})
    assert nobody.compared == []
    assert nobody.answer(resampled(nobody, p), 0.95) is None


def test_resamples_without_a_value_are_left_out_and_counted() -> None:
    values, resamples = np.array([0.5, 0.6]), np.random.default_rng(0).normal(0.5, 0.1, (500, 2))
    resamples[:50, 1] = np.nan
    with_gaps = pair_intervals(values, resamples, np.array([30.0, 30.0]), 0.95)
    without = pair_intervals(values, resamples[50:], np.array([30.0, 30.0]), 0.95)
    assert with_gaps == without
    shares, _ = shares_of({"arm": [True] * 20, "leg": [True, False] * 10})
    drawn = np.random.default_rng(0).normal(0.5, 0.1, (500, 2))
    drawn[:7, 0] = np.nan
    gap = shares.answer({"shares": drawn}, 0.95)
    assert gap is not None
    assert gap.difference.undefined == 7
