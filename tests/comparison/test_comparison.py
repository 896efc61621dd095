import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from testing.samples import (
    SETTINGS,
    compare,
    from_counts,
    predictions_from,
    skin_models,
    texts_from,
    tissue_models,
)
from verdict.comparison.differences import delong_p, holm, mcnemar_p
from verdict.comparison.model import Comparison
from verdict.core.errors import VerdictError
from verdict.predictions import Predictions, make_predictions


@pytest.fixture(scope="module")
def skin() -> Comparison:
    return compare(skin_models(), **SETTINGS)


def with_rows(p: Predictions, change: Any) -> Predictions:
    return make_predictions(p.model, p.labels, p.positive, change(p.table.to_pylist()))


def test_published_melanoma_comparison() -> None:
    """Real counts, ten images to a made-up patient: tuned is ahead, and majority is most right."""
    groups = np.arange(3313) % 331
    models = [
        from_counts("base", 58, 3219, 36, 0, groups=groups),
        from_counts("tuned", 35, 1438, 1817, 23, groups=groups),
        from_counts("medgemma", 12, 307, 2948, 46, groups=groups),
    ]
    comparison = compare(models, **SETTINGS, noun="patients")
    sentence = comparison.verdict.sentence
    assert sentence.startswith("Tuning raised balanced accuracy from 0.51 to 0.58 (+0.07, 95 %")
    assert "331 patients" in sentence
    assert "always answering 'benign' would be right more often (98.2 % against 55.9 %)" in sentence
    flat = comparison.flat()
    assert flat["tuned_minus_medgemma.balanced_accuracy"] == pytest.approx(0.0245, abs=1e-4)
    assert flat["tuned_minus_medgemma.balanced_accuracy_low"] < 0
    assert flat["tuned_minus_majority.accuracy_high"] < 0


def test_flat_numbers_agree_with_each_other(skin: Comparison) -> None:
    flat: dict[str, Any] = skin.flat()
    assert json.loads(json.dumps(flat, allow_nan=False)) == flat
    headline = skin.headline()
    difference = "tuned_minus_base.balanced_accuracy"
    assert headline == {
        **{name: flat[f"{name}.balanced_accuracy"] for name in ("base", "tuned", "reference")},
        "gain": flat[difference],
        **{f"gain_{end}": flat[f"{difference}_{end}"] for end in ("low", "high")},
        "p": flat[f"{difference}_p"],
        "auroc": flat["tuned.auroc"],
    }
    assert flat["verdict"] == skin.verdict.sentence
    assert (flat["records"], flat["groups"], flat["synthetic"]) == (600, 145, False)
    assert (flat["candidate"], flat["baseline"]) == ("tuned", "base")
    assert (flat["models"], flat["replicates"]) == (["base", "tuned", "reference"], [])
    assert (flat["labels"], flat["positive"]) == (["benign", "melanoma"], "melanoma")
    assert flat["warnings"] == []
    for model in ("base", "tuned", "reference"):
        for metric in ("balanced_accuracy", "auroc", "f1", "generated_accuracy", "invalid_rate"):
            name = f"{model}.{metric}"
            assert flat[f"{name}_low"] < flat[name] < flat[f"{name}_high"], name
    for pair in ("tuned_minus_base", "tuned_minus_reference", "reference_minus_base"):
        first, second = pair.split("_minus_")
        for metric in ("balanced_accuracy", "accuracy", "group_accuracy", "recall", "specificity"):
            difference = flat[f"{first}.{metric}"] - flat[f"{second}.{metric}"]
            assert flat[f"{pair}.{metric}"] == pytest.approx(difference, abs=2e-6)
        name = f"{pair}.balanced_accuracy"
        assert flat[f"{name}_p"] <= flat[f"{name}_p_holm"]
        assert (flat[f"{name}_p"] < 0.05) == (flat[f"{name}_low"] > 0)
    p_values = [difference.p for difference in skin.differences]
    assert [difference.p_holm for difference in skin.differences] == pytest.approx(holm(p_values))
    assert p_values != holm(p_values)
    assert flat["majority.recall"] == 0
    assert all(
        value is None or round(value, 6) == value
        for value in flat.values()
        if not isinstance(value, str | list)
    )


