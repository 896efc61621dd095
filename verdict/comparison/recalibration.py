"""What recalibration on the validation split does to a model's probabilities of the test split."""

from dataclasses import replace

import numpy as np

from verdict.comparison.decision_results import ModelRecalibration, Points, Recalibrated
from verdict.comparison.differences import paired_difference
from verdict.comparison.intervals import Measured
from verdict.comparison.results import Estimate
from verdict.predictions import Predictions
from verdict.statistics.counts import Resampled
from verdict.statistics.formats import DECIMALS
from verdict.statistics.probabilities import Calibration, reliability_of
from verdict.statistics.recalibration import (
    STATED,
    cross_fitted_brier,
    methods_for,
    recalibrate,
)

#: What is measured of each map's probabilities, with an interval.
METRICS = ("brier", "calibration_bias")


class Recalibrations:
    """Every map that there is, fitted on validation predictions and applied to the test's.

    Validation chooses among them, and not to change anything, by the Brier score of its own records
    under maps that were fitted on other groups of it; of equals the one that changes less.
    """

    def __init__(self, p: Predictions, validation: Predictions):
        self._test = p
        self._maps = {name: recalibrate(validation, name) for name in methods_for(p)}
        self._validation = {
            name: round(cross_fitted_brier(validation, name), DECIMALS) for name in self._maps
        }
        self.chosen = min(self._validation, key=lambda name: self._validation[name])
        #: By map, (n, labels).
        self.probabilities = {name: found.probabilities(p) for name, found in self._maps.items()}
        self._positive = p.positive_code if p.binary else None
        self._rated = {
            name: Calibration(p.cell_codes, p.actual, found, self._positive)
            for name, found in self.probabilities.items()
        }

    def __call__(self, weights: np.ndarray) -> Resampled:
        """Return arrays (resamples) of each map's metrics: ``platt.brier``, …"""
        return {
            f"{name}.{metric}": values
            for name, rated in self._rated.items()
            for metric, values in rated.metrics(weights).items()
        }

    def answer(self, drawn: Resampled, confidence: float) -> ModelRecalibration:
        whole = self(np.ones((1, len(self._test.cell_groups))))
        measured = {
            name: Measured(
                {metric: float(whole[f"{name}.{metric}"][0]) for metric in METRICS},
                {metric: drawn[f"{name}.{metric}"] for metric in METRICS},
            )
            for name in self._maps
        }
        found = {}
        for name, own in measured.items():
            estimates = own.estimates(METRICS, confidence)
            change = paired_difference(own, measured[STATED], "brier", confidence)
            if change.low == change.high:  # No resample moves it, but others might.
                change = replace(change, low=None, high=None)
            error = whole[f"{name}.expected_calibration_error"][0]
            found[name] = Recalibrated(
                {key: round(value, DECIMALS) for key, value in self._maps[name].parameters.items()},
                self._validation[name],
                estimates["brier"],
                Estimate(None) if name == STATED else change,
                estimates["calibration_bias"],
                round(float(error), DECIMALS),
                self._points(name),
            )
        return ModelRecalibration(self.chosen, found)

    def _points(self, name: str) -> Points:
        curve = reliability_of(self._test.actual, self.probabilities[name], self._positive)
        return Points(curve.stated.tolist(), curve.observed.tolist(), curve.records.tolist())
