import warnings

import numpy as np
import pytest
from scipy.special import expit, log_softmax, logit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.isotonic import IsotonicRegression

from testing.samples import SKIN, TISSUE, drawn, predictions_from
from verdict.predictions import Predictions
from verdict.statistics.recalibration import (
    METHODS,
    cross_fitted_brier,
    folds,
    lacking_label,
    methods_for,
    recalibrate,
)


def scored(log_odds: np.ndarray, actual: np.ndarray, **options: object) -> Predictions:
    """Return predictions with these log-odds (n) of melanoma."""
    values = -np.logaddexp(0, np.stack([log_odds, -log_odds], axis=1))
    return predictions_from("m", actual, values, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def known() -> tuple[np.ndarray, Predictions]:
    """True log-odds of 6,000 records, and predictions that are three times too sure and biased."""
    rng = np.random.default_rng(0)
    truth = rng.normal(-0.5, 1.2, 6000)
    actual = (rng.random(6000) < expit(truth)).astype(int)
    return truth, scored(3 * truth + 1, actual, groups=np.arange(6000) // 4)


def test_maps_find_what_was_done_to_probabilities(known: tuple[np.ndarray, Predictions]) -> None:
    truth, p = known
    platt = recalibrate(p, "platt")
    assert platt.parameters["slope"] == pytest.approx(1 / 3, abs=0.02)
    assert platt.parameters["intercept"] == pytest.approx(-1 / 3, abs=0.08)
    mended = platt.probabilities(p)
    assert mended.sum(axis=1) == pytest.approx(np.ones(6000))
    assert mended[:, 1] == pytest.approx(expit(truth), abs=0.03)
    assert recalibrate(p, "isotonic").probabilities(p)[:, 1] == pytest.approx(expit(truth), abs=0.2)


def test_the_temperature_is_that_of_the_log_odds() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(0, 1.5, 8000)
    p = scored(2.5 * truth, (rng.random(8000) < expit(truth)).astype(int))
    found = recalibrate(p, "temperature")
    assert found.parameters["temperature"] == pytest.approx(2.5, abs=0.1)
    t = found.parameters["temperature"]
    assert logit(found.probabilities(p)[:, 1]) == pytest.approx(p.scores[:, 1] / t)


def test_the_temperature_of_several_labels() -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(0, 1.5, (6000, 4))
    shares = np.exp(log_softmax(logits, axis=1))
    actual = (shares.cumsum(axis=1) < rng.random((6000, 1))).sum(axis=1)
    p = predictions_from(
        "m", actual, log_softmax(2 * logits, axis=1), labels=TISSUE[:4], positive=None
    )
    assert methods_for(p) == ("stated", "temperature")
    found = recalibrate(p, "temperature")
    assert found.parameters["temperature"] == pytest.approx(2, abs=0.1)
    assert found.probabilities(p) == pytest.approx(shares, abs=0.03)


def test_maps_are_scikit_learns(known: tuple[np.ndarray, Predictions]) -> None:
    p = known[1]
    isotonic = IsotonicRegression(out_of_bounds="clip").fit(p.scores[:, 1], p.actual)
    expected = isotonic.predict(p.scores[:, 1])
    assert recalibrate(p, "isotonic").probabilities(p)[:, 1] == pytest.approx(expected)
    assert isinstance(recalibrate(p, "platt")._fitted, CalibratedClassifierCV)
    assert recalibrate(p, "stated").probabilities(p) is p.probabilities


@pytest.mark.parametrize("method", METHODS)
def test_the_positive_label_may_come_first(
    known: tuple[np.ndarray, Predictions], method: str
) -> None:
    p = known[1].part(np.arange(6000) < 500)
    turned = predictions_from(
        "m", 1 - p.actual, p.log_probabilities[:, ::-1], labels=SKIN[::-1], positive="melanoma"
    )
    found, other = (recalibrate(x, method).probabilities(x) for x in (p, turned))
    assert found == pytest.approx(other[:, ::-1])


def test_folds_part_groups_and_hold_every_record_once(
    known: tuple[np.ndarray, Predictions],
) -> None:
    p = known[1]
    times = np.zeros(len(p), int)
    for fitted, predicted in folds(p):
        assert (fitted != predicted).all()
        assert not set(p.groups[fitted]) & set(p.groups[predicted])
        times += predicted
    assert (times == 1).all()


def test_cross_fitting_does_not_praise_what_it_learned_by_heart() -> None:
    rng = np.random.default_rng(3)
    p = scored(rng.normal(0, 1, 200), rng.integers(0, 2, 200), groups=np.arange(200) // 2)
    seen = ((recalibrate(p, "isotonic").probabilities(p)[:, 1] - p.actual) ** 2).mean()
    assert seen < 0.25 < cross_fitted_brier(p, "isotonic")
    stated = ((p.probabilities[:, 1] - p.actual) ** 2).mean()
    assert cross_fitted_brier(p, "stated") == pytest.approx(stated)


def test_scores_without_spread_and_certain_ones_are_mended_quietly() -> None:
    """All ties; all right; log-odds at which probabilities are 0 and 1."""
    actual = np.arange(40) % 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for log_odds in (np.zeros(40), 8.0 * actual - 4, 1500.0 * actual - 750):
            p = scored(log_odds, actual, groups=np.arange(40) // 2)
            for method in METHODS:
                found = recalibrate(p, method).probabilities(p)
                assert np.isfinite(found).all()
                assert found.min() >= 0
                assert found.max() <= 1
                assert 0 <= cross_fitted_brier(p, method) <= 0.3


def test_a_label_that_a_fold_lacks_is_named() -> None:
    few = drawn("m", seed=1, signal=1, records=60, groups=12, labels=TISSUE[:3])
    assert lacking_label(few) is None
    alone = predictions_from("m", [0] * 30 + [1], np.log(np.full((31, 2), 0.5)))
    assert lacking_label(alone) == "melanoma"
    together = predictions_from(
        "m", [0, 1] * 10, np.log(np.full((20, 2), 0.5)), groups=[0, 1] + [2, 3] * 9
    )
    assert lacking_label(together) is None
    one_group = predictions_from(
        "m", [0] * 20 + [1] * 5, np.log(np.full((25, 2), 0.5)), groups=[*range(20), *[20] * 5]
    )
    assert lacking_label(one_group) == "melanoma"


def test_many_labels_of_few_records_do_not_stop_it() -> None:
    """Fewer records of every label than folds."""
    p = predictions_from(
        "m", np.arange(16) % 8, np.log(np.full((16, 8), 0.125)), labels=TISSUE, positive=None
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert lacking_label(p) is None
        assert cross_fitted_brier(p, "temperature") == pytest.approx(0.875)
