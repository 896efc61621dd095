import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from testing.samples import (
    SETTINGS,
    TISSUE,
    compare,
    drawn,
    from_counts,
    skin_models,
    text_models,
    tissue_models,
)
from verdict.comparison.file import read_comparison
from verdict.core.files import write_json
from verdict.predictions import Predictions, make_predictions
from verdict.report.__main__ import show


def shown(models: list[Predictions], tmp_path: Path, **settings: Any) -> str:
    write_json(tmp_path / "comparison.json", compare(models, **{**SETTINGS, **settings}).to_json())
    file = io.StringIO()
    show(
        read_comparison(tmp_path / "comparison.json"),
        Path("metrics/report/index.html"),
        Console(file=file, width=80),
    )
    return file.getvalue()


@pytest.mark.parametrize(
    "models",
    [skin_models(), tissue_models(), text_models()],
    ids=["two labels", "eight labels", "texts"],
)
def test_eighty_columns_hold_the_verdict_and_every_model(
    models: list[Predictions], tmp_path: Path
) -> None:
    text = shown(models, tmp_path)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert compare(models, **SETTINGS).verdict.sentence in " ".join(text.split())
    first_words = [line.split()[0] for line in text.splitlines() if line.strip()]
    baselines = {"majority", "prior"} if models[0].labels else {"majority"}
    assert {p.model for p in models} | baselines <= set(first_words)
    assert "tuned - base" in text
    assert "0.74-0.83" in text or len(models) == 2  # the interval of tuned, three models
    assert text.endswith("Report: metrics/report/index.html\n")


def test_merged_labels_are_shown_after_the_others(tmp_path: Path) -> None:
    merge = {"benign": TISSUE[:4], "malignant": TISSUE[4:]}
    text = shown(
        tissue_models(), tmp_path, noun="patients", merge=merge, merge_positive="malignant"
    )
    first, second = text.split("On merged labels:")
    assert "sensitivity" in second
    assert "sensitivity" not in first
    assert "patients  " in first  # the column of accuracy over patients
    assert max(map(len, text.splitlines())) <= 80
    for part in (first, second):
        rows = [line.split()[0] for line in part.splitlines() if line.strip()]
        assert [rows.count(model) for model in ("base", "prior", "merged")] == [1, 1, 0]


def test_thresholds_and_seeds_have_their_lines(tmp_path: Path) -> None:
    models = [*skin_models(), drawn("again", seed=7, signal=1.1)]
    validation = [
        make_predictions(
            p.model,
            p.labels,
            p.positive,
            [r | {"id": "V" + r["id"], "group": "V" + r["group"]} for r in p.table.to_pylist()],
        )
        for p in models
    ]
    text = shown(
        models, tmp_path, validation=validation, sensitivity=0.9, replicates=["again"],
        warnings=["a file was changed"],
    )  # fmt: skip
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert text.splitlines()[1] == "WARNING: a file was changed."
    assert "at 0.9 on" in text
    assert "mean of 2 - base" in text
    first_words = [line.split("  ")[0] for line in text.splitlines()]
    assert first_words.count("mean of 2") == 1
    assert first_words.count("again") == 2
    without = shown(models, tmp_path)
    assert "at 0.9 on" not in without
    assert "mean of 2" not in without


def test_synthetic_data_are_called_so(tmp_path: Path) -> None:
    assert "The data are synthetic" in shown(skin_models(), tmp_path, synthetic=True)
    assert "synthetic" not in shown(skin_models(), tmp_path)


def test_undefined_numbers_are_dashes(tmp_path: Path) -> None:
    one_label = [from_counts("base", 0, 5, 15, 0), from_counts("tuned", 0, 2, 18, 0)]
    text = shown(one_label, tmp_path)
    assert "–" in text
    assert "None" not in text


def test_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "metrics" / "report"
    write_json(folder / "comparison.json", compare(skin_models(), **SETTINGS).to_json())
    command = [sys.executable, "-m", "verdict.report", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"Report: {folder}/index.html\n" in done.stdout
    missing = subprocess.run([*command[:-1], "gone"], capture_output=True, text=True)
    assert missing.returncode == 1
    assert missing.stderr.startswith("report: gone/comparison.json is not here yet")
