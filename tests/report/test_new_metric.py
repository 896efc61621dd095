"""A metric is one entry of the registry: everything that shows metrics finds it there."""

import io
import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from rich.console import Console

from tests.report.projects import skin
from tests.report.reading import Cells, page
from tests.report.terms import USED
from tests.report.test_card import PARAMETERS
from verdict.comparison.file import read_comparison
from verdict.core.files import write_json
from verdict.predictions import read_predictions
from verdict.report.__main__ import show
from verdict.report.card import write_card
from verdict.statistics.counts import accuracy
from verdict.statistics.measurement import measure
from verdict.statistics.metric import Metric
from verdict.statistics.metrics import METRICS

ERROR_RATE = Metric(
    "error_rate",
    "error rate",
    "share of records answered wrongly",
    "labels",
    {"binary": "table figure terminal differences subgroups threshold"},
    lambda drawn: 1 - accuracy(drawn.labels),
    proportion_of="records",
    less_is_better=True,
)


def test_one_entry_is_measured_compared_and_shown_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METRICS, "error_rate", ERROR_RATE)
    report = skin(tmp_path) / "metrics/report"
    values = measure(read_predictions(tmp_path / "data/predictions/tuned.parquet")).values()
    assert values["error_rate"] == pytest.approx(1 - (values["accuracy"] or 0), abs=2e-6)

    numbers = json.loads((report / "comparison.json").read_text("utf-8"))
    assert numbers["tuned.error_rate"] == values["error_rate"]
    for name in ("tuned", "tuned_minus_base", "tuned.at_threshold"):
        assert numbers[f"{name}.error_rate_low"] < numbers[f"{name}.error_rate_high"]
    assert numbers["subgroups"][0]["tuned.error_rate"] is not None
    assert numbers["majority.error_rate"] == pytest.approx(
        1 - numbers["majority.accuracy"], abs=2e-6
    )
    shown = f"{values['error_rate']:.3f}"

    markdown = (report / "comparison.md").read_text("utf-8").splitlines()
    rows = [line.strip("| ").split(" | ") for line in markdown]
    headers = [row for row in rows if "error rate" in row]
    assert len(headers) == 5  # models, thresholds, differences, and two attributes
    tuned = next(row for row in rows if row[0] == "tuned")
    assert tuned[headers[0].index("error rate")] == shown

    row = Cells(page(tmp_path)).row("Error rate, lower is better | share of records answered wr")
    assert row[1].startswith(f"{shown} | ")
    assert page(tmp_path).count("<span>Error rate</span>") == 1  # the plot of main metrics

    file = tmp_path / "models/adapter/provenance.json"
    write_json(file, json.loads(file.read_text("utf-8")) | {"parameters": PARAMETERS})
    write_card(
        report / "model_card.md",
        tmp_path / "metrics",
        file.parent,
        task="melanoma",
        limits=(),
        used=USED,
    )
    card = ModelCard.load(report / "model_card.md")
    results = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert results["error_rate"] == values["error_rate"]
    assert f"| error rate | {numbers['base.error_rate']:.3f} (" in card.text

    terminal = io.StringIO()
    show(read_comparison(report / "comparison.json"), Path("page"), Console(file=terminal))
    first = next(x for x in terminal.getvalue().splitlines() if x.startswith("tuned  "))
    assert first.split()[-1] == shown
