from typing import Any

import pytest

from tests.statistics.samples import SETTINGS, from_counts, skin_models, tissue_models
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
