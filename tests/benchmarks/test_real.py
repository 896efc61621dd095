"""The benchmark of a real model's training, on a tiny one."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from testing.places import ROOT
from testing.tiny_texts import build_text_tiny
from tools.rendering import RECIPES, render

pytest.importorskip("torch")

RECIPE = ROOT / RECIPES / "embedded" / "entity-resolution-generative.yaml"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the stages before training leave, for the tiny model that reads text alone."""
    folder = tmp_path_factory.mktemp("project")
    tiny = build_text_tiny(folder / "data")
    (folder / "models").mkdir()
    tiny.base.rename(folder / "models" / "base")
    # Of twelve rows.
    rendered = re.sub(r"(?m)(per_device_train_batch_size:) \d+$", r"\1 4", render(RECIPE))
    (folder / "params.yaml").write_text(rendered)
    return folder


def measured(project: Path, way: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.parts.real_training", way, "2"],
        cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_trl_and_ours_learn_from_the_same_rows(project: Path) -> None:
    trl, ours = measured(project, "trl"), measured(project, "ours")
    assert ours["tokens"] == trl["tokens"] > 0
    assert ours["first_loss"] == pytest.approx(trl["first_loss"], abs=1e-4)
    assert min(trl["seconds"], ours["seconds"], trl["peak_bytes"], ours["peak_bytes"]) > 0
