"""Recalibration: probabilities mended by a map that is fitted on validation predictions.

The maps are scikit-learn's (``CalibratedClassifierCV`` over scores that are there already):
temperature scaling (Guo et al. 2017, ICML, PMLR 70:1321), Platt's logistic curve (Platt 1999,
"Probabilistic outputs for support vector machines") and isotonic regression (Zadrozny & Elkan 2002,
KDD). All take a record's log-odds, which do not run into ties at probabilities of 0 and 1.
"""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import StratifiedGroupKFold

from verdict.predictions import Predictions

#: Probabilities as the model states them, and the maps: first what changes least.
STATED = "stated"
METHODS = (STATED, "temperature", "platt", "isotonic")

#: Of these parts of the validation split each is predicted by a map fitted on the others.
FOLDS = 5

_SKLEARN = {"temperature": "temperature", "platt": "sigmoid", "isotonic": "isotonic"}


def methods_for(predictions: Predictions) -> tuple[str, ...]:
    """Return the maps that there are; of more than two labels temperature scaling alone."""
    return METHODS if predictions.binary else METHODS[:2]


@dataclass(frozen=True)
class Recalibration:
    """A map from log-odds to probabilities."""

    method: str
    #: ``temperature``; or ``slope`` and ``intercept`` of the log-odds; empty for other maps.
    parameters: Mapping[str, float]
    _fitted: CalibratedClassifierCV | None

    def probabilities(self, predictions: Predictions) -> np.ndarray:
        """Return the mended probabilities (n, labels)."""
        if self._fitted is None or len(predictions) == 0:
            return predictions.probabilities
        found = self._fitted.predict_proba(_features(predictions))
        positive_last = not predictions.binary or predictions.positive_code == 1
        return found if positive_last else found[:, ::-1]


def recalibrate(validation: Predictions, method: str) -> Recalibration:
    """Fit a map on validation predictions, among which every label has to be."""
    if method == STATED:
        return Recalibration(method, {}, None)
    every = np.arange(len(validation))
    model = CalibratedClassifierCV(
        FrozenEstimator(_Scores(len(validation.labels))),
        method=_SKLEARN[method],
        cv=[(every, every)],  # The scores are there: nothing is trained on one part for the other.
        ensemble=True,
    )
    model.fit(_features(validation), _targets(validation))
    return Recalibration(method, _parameters(model, method), model)


def cross_fitted_brier(validation: Predictions, method: str) -> float:
    """Return the Brier score of validation records by maps fitted on other groups of them."""
    found = np.zeros((len(validation), len(validation.labels)))
    for fitted, predicted in folds(validation):
        there = recalibrate(validation.part(fitted), method)
        found[predicted] = there.probabilities(validation.part(predicted))
    errors = ((np.eye(found.shape[1])[validation.actual] - found) ** 2).sum(axis=1)
    return float(errors.mean() / (2 if validation.binary else 1))


def folds(validation: Predictions) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield for each fold the records to fit on and those to predict, bool (n).

    No group is in both; of a record that links two groups, the first one counts.
    """
    groups = validation.cell_groups[validation.cell_codes, 0]
    most = np.bincount(validation.actual).max()
    parts = StratifiedGroupKFold(min(FOLDS, len(np.unique(groups)), most))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # A label rarer than folds is not in each.
        divided = list(parts.split(np.zeros(len(groups)), validation.actual, groups))
    for _, held in divided:
        predicted = np.isin(np.arange(len(groups)), held)
        yield ~predicted, predicted


def lacking_label(validation: Predictions) -> str | None:
    """Return a label that is in no fold to fit on, or not in all of them; None where there is none.

    A map is then not fitted: it would not know of the label.
    """
    records = np.bincount(validation.actual, minlength=len(validation.labels))
    if records.min() < 2:
        return validation.labels[int(np.argmin(records))]
    for fitted, _ in folds(validation):
        held = np.bincount(validation.actual[fitted], minlength=len(validation.labels))
        if not held.all():
            return validation.labels[int(np.argmin(held))]
    return None


class _Scores(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose features are its scores already."""

    def __init__(self, labels: int):
        self.labels = labels
        self.classes_ = np.arange(labels)

    def fit(self, X: np.ndarray, y: np.ndarray) -> "_Scores":  # scikit-learn's name
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return X[:, 0] if self.labels == 2 else X


def _features(predictions: Predictions) -> np.ndarray:
    """Return what a map takes: (n, 1) log-odds of the positive of two labels, else (n, labels)."""
    if predictions.binary:
        return predictions.scores[:, [predictions.positive_code]]
    return predictions.log_probabilities


def _targets(predictions: Predictions) -> np.ndarray:
    if predictions.binary:
        return (predictions.actual == predictions.positive_code).astype(np.int64)
    return predictions.actual


def _parameters(model: CalibratedClassifierCV, method: str) -> dict[str, float]:
    calibrator = model.calibrated_classifiers_[0].calibrators[0]
    if method == "platt":
        return {"slope": -float(calibrator.a_), "intercept": -float(calibrator.b_)}
    if method == "temperature":
        # Of two labels scikit-learn takes the log-odds twice, as (-x, x).
        twice = 2 if len(model.classes_) == 2 else 1
        return {"temperature": 1 / (twice * float(calibrator.beta_))}
    return {}
