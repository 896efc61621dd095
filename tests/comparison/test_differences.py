import numpy as np
import pytest
from scipy.stats import binomtest

from verdict.comparison.differences import delong_p, holm, mcnemar_p

#: Albumin, total protein, K-G score and whether surgery did not help, of the 43 patients with
#: ovarian cancer whom DeLong et al. compare tests on (1988), as SAS/STAT prints them.
OVARIAN = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0
1.6 5.6 5 1  3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1
4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1
3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1
3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1
3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1
3.6 6.6 5 1
"""


def slow_p(positive: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """DeLong's p from every pair of a positive and a negative record."""
    wins = []
    for scores in (first, second):
        above, below = scores[positive][:, None], scores[~positive][None]
        wins.append((above > below) + 0.5 * (above == below))
    rows = np.cov([w.mean(axis=1) for w in wins])
    columns = np.cov([w.mean(axis=0) for w in wins])
    covariance = rows / positive.sum() + columns / (~positive).sum()
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    z = (wins[0].mean() - wins[1].mean()) / np.sqrt(variance)
    # The tail of the normal distribution, added up step by step.
    t = np.linspace(abs(z), abs(z) + 12, 1_000_001)
    return float(2 * np.trapezoid(np.exp(-(t**2) / 2), t) / np.sqrt(2 * np.pi))


def test_published_example() -> None:
    """SAS/STAT, PROC LOGISTIC, "Comparing Receiver Operating Characteristic Curves"."""
    albumin, protein, score, helped = np.array(OVARIAN.split(), float).reshape(-1, 4).T
    positive = helped == 0
    assert delong_p(positive, -albumin, score) == pytest.approx(0.9102, abs=5e-5)
    assert delong_p(positive, -protein, score) == pytest.approx(0.4561, abs=5e-5)


@pytest.mark.parametrize("decimals", [0, 1, 8], ids=["many ties", "some ties", "no ties"])
def test_every_pair_compared_by_hand_gives_the_same(decimals: int) -> None:
    rng = np.random.default_rng(0)
    for shift in (0.2, 0.8):
        positive = rng.random(90) < 0.3
        common = rng.normal(0, 1, 90) + positive
        first = np.round(common + rng.normal(0, 1, 90), decimals)
        second = np.round(common + rng.normal(0, 1, 90) - shift * positive, decimals)
        expected = slow_p(positive, first, second)
        assert delong_p(positive, first, second) == pytest.approx(expected, rel=1e-6)
        assert delong_p(positive, second, first) == pytest.approx(expected, rel=1e-6)


def test_what_cannot_be_tested_has_no_p() -> None:
    positive = np.array([True, False, False, False])
    scores = np.array([3.0, 1.0, 2.0, 4.0])
    assert delong_p(positive, scores, -scores) is None
    assert delong_p(~positive, scores, -scores) is None
    assert delong_p(positive[:0], scores[:0], scores[:0]) is None
    both = np.array([True, True, False, False])
    # One always right, one always wrong: nothing varies.
    assert delong_p(both, np.array([3.0, 4.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0, 4.0])) is None
    assert delong_p(both, scores, 10 * scores) == 1


def test_mcnemar_is_a_sign_test_of_the_disagreements() -> None:
    first, second = np.ones(20, bool), np.ones(20, bool)
    first[:2] = False  # only the second is right
    second[5:14] = False  # only the first is right
    assert mcnemar_p(first, second) == pytest.approx(binomtest(2, 11).pvalue)
    assert mcnemar_p(first, first) == 1
    assert mcnemar_p(first[:0], second[:0]) is None


def test_holm_skips_what_is_undefined() -> None:
    assert holm([0.01, None, 0.04, 0.03]) == [
        pytest.approx(0.03),
        None,
        pytest.approx(0.06),
        pytest.approx(0.06),
    ]
    assert holm([None]) == [None]
    assert holm([]) == []
