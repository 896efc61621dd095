"""What a comparison found of decisions by probabilities: the parts, as they stand in the file."""

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from verdict.comparison.results import Estimate, Estimates
from verdict.statistics.recalibration import STATED


@dataclass(frozen=True)
class Points:
    """The points of a reliability curve: one a bin that holds records."""

    stated: list[float]
    observed: list[float]
    records: list[int]


@dataclass(frozen=True)
class Band:
    """A curve with the ends of each point's interval; None where undefined."""

    values: list[float | None]
    low: list[float | None]
    high: list[float | None]


@dataclass(frozen=True)
class Recalibrated:
    """One model's probabilities of the test split, mended by one map."""

    #: Of the map: ``temperature``; or ``slope`` and ``intercept`` of the log-odds.
    parameters: dict[str, float]
    #: Of the validation split, by maps fitted on other groups of it.
    validation_brier: float
    brier: Estimate
    #: The Brier score less that of the probabilities as stated.
    change: Estimate
    #: The share of positive records less their mean probability; of more than two labels the share
    #: of right answers less the mean probability of the likeliest.
    bias: Estimate
    #: Without an interval: near 0, resamples are all above the truth.
    expected_calibration_error: float
    points: Points


@dataclass(frozen=True)
class ModelRecalibration:
    """What recalibration does to one model."""

    #: The map with the lowest cross-fitted Brier score on the validation split.
    chosen: str
    #: By map, ``STATED`` among them, which leaves probabilities as they are.
    methods: dict[str, Recalibrated]

    @property
    def changed(self) -> bool:
        """Whether validation chose to change probabilities."""
        return self.chosen != STATED


@dataclass(frozen=True)
class DecisionCurves:
    """Net benefit by the probability from which somebody would act."""

    probabilities: list[float]
    treat_all: list[float]
    #: By model, of probabilities as stated; and as the map mends them that validation chose.
    stated: dict[str, Band]
    recalibrated: dict[str, Band]


@dataclass(frozen=True)
class RiskCoverage:
    """The share of wrong answers against the share of records that are answered at all."""

    #: What was asked for; what ties allow is in ``answered``.
    coverages: list[float]
    answered: dict[str, list[float]]
    risk: dict[str, Band]


@dataclass(frozen=True)
class Abstention:
    """One model that leaves records below a certainty to a person."""

    #: Of the likeliest label, from which on a record is answered.
    probability: float
    validation_coverage: float
    validation_risk: float
    coverage: Estimate
    risk: Estimate
    #: The risk of answering all, less that.
    spared: Estimate


@dataclass(frozen=True)
class CostThreshold:
    """One model at the threshold that costs least on the validation split."""

    #: Of the positive label; None where it costs least to call no record positive.
    probability: float | None
    #: Of a validation record, on average.
    validation_cost: float
    #: Of the test split: those at a threshold, and ``COSTS``.
    metrics: Estimates
    #: How many records are called positive, and how many there are, for each found positive.
    needed_to_evaluate: Estimate
    needed_to_screen: Estimate


@dataclass(frozen=True)
class Gap:
    """The largest difference of one model between the values of an attribute."""

    attribute: str
    model: str
    #: ``recall`` or ``specificity``.
    metric: str
    #: What calls a record positive: ``likeliest``, or ``threshold`` for the one of sensitivity.
    by: str
    #: The values between which it is, the higher number first, and both numbers.
    highest: str
    lowest: str
    high: float
    low: float
    #: Its interval is simultaneous: with this confidence those of all pairs of values hold.
    difference: Estimate
    #: Values that were compared, and those with too few groups to be.
    compared: list[str]
    left_out: list[str]


@dataclass(frozen=True)
class Decisions:
    """What the models' probabilities are worth for decisions."""

    #: Why nothing is fitted or chosen on the validation split, or None.
    obstacle: str | None
    #: How large that split is; 0 where it was not asked about.
    validation_records: int
    validation_groups: int
    #: Empty where there is an obstacle; all are by model.
    recalibration: dict[str, ModelRecalibration]
    #: None where there are more than two labels.
    curves: DecisionCurves | None
    risk_coverage: RiskCoverage
    #: The share of validation records to answer, and what it leads to; None and empty: not asked.
    coverage: float | None
    abstention: dict[str, Abstention]
    #: Of a missed positive, where a false alarm costs 1; None and empty: not asked.
    cost: float | None
    thresholds: dict[str, CostThreshold]
    gaps: list[Gap]

    def to_json(self) -> dict[str, Any]:
        return _ADAPTER.dump_python(self, mode="json")


def decisions_from(entries: dict[str, Any]) -> Decisions:
    """Return what ``to_json`` gave.

    Raises:
        pydantic.ValidationError: it is of another form.
    """
    return _ADAPTER.validate_python(entries)


_ADAPTER = TypeAdapter(Decisions)
