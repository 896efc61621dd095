"""The comparison as Markdown: the verdict first, then every number behind it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from verdict.report.names import (
    DISCLAIMER,
    SYNTHETIC,
    TABLE_METRICS,
    UNDEFINED,
    metric_title,
    p_cell,
)
from verdict.report.notes import differences_note, models_note, subgroups_note, threshold_note
from verdict.statistics.comparison import Comparison
from verdict.statistics.estimates import Estimate
from verdict.statistics.formats import (
    REPLICATED,
    format_difference,
    format_number,
    format_percent,
    format_probability,
    mean_of,
    shortened,
)
from verdict.statistics.threshold import METRICS, Thresholds

#: The columns of tests that take records as independent.
SECONDARY = {"mcnemar_p": "p (McNemar)", "delong_p": "p of AUROC (DeLong)"}

#: The columns of the table of thresholds that have an interval.
WITH_INTERVAL = ("recall", "specificity")


def comparison_markdown(comparison: Comparison, *, figures: Sequence[tuple[str, str]] = ()) -> str:
    """Return the report of a comparison as Markdown.

    Args:
        comparison: the numbers.
        figures: (title, relative path) of pictures to embed after the table of models.
    """
    parts = ["# The verdict", *(f"> **Warning.** {warning}." for warning in comparison.warnings)]
    parts.append(f"**{comparison.verdict.sentence}**")
    if comparison.synthetic:
        parts.append(f"> {SYNTHETIC}")
    parts += ["## Models", _models_table(comparison), models_note(comparison)]
    parts += [f"![{title}]({path})" for title, path in figures]
    parts += _threshold_parts(comparison)
    parts += ["## Paired differences", _differences_table(comparison), differences_note(comparison)]
    parts += _merged_parts(comparison)
    parts += _subgroup_parts(comparison)
    return "\n\n".join([*parts, f"*{DISCLAIMER}*"]) + "\n"


def _models_table(comparison: Comparison) -> str:
    metrics, decisive = TABLE_METRICS[comparison.kind.name], comparison.kind.decisive
    interval = f" ({format_percent(comparison.confidence)} CI)"
    header = ["model"] + [
        metric_title(name, comparison.noun) + (interval if name == decisive else "")
        for name in metrics
    ]
    rows = [
        [model, *(_cell(name, estimates[name], name == decisive) for name in metrics)]
        for model, estimates in _rated(comparison)
    ]
    always = shortened(comparison.majority)
    titles = {"majority": f"majority (always {always})", "prior": "prior (by shares)"}
    for baseline, values in comparison.baselines.items():
        cells = [_cell(name, Estimate(values.get(name))) for name in metrics]
        rows.append([f"*{titles[baseline]}*", *cells])
    return _table(header, rows)


def _rated(comparison: Comparison) -> Iterator[tuple[str, Mapping[str, Estimate]]]:
    """Yield each model with its metrics, and the mean over the candidate's trainings."""
    yield from comparison.models.items()
    if comparison.replicated:
        yield f"*{_title(REPLICATED, comparison)}*", comparison.replicated.estimates


def _title(model: str, comparison: Comparison) -> str:
    return mean_of(comparison.trainings) if model == REPLICATED else model


def _threshold_parts(comparison: Comparison) -> list[str]:
    """Return the models at their thresholds, where thresholds were asked for."""
    thresholds = comparison.thresholds
    if thresholds is None:
        return []
    if thresholds.undefined:
        return ["## At the threshold", f"There is no threshold: {thresholds.undefined}."]
    interval = f" ({format_percent(comparison.confidence)} CI)"
    header = ["model", f"called {comparison.positive}", "sensitivity on validation"]
    header += [
        metric_title(name, comparison.noun) + (interval if name in WITH_INTERVAL else "")
        for name in METRICS
    ]
    table = _table(header, _threshold_rows(comparison, thresholds), texts=(0, 1))
    return ["## At the threshold", table, threshold_note(comparison, thresholds)]


def _threshold_rows(comparison: Comparison, thresholds: Thresholds) -> Iterator[list[str]]:
    """Yield two lines a model: at its threshold, and by its likeliest answer."""
    for model, chosen in thresholds.chosen.items():
        at_threshold, likeliest = (
            [_cell(name, estimates[name], name in WITH_INTERVAL) for name in METRICS]
            for estimates in (thresholds.metrics[model], comparison.models[model])
        )
        from_here = f"from {format_probability(chosen.probability)}"
        yield [model, from_here, f"{chosen.reached:.3f}", *at_threshold]
        yield ["", "if likeliest", "", *likeliest]


