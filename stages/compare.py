"""Compare the models on the same records: the verdict, a report and its figures."""

from pathlib import Path

from verdict.files import write_json
from verdict.params import Params
from verdict.reproducibility import pin_cpu
from verdict.stage import run

PREDICTIONS, REPORT = Path("data/predictions"), Path("metrics/report")
ADAPTER = Path("models/adapter")


def main(params: Params) -> None:
    pin_cpu(params.reproducibility)
    # Imported only now: numpy must find the pins in its environment.
    from verdict.predictions import read_predictions
    from verdict.report.write import write_report
    from verdict.statistics.comparison import compare
    from verdict.tracking.evaluation import record_evaluation

    comparison = compare(
        [read_predictions(PREDICTIONS / f"{name}.parquet") for name in params.evaluate.models],
        baseline=params.compare.baseline,
        resamples=params.compare.resamples,
        confidence=params.compare.confidence,
        seed=params.compare.seed,
        noun=params.compare.groups_are,
        subgroups=params.compare.subgroups,
        merge=params.compare.merge,
        merge_positive=params.compare.merge_positive,
        synthetic=params.fetch.source == "embedded",
    )
    write_json("metrics/compare.json", comparison.headline())
    write_report(REPORT, comparison)
    record_evaluation(params.tracking, ADAPTER, comparison.flat(), REPORT)
    print(comparison.verdict.sentence)


if __name__ == "__main__":
    run("compare", main)
