"""What needs no model: always giving the commonest answer, and guessing by the answers' shares."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from verdict.predictions import Predictions
from verdict.statistics.counts import Resampled
from verdict.statistics.kinds import kind_of
from verdict.statistics.labels import LabelMeasurement
from verdict.statistics.metrics import METRICS
from verdict.statistics.texts import TextMeasurement, score_texts
from verdict.statistics.words import normalised


@dataclass(frozen=True)
class Baselines:
    """What needs no model."""

    #: The commonest answer, which ``majority`` always gives.
    answer: str
    #: For each of ``results.BASELINES`` that there is, its metrics.
    values: dict[str, dict[str, float | None]]
    #: Metrics of ``majority`` for weights (resamples, cells): at least ``against_majority``.
    resample: Callable[[np.ndarray], Resampled]


def baselines_of(predictions: Predictions) -> Baselines:
    """Return the baselines of these records.

    ``majority`` always gives the commonest answer. ``prior`` guesses labels by their shares; texts
    have none. Neither ranks records, so its AUROC is 0.5 and its average precision the label's
    share, where these are defined. The probabilities of ``prior`` are the shares; ``majority`` is
    certain of the commonest label. The two commonest are its ``top_2_accuracy``; ``prior``, which
    guesses once, has none.
    """
    answer = majority_answer(predictions)
    if predictions.free_text:
        scores = score_texts([answer] * len(predictions), predictions.answers.tolist())
        texts = TextMeasurement(predictions, scores)
        return Baselines(answer, {"majority": _metrics_of(texts.values(), predictions)}, texts)
    counts = label_counts(predictions)
    majority = np.array([float(label == answer) for label in predictions.labels])
    prior = counts / max(1, counts.sum())
    guesses = {"majority": Guesses(predictions, majority), "prior": Guesses(predictions, prior)}
    values = {name: _metrics_of(found.values(), predictions) for name, found in guesses.items()}
    if "top_2_accuracy" in values["prior"]:
        values["prior"]["top_2_accuracy"] = None
    resampled = guesses["majority"].only(kind_of(predictions).against_majority)
    return Baselines(answer, values, resampled)


def majority_answer(predictions: Predictions) -> str:
    """Return the commonest true label, or reference text in its first spelling; first of equals."""
    if not predictions.free_text:
        return predictions.labels[int(np.argmax(label_counts(predictions)))]
    references = predictions.answers.tolist()
    forms = [normalised(reference) for reference in references]
    commonest = Counter(forms).most_common(1)
    return references[forms.index(commonest[0][0])] if commonest else ""


def label_counts(predictions: Predictions) -> np.ndarray:
    """Return how many records (labels) have each true label."""
    return np.bincount(predictions.actual, minlength=len(predictions.labels))


class Guesses(LabelMeasurement):
    """Labels drawn by their shares, whatever the record: its metrics are of expected counts.

    Args:
        predictions: of the records.
        shares: (labels), how often each is answered; they sum to 1.
        metrics: names; None: all but those of what a model writes.
    """

    def __init__(
        self, predictions: Predictions, shares: np.ndarray, metrics: tuple[str, ...] | None = None
    ):
        rating = [m for m in kind_of(predictions).metrics if METRICS[m].rates != "words"]
        super().__init__(predictions, metrics=metrics or rating)
        self._shares = shares

    def only(self, metric: str) -> "Guesses":
        """Return the same for one metric."""
        return Guesses(self.predictions, self._shares, (metric,))

    @property
    def right(self) -> np.ndarray:
        """The chance (n) that each record's answer is right."""
        return self._shares[self.predictions.actual]

    @cached_property
    def labels(self) -> np.ndarray:
        counts = np.zeros((len(self.size), len(self._shares), len(self._shares) + 1))
        np.add.at(counts, (self.cells, self.predictions.actual), np.append(self._shares, 0))
        return counts

    @cached_property
    def sums(self) -> dict[str, np.ndarray]:
        commonest = np.argsort(-label_counts(self.predictions), kind="stable")[:2]
        among = np.isin(self.predictions.actual, commonest)
        return {"among_top_2": np.bincount(self.cells, weights=among)}

    @property
    def scores(self) -> np.ndarray:
        return np.zeros((len(self.predictions), len(self._shares)))

    @property
    def probabilities(self) -> np.ndarray:
        return np.tile(self._shares, (len(self.predictions), 1))


def _metrics_of(
    values: Mapping[str, float | None], predictions: Predictions
) -> dict[str, float | None]:
    """Leave out what counts records, or is about the model's thoughts."""
    names = [name for name in kind_of(predictions).metrics if not METRICS[name].of_thoughts]
    return {name: values[name] for name in names if name in values}
