"""What a decision by probabilities is worth, for many resamples at once.

Net benefit counts a false alarm as so much of a found positive as somebody gives up who acts from a
probability on (Vickers & Elkin 2006, "Decision curve analysis", Med. Decis. Making 26:565). Risk
and coverage are of a model that leaves what it is least sure of to a person (El-Yaniv & Wiener
2010, J. Mach. Learn. Res. 11:1605). A threshold by the cost of errors: Elkan 2001, "The foundations
of cost-sensitive learning", IJCAI.
"""

import numpy as np

from verdict.predictions import Predictions
from verdict.statistics.counts import Resampled, ratio
from verdict.statistics.labels import LabelDraws, LabelMeasurement
from verdict.statistics.metrics import METRICS
from verdict.statistics.proportions import Proportion

#: The probabilities from which somebody would act, of a decision curve.
PROBABILITIES = np.arange(1, 100) / 100

#: The shares of records that are answered, of a curve of risk against coverage.
COVERAGES = np.arange(20, 0, -1) / 20

#: What a false alarm costs at each of ``PROBABILITIES``, in found positives.
ODDS = PROBABILITIES / (1 - PROBABILITIES)

#: Beside the metrics at a threshold: the mean cost of a record, and what it is less than that of
#: calling all records positive, or none; and how many of the records are found positives.
COSTS = ("cost", "below_all", "below_none", "found")


class NetBenefit:
    """Net benefit at each of ``PROBABILITIES``: found positives less priced false alarms, a record.

    Args:
        cells: codes (n) of the records' cells, from 0 on without gaps.
        positive: bool (n): whether the record is of the positive label.
        probabilities: (n) of the positive label; a record is called so from a probability on.
    """

    def __init__(self, cells: np.ndarray, positive: np.ndarray, probabilities: np.ndarray):
        reached = np.searchsorted(PROBABILITIES, probabilities, side="right")
        self.found = _from_each(cells, reached, positive, len(PROBABILITIES))
        self.alarms = _from_each(cells, reached, ~positive, len(PROBABILITIES))
        self._size = np.bincount(cells)

    @property
    def records(self) -> int:
        """How many records there are."""
        return int(self._size.sum())

    def __call__(self, weights: np.ndarray) -> Resampled:
        """Return arrays (resamples, probabilities) for weights (resamples, cells)."""
        drawn = (weights @ self._size)[:, None]
        worth = weights @ self.found - ODDS * (weights @ self.alarms)
        return {"net_benefit": ratio(worth, np.broadcast_to(drawn, worth.shape))}


def treat_all(share: float) -> np.ndarray:
    """Return the net benefit (probabilities) of calling all positive, of which a share is."""
    return share - ODDS * (1 - share)


class Selection:
    """How many records are answered, and how many of these wrongly, from thresholds of certainty.

    Args:
        cells: codes (n) of the records' cells, from 0 on without gaps.
        wrong: bool (n): whether the answer is wrong.
        certainty: (n), the larger the surer.
        thresholds: (k), rising; a record is answered from a threshold on.
    """

    def __init__(
        self, cells: np.ndarray, wrong: np.ndarray, certainty: np.ndarray, thresholds: np.ndarray
    ):
        reached = np.searchsorted(thresholds, certainty, side="right")
        every = np.ones(len(cells), bool)
        self.answered, self.wrong = (
            _from_each(cells, reached, chosen, len(thresholds)) for chosen in (every, wrong)
        )
        self._size, self._wrong = np.bincount(cells), np.bincount(cells, weights=wrong)

    def __call__(self, weights: np.ndarray) -> Resampled:
        """Return arrays (resamples, thresholds); risk is NaN where no record is answered.

        ``spared`` is the risk of answering all, less that.
        """
        answered, drawn = weights @ self.answered, (weights @ self._size)[:, None]
        risk = ratio(weights @ self.wrong, answered)
        return {
            "coverage": ratio(answered, np.broadcast_to(drawn, answered.shape)),
            "risk": risk,
            "spared": ratio((weights @ self._wrong)[:, None], drawn) - risk,
        }

    def whole(self) -> Resampled:
        """Return arrays (thresholds) of the records themselves."""
        found = self(np.ones((1, len(self._size))))
        return {name: values[0] for name, values in found.items()}


