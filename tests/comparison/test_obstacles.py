"""What stands in the way of decisions, and what is left of them then."""

import re
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from testing.samples import (
    compare,
    from_counts,
    predictions_from,
    skin_models,
    text_models,
    tissue_models,
)
from tests.comparison.test_decisions import ASKED, FEW, decided, elsewhere


def test_texts_and_no_records_have_no_decisions() -> None:
    assert compare(text_models(), **FEW).decisions is None
    nobody = [from_counts(name, 0, 0, 0, 0) for name in ("base", "tuned")]
    assert compare(nobody, **FEW, **ASKED).decisions is None


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [
        (lambda p: np.arange(len(p)) < 24, "there are too few groups, 6 where 10 are needed"),
        (lambda p: p.actual == 0, r"all \d+ records have the label benign"),
        (lambda p: (p.actual == 0) | (np.arange(len(p)) < 30), "melanoma occurs in too few groups"),
        (lambda p: np.zeros(len(p), bool), r"base was not asked about it \(evaluate.validation\)"),
    ],
    ids=["24 records", "one label", "few positives", "none"],
)
def test_a_validation_split_that_is_too_small_is_said_to_be(chosen: Any, problem: str) -> None:
    models = skin_models()
    validation = [p.part(chosen(p)) for p in elsewhere(models)]
    found = decided(compare(models, **FEW, validation=validation, **ASKED))
    assert found.obstacle is not None
    assert re.match(problem, found.obstacle), found.obstacle
    assert found.recalibration == found.abstention == found.thresholds == {}
    assert found.curves is not None
    assert found.curves.recalibrated == {}
    assert list(found.curves.stated) == list(found.risk_coverage.risk)


def test_24_records_of_as_many_patients_are_enough() -> None:
    rng = np.random.default_rng(0)
    actual = np.arange(24) % 2
    small = [
        predictions_from(name, actual, np.log(np.stack([1 - p, p], 1)))
        for name in ("base", "tuned", "reference")
        for p in [expit(rng.normal(actual, 1))]
    ]
    found = decided(compare(skin_models(), **FEW, validation=elsewhere(small), **ASKED))
    assert found.obstacle is None
    assert list(found.recalibration) == ["base", "tuned", "reference"]


def test_a_split_that_overlaps_or_has_other_labels_is_not_used() -> None:
    models = skin_models()
    shared = decided(compare(models, **FEW, validation=models, **ASKED))
    assert shared.obstacle == "it shares 145 groups with the test split"
    other = elsewhere(tissue_models())
    found = decided(compare(models[:2], **FEW, validation=other, **ASKED))
    assert found.obstacle == "its labels are others"
    lacking = decided(compare(models, **FEW, validation=elsewhere(models[:2]), **ASKED))
    assert lacking.obstacle == "reference was not asked about it (evaluate.validation)"


def test_one_label_in_the_test_split() -> None:
    validation = elsewhere(skin_models()[:2])
    models = [from_counts(name, 0, 5, 15, 0) for name in ("base", "tuned")]
    found = decided(compare(models, **FEW, validation=validation, subgroups=["sex"], **ASKED))
    own = found.thresholds["tuned"]
    assert own.metrics["recall"].value is None
    assert own.needed_to_screen.value is None
    assert own.metrics["cost"].value is not None
    assert found.gaps == []
