"""A test set from elsewhere on the page, in the card and in the terminal."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from testing.samples import drawn, skin_models
from tests.comparison.test_outside import named
from tests.report.projects import build
from tests.report.reading import page
from verdict.comparison.file import read_comparison
from verdict.comparison.model import Comparison
from verdict.comparison.outside import OutsideSet
from verdict.predictions import write_predictions
from verdict.report.__main__ import show
from verdict.report.card_results import outside_tables
from verdict.summary.wording import interval, number, signed, signed_interval

NAME = "second_hospital"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two labels, a trained baseline, thresholds, and a set from elsewhere."""
    root = tmp_path_factory.mktemp("outside") / "project"
    models = [*skin_models(), drawn("rival", seed=7, signal=1.3)]
    sets = [named(p, NAME) for p in models]
    for predictions in sets:
        path = root / f"data/predictions/outside/{NAME}/{predictions.model}.parquet"
        write_predictions(path, predictions)
    return build(
        root,
        models,
        task="melanoma",
        sensitivity=0.9,
        validation=[named(p, "validation") for p in models],
        trained={"rival": "features"},
        outside={NAME: OutsideSet(sets, "patients", ["sex"], synthetic=True)},
    )


@pytest.fixture(scope="module")
def comparison(project: Path) -> Comparison:
    return read_comparison(project / "metrics/report/comparison.json")


def test_the_page_has_a_section_with_every_number_of_the_set(
    project: Path, comparison: Comparison
) -> None:
    text = page(project)
    assert f'<li><a href="#outside-{NAME}">Outside: second hospital</a></li>' in text
    assert text.index('id="differences"') < text.index(f'id="outside-{NAME}"')
    assert text.index(f'id="outside-{NAME}"') < text.index('id="training"')
    section = re.search(rf'<section id="outside-{NAME}">.*?</section>', text, re.DOTALL)
    assert section is not None
    shown = section.group()
    metric = comparison.kind.decisive
    for model, here, there, change in comparison.against(NAME):
        assert f'<th scope="row">{model}</th>' in shown
        for one in (here, there):
            assert f"{number(metric, one.value)}<small>{interval(metric, one.low, one.high)}" in (
                shown
            )
        ends = signed_interval(change.low, change.high)
        assert f"{signed(change.value)}<small>{ends}</small>" in shown
    there = comparison.outside[NAME].comparison
    assert "synthetic patients" in shown
    assert "By sex" in shown
    assert "At the thresholds of the validation split" in shown
    for estimates in there.models.values():
        assert number("auroc", estimates["auroc"].value) in shown
    assert f"data/predictions/outside/{NAME}/rival.parquet" in text
    assert text.index("On second hospital.") < text.index("<table")


def test_eighty_columns_hold_the_table(comparison: Comparison) -> None:
    file = io.StringIO()
    show(comparison, Path("index.html"), Console(file=file, width=80))
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(file.getvalue().split())
    assert "On second hospital: Tuning raised" in text
    assert "…" not in text
    (_, _, there, change) = next(r for r in comparison.against(NAME) if r[0] == "tuned")
    metric = comparison.kind.decisive
    assert re.search(
        rf"tuned +[\d.]+ +{number(metric, there.value)} +{re.escape(signed(change.value))}",
        file.getvalue(),
    )


def test_the_card_has_a_table_of_the_set(comparison: Comparison) -> None:
    ((name, said, table),) = outside_tables(comparison)
    assert name == "second hospital"
    assert said.startswith("Tuning raised")
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == [
        "base",
        "tuned",
        "reference",
        "rival (baseline)",
    ]
