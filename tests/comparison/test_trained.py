"""What stands beside the verdict: trained baselines, in every table too, and settings tried."""

import html
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from testing.samples import (
    SETTINGS,
    compare,
    drawn,
    skin_models,
    text_models,
    tissue_models,
    written,
)
from tests.report.projects import MERGE, build
from verdict.comparison.model import Comparison
from verdict.core.errors import VerdictError
from verdict.predictions import Predictions
from verdict.report.__main__ import show
from verdict.summary.markdown import comparison_markdown

TRAINED = {"trained": {"rival": "features"}}


def compared(rival: Predictions, **options: Any) -> Comparison:
    return compare([*skin_models(), rival], **(SETTINGS | TRAINED | options))


WEAK = drawn("rival", seed=9, signal=0.2)
ALIKE = drawn("rival", seed=9, signal=1.2)
STRONG = drawn("rival", seed=9, signal=3.0)


def test_a_worse_baseline_changes_nothing_but_its_own_rows() -> None:
    found, without = compared(WEAK), compare(skin_models(), **SETTINGS)
    assert found.verdict == without.verdict
    assert found.verdict.remarks == ()
    assert {name: found.models[name] for name in without.models} == without.models
    pairs = [(d.first, d.second) for d in found.differences]
    assert pairs == [
        ("tuned", "base"), ("tuned", "reference"), ("tuned", "rival"),
        ("reference", "base"), ("rival", "base"),
    ]  # fmt: skip
    assert found.differences[0].metrics == without.differences[0].metrics


def test_one_that_does_as_well_stands_beside_the_verdict() -> None:
    found, without = compared(ALIKE), compare(skin_models(), **SETTINGS)
    assert found.verdict.sentence == without.verdict.sentence
    assert found.verdict.headline == f"{without.verdict.headline}, but not above rival"
    (remark,) = found.verdict.remarks
    assert remark.startswith(
        "The balanced accuracy of tuned is not shown to be above that of the baseline rival "
        "(boosted trees on colours and shapes): "
    )
    difference = next(d for d in found.differences if (d.first, d.second) == ("tuned", "rival"))
    interval = difference.metrics["balanced_accuracy"]
    assert interval.low is not None
    assert interval.high is not None
    assert interval.low <= 0 <= interval.high
    assert f"95 % CI {interval.low:.2f} to {interval.high:.2f}".replace("-", "−") in remark
    text = comparison_markdown(found)
    assert f"**{found.verdict.sentence}**\n\n{remark}\n" in text
    assert "| *rival (baseline: boosted trees on colours and shapes)* |" in text
    assert "A baseline without fine-tuning, trained on the same records" in text


def test_a_better_one_is_said_to_be_better() -> None:
    (remark,) = compared(STRONG).verdict.remarks
    assert remark.startswith("The balanced accuracy of tuned is below that of the baseline rival")


def test_the_mean_over_trainings_is_held_against_it() -> None:
    again = drawn("tuned_again", seed=7, signal=1)
    models = [*skin_models(), again, STRONG]
    found = compare(models, replicates=["tuned_again"], **TRAINED, **SETTINGS)
    pairs = [(d.first, d.second) for d in found.differences[:3]]
    assert pairs == [("replicated", "base"), ("replicated", "rival"), ("tuned", "base")]
    assert list(found.columns)[-4:] == ["replicated", "rival", "majority", "prior"]
    assert "is below that of the baseline rival" in found.verdict.remarks[0]


def test_merged_labels_have_it_too() -> None:
    rival = drawn(
        "rival", seed=9, signal=4.0, records=800, groups=120, labels=tissue_models()[0].labels
    )
    options = {"merge": MERGE, "merge_positive": "malignant"} | TRAINED | SETTINGS
    found = compare([*tissue_models(), rival], **options)
    assert found.merged is not None
    assert found.verdict.remarks
    assert found.merged.verdict.remarks
    assert all(remark in comparison_markdown(found) for remark in found.merged.verdict.remarks)


