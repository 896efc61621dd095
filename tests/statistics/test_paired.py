import numpy as np
import pytest
from scipy.stats import binomtest

from verdict.statistics.paired import holm, mcnemar_p


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
