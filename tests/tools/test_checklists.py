"""What a checklist says of decisions and of test sets from elsewhere."""

from pathlib import Path

from testing.samples import SETTINGS, compare, skin_models
from tests.comparison.test_outside import named
from tests.report.projects import skin
from tools.publish.checklists import comparison_facts
from verdict.comparison.file import read_comparison
from verdict.comparison.outside import OutsideSet
from verdict.statistics.formats import format_number
from verdict.summary.markdown import write_summary
from verdict.summary.wording import said_of_sets


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


def test_sets_from_elsewhere_are_told_with_their_verdict(tmp_path: Path) -> None:
    models = skin_models()
    sets = {
        name: OutsideSet([named(one, name) for one in models], noun, [])
        for name, noun in (("second_hospital", "patients"), ("third", "lesions"))
    }
    options = SETTINGS | {"resamples": 100, "noun": "patients"}
    write_summary(tmp_path, compare(models, **options, outside=sets))
    comparison = read_comparison(tmp_path / "comparison.json")
    told = comparison_facts(comparison)["external"]
    for name, noun in (("second hospital", "patients"), ("third", "lesions")):
        assert f"On {name}, {len(models[0])} records of " in told
        assert f" {noun}: {dict(said_of_sets(comparison))[name]}" in told
    write_summary(tmp_path, compare(models, **options))
    assert not comparison_facts(read_comparison(tmp_path / "comparison.json"))["external"]
