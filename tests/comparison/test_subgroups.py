from typing import Any

import numpy as np
import pytest

from testing.samples import (
    SETTINGS,
    TISSUE,
    compare,
    predictions_from,
    skin_models,
    text_models,
    tissue_models,
)
from verdict.comparison.results import Subgroup
from verdict.core.errors import VerdictError
from verdict.predictions import Predictions, make_predictions


def described(p: Predictions, attributes: Any) -> Predictions:
    """Give each record the attributes of its row."""
    rows = [{**row, "attributes": attributes(row)} for row in p.table.to_pylist()]
    return make_predictions(p.model, p.labels, p.positive, rows)


def magnification(row: dict[str, Any]) -> dict[str, str]:
    value = ("40X", "400X", "100X", "")[int(row["id"][-7:]) % 4]
    return {"magnification": value} if value else {}


@pytest.fixture(scope="module")
def parts() -> list[Subgroup]:
    models = [described(p, magnification) for p in tissue_models()]
    return compare(models, **SETTINGS, subgroups=["magnification"]).subgroups


def test_each_value_has_its_records_in_natural_order(parts: list[Subgroup]) -> None:
    assert [part.value for part in parts] == ["40X", "100X", "400X", "(not stated)"]
    assert [part.records for part in parts] == [200] * 4
    assert {part.positives for part in parts} == {None}


def test_a_part_has_the_numbers_of_a_comparison_of_its_own(parts: list[Subgroup]) -> None:
    chosen = np.arange(800) % 4 == 0
    alone = compare([p.part(chosen) for p in tissue_models()], **SETTINGS)
    assert parts[0].groups == alone.groups
    for model, metrics in parts[0].models.items():
        assert list(metrics) == ["balanced_accuracy", "accuracy", "group_accuracy"]
        for name, estimate in metrics.items():
            assert estimate == alone.models[model][name], (model, name)


def test_what_needs_an_absent_label_is_undefined() -> None:
    def by_label(row: dict[str, Any]) -> dict[str, str]:
        return {"site": "torso" if row["label"] == "benign" else "hand"}

    models = [described(p, by_label) for p in skin_models()]
    hand, torso = compare(models, **SETTINGS, subgroups=["site"]).subgroups
    assert (hand.positives, torso.positives) == (hand.records, 0)
    for part in (hand, torso):
        assert part.models["tuned"]["balanced_accuracy"].value is None
        assert part.models["tuned"]["balanced_accuracy"].low is None
        assert part.models["tuned"]["accuracy"].low is not None


def test_one_of_eight_labels_absent_is_enough() -> None:
    """A mean recall of seven labels could not stand beside that of all eight."""

    def by_label(row: dict[str, Any]) -> dict[str, str]:
        return {"fold": "1" if row["label"] == TISSUE[3] else "2"}

    models = [described(p, by_label) for p in tissue_models()]
    parts = compare(models, **SETTINGS, subgroups=["fold"]).subgroups
    assert [part.models["base"]["balanced_accuracy"].value for part in parts] == [None, None]
    assert all(part.models["base"]["accuracy"].value is not None for part in parts)


def test_few_groups_have_no_interval() -> None:
    models = [
        predictions_from(
            model,
            [0, 1] * 20,
            np.log([[0.8, 0.2], [0.3, 0.7]] * 20),
            groups=[i // 2 for i in range(40)],
            attributes=lambda i: {"sex": "male" if i < 18 else "female"},
        )
        for model in ("base", "tuned")
    ]
    female, male = compare(models, **SETTINGS, subgroups=["sex"]).subgroups
    assert (female.groups, male.groups) == (11, 9)
    # Of 11 patients none is wrong: Clopper and Pearson's lower bound.
    assert female.models["base"]["accuracy"].low == pytest.approx(0.715086)
    assert male.models["base"]["accuracy"].value == 1
    assert male.models["base"]["accuracy"].low is None


def test_texts_have_parts_too() -> None:
    comparison = compare(text_models(), **SETTINGS, subgroups=["modality"])
    ct, mr = comparison.subgroups
    assert (ct.value, ct.records, mr.value, mr.records) == ("CT", 280, "MR", 140)
    mean = (280 * _value(ct) + 140 * _value(mr)) / 420
    assert mean == pytest.approx(comparison.models["tuned"]["token_f1"].value, abs=2e-6)
    flat: dict[str, Any] = ct.flat()
    assert flat["tuned.token_f1_low"] < flat["tuned.token_f1"] < flat["tuned.token_f1_high"]
    assert (flat["attribute"], flat["n"], flat["groups"]) == ("modality", 280, 60)


def test_an_attribute_that_no_record_has_is_named() -> None:
    with pytest.raises(VerdictError, match="no record has the attribute site; there are age, sex"):
        compare(skin_models(), **SETTINGS, subgroups=["sex", "site"])


def _value(part: Subgroup) -> float:
    return part.models["tuned"]["token_f1"].value or 0
