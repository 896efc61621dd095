"""The notebook, as Colab or Kaggle would execute it: the default, its report, and no GPU."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from testing.places import ROOT
from testing.project import Small

NOTEBOOK = ROOT / "deploy/notebook.ipynb"
#: Cells that are not executed here: they install packages, or need a GPU.
LEFT_OUT = {"install", "gpu"}


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_short_and_holds_no_output() -> None:
    cells = read().cells
    assert len(cells) <= 10
    assert all(not cell.get("outputs") for cell in cells)
    recipe = next(cell.source for cell in cells if "RECIPE = " in cell.source)
    name = recipe.partition('RECIPE = "')[2].partition('"')[0]
    assert (ROOT / f"recipes/{name}.yaml").is_file()


def test_it_clones_runs_and_shows(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What other tests have run, a clone that shares their cache need not run again.
    (tmp_path / "dvc").mkdir()
    (tmp_path / "dvc/config").write_text(f"[cache]\n    dir = {small.folder / 'cache'}\n")
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "dvc"))
    monkeypatch.setenv("VERDICT_REPOSITORY", str(small.folder / "project"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    notebook = read()
    notebook.cells = [
        cell for cell in notebook.cells if not LEFT_OUT & set(cell.metadata.get("tags", []))
    ]
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    said = json.dumps(notebook.cells, ensure_ascii=False)
    assert "Stage 'train' is cached - skipping run" in said
    assert "No verdict on balanced accuracy" in said
    assert "Not a medical device" in said
    *_, shown = (cell for cell in notebook.cells if cell.cell_type == "code")
    picture, page = (output["data"] for output in shown.outputs)
    assert picture["image/png"]
    assert "&lt;title&gt;Verdict: melanoma&lt;/title&gt;" in page["text/html"]
    assert (tmp_path / "verdict/data/records").is_dir()
