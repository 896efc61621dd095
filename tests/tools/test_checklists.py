"""What a checklist says of decisions: the map that was chosen, and gaps between subgroups."""

from pathlib import Path

from tests.report.projects import skin
from tools.publish.checklists import comparison_facts
from verdict.comparison.file import read_comparison
from verdict.statistics.formats import format_number


def test_recalibration_and_gaps_are_told_as_measured(tmp_path: Path) -> None:
    comparison = read_comparison(skin(tmp_path) / "metrics/report/comparison.json")
    facts = comparison_facts(comparison)
    decisions = comparison.decisions
    assert decisions is not None
    model = decisions.recalibration["tuned"]
    brier = model.methods[model.chosen].brier.value
    assert brier is not None
    said = f"the map `{model.chosen}` was chosen for tuned; Brier score on test "
    assert said + format_number(brier, 3) in facts["recalibration"]
    gaps = [gap for gap in decisions.gaps if gap.model == "tuned" and gap.by == "likeliest"]
    assert gaps
    assert facts["gaps"].count(" over ") == len(gaps)
    for gap in gaps:
        assert f"({gap.highest} over {gap.lowest})" in facts["gaps"]
