import warnings

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from testing.samples import TISSUE, from_counts, predictions_from
from tests.statistics.oracle import by_scikit_learn
from verdict.predictions import Predictions
from verdict.statistics.kinds import kind_of
from verdict.statistics.labels import among_top_2
from verdict.statistics.measurement import measure

#: The published SIIM-ISIC melanoma comparison: TP, FP, TN, FN on 3,313 images.
PUBLISHED = {
    "base": ((58, 3219, 36, 0), (0.028, 0.018, 1.000, 0.011, 0.506)),
    "tuned": ((35, 1438, 1817, 23), (0.559, 0.024, 0.603, 0.558, 0.581)),
    "medgemma": ((12, 307, 2948, 46), (0.893, 0.038, 0.207, 0.906, 0.556)),
}


@pytest.mark.parametrize("model", PUBLISHED)
def test_published_melanoma_figures(model: str) -> None:
    counts, expected = PUBLISHED[model]
    metrics = measure(from_counts(model, *counts)).values()
    names = ("accuracy", "precision", "recall", "specificity", "balanced_accuracy")
    found = [metrics[name] for name in names]
    assert [round(value or 0, 3) for value in found] == list(expected)
    assert (metrics["n"], metrics["positives"]) == (3313, 58)


def random_predictions(seed: int, n: int, labels: int) -> Predictions:
    rng = np.random.default_rng(seed)
    # Rounded, so that scores tie.
    log_probabilities = np.round(rng.normal(-2, 1, (n, labels)), 1)
    return predictions_from(
        "m",
        rng.integers(0, labels, n),
        log_probabilities,
        labels=TISSUE[:labels],
        positive=TISSUE[1] if labels == 2 else None,
        groups=rng.integers(0, max(1, n // 2), n),
        parsed=rng.integers(-1, labels, n),
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_binary_metrics_are_scikit_learns(seed: int, n: int) -> None:
    p = random_predictions(seed, n, 2)
    metrics = measure(p).values()
    y, called, score = p.actual == 1, p.predicted == 1, p.scores[:, 1]
    both = 0 < y.sum() < n
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "accuracy": sk.accuracy_score(y, called),
            "group_accuracy": np.mean([(y == called)[p.groups == g].mean() for g in set(p.groups)]),
            "balanced_accuracy": sk.balanced_accuracy_score(y, called) if both else None,
            "precision": sk.precision_score(y, called) if called.any() else None,
            "recall": sk.recall_score(y, called) if y.any() else None,
            "specificity": sk.recall_score(~y, ~called) if not y.all() else None,
            "f1": sk.f1_score(y, called) if (y | called).any() else None,
            "macro_f1": sk.f1_score(y, called, average="macro") if both else None,
            "weighted_f1": sk.f1_score(y, called, average="weighted"),
            "mcc": sk.matthews_corrcoef(y, called) if both else None,
            "auroc": sk.roc_auc_score(y, score) if both else None,
            "average_precision": sk.average_precision_score(y, score) if both else None,
            "brier": np.mean((y - expit(score)) ** 2),
            "expected_calibration_error": metrics["expected_calibration_error"],  # see calibration
            "invalid_rate": (p.parsed == -1).mean(),
            "generated_accuracy": (p.parsed == p.actual).mean(),
            "generated_balanced_accuracy": sk.balanced_accuracy_score(p.actual, p.parsed)
            if both
            else None,
            "agreement": (p.parsed == p.predicted).mean(),
        }
    assert set(expected) == set(kind_of(p).metrics) == set(metrics) - {"n", "positives"}
    for name, value in expected.items():
        assert metrics[name] == (None if value is None else pytest.approx(value, abs=1e-6)), name


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(2, 5))
def test_counted_metrics_equal_scikit_learns(seed: int, n: int, labels: int) -> None:
    """The formulas of values and of resamples, with every group drawn once."""
    p = random_predictions(seed, n, labels)
    counted = measure(p)(np.ones((1, p.cell_codes.max() + 1)))
    assert tuple(counted) == kind_of(p).metrics
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = by_scikit_learn(p)
    assert tuple(expected) == kind_of(p).metrics
    for name, value in expected.items():
        np.testing.assert_allclose(counted[name][0], value, atol=1e-9, err_msg=name)


def test_more_labels_have_averages_and_no_binary_metric() -> None:
    p = random_predictions(3, 200, 4)
    metrics = measure(p).values()
    assert metrics["balanced_accuracy"] == pytest.approx(
        sk.balanced_accuracy_score(p.actual, p.predicted), abs=1e-6
    )
    assert metrics["macro_f1"] == pytest.approx(
        sk.f1_score(p.actual, p.predicted, average="macro"), abs=1e-6
    )
    probabilities = np.exp(p.log_probabilities)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert metrics["macro_auroc"] == pytest.approx(
        sk.roc_auc_score(p.actual, probabilities, multi_class="ovr"), abs=1e-6
    )
    one_against_rest = np.eye(4)[p.actual]
    columns = zip(one_against_rest.T, p.scores.T, strict=True)
    assert metrics["macro_average_precision"] == pytest.approx(
        np.mean([sk.average_precision_score(*pair) for pair in columns]),
        abs=1e-6,
    )
    assert metrics["brier"] == pytest.approx(
        np.mean(((one_against_rest - probabilities) ** 2).sum(axis=1)), abs=1e-6
    )
    assert not {"recall", "specificity", "auroc", "positives", "f1"} & set(metrics)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(3, 5))
