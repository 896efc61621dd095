"""Compare models on the same records: check, measure, resample, assemble, judge."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from verdict.comparison.assembly import Resamples, assemble, measure_models, resample
from verdict.comparison.cautions import cautions
from verdict.comparison.inputs import (
    by_model,
    check_roles,
    check_same_records,
    check_validation,
    merge_labels,
)
from verdict.comparison.model import Comparison, Outside
from verdict.comparison.outside import (
    OutsideSet,
    changes_of,
    enough_groups,
    own_cautions,
    seed_of,
)
from verdict.comparison.results import CANDIDATE
from verdict.comparison.verdict import decide, find_obstacle
from verdict.predictions import Predictions
from verdict.statistics.measurement import measure

if TYPE_CHECKING:
    from verdict.params import Compare


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
) -> tuple[Comparison, Resamples]:
    """Compare the models on one set of records, as yet without warnings; ``seed``: of resamples."""
    if any(p.thinking for p in predictions):
        predictions = [p.beside_thoughts() for p in predictions]
    test, other = by_model(predictions), by_model(validation)
    check_roles(list(test), options.baseline, CANDIDATE, replicates, trained)
    check_same_records(predictions)
    if options.sensitivity is not None:
        check_validation(test, other)
    models = measure_models(test, other, options, replicates, trained)
    comparison, resamples = assemble(models, resample(models, seed), synthetic=synthetic)
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
