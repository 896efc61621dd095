"""The results in the model card: tables of the metrics, the difference, the limits."""

from verdict.comparison.model import Comparison
from verdict.comparison.results import Estimate
from verdict.statistics.formats import format_difference, format_p
from verdict.summary.wording import (
    heading,
    markdown_table,
    metric_title,
    said_of_sets,
    signed,
    signed_interval,
    with_interval,
)


def results_table(comparison: Comparison) -> str:
    """Return the metrics of the models and of always giving the commonest answer."""
    names = [*comparison.models, "majority"]
    columns, undefined = comparison.columns, Estimate(None)
    rows = [
        (
            metric_title(metric, comparison.noun),
            *(with_interval(columns[name].get(metric, undefined)) for name in names),
        )
        for metric in comparison.kind.shown("table")
    ]
    headings = [heading(comparison, name) for name in names]
    return markdown_table(("metric", *headings), rows)


def difference_sentence(comparison: Comparison) -> str:
    """Return the difference of candidate and baseline: of this training, even where others are."""
    pair = (comparison.candidate, comparison.baseline)
    found = next(d for d in comparison.differences if (d.first, d.second) == pair)
    decisive = comparison.kind.decisive
    estimate, p = found.metrics[decisive], found.p
    if estimate.value is None or estimate.low is None or estimate.high is None or p is None:
        return ""
    shown, low, high = (
        format_difference(number, 3) for number in (estimate.value, estimate.low, estimate.high)
    )
    return (
        f"{pair[0]} minus {pair[1]}, on the same records: "
        f"{metric_title(decisive, comparison.noun)} {shown} ({low} to {high}), "
        f"p {'' if p < 0.001 else '= '}{format_p(p)}."
    )


def outside_tables(comparison: Comparison) -> list[tuple[str, str, str]]:
    """Return of each test set from elsewhere its name, what is said of it, and its table."""
    title = metric_title(comparison.kind.decisive, comparison.noun)
    return [
        (
            name,
            said,
            markdown_table(
                (title, "test split", name, "difference"),
                [
                    (
                        heading(comparison, model),
                        with_interval(here),
                        with_interval(there),
                        f"{signed(change.value)} ({ends})"
                        if (ends := signed_interval(change.low, change.high))
                        else signed(change.value),
                    )
                    for model, here, there, change in comparison.against(key)
                ],
            ),
        )
        for (name, said), key in zip(said_of_sets(comparison), comparison.outside, strict=True)
    ]


def limits_of(comparison: Comparison) -> list[str]:
    """Return what the numbers themselves say against the candidate, a sentence each."""
    limits = []
    if invalid := comparison.models[comparison.candidate]["invalid_rate"].value:
        limits.append(
            f"{100 * invalid:.1f} % of its generated answers name no answer, or several; they count"
            " as wrong."
        )
    if not comparison.replicates:
        limits.append("It was trained with one seed; another seed would give other numbers.")
    return limits
