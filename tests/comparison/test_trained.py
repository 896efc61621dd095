"""Trained baselines beside the models: in every table, named as such, and in the verdict."""

from typing import Any

import pytest

from testing.samples import SETTINGS, compare, drawn, skin_models, tissue_models
from tests.report.projects import MERGE
from verdict.comparison.model import Comparison
from verdict.core.errors import VerdictError
from verdict.predictions import Predictions
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
