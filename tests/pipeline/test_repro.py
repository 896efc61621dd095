"""The whole graph under real DVC: what a user of `dvc repro` and `dvc exp` expects."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from testing.project import SMALL, Project, ran

STAGES = {
    "check", "fetch", "fetch_model@base", "fetch_model@reference", "extract", "split", "format",
    "train", "baseline@boosting", "evaluate@base", "evaluate@tuned", "evaluate@reference",
    "compare", "report",
}  # fmt: skip


def test_everything_is_up_to_date_afterwards(repro: Project) -> None:
    assert "Data and pipelines are up to date." in repro.dvc("status")
    assert ran(repro.dvc("repro")) == []
    assert repro.run("git", "status", "--porcelain").stdout == ""
    lock = repro.read("dvc.lock")
    assert set(lock["stages"]) == STAGES
    (compared,) = (
        dep for dep in lock["stages"]["compare"]["deps"] if dep["path"] == "data/predictions"
    )
    # The predictions on the test and the validation split, and no .gitignore among them.
    assert compared["nfiles"] == 8
    named = repro.read("dvc.yaml")["artifacts"]["adapter"]["path"]
    assert [out["path"] for out in lock["stages"]["train"]["outs"] if out["path"] == named]


def test_outputs_are_complete_and_large_ones_stay_out_of_git(repro: Project) -> None:
    tracked = set(repro.run("git", "ls-files").stdout.split())
    for path in (
        "metrics/compare.json", "metrics/train.json", "metrics/plots/loss.csv",
        "metrics/plots/confusion_tuned.csv",
        "metrics/report/comparison.md", "metrics/report/comparison.png",
        "metrics/report/confusion.png", "metrics/report/index.html",
        "metrics/report/model_card.md", "metrics/plots/roc_tuned.csv", "dvc.lock",
    ):  # fmt: skip
        assert path in tracked, path
    assert not [path for path in tracked if path.endswith((".parquet", ".safetensors", ".zip"))]
    for name in ("base", "tuned", "reference", "boosting", "split", "extract", "preflight"):
        assert json.loads((repro.root / "metrics" / f"{name}.json").read_text("utf-8"))
        assert f"metrics/{name}.json" not in tracked
    predictions = repro.root / "data" / "predictions"
    assert {path.name for path in predictions.glob("*.parquet")} == {
        "base.parquet", "tuned.parquet", "reference.parquet", "boosting.parquet",
    }  # fmt: skip


def test_dvc_views_read_well(repro: Project) -> None:
    metrics = json.loads(repro.dvc("metrics", "show", "--json"))
    shown = metrics[""]["data"]
    assert set(shown) == {"metrics/compare.json", "metrics/train.json"}
    plots = repro.dvc("plots", "show", "--out", "plots-page")
    page = Path(plots.strip().splitlines()[-1].removeprefix("file://"))
    text = page.read_text("utf-8")
    for title in ("Training loss", "Confusion, base", "Confusion, tuned", "ROC", "comparison.png"):
        assert title in text, title
    # Every label has a row in the confusion of a model that gives one answer to everything.
    assert '"fold": ["actual", "predicted"]' in text
    repro.run("rm", "-r", "plots-page")
    stages = repro.dvc("stage", "list")
    assert len(stages.splitlines()) == len(STAGES)


def test_changing_the_rank_runs_exactly_what_depends_on_it(repro: Project) -> None:
    output = repro.dvc("exp", "run", "-n", "rank-32", "-S", "lora.r=32")
    assert ran(output) == ["check", "train", "evaluate@tuned", "compare", "report"]
    difference = json.loads(repro.dvc("metrics", "diff", "--json", "HEAD", "rank-32"))
    trained = difference["metrics/train.json"]["trainable_parameters"]
    assert trained["new"] > trained["old"]
    table = json.loads(repro.dvc("exp", "show", "--json"))
    assert "rank-32" in json.dumps(table)
    assert "Training loss" in Path(
        repro.dvc("plots", "diff", "HEAD", "rank-32", "--out", "plots-page")
        .strip()
        .splitlines()[-1]
        .removeprefix("file://")
    ).read_text("utf-8")
    repro.run("rm", "-r", "plots-page")
    repro.run("git", "checkout", "--quiet", ".")
    assert ran(repro.dvc("repro")) == []  # back to the old rank: nothing is trained again
    repro.run("git", "checkout", "--quiet", ".")


def test_a_queue_of_ranks_runs(repro: Project) -> None:
    queued = repro.dvc("exp", "run", "--queue", "-S", "lora.r=4,32")
    assert queued.count("Queued experiment") == 2
    output = repro.dvc("exp", "run", "--run-all")
    assert "ERROR" not in output, output
    rows = csv.DictReader(io.StringIO(repro.dvc("exp", "show", "--csv")))
    trained = {row["lora.r"]: row["trainable_parameters"] for row in rows if row["Experiment"]}
    assert {"4", "32"} <= trained.keys()
    assert int(trained["4"]) < int(trained["32"])


def test_another_seed_is_trained_beside_the_first_and_counts(repro: Project) -> None:
    adapter = {"model": "models/base", "adapter": "models/replicates/tuned_again"}
    repro.edit({("replicates",): {"tuned_again": 1}})
    repro.edit({("evaluate", "models", "tuned_again"): adapter})
    output = repro.dvc("repro")
    assert ran(output) == [
        "check", "replicate@tuned_again", "evaluate@tuned_again", "compare", "report",
    ]  # fmt: skip
    first, second = (
        (repro.root / folder / "adapter_model.safetensors").read_bytes()
        for folder in ("models/adapter", "models/replicates/tuned_again")
    )
    assert first != second
    numbers = json.loads((repro.root / "metrics/report/comparison.json").read_text("utf-8"))
    assert numbers["replicates"] == ["tuned_again"]
    assert "up to date" in repro.dvc("status")
    repro.run("git", "stash", "--include-untracked", "--quiet")
    repro.run("git", "stash", "drop", "--quiet")
    repro.dvc("checkout")


@pytest.mark.fault("parameters")
def test_a_mistake_stops_the_run_and_loses_nothing(repro: Project) -> None:
    before = (repro.root / "dvc.lock").read_bytes()
    adapter = (repro.root / "models/adapter/adapter_model.safetensors").read_bytes()
    result = repro.run("dvc", "exp", "run", "-S", "train.learning_rate=fast", check=False)
    assert result.returncode != 0
    assert "train.learning_rate: 'fast' is text, a number is expected" in result.stdout
    assert "Traceback" not in result.stdout
    repro.run("git", "checkout", "--quiet", ".")
    assert (repro.root / "dvc.lock").read_bytes() == before
    repro.dvc("checkout")
    assert (repro.root / "models/adapter/adapter_model.safetensors").read_bytes() == adapter
    assert ran(repro.dvc("repro")) == []


def test_another_clone_locale_and_time_zone_give_the_same_lock(
    repro: Project, clone: Callable[[str], Project]
) -> None:
    other = clone("another-place")
    other.environment = {
        "TZ": "Pacific/Kiritimati",
        # Plain ASCII, and no help from Python against it.
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONHASHSEED": "12345",
    }
    other.edit(SMALL)
    other.dvc("repro")
    assert (other.root / "dvc.lock").read_text() == (repro.root / "dvc.lock").read_text()
    for path in ("metrics/compare.json", "metrics/report/comparison.png"):
        assert (other.root / path).read_bytes() == (repro.root / path).read_bytes()


def test_a_stage_started_by_another_python_says_what_to_do(repro: Project) -> None:
    result = repro.run("python3", "-S", "-m", "stages.format", check=False)
    assert result.returncode != 0
    assert "lacks the pinned packages: run `make install`" in result.stdout


@pytest.mark.fault("parameters")
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {("fetch", "source"): "files", ("fetch", "local"): "/nowhere/gone.zip"},
            "/nowhere/gone.zip does not exist",
        ),
        ({("lora", "rank"): 3}, "lora.rank: unknown key"),
    ],
)
def test_bad_input_names_itself_and_exits_non_zero(
    repro: Project, change: dict[tuple[str, ...], object], expected: str
) -> None:
    raw = (repro.root / "data/raw/ISIC_2020_Training_JPEG.zip").read_bytes()
    files = ("fetch", "files", "images", "address")
    repro.edit({**change, files: "/nowhere/gone.zip"})
    result = repro.run("python", "-m", "stages.fetch", check=False)
    repro.run("git", "checkout", "--quiet", "params.yaml")
    assert result.returncode == 1
    assert expected in result.stdout
    assert "Traceback" not in result.stdout
    assert (repro.root / "data/raw/ISIC_2020_Training_JPEG.zip").read_bytes() == raw
