"""What needs no model: always giving the commonest answer, and guessing by the answers' shares."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from verdict.predictions import Predictions
from verdict.statistics.bootstrap import Resampled
from verdict.statistics.calibration import calibration_metrics
from verdict.statistics.classification import cell_mean
from verdict.statistics.counts import (
    accuracy_metrics,
    average_f1,
    binary_metrics,
    matthews_correlation,
    ratio,
)
from verdict.statistics.formats import rounded
from verdict.statistics.kinds import GENERATION, TEXT, kind_of
from verdict.statistics.text_measurement import TextMeasurement
from verdict.statistics.texts import score_texts
from verdict.statistics.words import normalised


@dataclass(frozen=True)
class Baselines:
    """What needs no model."""

    #: The commonest answer, which ``majority`` always gives.
    answer: str
    #: For each of ``formats.BASELINES`` that there is, its metrics.
    values: dict[str, dict[str, float | None]]
    #: Metrics of ``majority`` for weights (resamples, cells): at least ``against_majority``.
    resample: Callable[[np.ndarray], Resampled]


def baselines_of(predictions: Predictions) -> Baselines:
    """Return the baselines of these records.

    ``majority`` always gives the commonest answer. ``prior`` guesses labels by their shares; texts
    have none.
    """
    if predictions.free_text:
        return _text_baselines(predictions)
    majority = predictions.labels[majority_code(predictions)]
    return Baselines(majority, baseline_metrics(predictions), _MajorityLabel(predictions))


def baseline_metrics(predictions: Predictions) -> dict[str, dict[str, float | None]]:
    """Return the metrics of ``majority`` and of ``prior`` for labels.

    Those of ``prior`` are of the expected confusion counts. Neither ranks records, so its AUROC
    is 0.5 and its average precision the label's share, where these are defined. The probabilities
    of ``prior`` are the shares; ``majority`` is certain of the commonest label. The two commonest
    are its ``top_2_accuracy``; ``prior``, which guesses once, has none.
    """
    shares = label_counts(predictions)
    majority = np.zeros_like(shares)
    if len(predictions):
        majority[majority_code(predictions)] = 1
        shares = shares / shares.sum()
    baselines = {
        "majority": _answers_by(majority, predictions),
        "prior": _answers_by(shares, predictions),
    }
    if not predictions.binary:
        top_2 = float(np.sort(shares)[-2:].sum()) if len(predictions) else None
        baselines["majority"]["top_2_accuracy"] = rounded(top_2)
    return baselines


def majority_code(predictions: Predictions) -> int:
    """Return the code of the commonest true label, the first one of equals."""
    return int(np.argmax(label_counts(predictions)))


def label_counts(predictions: Predictions) -> np.ndarray:
    """Return how many records (labels) have each true label."""
    return np.bincount(predictions.actual, minlength=len(predictions.labels))


class _MajorityLabel:
    """Accuracy of always answering the commonest label, for weights (resamples, cells)."""

    def __init__(self, predictions: Predictions):
        cells = predictions.cell_codes
        self._size = np.bincount(cells)
        majority = predictions.actual == majority_code(predictions)
        self._majority = np.bincount(cells, weights=majority)

    def __call__(self, weights: np.ndarray) -> Resampled:
        return {"accuracy": ratio(weights @ self._majority, weights @ self._size)}


def _answers_by(shares: np.ndarray, predictions: Predictions) -> dict[str, float | None]:
    """Return metrics of answers that are drawn by ``shares`` (labels), whatever the record."""
    actual, binary = predictions.actual, predictions.binary
    of_labels = label_counts(predictions)
    counts = np.zeros((len(shares), len(shares) + 1))
    counts[:, :-1] = np.outer(of_labels, shares)
    present = of_labels > 0
    values = accuracy_metrics(counts, present) | average_f1(counts, present)
    if binary:
        values |= binary_metrics(counts, predictions.positive_code)
    values["mcc"] = matthews_correlation(counts)
    numbers = {name: float(value) for name, value in values.items()}
    if present.sum() > 1:
        ranked = predictions.positive_code if binary else present
        average_precision = float((of_labels[ranked] / len(actual)).mean())
        prefix = "" if binary else "macro_"
        numbers |= {f"{prefix}auroc": 0.5, f"{prefix}average_precision": average_precision}
    if len(actual):
        numbers["group_accuracy"] = cell_mean(predictions.cell_codes, shares[actual])
        probabilities = np.tile(shares, (len(actual), 1))
        positive = predictions.positive_code if binary else None
        numbers |= calibration_metrics(actual, probabilities, positive)
    names = kind_of(predictions).metrics
    return {name: rounded(numbers.get(name)) for name in names if name not in GENERATION}


def _text_baselines(predictions: Predictions) -> Baselines:
    """Measure the commonest reference text, in its first spelling, as the answer to everything."""
    references = predictions.answers.tolist()
    forms = [normalised(reference) for reference in references]
    commonest = Counter(forms).most_common(1)
    answer = references[forms.index(commonest[0][0])] if commonest else ""
    scores = score_texts([answer] * len(references), references)
    majority = TextMeasurement(predictions, scores)
    values = majority.values()
    return Baselines(answer, {"majority": {name: values[name] for name in TEXT.metrics}}, majority)
