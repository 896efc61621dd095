"""Compare models on the same records: check, measure, resample, assemble, judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from verdict.comparison.baselines import Baselines, baselines_of
from verdict.comparison.bootstrap import bootstrap
from verdict.comparison.cautions import cautions
from verdict.comparison.decisions import find_decisions
from verdict.comparison.differences import find_difference, paired_difference, paired_differences
from verdict.comparison.inputs import (
    by_model,
    check_roles,
    check_same_records,
    check_validation,
    merge_labels,
)
from verdict.comparison.intervals import Measured
from verdict.comparison.model import Comparison, Outside, pairs_of
from verdict.comparison.outside import (
    OutsideSet,
    changes_of,
    enough_groups,
    own_cautions,
    seed_of,
)
from verdict.comparison.replicates import average
from verdict.comparison.results import REPLICATED, Difference, Thresholds, Verdict
from verdict.comparison.subgroups import find_subgroups
from verdict.comparison.thresholds import at_threshold, choose_threshold, make_thresholds
from verdict.comparison.verdict import decide, find_obstacle
from verdict.predictions import Predictions
from verdict.statistics.kinds import Kind
from verdict.statistics.measurement import Measurement, measure

if TYPE_CHECKING:
    from verdict.params import Compare


#: The name of the model that the verdict is about.
CANDIDATE = "tuned"


@dataclass(frozen=True)
class _Models:
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
class _Resamples:
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


def compare(
    predictions: Sequence[Predictions],
    options: "Compare",
    *,
    validation: Sequence[Predictions] = (),
    replicates: Sequence[str] = (),
    trained: Mapping[str, str] = MappingProxyType({}),
    synthetic: bool = False,
    warnings: Sequence[str] = (),
    outside: Mapping[str, OutsideSet] = MappingProxyType({}),
) -> Comparison:
    """Compare models that were evaluated on the same records.

    Every model is compared with the baseline, and the candidate with every model; Holm's
    correction is over all these comparisons of the decisive metric. The verdict rests on one of
    them, fixed beforehand: the candidate against the baseline, uncorrected. Where there are
    replicates it rests on the mean over them and the candidate instead; they are no models to
    compare with.

    Args:
        predictions: one a model, in the order of tables and figures; ``CANDIDATE`` is among them.
        options: the section ``compare`` of the parameters.
        validation: predictions of the same models on the validation split, from which thresholds
            are chosen and by which probabilities are mended; ``options.sensitivity`` needs them.
        replicates: names of models that are the candidate, trained with other seeds.
        trained: names of baselines that were trained on the same records, each with its kind; the
            models come before them.
        synthetic: whether the data are made up; then the verdict, too, says so.
        warnings: what a reader has to know before trusting the numbers, beside what the
            predictions themselves show (``cautions``).
        outside: by name, test sets from elsewhere, on which the same is compared by itself; the
            verdict does not rest on them.

    Raises:
        VerdictError: the models' records, labels, groups or prompts differ, a named model is not
            among them, no record has an attribute, labels cannot be merged so, or the validation
            split is not one to choose a threshold on.
    """
    how = validation, tuple(replicates), dict(trained)
    comparison, resamples = _compared(predictions, options, *how, synthetic, options.seed)
    told = (*warnings, *cautions(predictions, options.groups_are))
    found = {}
    for name, one in outside.items():
        there, seed = one.options(options), seed_of(name, options.seed)
        other, theirs = _compared(one.predictions, there, *how, one.synthetic, seed)
        enough = enough_groups(predictions[0], one.predictions[0])
        given = theirs.rated, resamples.rated, comparison.kind.shown("differences")
        found[name] = Outside(other, changes_of(*given, options.confidence, enough=enough))
        own = [*one.warnings, *own_cautions(one.predictions[0], predictions[0])]
        own += [said for said in cautions(one.predictions, one.noun) if said not in told]
        told += tuple(f"Of the outside set {name}: {said}" for said in own)
    return replace(comparison, warnings=told, outside=found)


def _compared(
    predictions: Sequence[Predictions],
    options: "Compare",
    validation: Sequence[Predictions],
    replicates: Sequence[str],
    trained: Mapping[str, str],
    synthetic: bool,
    seed: int,
) -> tuple[Comparison, _Resamples]:
    """Compare the models on one set of records, as yet without warnings; ``seed``: of resamples."""
    if any(p.thinking for p in predictions):
        predictions = [p.beside_thoughts() for p in predictions]
    test, other = by_model(predictions), by_model(validation)
    check_roles(list(test), options.baseline, CANDIDATE, replicates, trained)
    check_same_records(predictions)
    if options.sensitivity is not None:
        check_validation(test, other)
    models = _measure(test, other, options, replicates, trained)
    comparison, resamples = _assemble(models, _resample(models, seed), synthetic=synthetic)
    verdict = decide(comparison, find_obstacle(models.shared, options.groups_are))
    comparison = replace(comparison, verdict=verdict)
    if not options.merge:
        return comparison, resamples
    merged, _ = _compared(
        [merge_labels(p, options.merge, options.merge_positive) for p in predictions],
        options.model_copy(update={"merge": {}, "subgroups": [], "sensitivity": None, "tries": 1}),
        [merge_labels(p, options.merge, options.merge_positive) for p in validation],
        replicates,
        trained,
        synthetic,
        seed,
    )
    return replace(comparison, merged=merged, merge=options.merge), resamples


def on_validation(predictions: Predictions) -> dict[str, float | None]:
    """Return the decisive metric on the validation split, by which settings are chosen.

    Args:
        predictions: of the candidate, on that split; empty where nobody asked about it.
    """
    if not len(predictions):
        return {}
    found = measure(predictions)
    return {"validation": found.values()[found.kind.decisive]}


def _measure(
    test: Mapping[str, Predictions],
    validation: dict[str, Predictions],
    options: "Compare",
    replicates: Sequence[str],
    trained: Mapping[str, str],
) -> _Models:
    thresholds = {}
    if (asked := options.sensitivity) is not None:
        found = {name: choose_threshold(validation[name], asked) for name in test}
        thresholds = {name: log_odds for name, log_odds in found.items() if log_odds is not None}
    return _Models(
        options,
        tuple(replicates),
        dict(trained),
        {name: measure(p) for name, p in test.items()},
        baselines_of(test[CANDIDATE]),
        validation,
        thresholds,
    )


def _resample(models: _Models, seed: int) -> _Resamples:
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

    return _Resamples(
        measured("model", models.measurements),
        measured("threshold", there),
        Measured(models.baselines.values["majority"], drawn["baseline", "majority"]),
    )


def _assemble(
    models: _Models, resamples: _Resamples, *, synthetic: bool
) -> tuple[Comparison, _Resamples]:
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


def _differences(models: _Models, resamples: _Resamples, judged: Measured) -> list[Difference]:
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


def _thresholds(models: _Models, resamples: _Resamples) -> Thresholds | None:
    asked, confidence = models.options.sensitivity, models.options.confidence
    if asked is None:
        return None
    there = resamples.at_threshold
    return make_thresholds(models.thresholds, there, models.validation, asked, confidence)
