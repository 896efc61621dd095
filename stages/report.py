"""Write the page for people, with a gallery of cases, and the model card; tell the trackers."""

from verdict.core.paths import ADAPTER, CARD, COMPARISON, METRICS, PREDICTIONS, REPORT
from verdict.params import Params
from verdict.pipeline.stage import run
from verdict.reproducibility import pin_cpu


def main(params: Params) -> None:
    pin_cpu(params.reproducibility)
    # Imported only now: numpy must find the pins in its environment.
    from verdict.comparison.file import read_comparison
    from verdict.report.card import write_card
    from verdict.report.page import write_page
    from verdict.report.terms import terms_of
    from verdict.tasks import load_task
    from verdict.tracking.stages import record_evaluation

    comparison = read_comparison(COMPARISON)
    used = terms_of(params.terms, params.models, synthetic=comparison.synthetic)
    write_page(
        ".",
        task=params.task,
        used=used,
        size=params.report.cases,
        merge=params.compare.merge,
        merge_positive=params.compare.merge_positive,
    )
    limits = load_task(params.task).LIMITS
    write_card(CARD, METRICS, ADAPTER, task=params.task, limits=limits, used=used)
    record_evaluation(params.tracking, ADAPTER, comparison.to_json(), REPORT, PREDICTIONS)


if __name__ == "__main__":
    run("report", main)
