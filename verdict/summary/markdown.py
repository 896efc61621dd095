"""The comparison as Markdown: the verdict first, then every number behind it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from verdict.comparison.model import Comparison
from verdict.comparison.results import REPLICATED, Estimate, Thresholds
from verdict.core.files import replacing, write_json
from verdict.statistics.formats import (
    format_percent,
    format_probability,
    mean_of,
    shortened,
)
from verdict.statistics.kinds import BINARY
from verdict.summary.decisions import decision_parts, decisions_note
from verdict.summary.figures import write_comparison_figure, write_confusion_figure
from verdict.summary.notes import (
    differences_note,
    models_note,
    outside_note,
    subgroups_note,
    threshold_note,
)
from verdict.summary.wording import (
    COMPARISON,
    CONFUSION,
    DISCLAIMER,
    NUMBERS,
    REPORT,
    SECONDARY,
    SYNTHETIC,
    UNDEFINED,
    interval,
    markdown_table,
    metric_title,
    number,
    p_text,
    said_of_sets,
    shown,
    signed,
    signed_interval,
)

#: The columns of the table of thresholds that have an interval.
WITH_INTERVAL = ("recall", "specificity")


def write_summary(folder: Path | str, comparison: Comparison) -> None:
    """Write ``comparison.md`` with its two figures, and its numbers as ``comparison.json``.

    Args:
        folder: made if it is missing; other files in it stay.
        comparison: what to report.
    """
    folder = Path(folder)
    write_json(folder / NUMBERS, comparison.to_json())
    write_comparison_figure(folder / COMPARISON, comparison)
    write_confusion_figure(folder / CONFUSION, comparison)
    figures = [(comparison.verdict.headline, COMPARISON)]
    if comparison.labels:
        figures.append(("Confusion matrices", CONFUSION))
    elif any(table.counts.any() for table in comparison.confusion.values()):
        figures.append(("Answers to yes-or-no questions", CONFUSION))
    with replacing(folder / REPORT) as partial:
        text = comparison_markdown(comparison, figures=figures)
        partial.write_text(text, encoding="utf-8", newline="\n")


def comparison_markdown(comparison: Comparison, *, figures: Sequence[tuple[str, str]] = ()) -> str:
    """Return the report of a comparison as Markdown.

    Args:
        comparison: the numbers.
        figures: (title, relative path) of pictures to embed after the table of models.
    """
    parts = ["# The verdict", *(f"> **Warning.** {warning}." for warning in comparison.warnings)]
    parts += [f"**{comparison.verdict.sentence}**", *comparison.verdict.remarks]
    parts += [f"On {name}: {said}" for name, said in said_of_sets(comparison)]
    if comparison.synthetic:
        parts.append(f"> {SYNTHETIC}")
    parts += ["## Models", _models_table(comparison), models_note(comparison)]
    parts += [f"![{title}]({path})" for title, path in figures]
    parts += _threshold_parts(comparison)
    parts += ["## Paired differences", _differences_table(comparison), differences_note(comparison)]
    parts += _merged_parts(comparison)
    parts += _subgroup_parts(comparison)
    parts += _decision_parts(comparison, "Decisions")
    if comparison.merged:
        parts += _decision_parts(comparison.merged, "Decisions on merged labels")
    parts += [part for name in comparison.outside for part in _outside_parts(comparison, name)]
    return "\n\n".join([*parts, f"*{DISCLAIMER}*"]) + "\n"


def _models_table(comparison: Comparison) -> str:
    metrics, decisive = comparison.kind.shown("table"), comparison.kind.decisive
    with_interval = f" ({format_percent(comparison.confidence)} CI)"
    header = ["model"] + [
        metric_title(name, comparison.noun) + (with_interval if name == decisive else "")
        for name in metrics
    ]
    titles = {
        "majority": f"*majority (always {shortened(comparison.majority)})*",
        "prior": "*prior (by shares)*",
        REPLICATED: f"*{mean_of(comparison.trainings)}*",
    } | {name: f"*{name} (baseline: {method})*" for name, method in comparison.methods.items()}
    undefined = Estimate(None)
    rows = [
        [
            titles.get(model, model),
            *(_cell(m, estimates.get(m, undefined), m == decisive) for m in metrics),
        ]
        for model, estimates in comparison.columns.items()
    ]
    return markdown_table(header, rows)


def _threshold_parts(comparison: Comparison) -> list[str]:
    """Return the models at their thresholds, where thresholds were asked for."""
    thresholds = comparison.thresholds
    if thresholds is None:
        return []
    if thresholds.undefined:
        return ["## At the threshold", f"There is no threshold: {thresholds.undefined}."]
    with_interval = f" ({format_percent(comparison.confidence)} CI)"
    header = ["model", f"called {comparison.positive}", "sensitivity on validation"]
    header += [
        metric_title(name, comparison.noun) + (with_interval if name in WITH_INTERVAL else "")
        for name in BINARY.shown("threshold")
    ]
    table = markdown_table(header, _threshold_rows(comparison, thresholds), texts=(0, 1))
    return ["## At the threshold", table, threshold_note(comparison, thresholds)]


def _threshold_rows(comparison: Comparison, thresholds: Thresholds) -> Iterator[list[str]]:
    """Yield two lines a model: at its threshold, and by its likeliest answer."""
    metrics = BINARY.shown("threshold")
    for model, chosen in thresholds.models.items():
        at_threshold, likeliest = (
            [_cell(name, estimates[name], name in WITH_INTERVAL) for name in metrics]
            for estimates in (chosen.metrics, comparison.models[model])
        )
        from_here = f"from {format_probability(chosen.probability)}"
        yield [model, from_here, f"{chosen.reached:.3f}", *at_threshold]
        yield ["", "if likeliest", "", *likeliest]


def _differences_table(comparison: Comparison) -> str:
    decisive, *others = [
        metric_title(name, comparison.noun) for name in comparison.kind.shown("differences")
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
        mean = mean_of(comparison.trainings)
        pair = (
            f"{mean if difference.first == REPLICATED else difference.first} - {difference.second}"
        )
        p_values = [p_text(difference.p), p_text(difference.p_holm)]
        others_p = [p_text(difference.secondary.get(name)) for name in tests]
        rows.append([pair, first, *p_values, *cells, *others_p])
    return markdown_table(header, rows)


def _merged_parts(comparison: Comparison) -> list[str]:
    """Return the verdict and the tables on merged labels, where there are any."""
    merged, merge = comparison.merged, comparison.merge
    if merged is None:
        return []
    lists = [f"- {new}: {', '.join(labels)}" for new, labels in merge.items()]
    return [
        f"## Merged into {' and '.join(merge)}",
        "The same predictions, with the probabilities of these labels added up:",
        "\n".join(lists),
        f"**{merged.verdict.sentence}**",
        *merged.verdict.remarks,
        _models_table(merged),
        models_note(merged),
        _differences_table(merged),
    ]


def _outside_parts(comparison: Comparison, name: str) -> list[str]:
    """Return what was found on a test set from elsewhere: against the test split, and by itself."""
    there, decisive = comparison.outside[name].comparison, comparison.kind.decisive
    header = ["model", "test split", shown(name), "difference"]
    titles = {REPLICATED: mean_of(comparison.trainings)}
    rows = [
        [
            titles.get(model, model),
            *(_cell(decisive, one, with_interval=True) for one in (here, elsewhere)),
            _change_cell(change),
        ]
        for model, here, elsewhere, change in comparison.against(name)
    ]
    parts = [
        f"## Outside: {shown(name)}",
        f"{metric_title(decisive, there.noun).capitalize()} there and on the test split:",
        markdown_table(header, rows),
        outside_note(comparison, name),
        _models_table(there),
        models_note(there),
        *_threshold_parts(there),
        _differences_table(there),
        differences_note(there),
        *_merged_parts(there),
        *_subgroup_parts(there),
    ]
    return [parts[0], *(f"#{part}" if part.startswith("## ") else part for part in parts[1:])]


def _change_cell(change: Estimate) -> str:
    ends = signed_interval(change.low, change.high)
    return f"{signed(change.value)} ({ends})" if ends else signed(change.value)


def _subgroup_parts(comparison: Comparison) -> list[str]:
    """Return a table for each attribute by which the records were divided."""
    attributes = dict.fromkeys(subgroup.attribute for subgroup in comparison.subgroups)
    parts = []
    for attribute in attributes:
        parts += [f"## By {shown(attribute)}", _subgroups_table(comparison, attribute)]
    return [*parts, subgroups_note(comparison)] if parts else []


def _subgroups_table(comparison: Comparison, attribute: str) -> str:
    counted = ["positives"] if comparison.positive is not None else []
    header = [shown(attribute), "n", comparison.noun, *counted, "model"]
    header += [metric_title(name, comparison.noun) for name in comparison.kind.shown("subgroups")]
    return markdown_table(
        header, _subgroup_rows(comparison, attribute), texts=(0, header.index("model"))
    )


def _subgroup_rows(comparison: Comparison, attribute: str) -> Iterator[list[str]]:
    """Yield a line for each value and model; what all models share stands in the first."""
    for subgroup in comparison.subgroups:
        if subgroup.attribute != attribute:
            continue
        counts = [subgroup.records, subgroup.groups]
        counts += [] if subgroup.positives is None else [subgroup.positives]
        shared = [subgroup.value, *(f"{count:,}" for count in counts)]
        for model, metrics in subgroup.models.items():
            cells = [_part_cell(name, metrics[name]) for name in comparison.kind.shown("subgroups")]
            yield [*shared, model, *cells]
            shared = [""] * len(shared)


def _decision_parts(comparison: Comparison, title: str) -> list[str]:
    """Return a note, and a table with its own for each thing that was found."""
    found = decision_parts(comparison)
    parts = [f"## {title}", decisions_note(comparison)] if found else []
    for part in found:
        rows = [
            [f"{text} ({small})" if small else text for text, small in row] for row in part.rows
        ]
        parts += [f"### {part.title}"]
        parts += [markdown_table(part.header, rows, range(part.words))] if rows else []
        parts += [part.note]
    return parts


def _cell(metric: str, estimate: Estimate, with_interval: bool = False) -> str:
    value = number(metric, estimate.value)
    ends = interval(metric, estimate.low, estimate.high)
    return f"{value} ({ends})" if with_interval and estimate.value is not None and ends else value


def _part_cell(metric: str, estimate: Estimate) -> str:
    return "undefined" if estimate.value is None else _cell(metric, estimate, with_interval=True)


def _difference_cell(estimate: Estimate) -> str:
    ends = signed_interval(estimate.low, estimate.high)
    return (
        f"{signed(estimate.value)} ({ends})" if estimate.value is not None and ends else UNDEFINED
    )
