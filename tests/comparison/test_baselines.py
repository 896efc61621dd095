import numpy as np
import pytest

from testing.samples import TISSUE, from_counts, predictions_from
from verdict.comparison.baselines import baselines_of
from verdict.statistics.kinds import kind_of
from verdict.statistics.metrics import METRICS


def test_baselines() -> None:
    baselines = baselines_of(from_counts("m", 58, 3219, 36, 0)).values
    share = 58 / 3313
    majority, prior = baselines["majority"], baselines["prior"]
    assert majority["accuracy"] == pytest.approx(1 - share, abs=1e-6)
    assert (majority["recall"], majority["specificity"]) == (0, 1)
    assert majority["precision"] is None
    assert majority["balanced_accuracy"] == prior["balanced_accuracy"] == 0.5
    assert prior["accuracy"] == pytest.approx(share**2 + (1 - share) ** 2, abs=1e-6)
    assert prior["precision"] == prior["recall"] == pytest.approx(share, abs=1e-6)
    assert majority["auroc"] == prior["auroc"] == 0.5
    assert majority["average_precision"] == prior["average_precision"]
    assert prior["average_precision"] == pytest.approx(share, abs=1e-6)
    assert majority["brier"] == pytest.approx(share, abs=1e-6)
    assert prior["brier"] == pytest.approx(share * (1 - share), abs=1e-6)
    assert majority["expected_calibration_error"] == pytest.approx(share, abs=1e-6)
    assert prior["expected_calibration_error"] == 0


def test_baselines_of_more_labels() -> None:
    actual = np.repeat([0, 1, 2], [5, 3, 2])
    p = predictions_from("m", actual, np.zeros((10, 4)), labels=TISSUE[:4], positive=None)
    baselines = baselines_of(p).values
    majority, prior = baselines["majority"], baselines["prior"]
    assert (
        set(majority)
        == set(prior)
        == {name for name in kind_of(p).metrics if METRICS[name].rates != "words"}
    )
    assert (majority["top_2_accuracy"], prior["top_2_accuracy"]) == (0.8, None)
    assert majority["brier"] == pytest.approx(2 * 0.5)
    assert prior["brier"] == pytest.approx(1 - (0.25 + 0.09 + 0.04))
    assert majority["expected_calibration_error"] == 0.5
    assert prior["expected_calibration_error"] == 0
    assert majority["macro_auroc"] == prior["macro_auroc"] == 0.5
    assert majority["macro_average_precision"] == pytest.approx(1 / 3, abs=1e-6)


def test_every_patient_counts_once_in_group_accuracy() -> None:
    log_probabilities = np.log([[0.9, 0.1]] * 6)
    p = predictions_from("m", [0, 1, 1, 1, 1, 1], log_probabilities, groups=[7, 8, 8, 9, 9, 9])
    majority = baselines_of(p).values["majority"]
    assert majority["group_accuracy"] == pytest.approx(2 / 3, abs=1e-6)
    prior = baselines_of(p).values["prior"]["group_accuracy"]
    assert prior == pytest.approx((1 / 6 + 5 / 6 + 5 / 6) / 3, abs=1e-6)


def test_no_records_leave_all_undefined() -> None:
    p = from_counts("m", 0, 0, 0, 0)
    assert set(baselines_of(p).values["majority"].values()) == {None}
