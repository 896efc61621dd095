import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from testing.samples import (
    SETTINGS,
    TISSUE,
    compare,
    drawn,
    drawn_pairs,
    from_counts,
    predictions_from,
    skin_models,
    text_models,
    tissue_models,
)
from verdict.comparison.model import Comparison
from verdict.predictions import Predictions, make_predictions
from verdict.summary.markdown import comparison_markdown
from verdict.summary.wording import DISCLAIMER, p_text


@pytest.fixture(scope="module")
def skin() -> Comparison:
    return compare(skin_models(), **{**SETTINGS, "synthetic": True})


def elsewhere(p: Predictions) -> Predictions:
    """Return the predictions as those of other records, in other groups."""
    rows = [
        row | {"id": "V" + row["id"], "group": "V" + row["group"]} for row in p.table.to_pylist()
    ]
    return make_predictions(p.model, p.labels, p.positive, rows)


def table(text: str, heading: str) -> dict[str, dict[str, str]]:
    """Return the Markdown table below a heading: first cell → column → cell."""
    lines = text.split(heading)[1].split("\n\n")[1].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert {len(row) for row in rows} == {len(rows[0])}
    return {row[0]: dict(zip(rows[0][1:], row[1:], strict=True)) for row in rows[2:]}


def test_the_verdict_comes_first_and_the_disclaimer_last(skin: Comparison) -> None:
    lines = [line for line in comparison_markdown(skin).splitlines() if line]
    assert lines[1] == f"**{skin.verdict.sentence}**"
    assert lines[-1] == f"*{DISCLAIMER}*"
    assert DISCLAIMER == "Not a medical device, not for diagnosis."


def test_synthetic_data_are_called_so_and_real_ones_not(skin: Comparison) -> None:
    assert "data are synthetic" in comparison_markdown(skin)
    real = compare(skin_models(), **SETTINGS)
    assert "synthetic" not in comparison_markdown(real)


def test_models_and_baselines_have_their_numbers(skin: Comparison) -> None:
    flat: dict[str, Any] = skin.flat()
    models = table(comparison_markdown(skin), "## Models")
    assert list(models) == [
        "base",
        "tuned",
        "reference",
        "*majority (always benign)*",
        "*prior (by shares)*",
    ]
    row = models["tuned"]
    low, high = flat["tuned.balanced_accuracy_low"], flat["tuned.balanced_accuracy_high"]
    assert row["balanced accuracy (95 % CI)"] == (
        f"{flat['tuned.balanced_accuracy']:.3f} ({low:.3f} to {high:.3f})"
    )
    assert row["sensitivity"] == f"{flat['tuned.recall']:.3f}"
    assert row["invalid"] == f"{100 * flat['tuned.invalid_rate']:.1f} %"
    majority = models["*majority (always benign)*"]
    assert (majority["sensitivity"], majority["precision"], majority["AUROC"]) == (
        "0.000",
        "–",
        "0.500",
    )


def test_differences_have_their_numbers(skin: Comparison) -> None:
    flat: dict[str, Any] = skin.flat()
    differences = table(comparison_markdown(skin), "## Paired differences")
    assert list(differences) == ["tuned - base", "tuned - reference", "reference - base"]
    name = "tuned_minus_reference.balanced_accuracy"
    row = differences["tuned - reference"]
    assert row["balanced accuracy"] == (
        f"{flat[name]:+.3f} ({flat[f'{name}_low']:+.3f} to {flat[f'{name}_high']:+.3f})"
    )
    assert row["p"] == f"{flat[f'{name}_p']:.3f}"
    assert set(row) >= {"accuracy", "sensitivity", "specificity", "p (Holm)"}


def test_what_rounds_to_zero_has_no_sign() -> None:
    same, other = from_counts("base", 30, 20, 30, 20), from_counts("tuned", 30, 20, 30, 20)
    text = comparison_markdown(compare([same, other], **SETTINGS))
    assert "0.000 (0.000 to 0.000)" in text
    assert not re.search(r"[+-]0\.0+\b", text)


def test_pairs_say_how_they_are_drawn_and_averaged() -> None:
    models = [drawn_pairs(name, seed=i, signal=i) for i, name in enumerate(("base", "tuned"))]
    comparison = compare(models, **SETTINGS, noun="entities")
    text = comparison_markdown(comparison)
    assert f"400 records of {comparison.groups} entities." in text
    assert "is the mean over entities and linked pairs of entities of the share of" in text
    assert (
        "resamples of whole entities; a record of two entities counts as often as the one was "
        "drawn, times the other" in text
    )


