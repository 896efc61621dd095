"""Measure written texts against their references, on the records and on resamples of groups."""

from collections.abc import Iterator

import numpy as np

from verdict.predictions import Predictions
from verdict.statistics.bootstrap import Resampled, sum_by_cell
from verdict.statistics.confusion import Confusion, count_answers
from verdict.statistics.edges import Edges
from verdict.statistics.formats import rounded
from verdict.statistics.kinds import TEXT, Kind
from verdict.statistics.texts import CLOSED, TextScores, bleu_of, score_texts

#: What a text is called that answers a closed question with neither yes nor no, or with both.
OTHER = "other"


class TextMeasurement:
    """A ``Measurement`` of written texts."""

    def __init__(self, predictions: Predictions, scores: TextScores):
        """Sum by cell what the weights will multiply; ``scores`` are of the records (n)."""
        self._predictions, self._scores = predictions, scores
        self._cells = cells = predictions.cell_codes
        closed = scores.closed >= 0
        columns = {
            "records": np.ones(len(cells)),
            "exact_match": scores.exact,
            "token_f1": scores.token_f1,
            "rouge_l": scores.rouge_l,
            "invalid_rate": scores.empty,
            "closed": closed,
            "closed_right": closed & (scores.closed == scores.said),
        }
        self._sums = {name: sum_by_cell(self._cells, v) for name, v in columns.items()}
        self._bleu = sum_by_cell(self._cells, scores.bleu)

    @property
    def kind(self) -> Kind:
        return TEXT

    @property
    def right(self) -> np.ndarray:
        """Bool (n): of a closed question whether it is answered so, else of an exact match."""
        scores = self._scores
        return np.where(scores.closed >= 0, scores.closed == scores.said, scores.exact)

    @property
    def edges(self) -> Edges:
        return Edges(self._predictions, {}, closed=self._scores.closed >= 0)

    def values(self) -> dict[str, float | int | None]:
        """Return how many records and closed questions there are, and the metrics."""
        sizes = {"n": len(self._cells), "closed": int((self._scores.closed >= 0).sum())}
        whole = self(np.ones((1, len(self._bleu))))
        return sizes | {name: rounded(whole[name][0]) for name in TEXT.metrics}

    def __call__(self, weights: np.ndarray) -> Resampled:
        drawn = {name: weights @ sums for name, sums in self._sums.items()}
        records, closed = drawn["records"], drawn["closed"]
        with np.errstate(divide="ignore", invalid="ignore"):
            values = {
                name: drawn[name] / records
                for name in ("exact_match", "token_f1", "rouge_l", "invalid_rate")
            }
            values["closed_accuracy"] = drawn["closed_right"] / closed
        values["bleu"] = np.where(records > 0, bleu_of(weights @ self._bleu), np.nan)
        return values

    def part(self, chosen: np.ndarray) -> "TextMeasurement":
        return TextMeasurement(self._predictions.part(chosen), self._scores.part(chosen))

    def confusion(self) -> Confusion:
        """Return counts of the closed questions: yes or no in rows, what was said in columns."""
        closed = self._scores.closed >= 0
        said = self._scores.said[closed]
        columns = (*CLOSED, OTHER)
        return count_answers(
            self._scores.closed[closed], np.where(said < 0, len(CLOSED), said), CLOSED, columns
        )

    def confusion_rows(self) -> Iterator[tuple[str, str]]:
        for actual, said in zip(self._scores.closed, self._scores.said, strict=True):
            if actual >= 0:
                yield CLOSED[actual], (*CLOSED, OTHER)[said]


def measure_texts(predictions: Predictions) -> TextMeasurement:
    """Return the measurement of free-text predictions."""
    scores = score_texts(predictions.generated.tolist(), predictions.answers.tolist())
    return TextMeasurement(predictions, scores)
