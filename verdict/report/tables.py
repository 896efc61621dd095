"""The comparison as Markdown: the verdict first, then every number behind it."""

from collections.abc import Iterable, Sequence

from verdict.report.names import (
    DISCLAIMER,
    METRIC_TITLES,
    SYNTHETIC,
    TABLE_METRICS,
    UNDEFINED,
    p_cell,
)
from verdict.statistics.comparison import Comparison
from verdict.statistics.differences import Difference
from verdict.statistics.estimates import Estimate
from verdict.statistics.formats import DECISIVE, format_percent


def comparison_markdown(comparison: Comparison, *, figures: Sequence[tuple[str, str]] = ()) -> str:
    """Return the report of a comparison as Markdown.

    Args:
        comparison: the numbers.
        figures: (title, relative path) of pictures to embed after the table of models.
    """
    parts = ["# The verdict", f"**{comparison.verdict.sentence}**"]
    if comparison.synthetic:
        parts.append(f"> {SYNTHETIC}")
    parts += ["## Models", _models_table(comparison), _models_note(comparison)]
    parts += [f"![{title}]({path})" for title, path in figures]
    parts += ["## Paired differences", _differences_table(comparison)]
    parts += [_differences_note(comparison), f"*{DISCLAIMER}*"]
    return "\n\n".join(parts) + "\n"


def _models_table(comparison: Comparison) -> str:
    metrics = TABLE_METRICS[comparison.binary]
    interval = f" ({format_percent(comparison.confidence)} CI)"
    header = ["model"] + [
        METRIC_TITLES[name] + (interval if name == DECISIVE else "") for name in metrics
    ]
    rows = [
        [model, *(_cell(name, estimates[name]) for name in metrics)]
        for model, estimates in comparison.models.items()
    ]
    titles = {"majority": f"majority (always {comparison.majority})", "prior": "prior (by shares)"}
    for baseline, values in comparison.baselines.items():
        cells = [_cell(name, Estimate(values.get(name))) for name in metrics]
        rows.append([f"*{titles[baseline]}*", *cells])
    return _table(header, rows)


def _models_note(comparison: Comparison) -> str:
    ranked = "AUROC" if comparison.binary else "macro AUROC"
    positive = f" Sensitivity, precision and F1 are of {comparison.positive}."
    return (
        f"{comparison.records:,} records of {comparison.groups:,} {comparison.noun}."
        f"{positive if comparison.binary else ''} All but *invalid* rate the likeliest answer; "
        "*invalid* is the share of generated answers that name no label. Majority always gives "
        "the commonest answer, prior guesses by the answers' shares in these records; neither "
        f"ranks records, so {ranked} is 0.5. {UNDEFINED} is undefined. Intervals of all metrics "
        "are in `comparison.json`: percentiles of "
        f"{comparison.resamples:,} bootstrap resamples of whole {comparison.noun}"
        f"{_left_out(comparison)}."
    )


def _left_out(comparison: Comparison) -> str:
    """Say how many resamples had no balanced accuracy."""
    undefined = comparison.models[comparison.candidate][DECISIVE].undefined
    if not undefined:
        return ""
    return f"; {undefined:,} of them lacked a label and are left out of balanced accuracy"


def _differences_table(comparison: Comparison) -> str:
    metrics = list(comparison.differences[0].metrics)
    header = ["comparison", METRIC_TITLES[DECISIVE], "p", "p (Holm)"]
    header += [METRIC_TITLES[name] for name in metrics if name != DECISIVE]
    header += ["p (McNemar)"]
    return _table(header, [_difference_row(difference) for difference in comparison.differences])


def _difference_row(difference: Difference) -> list[str]:
    cells = {name: _difference_cell(value) for name, value in difference.metrics.items()}
    return [
        f"{difference.first} - {difference.second}",
        cells.pop(DECISIVE),
        p_cell(difference.p),
        p_cell(difference.p_holm),
        *cells.values(),
        p_cell(difference.mcnemar_p),
    ]


def _differences_note(comparison: Comparison) -> str:
    several = len(comparison.differences)
    correction = (
        f" *p (Holm)* is corrected for the {several} comparisons; the verdict rests on the first "
        "one alone, which was fixed beforehand."
        if several > 1
        else ""
    )
    return (
        f"In brackets {format_percent(comparison.confidence)} intervals. Both models of a "
        f"comparison are resampled together, by {comparison.noun}; *p* is of balanced accuracy."
        f"{correction} McNemar's test is of accuracy and takes records as independent, so where "
        f"several records belong together its p is too small."
    )


def _cell(metric: str, estimate: Estimate) -> str:
    if estimate.value is None:
        return UNDEFINED
    if metric == "invalid_rate":
        return f"{100 * estimate.value:.1f} %"
    if metric == DECISIVE and estimate.low is not None and estimate.high is not None:
        return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
    return f"{estimate.value:.3f}"


def _difference_cell(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return UNDEFINED
    return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table: first column to the left, numbers to the right."""
    alignment = [":--"] + ["--:"] * (len(header) - 1)
    lines = [header, alignment, *rows]
    return "\n".join("| " + " | ".join(_escaped(cell) for cell in line) + " |" for line in lines)


def _escaped(cell: str) -> str:
    return cell.replace("|", r"\|")