def test_top_2_agrees_with_the_likeliest_label_in_ties(seed: int, n: int, labels: int) -> None:
    p = random_predictions(seed, n, labels)
    coarse = predictions_from(
        "m", p.actual, np.round(p.log_probabilities), labels=p.labels, positive=None
    )
    metrics = measure(coarse).values()
    ranked = np.argsort(-coarse.log_probabilities, axis=1, kind="stable")
    assert (ranked[:, 0] == coarse.predicted).all()
    expected = (ranked[:, :2] == coarse.actual[:, None]).any(axis=1)
    assert metrics["top_2_accuracy"] == pytest.approx(expected.mean(), abs=1e-6)
    np.testing.assert_array_equal(among_top_2(coarse), expected)


def test_one_label_only_leaves_metrics_undefined() -> None:
    metrics = measure(from_counts("m", 0, 3, 7, 0)).values()
    assert metrics["specificity"] == 0.7
    undefined = ("balanced_accuracy", "recall", "macro_f1", "auroc", "average_precision", "mcc")
    assert [metrics[name] for name in undefined] == [None] * 6
    assert metrics["weighted_f1"] == pytest.approx(2 * 0.7 / 1.7, abs=1e-6)
    assert metrics["brier"] == pytest.approx(
        (3 * expit(2.3) ** 2 + 7 * expit(-2.3) ** 2) / 10, abs=1e-6
    )
    assert metrics["expected_calibration_error"] is not None


def test_no_records_leave_all_undefined() -> None:
    p = from_counts("m", 0, 0, 0, 0)
    metrics = measure(p).values()
    assert metrics.pop("n") == metrics.pop("positives") == 0
    assert set(metrics.values()) == {None}


def test_an_invalid_answer_is_wrong_for_either_label() -> None:
    log_probabilities = np.log([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])
    p = predictions_from("m", [0, 0, 1, 1], log_probabilities, parsed=[0, -1, -1, -1])
    metrics = measure(p).values()
    assert metrics["accuracy"] == 1
    assert metrics["invalid_rate"] == 0.75
    assert metrics["generated_accuracy"] == metrics["agreement"] == 0.25
    assert metrics["generated_balanced_accuracy"] == 0.25  # (1/2 + 0/2) / 2


def test_every_patient_counts_once_in_group_accuracy() -> None:
    """Spanhol et al. 2016: the mean over patients of the share of images that are right."""
    log_probabilities = np.log([[0.9, 0.1]] * 6)
    p = predictions_from("m", [0, 1, 1, 1, 1, 1], log_probabilities, groups=[7, 8, 8, 9, 9, 9])
    assert measure(p).values()["accuracy"] == pytest.approx(1 / 6, abs=1e-6)
    assert measure(p).values()["group_accuracy"] == pytest.approx(1 / 3, abs=1e-6)


def test_confusion() -> None:
    p = from_counts("m", 2, 1, 3, 4)
    confusion = measure(p).confusion()
    assert confusion.actual == confusion.predicted == ("benign", "melanoma")
    assert confusion.counts.tolist() == [[3, 1], [4, 2]]
    rows = list(measure(p).confusion_rows())
    assert len(rows) == 10
    assert rows.count(("melanoma", "benign")) == 4
    assert rows.count(("benign", "melanoma")) == 1