def certainty_of(predictions: Predictions) -> np.ndarray:
    """Return the log-odds (n) of each record's likeliest label, which do not tie at 1."""
    return predictions.scores.max(axis=1)


def threshold_by_coverage(certainty: np.ndarray, coverage: float) -> float:
    """Return the largest threshold from which at least this share of the records is answered."""
    falling = np.sort(certainty)[::-1]
    shares = np.arange(1, len(falling) + 1) / len(falling)
    return float(falling[np.argmax(shares >= coverage)])


def threshold_by_cost(
    scores: np.ndarray, positive: np.ndarray, cost: float
) -> tuple[float | None, float]:
    """Return the largest threshold of the lowest mean cost, and that cost.

    Args:
        scores: (n), the larger the more positive; records are called so from a threshold on.
        positive: bool (n): whether the record is of the positive label.
        cost: of a missed positive, where a false alarm costs 1.

    Returns:
        None instead of a threshold where it costs least to call no record positive.
    """
    order = np.argsort(-scores, kind="stable")
    falling, own = scores[order], positive[order]
    found, alarms = (np.concatenate([[0], np.cumsum(x)]) for x in (own, ~own))
    # Records of one score are called together: what parts them is no threshold.
    allowed = np.concatenate([[True], falling[1:] != falling[:-1], [True]])
    total = np.where(allowed, cost * (found[-1] - found) + alarms, np.inf)
    called = int(np.argmin(total))
    return (float(falling[called - 1]) if called else None), float(total[called] / len(scores))


class CostMeasurement:
    """The metrics of answered labels, and ``COSTS``, where a missed positive costs so much.

    A false alarm costs 1.
    """

    def __init__(self, measured: LabelMeasurement, cost: float):
        self.measured, self._cost = measured, cost

    def values(self) -> dict[str, float | None]:
        """Return them of the records themselves; None where undefined."""
        whole = self(np.ones((1, len(self.measured.size))))
        return {name: None if np.isnan(v[0]) else float(v[0]) for name, v in whole.items()}

    def __call__(self, weights: np.ndarray) -> Resampled:
        """Return arrays (resamples) for weights (resamples, cells)."""
        drawn = LabelDraws(self.measured, weights)
        counts, positive = drawn.labels, self.measured.predictions.positive_code
        total = counts.sum(axis=(-2, -1))
        of_label = counts.sum(axis=-1)
        found = counts[:, positive, positive]
        positives, others = of_label[:, positive], of_label[:, 1 - positive]
        cost = self._cost * (positives - found) + counts[:, 1 - positive, positive]
        every, none = others, self._cost * positives
        costs = (cost, every - cost, none - cost, found)
        return {name: METRICS[name].of(drawn) for name in self.measured.metrics} | {
            name: ratio(values, total) for name, values in zip(COSTS, costs, strict=True)
        }

    def proportions(self, size: float) -> dict[str, list[Proportion]]:
        """Return what each of ``COSTS`` is the weighted sum of; ``size`` is all records' worth."""
        counts = self.measured.labels.sum(axis=0) / len(self.measured.predictions)
        positive = self.measured.predictions.positive_code
        found, alarm = counts[positive, positive], counts[1 - positive, positive]
        missed, spared = counts[positive, 1 - positive], counts[1 - positive, 1 - positive]
        weighed = {
            "cost": ((missed, self._cost), (alarm, 1)),
            "below_all": ((spared, 1), (missed, -self._cost)),
            "below_none": ((found, self._cost), (alarm, -1)),
            "found": ((found, 1),),
        }
        return {
            name: [Proportion(float(share), size, weight) for share, weight in parts]
            for name, parts in weighed.items()
        }


def _from_each(
    cells: np.ndarray, reached: np.ndarray, chosen: np.ndarray, thresholds: int
) -> np.ndarray:
    """Count the chosen records, bool (n), of each cell that reach each threshold.

    Args:
        reached: how many of the rising thresholds each record (n) reaches.

    Returns:
        Counts (cells, thresholds).
    """
    size = int(cells.max()) + 1 if len(cells) else 0
    places = cells[chosen] * (thresholds + 1) + reached[chosen]
    counts = np.bincount(places, minlength=size * (thresholds + 1))
    falling = counts.reshape(size, thresholds + 1)[:, ::-1].cumsum(axis=1)[:, ::-1]
    return np.ascontiguousarray(falling[:, 1:], dtype=np.float64)
