"""Put the page together: one file that opens anywhere, connects to nothing, and fits into 5 MB."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from verdict.core.errors import VerdictError
from verdict.core.files import replacing
from verdict.report.figures import BASELINE_COLOUR, CANDIDATE_COLOUR, OTHER_COLOURS
from verdict.report.names import AT_EDGES, DISCLAIMER, PAGE, SYNTHETIC, whole_groups
from verdict.report.page import (
    cases,
    confusion,
    data_story,
    differences,
    numbers,
    reproduce,
    training,
    wording,
)
from verdict.report.page.curves import curve_charts
from verdict.report.page.sources import REPORT, Sources, read_sources
from verdict.statistics.baselines import baselines_of
from verdict.statistics.formats import REPLICATED, format_percent
from verdict.statistics.kinds import KINDS
from verdict.statistics.merging import merge_labels

#: The largest page, in bytes.
LARGEST = 5_000_000

_FOLDER = Path(__file__).parent


def write_page(
    root: Path | str,
    *,
    task: str,
    size: int,
    merge: Mapping[str, Sequence[str]],
    merge_positive: str | None,
) -> None:
    """Write ``metrics/report/index.html`` of the project in ``root``.

    Args:
        root: the project's folder, in which ``compare`` has run.
        task: what the page is about, for its title: ``melanoma``.
        size: records in the gallery.
        merge: for each merged label the ones it stands for, as ``compare`` had it.
        merge_positive: the positive one of two merged labels.

    Raises:
        VerdictError: a file is missing or does not belong to the others, or the page becomes
            larger than 5 MB.
    """
    root = Path(root)
    page = render_page(read_sources(root), task, size, merge, merge_positive).encode()
    if len(page) > LARGEST:
        raise VerdictError(
            f"{REPORT / PAGE} would have {len(page) / 1e6:.1f} MB, more than "
            f"{LARGEST / 1e6:g} MB: set report.cases lower than {size}"
        )
    with replacing(root / REPORT / PAGE) as partial:
        partial.write_bytes(page)


def render_page(
    sources: Sources,
    task: str,
    size: int,
    merge: Mapping[str, Sequence[str]],
    merge_positive: str | None,
) -> str:
    """Return the page as HTML; arguments as in ``write_page``."""
    environment = _environment()
    slots = colour_slots(sources)
    palette = (BASELINE_COLOUR, CANDIDATE_COLOUR, *OTHER_COLOURS)
    style = environment.get_template("page.css").render(palette=palette, steps=confusion.STEPS)
    script = (_FOLDER / "static" / "page.js").read_text(encoding="utf-8")
    return environment.get_template("page.html").render(
        **_context(sources, task, size, slots),
        merged=_merged(sources, merge, merge_positive),
        # Neither holds anything of the data.
        style=Markup(style),  # nosec B704 # of this project
        script=Markup(script),  # nosec B704 # of this project
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
    )


def colour_slots(sources: Sources) -> dict[str, int]:
    """Return each model's colour: 0 the baseline's, 1 the candidate's, then the others'."""
    others = [m for m in sources.models if m not in (sources.baseline, sources.candidate)]
    slots = {sources.baseline: 0, sources.candidate: 1}
    slots |= {model: 2 + i % len(OTHER_COLOURS) for i, model in enumerate(others)}
    return {model: slots[model] for model in sources.models}


def _context(sources: Sources, task: str, size: int, slots: dict[str, int]) -> dict[str, Any]:
    flat = sources.comparison
    decisive = sources.kind.decisive
    tables = _tables(flat, sources.models, sources.predictions)
    return tables | {
        "task": wording.shown(task),
        "flat": flat,
        "kind": sources.kind,
        "noun": sources.noun,
        "drawn": whole_groups(sources.noun, linked=flat["linked"]),
        "candidate": sources.candidate,
        "baseline": sources.baseline,
        "slots": slots,
        "confidence": format_percent(flat["confidence"]).replace(" ", "\u00a0"),
        "synthetic": SYNTHETIC if flat["synthetic"] else "",
        "disclaimer": DISCLAIMER,
        "at_edges": AT_EDGES,
        "apart": data_story.nothing_crosses(sources.metrics("split")),
        "single": sources.single,
        "threshold": numbers.threshold_of(flat, sources.single),
        "matrices": confusion.matrices(sources.singles),
        "curves": curve_charts(sources, slots),
        "subgroups": numbers.subgroup_parts(flat, sources.single),
        "listed": numbers.LISTED,
        "wholes": {m: numbers.cell(flat, f"{m}.{decisive}", decisive) for m in sources.models},
        "training": training.training_charts(sources),
        "validated": bool(sources.curve("eval_loss")),
        "cost": training.cost_facts(sources),
        "data": data_story.data_story(sources),
        "gallery": cases.make_gallery(sources, size, slots),
        "groups_of_cases": cases.GROUPS,
        "commands": reproduce.commands(sources),
        "digests": reproduce.digests(sources),
        "identity": reproduce.identity(sources),
        "shown": wording.shown,
    }


def _tables(
    flat: numbers.Flat, models: list[str], predictions: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the templates need for a comparison's tables, also of merged labels."""
    kind = KINDS[flat["kind"]]
    majority = baselines_of(predictions[models[0]]).answer
    rated = [*models, *([REPLICATED] if flat["replicates"] else [])]
    columns = [*rated, *numbers.baselines_of(flat)]
    pairs, ends = differences.pairs(flat)
    words = any(cases.writes(found) for found in predictions.values())
    return {
        "columns": columns,
        "rated": len(rated),
        "headings": {name: numbers.heading_of(flat, name) for name in columns},
        "column_notes": numbers.column_notes(flat, columns, majority),
        "metric_groups": numbers.metric_groups(flat, columns, words=words),
        "figure": numbers.main_figure(flat, models),
        "difference_titles": differences.difference_titles(flat),
        "p_titles": list(differences.p_titles(flat).values()),
        "pairs": pairs,
        "ends": ends,
        "decisive": wording.title_of(kind.decisive, flat["groups_are"]),
    }


def _merged(
    sources: Sources, merge: Mapping[str, Sequence[str]], positive: str | None
) -> dict[str, Any] | None:
    """Return the same for merged labels, where they were compared."""
    flat = numbers.merged_numbers(sources.comparison)
    if flat is None:
        return None
    merged = {n: merge_labels(p, merge, positive) for n, p in sources.singles.items()}
    return _tables(flat, sources.models, merged) | {
        "verdict": flat["verdict"],
        "labels": [(wording.shown(n), [wording.shown(x) for x in old]) for n, old in merge.items()],
        "matrices": confusion.matrices(merged),
    }


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
