import json
import subprocess
import sys
from pathlib import Path

from tests.statistics.samples import skin_models, text_models
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
    assert done.stderr.startswith("gone.parquet is not here")


def test_numbers_and_reports_need_no_torch(tmp_path: Path) -> None:
    path = tmp_path / "tuned.parquet"
    write_predictions(path, skin_models()[1])
    code = (
        "import runpy, sys\n"
        "import verdict.statistics.comparison, verdict.report.write, verdict.report.__main__\n"
        f"sys.argv = ['verdict.statistics', {str(path)!r}]\n"
        "runpy.run_module('verdict.statistics', run_name='__main__')\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
