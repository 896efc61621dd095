from typing import Any

import numpy as np
import pytest

from tests.statistics.samples import (
    SETTINGS,
    TISSUE,
    from_counts,
    predictions_from,
    skin_models,
    text_models,
    tissue_models,
)
from verdict.report.names import DISCLAIMER
from verdict.report.tables import comparison_markdown
from verdict.statistics.comparison import Comparison, compare


@pytest.fixture(scope="module")
def skin() -> Comparison:
    return compare(skin_models(), **{**SETTINGS, "synthetic": True})


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
    assert set(row) >= {"accuracy", "sensitivity", "specificity", "p (Holm)", "p (McNemar)"}


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
    assert "McNemar's test is of exact match" in text
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
    certain = "1.000 (1.000 to 1.000)"
    assert lines[2:] == [
        f"| hand\\|foot | 40 | 40 | 20 | base | {certain} | {certain} | {certain} |",
        f"|  |  |  |  | tuned | {certain} | {certain} | {certain} |",
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
