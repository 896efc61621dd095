"""Measure models, resample them together, and put what was found into a comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from verdict.comparison.baselines import Baselines, baselines_of
from verdict.comparison.bootstrap import bootstrap
from verdict.comparison.decisions import find_decisions
from verdict.comparison.differences import find_difference, paired_difference, paired_differences
from verdict.comparison.intervals import Measured
from verdict.comparison.model import Comparison, pairs_of
from verdict.comparison.replicates import average
from verdict.comparison.results import CANDIDATE, REPLICATED, Difference, Thresholds, Verdict
from verdict.comparison.subgroups import find_subgroups
from verdict.comparison.thresholds import at_threshold, choose_threshold, make_thresholds
from verdict.predictions import Predictions
from verdict.statistics.kinds import Kind
from verdict.statistics.measurement import Measurement, measure

if TYPE_CHECKING:
    from verdict.params import Compare


@dataclass(frozen=True)
class Models:
    """The models that are compared, how, and what is measured of them."""

    options: "Compare"
    #: Models that are the candidate, trained with other seeds.
    replicates: tuple[str, ...]
    #: What is no model, but was trained on the same records: its name to its kind.
    trained: dict[str, str]
    #: By model and trained baseline, on the test split.
    measurements: dict[str, Measurement]
    baselines: Baselines
    #: By model, predictions of the validation split, and thresholds in log-odds; empty where none
    #: was asked for, or none can be.
    validation: dict[str, Predictions]
    thresholds: dict[str, float]

    @property
    def shared(self) -> Predictions:
        """The candidate's predictions, for what all models share."""
        return self.measurements[CANDIDATE].predictions

    @property
    def kind(self) -> Kind:
        return self.measurements[CANDIDATE].kind


@dataclass(frozen=True)
class Resamples:
    """What was measured, on the records and on the same resamples of them."""

    models: dict[str, Measured]
    at_threshold: dict[str, Measured]
    #: Of always giving the commonest answer.
    majority: Measured
    #: The mean over the candidate's trainings, if there are several.
    mean: Measured | None = None

    @property
    def rated(self) -> dict[str, Measured]:
        """The models, and the mean over trainings, as ``Comparison.rated`` has them."""
        return self.models | ({REPLICATED: self.mean} if self.mean else {})


def measure_models(
    test: Mapping[str, Predictions],
    validation: dict[str, Predictions],
    options: "Compare",
    replicates: Sequence[str],
    trained: Mapping[str, str],
) -> Models:
    """Measure every model, and choose the thresholds that are asked for on the validation split."""
    thresholds = {}
    if (asked := options.sensitivity) is not None:
        found = {name: choose_threshold(validation[name], asked) for name in test}
        thresholds = {name: log_odds for name, log_odds in found.items() if log_odds is not None}
    return Models(
        options,
        tuple(replicates),
        dict(trained),
        {name: measure(p) for name, p in test.items()},
        baselines_of(test[CANDIDATE]),
        validation,
        thresholds,
    )


def resample(models: Models, seed: int) -> Resamples:
    """Resample all models together, so that they can be subtracted."""
    there = {
        name: at_threshold(models.measurements[name].predictions, log_odds)
        for name, log_odds in models.thresholds.items()
    }
    drawn = bootstrap(
        {
            **{("model", name): model for name, model in models.measurements.items()},
            **{("threshold", name): model for name, model in there.items()},
            ("baseline", "majority"): models.baselines.resample,
        },
        cells=models.shared.cell_groups,
        records=len(models.shared),
        resamples=models.options.resamples,
        seed=seed,
    )

    def measured(what: str, found: Mapping[str, Measurement]) -> dict[str, Measured]:
        return {
            name: Measured(model.values(), drawn[what, name], model.proportions)
            for name, model in found.items()
        }

    return Resamples(
        measured("model", models.measurements),
        measured("threshold", there),
        Measured(models.baselines.values["majority"], drawn["baseline", "majority"]),
    )


def assemble(
    models: Models, resamples: Resamples, *, synthetic: bool
) -> tuple[Comparison, Resamples]:
    """Put intervals and differences together, as yet without a verdict and warnings.

    The mean over trainings, which is measured only here, is in the resamples that are returned.
    """
    options, kind, shared = models.options, models.kind, models.shared
    confidence = options.confidence
    judged, replicated = resamples.models[CANDIDATE], None
    if models.replicates:
        trainings = [resamples.models[name] for name in (CANDIDATE, *models.replicates)]
        judged, replicated = average(trainings, kind.metrics, confidence, options.seed)
        resamples = replace(resamples, mean=judged)
    rivalry = kind.against_majority
    comparison = Comparison(
        verdict=Verdict(""),
        warnings=(),
        kind=kind,
        candidate=CANDIDATE,
        baseline=options.baseline,
        replicates=models.replicates,
        labels=shared.labels,
        positive=shared.positive,
        records=len(shared),
        groups=len(shared.group_names),
        noun=options.groups_are,
        linked=shared.linked,
        synthetic=synthetic,
        resamples=options.resamples,
        confidence=confidence,
        models={
            name: model.estimates(kind.metrics, confidence)
            for name, model in resamples.models.items()
        },
        thresholds=_thresholds(models, resamples),
        replicated=replicated,
        trained=models.trained,
        baselines=models.baselines.values,
        differences=_differences(models, resamples, judged),
        over_majority=paired_difference(judged, resamples.majority, rivalry, confidence),
        subgroups=find_subgroups(models.measurements, options),
        decisions=find_decisions(
            {
                name: measured
                for name, measured in models.measurements.items()
                if name not in models.replicates
            },
            models.validation,
            models.thresholds,
            options,
        ),
        majority=models.baselines.answer,
        independent=shared.independent,
        confusion={name: model.confusion() for name, model in models.measurements.items()},
        tries=options.tries,
        # Bonferroni's correction: as if each of them had been compared with the baseline.
        allowing=paired_difference(
            judged,
            resamples.models[options.baseline],
            kind.decisive,
            1 - (1 - confidence) / options.tries,
        ),
    )
    return comparison, resamples


def _differences(models: Models, resamples: Resamples, judged: Measured) -> list[Difference]:
    """Return what the verdict rests on, then the other pairs of models."""
    baseline, confidence = models.options.baseline, models.options.confidence
    single = [name for name in models.measurements if name not in models.replicates]
    pairs = pairs_of(single, CANDIDATE, baseline)
    differences = paired_differences(pairs, models.measurements, resamples.models, confidence)
    if not models.replicates:
        return differences
    measured = {**resamples.models, REPLICATED: judged}
    means = [
        find_difference((REPLICATED, other), measured, models.kind, confidence)
        for other in (baseline, *models.trained)
    ]
    return [*means, *differences]


def _thresholds(models: Models, resamples: Resamples) -> Thresholds | None:
    asked, confidence = models.options.sensitivity, models.options.confidence
    if asked is None:
        return None
    there = resamples.at_threshold
    return make_thresholds(models.thresholds, there, models.validation, asked, confidence)
