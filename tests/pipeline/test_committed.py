"""What is committed agrees with itself: parameters, code, lock and metrics."""

import json
from collections.abc import Callable

from tests.conftest import ROOT
from tests.pipeline.conftest import Project


def test_the_committed_lock_belongs_to_the_committed_params_and_code(
    clone: Callable[[str], Project],
) -> None:
    project = clone("fresh")
    output = project.dvc("repro", "--dry", "--allow-missing")
    assert "Data and pipelines are up to date." in output, output


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


def test_no_cuda_package_is_pinned(clone: Callable[[str], Project]) -> None:
    lines = (clone("pins").root / "requirements.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert "torch==2.13.0" in pins
    assert all("==" in pin for pin in pins)
    assert [pin for pin in pins if pin.startswith(("nvidia", "cuda", "triton"))] == []