def test_differences_are_paired(skin: Comparison) -> None:
    """A model and itself under another name differ by exactly nothing, however wide each is."""
    tuned = skin_models()[1]
    twin = Predictions("base", tuned.labels, tuned.positive, tuned.table)
    difference = compare([twin, tuned], **SETTINGS).differences[0]
    estimate = difference.metrics["balanced_accuracy"]
    assert (estimate.value, estimate.low, estimate.high) == (0, 0, 0)
    assert difference.p == difference.p_holm == 1


def test_tests_of_independent_records_need_independent_records(skin: Comparison) -> None:
    assert skin.differences[0].secondary == {"mcnemar_p": None, "delong_p": None}
    models = [with_rows(p, lambda rows: [row | {"group": row["id"]} for row in rows])
              for p in skin_models()]  # fmt: skip
    _, tuned, reference = models
    flat: dict[str, Any] = compare(models, **SETTINGS).flat()
    right = [p.predicted == p.actual for p in (tuned, reference)]
    pair = "tuned_minus_reference"
    assert flat[f"{pair}.mcnemar_p"] == pytest.approx(mcnemar_p(*right), abs=1e-6)
    expected = delong_p(tuned.actual == 1, *(p.scores[:, 1] for p in (tuned, reference)))
    assert flat[f"{pair}.delong_p"] == pytest.approx(expected, abs=1e-6)
    assert 0 < flat[f"{pair}.delong_p"] < flat[f"{pair}.mcnemar_p"] < 1
    assert "delong_p" not in compare(tissue_models(), **SETTINGS).differences[0].secondary


def test_the_same_seed_gives_the_same_numbers(skin: Comparison) -> None:
    assert compare(skin_models(), **SETTINGS).flat() == skin.flat()
    assert compare(skin_models(), **{**SETTINGS, "seed": 1}).flat() != skin.flat()


def test_order_of_models_and_a_third_one_do_not_change_the_verdict(skin: Comparison) -> None:
    base, tuned, reference = skin_models()
    for models in ([base, tuned], [reference, tuned, base]):
        assert compare(models, **SETTINGS).verdict == skin.verdict


def test_synthetic_data_are_called_so_in_the_sentence() -> None:
    comparison = compare(skin_models(), **{**SETTINGS, "synthetic": True}, noun="patients")
    assert "145 synthetic patients)" in comparison.verdict.sentence
    assert comparison.flat()["synthetic"] is True


def test_eight_labels() -> None:
    flat: dict[str, Any] = compare(tissue_models(), **SETTINGS).flat()
    assert flat["tuned.macro_f1_low"] < flat["tuned.macro_f1"] < flat["tuned.macro_f1_high"]
    assert flat["majority.balanced_accuracy"] == flat["prior.balanced_accuracy"] == 0.125
    assert flat["tuned_minus_base.macro_f1_low"] > 0
    assert not any(".recall" in key or ".specificity" in key for key in flat)


def test_one_label_only() -> None:
    comparison = compare(
        [from_counts("base", 0, 5, 15, 0), from_counts("tuned", 0, 2, 18, 0)], **SETTINGS
    )
    assert comparison.verdict.outcome == "none"
    assert "all 20 records have the label benign" in comparison.verdict.sentence
    flat = comparison.flat()
    assert flat["tuned.accuracy"] == 0.9
    for key in ("tuned.auroc", "tuned.auroc_low", "tuned_minus_base.balanced_accuracy_p"):
        assert flat[key] is None


