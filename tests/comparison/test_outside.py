"""Models on test sets from elsewhere: compared by themselves, and against the test split."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from testing.samples import (
    SETTINGS,
    compare,
    drawn,
    from_counts,
    skin_models,
    text_models,
    tissue_models,
)
from tests.report.projects import MERGE, changed
from verdict.comparison.file import read_comparison
from verdict.comparison.model import Comparison
from verdict.comparison.outside import OutsideSet, said_of_change
from verdict.core.files import write_json
from verdict.predictions import Predictions
from verdict.summary.markdown import comparison_markdown


def named(predictions: Predictions, prefix: str) -> Predictions:
    """Return predictions of other records and groups, as ``outside`` names them."""

    def rename(row: dict[str, Any]) -> None:
        row["id"], row["group"] = f"{prefix}:{row['id']}", f"{prefix}:{row['group']}"
        row["attributes"]["sex"] = "male" if int(row["id"][-1]) % 3 else "female"

    return changed(predictions, rename)


def weaker() -> list[Predictions]:
    """Return three models on records from elsewhere, where the tuned one knows little."""
    return [
        named(drawn("base", seed=4, signal=0.1, bias=1.5), "far"),
        named(drawn("tuned", seed=5, signal=0.3), "far"),
        named(drawn("reference", seed=6, signal=0.7), "far"),
    ]


FAR = OutsideSet(weaker(), "patients", ["sex"], synthetic=True, warnings=["Look"])
OPTIONS = SETTINGS | {"noun": "lesions", "resamples": 400}


@pytest.fixture(scope="module")
def found() -> Comparison:
    return compare(skin_models(), **OPTIONS, outside={"far": FAR})


def test_a_set_is_compared_by_itself(found: Comparison) -> None:
    there = found.outside["far"].comparison
    alone = compare(weaker(), **OPTIONS | {"noun": "patients"}, subgroups=["sex"])
    assert {m: e["recall"].value for m, e in there.models.items()} == {
        m: e["recall"].value for m, e in alone.models.items()
    }
    assert (there.records, there.groups, there.noun) == (600, alone.groups, "patients")
    assert "synthetic patients" in there.verdict.sentence
    assert [part.value for part in there.subgroups] == ["female", "male"]
    assert found.subgroups == []


def test_the_verdict_and_all_else_are_those_without_the_set(found: Comparison) -> None:
    plain = compare(skin_models(), **OPTIONS)
    before, after = plain.to_json(), found.to_json()
    assert "outside" not in before
    assert {key: after[key] for key in before if key != "warnings"} == {
        key: value for key, value in before.items() if key != "warnings"
    }
    assert {k: v for k, v in found.headline().items() if not k.startswith("outside.")} == (
        plain.headline()
    )


def test_a_change_is_there_minus_here_with_its_interval(found: Comparison) -> None:
    for model, here, there, change in found.against("far"):
        assert change.value == pytest.approx(there.value - here.value, abs=2e-6), model
        assert change.low < change.value < change.high
        # Of two independent samples: their variances add up.
        widths = [one.high - one.low for one in (here, there, change)]
        assert widths[2] == pytest.approx(np.hypot(*widths[:2]), rel=0.2)
    tuned = found.outside["far"].changes["tuned"]["balanced_accuracy"]
    assert tuned.high < 0
    assert "is below that on the test split" in said_of_change(found, "far")
    headline = found.headline()
    assert headline["outside.far.change"] == tuned.value
    apart = headline["outside.far.tuned"] - headline["tuned"]
    assert apart == pytest.approx(tuned.value, abs=2e-6)


def test_a_model_that_always_says_the_same_may_be_off_on_either_side() -> None:
    """Its balanced accuracy is 0.5 in every resample, so that resamples alone have no width."""
    same = from_counts("base", 0, 0, 160, 40, groups=np.arange(200) // 4)
    models = [same, from_counts("tuned", 30, 30, 130, 10, groups=np.arange(200) // 4)]
    there = [named(from_counts("base", 1, 0, 160, 39, groups=np.arange(200) // 4), "far")]
    there += [named(models[1], "far")]
    found = compare(models, **OPTIONS, outside={"far": OutsideSet(there, "patients", [])})
    _, here, _, change = next(iter(found.against("far")))
    assert (here.value, change.value) == (0.5, 0.0125)
    assert change.low < change.value - (here.high - here.value)
    assert change.high > change.value + (here.value - here.low)


def test_another_set_beside_it_changes_none_of_its_numbers(found: Comparison) -> None:
    near = OutsideSet([named(p, "near") for p in skin_models()], "patients", [])
    both = compare(skin_models(), **OPTIONS, outside={"near": near, "far": FAR})
    assert both.outside["far"] == found.outside["far"]
    same = both.outside["near"].changes["tuned"]["balanced_accuracy"]
    assert same.value == 0
    # The same groups under other names are drawn by themselves, or nothing would vary.
    assert same.low < -0.02 < 0.02 < same.high


def test_what_makes_a_set_less_comparable_is_said(found: Comparison) -> None:
    assert found.warnings == ("Of the outside set far: Look",)
    benign = [p.part(p.actual == 0) for p in weaker()]
    said = compare(skin_models(), **OPTIONS, outside={"far": OutsideSet(benign, "patients", [])})
    assert any("has no record with melanoma, so that a mean" in one for one in said.warnings)
    assert said.outside["far"].comparison.verdict.sentence.startswith("No verdict on")
    own = OutsideSet([p.part(np.arange(len(p)) < 300) for p in skin_models()], "lesions", [])
    said = compare(skin_models(), **OPTIONS, outside={"own": own})
    assert any("groups are in the test split, too" in one for one in said.warnings)


def test_few_groups_have_no_interval() -> None:
    few = [p.part(np.isin(p.groups, p.group_names[:8])) for p in weaker()]
    found = compare(skin_models(), **OPTIONS, outside={"few": OutsideSet(few, "patients", [])})
    change = found.outside["few"].changes["tuned"]["balanced_accuracy"]
    assert change.value is not None
    assert (change.low, change.high) == (None, None)
    assert "(too few patients for an interval)" in said_of_change(found, "few")


@pytest.mark.parametrize(
    ("models", "options"),
    [
        (skin_models(), {"sensitivity": 0.9}),
        (tissue_models(), {"merge": MERGE, "merge_positive": "malignant"}),
        (text_models(), {}),
        ([*skin_models(), drawn("again", seed=7, signal=1)], {"replicates": ["again"]}),
        ([*skin_models(), drawn("rival", seed=7, signal=1)], {"trained": {"rival": "features"}}),
    ],
    ids=["two labels", "merged labels", "texts", "replicates", "trained"],
)
def test_every_kind_has_sets_and_is_read_as_it_was_found(
    tmp_path: Path, models: list[Predictions], options: dict[str, Any]
) -> None:
    given = OPTIONS | {"resamples": 150} | options
    if "sensitivity" in options:
        given["validation"] = [named(p, "validation") for p in models]
    sets = {
        name: OutsideSet([named(p, name) for p in models], "patients", ["sex"])
        for name in ("one", "another")
    }
    comparison = compare(models, **given, outside=sets)
    write_json(tmp_path / "comparison.json", comparison.to_json())
    read = read_comparison(tmp_path / "comparison.json")
    assert read == comparison
    assert read.to_json() == comparison.to_json()
    for name in sets:
        there = read.outside[name]
        assert list(there.changes) == list(read.rated)
        assert (there.comparison.merged is None) == ("merge" not in options)
        assert (there.comparison.thresholds is None) == ("sensitivity" not in options)
    text = comparison_markdown(comparison)
    assert text.count("\n## Outside: ") == 2
    assert text.count("\n### By sex") == 2
    assert "None" not in text
