import json
import os
import subprocess
import sys
from pathlib import Path

from testing.places import ROOT
from testing.samples import skin_models, text_models, tissue_models
from verdict.predictions import write_predictions
from verdict.statistics.measurement import measure


def test_metrics_are_recomputed_from_files(tmp_path: Path) -> None:
    files, models = [], [*skin_models(), text_models()[0]]
    for i, predictions in enumerate(models):
        files.append(str(tmp_path / f"{i}.parquet"))
        write_predictions(files[-1], predictions)
    done = subprocess.run(
        [sys.executable, "-m", "verdict.statistics", *files], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    expected = {
        file: measure(predictions).values() for file, predictions in zip(files, models, strict=True)
    }
    assert json.loads(done.stdout) == expected


def test_a_missing_file_is_one_message() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "verdict.statistics", "gone.parquet"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("statistics: gone.parquet is not here")


def test_every_metric_is_recomputed_where_torch_cannot_be_imported(tmp_path: Path) -> None:
    """On a machine without torch: whoever imports it, by whatever way, fails."""
    blocker = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'transformers'):\n"
        "            raise ModuleNotFoundError(name + ' is blocked')\n"
        "sys.meta_path.insert(0, Blocked())\n"
    )
    (tmp_path / "sitecustomize.py").write_text(blocker)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, text=True
        )

    assert "torch is blocked" in run("-c", "import torch").stderr
    for predictions in (skin_models()[1], tissue_models()[1], text_models()[1]):
        path = tmp_path / "tuned.parquet"
        write_predictions(path, predictions)
        done = run("-m", "verdict.statistics", str(path))
        assert done.returncode == 0, done.stderr
        recomputed = json.loads(done.stdout)[str(path)]
        measured = measure(predictions)
        assert recomputed == measured.values()
        assert set(recomputed) > set(measured.kind.metrics)
        assert None not in recomputed.values()


def test_numbers_and_reports_need_no_torch(tmp_path: Path) -> None:
    path = tmp_path / "tuned.parquet"
    write_predictions(path, skin_models()[1])
    code = (
        "import runpy, sys\n"
        "import verdict.comparison.steps, verdict.summary.markdown, verdict.report.__main__\n"
        f"sys.argv = ['verdict.statistics', {str(path)!r}]\n"
        "runpy.run_module('verdict.statistics', run_name='__main__')\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
