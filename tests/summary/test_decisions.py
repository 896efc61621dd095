"""Decisions in Markdown: the numbers of the comparison, with what a reader has to know of them."""

from typing import Any

import pytest

from testing.samples import SETTINGS, compare, skin_models, text_models, tissue_models
from tests.report.projects import _elsewhere, _sexed, changed
from verdict.comparison.model import Comparison
from verdict.summary.decisions import decision_parts, decisions_note
from verdict.summary.markdown import comparison_markdown

FEW = SETTINGS | {"resamples": 300}


@pytest.fixture(scope="module")
def skin() -> Comparison:
    models = [changed(p, _sexed) for p in skin_models()]
    validation = [changed(p, _elsewhere) for p in models]
    asked: dict[str, Any] = {"cost": 10.0, "coverage": 0.8, "subgroups": ["sex"]}
    return compare(models, **FEW, validation=validation, **asked)


def rows_of(text: str, title: str) -> list[list[str]]:
    lines = text.split(f"### {title}\n\n")[1].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_tables_hold_the_numbers(skin: Comparison) -> None:
    text, found = comparison_markdown(skin), skin.decisions
    assert found is not None
    cost = found.thresholds["tuned"].metrics["cost"]
    row = next(row for row in rows_of(text, "Cost of errors") if row[0] == "tuned")
    assert row[5] == f"{cost.value:.3f} ({cost.low:.3f} to {cost.high:.3f})"
    benefit = rows_of(text, "Net benefit")
    assert benefit[0][:4] == ["", "probabilities", "from 0.05", "from 0.1"]
    assert [row[0] for row in benefit[2:4]] == ["call all melanoma", "call none"]
    assert found.curves is not None
    band = found.curves.stated["tuned"]
    shown = next(row for row in benefit if row[:2] == ["tuned", "as stated"])[3]
    assert shown == f"{band.values[9]:.3f} ({band.low[9]:.3f} to {band.high[9]:.3f})"
    chosen = [row[1] for row in rows_of(text, "Recalibration") if "(chosen)" in row[1]]
    assert len(chosen) == 3
    gaps = rows_of(text, "Gaps between subgroups")
    assert gaps[0] == ["attribute", "gap in", "answered by", "base", "tuned", "reference"]
    assert [row[1] for row in gaps[2:]] == ["sensitivity", "specificity"]
    assert "male − female" in text or "female − male" in text


def test_notes_say_what_was_assumed(skin: Comparison) -> None:
    notes = {part.key: part.note for part in decision_parts(skin)}
    assert list(notes) == ["recalibration", "benefit", "costs", "abstention", "gaps"]
    assert "cost 10 times a false alarm (compare.cost, an assumption)" in notes["costs"]
    assert "from which 80 % of the validation records are answered" in notes["abstention"]
    assert "values in which 10 or more groups have the label" in notes["gaps"]
    said = decisions_note(skin)
    assert "validation split (600 records of 145 groups)" in said
    assert "two labels alone" not in said


def test_what_is_missing_is_said() -> None:
    plain = compare(skin_models(), **FEW)
    assert [part.key for part in decision_parts(plain)] == ["benefit", "abstention"]
    assert "base was not asked about it (evaluate.validation)" in decisions_note(plain)
    assert "| recalibrated |" not in comparison_markdown(plain)
    more = compare(tissue_models(), **FEW)
    assert [part.key for part in decision_parts(more)] == ["abstention"]
    assert "are defined for two labels alone" in comparison_markdown(more)


def test_texts_have_no_decisions() -> None:
    comparison = compare(text_models(), **FEW)
    assert (decision_parts(comparison), decisions_note(comparison)) == ([], "")
    assert "## Decisions" not in comparison_markdown(comparison)
