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
    from verdict.tasks import load_task
    from verdict.tracking.stages import record_evaluation

    write_page(
        ".",
        task=params.task,
        size=params.report.cases,
        merge=params.compare.merge,
        merge_positive=params.compare.merge_positive,
    )
    limits = load_task(params.task).LIMITS
    write_card(CARD, METRICS, ADAPTER, task=params.task, limits=limits)
    numbers = read_comparison(COMPARISON).to_json()
    record_evaluation(params.tracking, ADAPTER, numbers, REPORT, PREDICTIONS)


if __name__ == "__main__":
    run("report", main)