def test_tests_of_independent_records_stand_where_records_are_independent(
    skin: Comparison,
) -> None:
    text = comparison_markdown(skin)
    assert "McNemar)" not in text
    assert "McNemar's and DeLong's tests take records as independent. Those that share" in text
    models = [predictions_from(p.model, p.actual, p.log_probabilities) for p in skin_models()]
    alone = compare(models, **SETTINGS)
    text = comparison_markdown(alone)
    row = table(text, "## Paired differences")["reference - base"]
    assert row["p (McNemar)"] == p_text(alone.differences[2].secondary["mcnemar_p"])
    assert row["p of AUROC (DeLong)"] == p_text(alone.differences[2].secondary["delong_p"])
    assert "McNemar's exact test is of accuracy, DeLong's of AUROC" in text
    assert "the verdict does not rest on them" in text


def test_warnings_come_before_the_verdict(skin: Comparison) -> None:
    warned = replace(skin, warnings=("a file was changed; mend it",))
    lines = [line for line in comparison_markdown(warned).splitlines() if line]
    assert lines[:3] == [
        "# The verdict",
        "> **Warning.** a file was changed; mend it.",
        f"**{skin.verdict.sentence}**",
    ]


def test_each_model_stands_at_its_threshold_and_by_its_likeliest_answer() -> None:
    validation = [elsewhere(p) for p in skin_models()]
    comparison = compare(skin_models(), **SETTINGS, validation=validation, sensitivity=0.9)
    flat: dict[str, Any] = comparison.flat()
    text = comparison_markdown(comparison)
    lines = text.split("## At the threshold")[1].split("\n\n")[1].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert rows[0] == [
        "model", "called melanoma", "sensitivity on validation", "sensitivity (95 % CI)",
        "specificity (95 % CI)", "precision", "F1", "balanced accuracy", "accuracy",
    ]  # fmt: skip
    assert [row[0] for row in rows[2:]] == ["base", "", "tuned", "", "reference", ""]
    at, likeliest = rows[4:6]
    assert at[1:3] == [
        f"from {flat['tuned.threshold']:.3f}", f"{flat['tuned.validation_sensitivity']:.3f}"
    ]  # fmt: skip
    low, high = (flat[f"tuned.at_threshold.recall_{end}"] for end in ("low", "high"))
    assert at[3] == f"{flat['tuned.at_threshold.recall']:.3f} ({low:.3f} to {high:.3f})"
    assert at[8] == f"{flat['tuned.at_threshold.accuracy']:.3f}"
    assert likeliest[1:3] == ["if likeliest", ""]
    assert likeliest[3].startswith(f"{flat['tuned.recall']:.3f} (")
    assert "sensitivity of 0.9 is reached on the validation split (600 records, " in text
    assert "The intervals hold it fixed" in text
    assert "At the threshold" not in comparison_markdown(compare(skin_models(), **SETTINGS))


def test_without_a_threshold_the_reason_stands_there() -> None:
    validation = [elsewhere(p.part(p.actual == 0)) for p in skin_models()]
    comparison = compare(skin_models(), **SETTINGS, validation=validation, sensitivity=0.9)
    reason = f"There is no threshold: none of the {len(validation[0])} validation records is"
    assert reason in comparison_markdown(comparison)


def test_the_mean_over_seeds_has_a_line_in_both_tables() -> None:
    models = [*skin_models(), drawn("again", seed=7, signal=1.1)]
    comparison = compare(models, **SETTINGS, replicates=["again"])
    flat: dict[str, Any] = comparison.flat()
    text = comparison_markdown(comparison)
    row = table(text, "## Models")["*mean of 2 training seeds*"]
    assert row["accuracy"] == f"{flat['replicated.accuracy']:.3f}"
    differences = table(text, "## Paired differences")
    assert list(differences) == [
        "mean of 2 training seeds - base", "tuned - base", "tuned - reference", "reference - base",
    ]  # fmt: skip
    first = differences["mean of 2 training seeds - base"]
    assert first["p (Holm)"] == "–"
    assert first["p"] == p_text(flat["replicated_minus_base.balanced_accuracy_p"])
    deviation = flat["replicated.balanced_accuracy_sd"]
    assert "tuned, again are one training with 2 seeds; the standard deviation of balanced " in text
    assert f"accuracy between them is {deviation:.3f}" in text
    assert "corrected for the 3 other comparisons" in text


