"""Put the page together: one file that opens anywhere, connects to nothing, and fits into 5 MB."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from verdict.comparison.baselines import majority_answer
from verdict.comparison.inputs import merge_labels
from verdict.comparison.model import Comparison
from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verdict.core.paths import PAGE
from verdict.predictions import Predictions
from verdict.report.page import cases, data, tables, training
from verdict.report.page.charts import curve_charts
from verdict.report.page.decisions import decision_sections
from verdict.report.page.sources import Sources, read_sources
from verdict.report.terms import Used
from verdict.statistics.formats import format_percent
from verdict.summary.figures import COLOURS, colour_slots
from verdict.summary.wording import (
    AT_EDGES,
    DISCLAIMER,
    SYNTHETIC,
    capital_title,
    heading,
    said_of_sets,
    shown,
    whole_groups,
)

#: The largest page, in bytes.
LARGEST = 5_000_000

_FOLDER = Path(__file__).parent


def write_page(
    root: Path | str,
    *,
    task: str,
    used: Sequence[Used],
    size: int,
    merge: Mapping[str, Sequence[str]],
    merge_positive: str | None,
) -> None:
    """Write ``metrics/report/index.html`` of the project in ``root``.

    Args:
        root: the project's folder, in which ``compare`` has run.
        task: what the page is about, for its title: ``melanoma``.
        used: the data set and the models, with what their use is bound to.
        size: records in the gallery.
        merge: for each merged label the ones it stands for, as ``compare`` had it.
        merge_positive: the positive one of two merged labels.

    Raises:
        VerdictError: a file is missing or does not belong to the others, or the page becomes
            larger than 5 MB.
    """
    root = Path(root)
    page = render_page(read_sources(root), task, used, size, merge, merge_positive).encode()
    if len(page) > LARGEST:
        raise VerdictError(
            f"{PAGE} would have {len(page) / 1e6:.1f} MB, more than "
            f"{LARGEST / 1e6:g} MB: set report.cases lower than {size}"
        )
    with replacing(root / PAGE) as partial:
        partial.write_bytes(page)


def render_page(
    sources: Sources,
    task: str,
    used: Sequence[Used],
    size: int,
    merge: Mapping[str, Sequence[str]],
    merge_positive: str | None,
) -> str:
    """Return the page as HTML; arguments as in ``write_page``."""
    environment = _environment()
    context = _context(sources, task, size)
    several = any(len(case.pictures) > 1 for case in context["gallery"].cases)
    style = environment.get_template("page.css").render(
        palette=COLOURS, steps=tables.STEPS, several=several
    )
    script = (_FOLDER / "static" / "page.js").read_text(encoding="utf-8")
    return environment.get_template("page.html").render(
        **context,
        merged=_merged(sources, merge, merge_positive),
        outside=_outside(sources),
        used=used,
        # Neither holds anything of the data.
        style=Markup(style),  # nosec B704 # of this project
        script=Markup(script),  # nosec B704 # of this project
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
    )


def _context(sources: Sources, task: str, size: int) -> dict[str, Any]:
    comparison = sources.comparison
    slots, decisive = colour_slots(comparison), comparison.kind.decisive
    return _tables(comparison, sources.predictions) | {
        "task": shown(task),
        "comparison": comparison,
        "noun": comparison.noun,
        "drawn": whole_groups(comparison.noun, linked=comparison.linked),
        "slots": slots,
        "confidence": format_percent(comparison.confidence).replace(" ", "\u00a0"),
        "synthetic": SYNTHETIC if comparison.synthetic else "",
        "disclaimer": DISCLAIMER,
        "at_edges": AT_EDGES,
        "apart": data.nothing_crosses(sources.metrics("split")),
        "single": comparison.single,
        "called": {name: heading(comparison, name) for name in comparison.models},
        "models": len(comparison.single) - len(comparison.trained),
        "figure": tables.main_figure(comparison),
        "threshold": comparison.thresholds,
        "threshold_rows": tables.threshold_rows(comparison),
        "matrices": tables.matrices(sources.singles),
        "curves": curve_charts(sources, slots),
        "subgroups": tables.subgroup_rows(comparison),
        "listed": tables.LISTED,
        "decisions": decision_sections(comparison, slots),
        "wholes": {
            name: tables.metric_cell(decisive, found[decisive])
            for name, found in comparison.models.items()
        },
        "training": training.training_charts(sources),
        "validated": bool(sources.curve("eval_loss")),
        "cost": training.cost_facts(sources),
        "data": data.data_story(sources),
        "gallery": cases.make_gallery(sources, size, slots),
        "groups_of_cases": cases.GROUPS,
        "commands": training.commands(sources),
        "digests": training.digests(sources),
        "identity": training.identity(sources),
        "shown": shown,
    }


def _tables(comparison: Comparison, predictions: Mapping[str, Predictions]) -> dict[str, Any]:
    """Return what the templates need for a comparison's tables, also of merged labels."""
    columns = list(comparison.columns)
    majority = majority_answer(next(iter(predictions.values())))
    pairs, ends = tables.pairs(comparison)
    words = any(cases.writes(found) for found in predictions.values())
    return {
        "columns": columns,
        "rated": len(comparison.rated),
        "headings": {name: tables.heading_of(comparison, name) for name in columns},
        "column_notes": tables.column_notes(comparison, majority),
        "metric_groups": tables.metric_groups(comparison, words=words),
        "difference_titles": [
            capital_title(metric, comparison.noun)
            for metric in comparison.kind.shown("differences")
        ],
        "p_titles": tables.p_titles(comparison),
        "pairs": pairs,
        "ends": ends,
        "decisive": capital_title(comparison.kind.decisive, comparison.noun),
    }


def _merged(
    sources: Sources, merge: Mapping[str, Sequence[str]], positive: str | None
) -> dict[str, Any] | None:
    """Return the same for merged labels, where they were compared."""
    comparison = sources.comparison.merged
    if comparison is None:
        return None
    merged = {n: merge_labels(p, merge, positive) for n, p in sources.singles.items()}
    return _tables(comparison, merged) | {
        "verdict": comparison.verdict,
        "labels": [(shown(new), [shown(x) for x in old]) for new, old in merge.items()],
        "matrices": tables.matrices(merged),
    }


def _outside(sources: Sources) -> list[dict[str, Any]]:
    """Return the same for each test set from elsewhere, and how it is against the test split."""
    comparison, sets = sources.comparison, []
    for key, (name, said) in zip(comparison.outside, said_of_sets(comparison), strict=True):
        there, predictions = comparison.outside[key].comparison, sources.outside(key)
        sets.append(
            _tables(there, predictions)
            | {
                "id": key,
                "name": name,
                "said": said,
                "comparison": there,
                "rows": [
                    {
                        "model": model,
                        "heading": tables.heading_of(comparison, model),
                        "here": tables.metric_cell(comparison.kind.decisive, here),
                        "there": tables.metric_cell(comparison.kind.decisive, elsewhere),
                        "change": tables.difference_cell(change, 1),
                    }
                    for model, here, elsewhere, change in comparison.against(key)
                ],
                "matrices": tables.matrices(predictions),
                "subgroups": tables.subgroup_rows(there),
                "threshold_rows": tables.threshold_rows(there),
            }
        )
    return sets


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader([_FOLDER / "templates", _FOLDER / "static"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["thousands"] = "{:,}".format
    return environment


def _csp_hash(text: str) -> str:
    """Return the source expression that lets exactly this text run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