def test_no_records() -> None:
    comparison = compare(
        [from_counts("base", 0, 0, 0, 0), from_counts("tuned", 0, 0, 0, 0)], **SETTINGS
    )
    assert "there are no records" in comparison.verdict.sentence
    assert comparison.flat()["tuned.accuracy"] is None


def test_too_few_groups() -> None:
    models = [from_counts(name, 3, 5, 30, 2) for name in ("base", "tuned")]
    assert "melanoma occurs in too few groups, 5 where 6 are needed" in (
        compare(models, **SETTINGS).verdict.sentence
    )


def replaced(key: str, value: str) -> Any:
    return lambda rows: [row | {key: value} if i in (3, 5) else row for i, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda rows: rows[2:], r"2 missing from tuned \(ISIC_0000000, ISIC_0000001\)"),
        (
            lambda rows: [
                row | {"id": "x" + row["id"]} if i < 4 else row for i, row in enumerate(rows)
            ],
            r"4 missing from tuned \(ISIC_0000000, ISIC_0000001, ISIC_0000002, …\) and "
            r"4 only in tuned \(xISIC_0000000",
        ),
        (
            replaced("prompt_sha256", "0"),
            r"2 of 20 records have another prompt in tuned than in "
            r"base \(ISIC_0000003, ISIC_0000005\)",
        ),
        (replaced("group", "g"), r"2 of 20 records have another group"),
        (replaced("label", "benign"), r"2 of 20 records have another true label"),
        (replaced("answer", "x"), r"2 of 20 records have another reference answer"),
    ],
)
def test_models_must_have_been_asked_the_same(change: Any, problem: str) -> None:
    base, tuned = (from_counts(name, 8, 3, 7, 2) for name in ("base", "tuned"))
    with pytest.raises(VerdictError, match=problem):
        compare([base, with_rows(tuned, change)], **SETTINGS)


def test_answers_must_have_been_scored_alike() -> None:
    base, tuned = (from_counts(name, 8, 3, 7, 2) for name in ("base", "tuned"))
    base, tuned = (
        replace(base, length_normalization="none"),
        replace(tuned, length_normalization="tokens"),
    )
    with pytest.raises(VerdictError, match="of tuned were scored with length_normalization tokens"):
        compare([base, tuned], **SETTINGS)
    assert compare([base, replace(tuned, length_normalization=None)], **SETTINGS)


def test_labels_must_agree() -> None:
    other = predictions_from(
        "tuned", [0, 1], np.log([[0.9, 0.1], [0.1, 0.9]]), labels=("no", "yes"), positive="yes"
    )
    with pytest.raises(VerdictError, match=r"tuned was asked for no, yes .* base for benign"):
        compare([from_counts("base", 1, 0, 1, 0), other], **SETTINGS)
    texts = texts_from("tuned", [("yes", "no")])
    with pytest.raises(VerdictError, match="tuned was asked for free text, but base for benign"):
        compare([from_counts("base", 1, 0, 0, 0), texts], **SETTINGS)


@pytest.mark.parametrize(
    ("names", "settings", "problem"),
    [
        (["base", "base"], {}, "same model name"),
        (["tuned", "reference"], {}, "the baseline base has no predictions"),
        (["base", "reference"], {}, "the candidate tuned has no predictions"),
        (["base", "tuned"], {"baseline": "tuned"}, "compared with itself"),
        (["base", "tuned", "majority"], {}, "cannot be called majority"),
        (["base", "tuned", "merged"], {}, "cannot be called merged"),
        (["base", "tuned", "threshold"], {}, "cannot be called threshold"),
        (["base", "tuned", "replicated"], {}, "cannot be called replicated"),
        (["base", "tuned", "a_minus_b"], {}, "cannot be called a_minus_b"),
    ],
)
def test_names_must_make_sense(names: list[str], settings: dict[str, Any], problem: str) -> None:
    models = [from_counts(name, 2, 2, 2, 2) for name in names]
    with pytest.raises(VerdictError, match=problem):
        compare(models, **{**SETTINGS, **settings})