def test_more_labels_have_other_columns() -> None:
    models = table(comparison_markdown(compare(tissue_models(), **SETTINGS)), "## Models")
    assert {"macro F1", "macro AUROC", "MCC"} < set(models["tuned"])
    assert "sensitivity" not in models["tuned"]


def test_texts_have_other_columns_and_no_prior() -> None:
    comparison = compare(text_models(), **SETTINGS, noun="cases")
    text = comparison_markdown(comparison)
    models = table(text, "## Models")
    assert list(models) == ["base", "tuned", "*majority (always Axial)*"]
    assert list(models["tuned"]) == [
        "token F1 (95 % CI)", "exact match", "ROUGE-L", "BLEU", "closed questions", "invalid",
    ]  # fmt: skip
    assert models["tuned"]["BLEU"] == f"{comparison.flat()['tuned.bleu']:.3f}"
    row = table(text, "## Paired differences")["tuned - base"]
    assert row["token F1"].startswith("+0.29")
    assert "*p* is of token F1" in text
    assert "McNemar's test takes records as independent" in text
    assert "DeLong" not in text
    assert "tok:13a" in text
    assert "AUROC" not in text
    assert "accuracy" not in text


def test_merged_labels_have_tables_of_their_own() -> None:
    merge = {"benign": TISSUE[:4], "malignant": TISSUE[4:]}
    comparison = compare(
        tissue_models(), **SETTINGS, noun="patients", merge=merge, merge_positive="malignant"
    )
    text = comparison_markdown(comparison)
    merged = "## Merged into benign and malignant" + text.split("## Merged")[1]
    assert comparison.merged is not None
    assert comparison.merged.verdict.sentence in merged
    assert "- benign: adenosis, fibroadenoma, phyllodes_tumor, tubular_adenoma" in merged
    rows = table(merged, f"**{comparison.merged.verdict.sentence}**")
    flat: dict[str, Any] = comparison.flat()
    assert rows["tuned"]["accuracy"] == f"{flat['merged.tuned.accuracy']:.3f}"
    assert rows["tuned"]["sensitivity"] == f"{flat['merged.tuned.recall']:.3f}"
    whole = table(text, "## Models")["tuned"]["accuracy over patients"]
    assert whole == f"{flat['tuned.group_accuracy']:.3f}"
    assert "Merged" not in comparison_markdown(compare(tissue_models(), **SETTINGS))


def test_subgroups_have_a_line_for_each_model() -> None:
    models = [
        predictions_from(
            name,
            [0, 1] * 20 + [0] * 15,
            np.log([[0.8, 0.2], [0.3, 0.7]] * 20 + [[0.6, 0.4]] * 15),
            attributes=lambda i: {"anatomical_site": "hand|foot" if i < 40 else "torso"},
        )
        for name in ("base", "tuned")
    ]
    comparison = compare(models, **SETTINGS, noun="patients", subgroups=["anatomical_site"])
    text = comparison_markdown(comparison)
    lines = text.split("## By anatomical site")[1].split("\n\n")[1].splitlines()
    assert lines[0] == (
        "| anatomical site | n | patients | positives | model | balanced accuracy | accuracy "
        "| accuracy over patients |"
    )
    # Clopper and Pearson's lower bounds of 40 of 40 and of 15 of 15; balanced, of 20 and 20.
    two, forty, certain = (f"1.000 ({low} to 1.000)" for low in ("0.881", "0.912", "0.782"))
    assert lines[2:] == [
        f"| hand\\|foot | 40 | 40 | 20 | base | {two} | {forty} | {forty} |",
        f"|  |  |  |  | tuned | {two} | {forty} | {forty} |",
        f"| torso | 15 | 15 | 0 | base | undefined | {certain} | {certain} |",
        f"|  |  |  |  | tuned | undefined | {certain} | {certain} |",
    ]
    assert "undefined where a label is absent" in text


def test_undefined_numbers_are_dashes() -> None:
    one_label = [from_counts("base", 0, 5, 15, 0), from_counts("tuned", 0, 2, 18, 0)]
    text = comparison_markdown(compare(one_label, **SETTINGS))
    assert table(text, "## Models")["tuned"]["AUROC"] == "–"
    assert table(text, "## Paired differences")["tuned - base"]["p"] == "–"
    assert "None" not in text
    assert "nan" not in text


def test_figures_are_embedded_by_relative_name(skin: Comparison) -> None:
    text = comparison_markdown(skin, figures=[("title", "comparison.png")])
    assert "![title](comparison.png)" in text
