"""Compare models on the same records: intervals, paired differences and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from verdict.predictions import Predictions
from verdict.statistics.baselines import baselines_of
from verdict.statistics.bootstrap import bootstrap
from verdict.statistics.cautions import cautions
from verdict.statistics.compared import Comparison
from verdict.statistics.differences import (
    Measured,
    find_difference,
    paired_difference,
    paired_differences,
)
from verdict.statistics.estimates import estimates
from verdict.statistics.formats import AT_THRESHOLD, REPLICATED
from verdict.statistics.measurement import measure
from verdict.statistics.merging import merge_labels
from verdict.statistics.replicates import average
from verdict.statistics.roles import by_model, predictions_by_name
from verdict.statistics.same_records import check_same_records, check_validation
from verdict.statistics.subgroups import find_subgroups
from verdict.statistics.threshold import apply_thresholds, measure_thresholds
from verdict.statistics.verdict import Evidence, decide, find_obstacle

__all__ = ["Comparison", "compare"]


def compare(
    predictions: Sequence[Predictions],
    *,
    baseline: str,
    resamples: int,
    confidence: float,
    seed: int,
    synthetic: bool,
    candidate: str = "tuned",
    replicates: Sequence[str] = (),
    noun: str = "groups",
    subgroups: Sequence[str] = (),
    merge: Mapping[str, Sequence[str]] | None = None,
    merge_positive: str | None = None,
    sensitivity: float | None = None,
    validation: Sequence[Predictions] = (),
    warnings: Sequence[str] = (),
) -> Comparison:
    """Compare models that were evaluated on the same records.

    Every model is compared with the baseline, and the candidate with every model; Holm's
    correction is over all these comparisons of the decisive metric. The verdict rests on one of
    them, fixed beforehand: the candidate against the baseline, uncorrected. Where there are
    replicates it rests on the mean over them and the candidate instead; they are no models to
    compare with.

    Args:
        predictions: one a model, in the order of tables and figures.
        baseline: the name of the model to compare with.
        resamples: how often the bootstrap draws groups.
        confidence: of the intervals, 0.95 for 95 %.
        seed: of the bootstrap.
        synthetic: whether the data are made up; then the verdict, too, says so.
        candidate: the name of the model that the verdict is about.
        replicates: names of models that are the candidate, trained with other seeds.
        noun: what groups are called in the verdict, in the plural: ``patients``.
        subgroups: names of attributes; the models are measured on the records of each value.
        merge: for each new label the old ones that it stands for; then all is compared a second
            time on the new labels. None or empty: it is not.
        merge_positive: the positive one of two new labels.
        sensitivity: of the positive label, which a threshold has to reach on ``validation``; the
            models are measured at it, too. None: no threshold is chosen.
        validation: with a sensitivity, predictions of the same models on the validation split.
        warnings: what a reader has to know before trusting the numbers, beside what the
            predictions themselves show (``cautions``).

    Raises:
        VerdictError: the models' records, labels, groups or prompts differ, a named model is not
            among them, no record has an attribute, labels cannot be merged so, or the validation
            split is not one to choose a threshold on.
    """
    by_name = predictions_by_name(predictions, baseline, candidate, replicates)
    check_same_records(predictions)
    on_validation = by_model(validation)
    at_threshold = {}
    if sensitivity is not None:
        check_validation(by_name, on_validation)
        at_threshold = apply_thresholds(by_name, on_validation, sensitivity)
    first = predictions[0]
    groups = len(first.group_names)
    models = {name: measure(p) for name, p in by_name.items()}
    kind = models[candidate].kind
    baselines = baselines_of(first)
    resampled = bootstrap(
        {
            **models,
            "majority": baselines.resample,
            **{f"{name}.{AT_THRESHOLD}": model for name, model in at_threshold.items()},
        },
        cells=first.cell_groups,
        records=len(first),
        resamples=resamples,
        seed=seed,
    )
    measured = {name: Measured(m.values(), resampled[name], m.edges) for name, m in models.items()}
    differences = paired_differences(
        by_name,
        {name: model for name, model in models.items() if name not in replicates},
        measured,
        baseline=baseline,
        candidate=candidate,
        confidence=confidence,
    )
    replicated, judged = None, measured[candidate]
    if replicates:
        trainings = [measured[name] for name in (candidate, *replicates)]
        replicated = average(trainings, kind.metrics, confidence=confidence, seed=seed)
        judged = replicated.mean
        pair = ((REPLICATED, judged), (baseline, measured[baseline]))
        differences.insert(0, find_difference(*pair, kind, confidence))
    rivalry = kind.against_majority
    majority = Measured(baselines.values["majority"], resampled["majority"])
    over_majority = paired_difference(judged, majority, rivalry, confidence)
    evidence = Evidence(
        candidate=candidate,
        baseline=baseline,
        metric=kind.decisive,
        trainings=1 + len(replicates),
        after=judged.values[kind.decisive],
        before=measured[baseline].values[kind.decisive],
        difference=differences[0].metrics[kind.decisive],
        p=differences[0].p,
        confidence=confidence,
        groups=groups,
        noun=f"synthetic {noun}" if synthetic else noun,
        majority=baselines.answer,
        majority_metric=rivalry,
        majority_value=majority.values[rivalry],
        candidate_value=judged.values[rivalry],
        over_majority=over_majority,
        majority_decisive=majority.values[kind.decisive],
        after_low=estimates(
            judged.values, judged.resampled, (kind.decisive,), confidence, judged.edges
        )[kind.decisive].low,
    )
    comparison = Comparison(
        verdict=decide(evidence, find_obstacle(first, noun)),
        kind=kind,
        candidate=candidate,
        baseline=baseline,
        replicates=tuple(replicates),
        replicated=replicated,
        labels=first.labels,
        positive=first.positive,
        majority=baselines.answer,
        records=len(first),
        groups=groups,
        noun=noun,
        linked=first.linked,
        independent=first.independent,
        synthetic=synthetic,
        resamples=resamples,
        confidence=confidence,
        warnings=(*warnings, *cautions(predictions, noun)),
        models={
            name: estimates(model.values, model.resampled, kind.metrics, confidence, model.edges)
            for name, model in measured.items()
        },
        confusion={name: model.confusion() for name, model in models.items()},
        baselines=baselines.values,
        differences=differences,
        over_majority=over_majority,
        subgroups=find_subgroups(
            first, models, subgroups, resamples=resamples, confidence=confidence, seed=seed
        ),
        thresholds=None
        if sensitivity is None
        else measure_thresholds(at_threshold, on_validation, sensitivity, resampled, confidence),
    )
    if not merge:
        return comparison
    merged = compare(
        [merge_labels(p, merge, merge_positive) for p in predictions],
        baseline=baseline,
        resamples=resamples,
        confidence=confidence,
        seed=seed,
        synthetic=synthetic,
        candidate=candidate,
        replicates=replicates,
        noun=noun,
    )
    # What there is to be warned of is said once.
    return replace(comparison, merged=replace(merged, warnings=()), merge=merge)
