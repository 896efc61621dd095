"""What is committed agrees with itself: parameters, code, lock and metrics."""

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from testing.places import ROOT
from testing.project import Project
from verdict.core.yaml12 import load_yaml
from verify.pipeline import Pipeline

EMBEDDED = ".dvc/embedded/files"


def test_the_committed_lock_belongs_to_the_committed_params_and_code(
    clone: Callable[[str], Project],
) -> None:
    project = clone("fresh")
    output = project.dvc("repro", "--dry", "--allow-missing")
    assert "Data and pipelines are up to date." in output, output


def test_the_committed_lock_lists_what_the_committed_pipeline_lists() -> None:
    """DVC itself takes a dependency that dvc.yaml lists no longer for no change."""
    assert Pipeline(ROOT).disagreements() == []


def test_the_committed_metrics_are_those_of_the_lock(clone: Callable[[str], Project]) -> None:
    project = clone("metrics")
    status = project.dvc("status", "report", "compare", "evaluate", "train")
    # What DVC keeps itself is not here yet; what git keeps has to be what the lock says.
    assert "modified:           metrics/" not in status, status
    for path in ("metrics/compare.json", "metrics/train.json", "metrics/report/index.html"):
        assert (project.root / path).is_file(), path


def test_the_committed_default_shows_that_tuning_helps() -> None:
    numbers = json.loads((ROOT / "metrics/report/comparison.json").read_text("utf-8"))
    assert numbers["tuned_minus_base.balanced_accuracy_low"] > 0
    assert numbers["verdict"].startswith("Tuning raised ")


def tracked(folder: str) -> list[Path]:
    command = ["git", "ls-files", "-z", "--", folder]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name]


def test_the_embedded_remote_holds_what_the_lock_names() -> None:
    objects = {path.parent.name + path.name: path for path in tracked(EMBEDDED)}
    outputs = {
        output["md5"]: output["path"]
        for stage in load_yaml((ROOT / "dvc.lock").read_bytes(), "dvc.lock")["stages"].values()
        for output in stage["outs"]
    }
    missing = set(outputs) - set(objects)
    assert all(tracked(outputs[md5]) for md5 in missing), "neither git nor the remote holds these"
    listings = [objects[md5].read_bytes() for md5 in set(objects) & set(outputs) if "." in md5]
    files = {file["md5"] for listing in listings for file in json.loads(listing)}
    assert set(objects) - set(outputs) == files - set(outputs), "python -m tools.remote --embed"
    for md5, path in objects.items():
        assert hashlib.md5(path.read_bytes()).hexdigest() == md5.removesuffix(".dir")
    assert sum(path.stat().st_size for path in objects.values()) <= 8e6


@pytest.fixture(scope="module")
def pulled(clone: Callable[[str], Project]) -> Project:
    project = clone("pulled")
    project.run("git", "add", "--force", ".dvc/embedded")
    project.commit("With its data, as in a clone by git")
    project.dvc("pull")
    return project


def test_a_fresh_clone_pulls_with_nothing_configured(pulled: Project) -> None:
    assert "up to date" in pulled.dvc("status")
    assert pulled.run("git", "status", "--porcelain").stdout == ""
    assert (pulled.root / "data/records").is_dir()
    said = pulled.run("python", "-m", "tools.remote", "--check").stdout
    assert "dvc pull works" in said
    # Each is a file of its own: to change what was pulled changes nothing in the remote.
    held = [path for path in (pulled.root / EMBEDDED).rglob("*") if path.is_file()]
    assert {path.stat().st_nlink for path in held} == {1}


def test_what_is_pushed_into_the_embedded_remote_stays_out_of_git(pulled: Project) -> None:
    pulled.edit({("fetch", "embedded", "images"): 60})
    pulled.dvc("repro", "fetch")
    pulled.dvc("push", "fetch")
    assert "embedded" not in pulled.run("git", "status", "--porcelain").stdout
    pulled.commit("Another archive")

    said = pulled.run("python", "-m", "tools.remote", "--embed").stdout
    pulled.run("git", "add", "--force", "--all", ".dvc/embedded")
    changed = pulled.run("git", "diff", "--cached", "--name-status").stdout.splitlines()
    assert {line[0] for line in changed} == {"A", "D"}
    held = [path for path in (pulled.root / EMBEDDED).rglob("*/*") if path.is_file()]
    assert f" {sum(path.stat().st_size for path in held) / 1e6:.1f} MB." in said


def test_no_cuda_package_is_pinned(clone: Callable[[str], Project]) -> None:
    lines = (clone("pins").root / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert "torch==2.13.0" in pins
    assert all("==" in pin for pin in pins)
    assert [pin for pin in pins if pin.startswith(("nvidia", "cuda", "triton"))] == []