def _differences_table(comparison: Comparison) -> str:
    decisive, *others = [
        metric_title(name, comparison.noun) for name in comparison.kind.differences
    ]
    tests = comparison.differences[-1].secondary if comparison.independent else {}
    header = [
        "comparison",
        decisive,
        "p",
        "p (Holm)",
        *others,
        *(SECONDARY[name] for name in tests),
    ]
    rows = []
    for difference in comparison.differences:
        first, *cells = [_difference_cell(value) for value in difference.metrics.values()]
        pair = f"{_title(difference.first, comparison)} - {difference.second}"
        p_values = [p_cell(difference.p), p_cell(difference.p_holm)]
        others_p = [p_cell(difference.secondary.get(name)) for name in tests]
        rows.append([pair, first, *p_values, *cells, *others_p])
    return _table(header, rows)


def _merged_parts(comparison: Comparison) -> list[str]:
    """Return the verdict and the tables on merged labels, where there are any."""
    merged, merge = comparison.merged, comparison.merge
    if merged is None or merge is None:
        return []
    lists = [f"- {new}: {', '.join(labels)}" for new, labels in merge.items()]
    return [
        f"## Merged into {' and '.join(merge)}",
        "The same predictions, with the probabilities of these labels added up:",
        "\n".join(lists),
        f"**{merged.verdict.sentence}**",
        _models_table(merged),
        models_note(merged),
        _differences_table(merged),
    ]


def _subgroup_parts(comparison: Comparison) -> list[str]:
    """Return a table for each attribute by which the records were divided."""
    attributes = dict.fromkeys(subgroup.attribute for subgroup in comparison.subgroups)
    parts = []
    for attribute in attributes:
        parts += [f"## By {attribute.replace('_', ' ')}", _subgroups_table(comparison, attribute)]
    return [*parts, subgroups_note(comparison)] if parts else []


def _subgroups_table(comparison: Comparison, attribute: str) -> str:
    counted = ["positives"] if comparison.positive is not None else []
    header = [attribute.replace("_", " "), "n", comparison.noun, *counted, "model"]
    header += [metric_title(name, comparison.noun) for name in comparison.kind.parts]
    return _table(header, _subgroup_rows(comparison, attribute), texts=(0, header.index("model")))


def _subgroup_rows(comparison: Comparison, attribute: str) -> Iterator[list[str]]:
    """Yield a line for each value and model; what all models share stands in the first."""
    for subgroup in comparison.subgroups:
        if subgroup.attribute != attribute:
            continue
        counts = [subgroup.records, subgroup.groups]
        counts += [] if subgroup.positives is None else [subgroup.positives]
        shared = [subgroup.value, *(f"{count:,}" for count in counts)]
        for model, metrics in subgroup.models.items():
            cells = [_part_cell(metrics[name]) for name in comparison.kind.parts]
            yield [*shared, model, *cells]
            shared = [""] * len(shared)


def _cell(metric: str, estimate: Estimate, interval: bool = False) -> str:
    if estimate.value is None:
        return UNDEFINED
    if metric == "invalid_rate":
        return f"{100 * estimate.value:.1f} %"
    if interval and estimate.low is not None and estimate.high is not None:
        value, low, high = (
            format_number(number, 3) for number in (estimate.value, estimate.low, estimate.high)
        )
        return f"{value} ({low} to {high})"
    return format_number(estimate.value, 3)


def _part_cell(estimate: Estimate) -> str:
    return "undefined" if estimate.value is None else _cell("", estimate, interval=True)


def _difference_cell(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return UNDEFINED
    value, low, high = (
        format_difference(number, 3) for number in (estimate.value, estimate.low, estimate.high)
    )
    return f"{value} ({low} to {high})"


def _table(
    header: Sequence[str], rows: Iterable[Sequence[str]], texts: Sequence[int] = (0,)
) -> str:
    """Return a Markdown table: columns of ``texts`` to the left, numbers to the right."""
    alignment = [":--" if i in texts else "--:" for i in range(len(header))]
    lines = [header, alignment, *rows]
    return "\n".join("| " + " | ".join(_escaped(cell) for cell in line) + " |" for line in lines)


def _escaped(cell: str) -> str:
    return cell.replace("|", r"\|").replace("\n", " ")