def test_the_terminal_has_room_for_long_names() -> None:
    trained = {"similarities": "similarities", "linkage": "fellegi_sunter"}
    rivals = [drawn(name, seed=9, signal=1.2) for name in trained]
    found = compare([*skin_models(), *rivals], **SETTINGS, trained=trained)
    file = io.StringIO()
    show(found, Path("metrics/report/index.html"), Console(file=file, width=80))
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in file.getvalue()
    first_words = [line.split()[0] for line in lines if line.strip()]
    assert trained.keys() <= set(first_words)
    flat = " ".join(file.getvalue().split())
    assert all(remark in flat for remark in found.verdict.remarks)
    assert "linkage, Fellegi and Sunter's record linkage." in flat


def test_the_page_says_what_it_is_and_that_it_does_as_well(tmp_path: Path) -> None:
    models = [*skin_models(), ALIKE]
    root = build(tmp_path, models, task="melanoma", **TRAINED)
    text = html.unescape((root / "metrics/report/index.html").read_text("utf-8"))
    found = compare(models, **(SETTINGS | {"resamples": 300} | TRAINED))
    (remark,) = found.verdict.remarks
    assert f"<h1>{found.verdict.sentence}</h1>" in text
    assert f"<strong>Without fine-tuning.</strong> {remark}</p>" in text
    assert "a baseline: boosted trees on colours and shapes" in text
    assert "<dt>models</dt><dd>3</dd>" in text
    assert "<dt>trained baselines</dt><dd>1</dd>" in text
    assert "rival (baseline)</li>" in text
    assert '<span class="name">rival</span>' in text  # in the gallery


def test_few_shot_prompting_is_no_training() -> None:
    prompted = {"trained": {"rival": "examples"}}
    found = compared(ALIKE, **prompted)
    (remark,) = found.verdict.remarks
    assert "the baseline rival (few-shot prompting of an untuned model): " in remark
    text = comparison_markdown(found)
    note = "rival: few-shot prompting without fine-tuning; a model as it comes is shown"
    assert note in text
    assert "are asked zero-shot, without examples." in text
    assert "trained on the same records" not in text
    texts = [*text_models(), written("rival", seed=3, right=0.6)]
    assert note in comparison_markdown(compare(texts, **prompted, **SETTINGS))
    trees = drawn("trees", seed=9, signal=0.2)
    models = [*skin_models(), ALIKE, trees]
    both = compare(models, trained={"rival": "examples", "trees": "features"}, **SETTINGS)
    text = comparison_markdown(both)
    assert "validation split: trees, boosted trees on colours and shapes. " + note in text


def test_nothing_is_said_of_baselines_where_there_are_none() -> None:
    found = compare(skin_models(), **SETTINGS)
    assert not {"trained_baselines", "remarks"} & found.to_json().keys()
    assert "aseline without" not in comparison_markdown(found)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"baseline": "rival"}, "rival is the baseline, but no model: rename it in baselines"),
        ({"trained": {"tuned": "features"}}, "tuned is the candidate, but no model"),
        ({"replicates": ["rival"]}, "rival is the replicate, but no model"),
    ],
)
def test_it_is_offered_as_no_model(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(VerdictError, match=problem):
        compared(WEAK, **options)


def test_its_name_must_not_mean_something_else() -> None:
    rival = drawn("majority", seed=9, signal=1)
    with pytest.raises(VerdictError, match=r"a baseline cannot be called majority.* in baselines"):
        compared(rival, trained={"majority": "features"})


def test_settings_that_were_chosen_from_several_are_told_with_an_interval_for_as_many() -> None:
    single, chosen = (compare(skin_models(), **SETTINGS, tries=tries) for tries in (1, 4))
    wider = compare(skin_models(), **(SETTINGS | {"confidence": 1 - 0.05 / 4}))
    interval = wider.differences[0].metrics["balanced_accuracy"]
    assert chosen.verdict.sentence == single.verdict.sentence
    assert single.verdict.remarks == ()
    (remark,) = chosen.verdict.remarks
    assert remark == (
        "Its settings were chosen from 4 by balanced accuracy on the validation split. Had the "
        "test split chosen them, the interval of the difference would be "
        f"{interval.low:.2f} to {interval.high:.2f} (Bonferroni's correction)."
    )
