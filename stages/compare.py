"""Compare the models on the same records: the verdict, a report and its figures."""

import sys

from verdict.core.files import write_json
from verdict.core.paths import (
    COMPARE_METRICS,
    OUTSIDE_PREDICTIONS,
    PREDICTIONS,
    REPORT,
    SPLIT_METRICS,
    VALIDATION_PREDICTIONS,
)
from verdict.params import Params
from verdict.pipeline.stage import run
from verdict.reproducibility import pin_cpu


def main(params: Params) -> None:
    pin_cpu(params.reproducibility)
    # Imported only now: numpy must find the pins in its environment.
    from verdict.comparison.cautions import crossing_warning, read_split_counts
    from verdict.comparison.outside import OutsideSet
    from verdict.comparison.results import CANDIDATE, EXAMPLES
    from verdict.comparison.steps import compare, on_validation
    from verdict.predictions import read_predictions
    from verdict.predictions.origin import edited_by_hand
    from verdict.splitting.balance import balance_warning
    from verdict.summary.markdown import write_summary
    from verdict.summary.wording import said_of_sets

    prompted = [name for name, model in params.evaluate.models.items() if model.examples]
    trained = dict.fromkeys(prompted, EXAMPLES)
    trained |= {name: baseline.kind for name, baseline in params.baselines.items()}
    names = [*(name for name in params.evaluate.models if name not in trained), *trained]
    test = [PREDICTIONS / f"{name}.parquet" for name in names]
    validation = [VALIDATION_PREDICTIONS / path.name for path in test if params.evaluate.validation]
    chosen_by = VALIDATION_PREDICTIONS / f"{CANDIDATE}.parquet"
    predictions = {path: read_predictions(path) for path in (*test, *validation, chosen_by)}
    warnings = [warning for path in predictions if (warning := edited_by_hand(path))]
    split = read_split_counts(SPLIT_METRICS)
    told = crossing_warning(split, params.compare.groups_are), balance_warning(split)
    warnings += [warning for warning in told if warning]
    sets = {}
    for name, options in params.outside.items():
        place = OUTSIDE_PREDICTIONS / name
        edited = edited_by_hand(place)
        sets[name] = OutsideSet(
            [read_predictions(place / path.name) for path in test],
            noun=options.groups_are,
            subgroups=options.subgroups,
            synthetic=options.fetch.source == "embedded",
            warnings=[edited] if edited else [],
        )
    comparison = compare(
        [predictions[path] for path in test],
        params.compare,
        validation=[predictions[path] for path in validation],
        replicates=list(params.replicates),
        trained=trained,
        synthetic=params.fetch.source == "embedded",
        warnings=warnings,
        outside=sets,
    )
    write_json(COMPARE_METRICS, comparison.headline() | on_validation(predictions[chosen_by]))
    write_summary(REPORT, comparison)
    print("\n".join([comparison.verdict.sentence, *comparison.verdict.remarks]))
    for name, said in said_of_sets(comparison):
        print(f"On {name}: {said}")
    for warning in comparison.warnings:
        print(f"\nWARNING: {warning}", file=sys.stderr)


if __name__ == "__main__":
    run("compare", main)
