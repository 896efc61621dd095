import numpy as np
import pytest
import sklearn.metrics as sk

from testing.samples import (
    TISSUE,
    drawn,
    from_counts,
    predictions_from,
    skin_models,
    text_models,
    tissue_models,
)
from verdict.predictions import Predictions
from verdict.statistics.measurement import measure
from verdict.statistics.probabilities import (
    CALIBRATION_BINS,
    MAX_POINTS,
    Curve,
    precision_recall_curves,
    reliability,
    roc_curves,
)


def many() -> Predictions:
    """Draw as many records as a real test split has, and few positive ones."""
    return drawn("m", seed=3, signal=1.0, records=8000, groups=800, share=0.05)


def farthest(x: np.ndarray, y: np.ndarray, curve: Curve) -> float:
    """Return the largest distance of the points (x, y) from the drawn line."""
    nearest = np.full(len(x), np.inf)
    for i in range(len(curve.x) - 1):
        step = np.array([curve.x[i + 1] - curve.x[i], curve.y[i + 1] - curve.y[i]])
        away = np.stack([x - curve.x[i], y - curve.y[i]])
        along = np.clip(step @ away / max(step @ step, 1e-12), 0, 1)
        nearest = np.minimum(nearest, np.hypot(*(away - np.outer(step, along))))
    return float(nearest.max())


def test_few_points_draw_the_same_curves() -> None:
    p = many()
    actual, score = p.actual == 1, p.scores[:, 1]
    false_alarms, sensitivity, _ = sk.roc_curve(actual, score, drop_intermediate=False)
    precision, recall, _ = sk.precision_recall_curve(actual, score)
    assert len(false_alarms) > 20 * MAX_POINTS
    for curves, x, y in (
        (roc_curves(p), false_alarms, sensitivity),
        (precision_recall_curves(p), recall[::-1], precision[::-1]),
    ):
        curve = curves["melanoma"]
        assert list(curves) == ["melanoma"]
        assert curve is not None
        assert MAX_POINTS / 3 < len(curve.x) == len(curve.y) <= MAX_POINTS
        assert (np.diff(curve.x) >= 0).all()
        ends = [(curve.x[i], curve.y[i]) for i in (0, -1)]
        assert ends == [
            (pytest.approx(x[i], abs=1e-6), pytest.approx(y[i], abs=1e-6)) for i in (0, -1)
        ]
        assert farthest(x, y, curve) < 0.02
        assert sk.auc(curve.x, curve.y) == pytest.approx(sk.auc(x, y), abs=0.002)


def test_a_short_roc_curve_is_kept_whole() -> None:
    p = from_counts("m", 6, 2, 8, 4)
    curve = roc_curves(p)["melanoma"]
    assert curve is not None
    np.testing.assert_allclose(curve.x, [0, 0.2, 1])
    np.testing.assert_allclose(curve.y, [0, 0.6, 1])


def test_more_labels_have_a_curve_each() -> None:
    p = tissue_models()[1]
    curves = roc_curves(p)
    assert tuple(curves) == p.labels == tuple(precision_recall_curves(p))
    areas = [sk.auc(c.x, c.y) for c in curves.values() if c is not None]
    macro = measure(p).values()["macro_auroc"]
    assert np.mean(areas) == pytest.approx(macro, abs=0.005)


def test_a_curve_needs_records_with_the_label_and_without() -> None:
    for one_label in (from_counts("m", 0, 3, 7, 0), from_counts("m", 3, 0, 0, 7)):
        assert roc_curves(one_label) == precision_recall_curves(one_label) == {"melanoma": None}
    absent = predictions_from(
        "m", [0, 1, 1], np.log([[0.5, 0.3, 0.2]] * 3), labels=TISSUE[:3], positive=None
    )
    curves = roc_curves(absent)
    assert [curve is None for curve in curves.values()] == [False, False, True]
    nothing, texts = from_counts("m", 0, 0, 0, 0), text_models()[0]
    assert roc_curves(nothing) == {"melanoma": None}
    assert reliability(nothing) is None
    assert (roc_curves(texts), precision_recall_curves(texts)) == ({}, {})
    assert reliability(texts) is None


@pytest.mark.parametrize("p", [skin_models()[0], tissue_models()[0]], ids=["two", "eight"])
def test_reliability_adds_up_to_the_calibration_error(p: Predictions) -> None:
    bins = reliability(p)
    assert bins is not None
    assert bins.records.sum() == len(p)
    assert 2 < len(bins.records) == len(bins.stated) == len(bins.observed) <= CALIBRATION_BINS
    assert (np.diff(bins.stated) > 0).all()
    assert bins.records.min() > 0
    error = (bins.records * np.abs(bins.stated - bins.observed)).sum() / len(p)
    metrics = measure(p).values()
    assert metrics["expected_calibration_error"] == pytest.approx(error, abs=1e-5)
    happened = (bins.records * bins.observed).sum() / len(p)
    share = (p.actual == p.positive_code).mean() if p.binary else metrics["accuracy"]
    assert happened == pytest.approx(share, abs=1e-5)
