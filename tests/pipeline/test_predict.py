"""tools.predict on pictures of the raw archive gives what ``evaluate`` has published of them."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from testing.places import ROOT
from testing.project import Project
from verdict.conversations import read_conversations
from verdict.params.file import read_params
from verdict.predictions import read_predictions
from verdict.predictions.origin import edited_by_hand

PREDICTIONS = Path("data/predictions/tuned.parquet")
ARCHIVE = Path("data/raw/ISIC_2020_Training_JPEG.zip")


@pytest.fixture(scope="module")
def ran(request: pytest.FixtureRequest) -> Path:
    """The committed default where its data and models are here, else the small recipe's run."""
    needed = [ARCHIVE, PREDICTIONS, Path("data/chat"), Path("models/base"), Path("models/adapter")]
    if all((ROOT / path).exists() for path in needed) and not edited_by_hand(
        ROOT / PREDICTIONS, ROOT / "dvc.lock"
    ):
        return ROOT
    project: Project = request.getfixturevalue("repro")
    return project.root


def test_it_gives_the_published_answers_and_log_probabilities(ran: Path, tmp_path: Path) -> None:
    params = read_params(ran / "params.yaml")
    # One batch, as evaluate formed it, so that the numbers are the same to the last bit.
    size = params.evaluate.batch_size
    asked = [one.id for one in read_conversations(ran / "data/chat/test.jsonl")][:size]
    with zipfile.ZipFile(ran / ARCHIVE) as archive:
        members = {Path(name).stem: name for name in archive.namelist()}
        for id_ in asked:
            (tmp_path / f"{id_}.jpg").write_bytes(archive.read(members[id_]))
    done = subprocess.run(
        [sys.executable, "-m", "tools.predict", "--image", str(tmp_path), "--json"],
        cwd=ran, env={**os.environ, "PYTHONPATH": str(ran)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Loading weights" not in done.stderr
    found = {Path(row["input"]).stem: row for row in map(json.loads, done.stdout.splitlines())}
    published = read_predictions(ran / PREDICTIONS)
    rows = {row["id"]: row for row in published.table.to_pylist()}
    assert list(found) == asked
    for id_ in asked:
        row, given = rows[id_], found[id_]
        assert given["answer"] == row["predicted"]
        assert (given["words"] or "") == row["generated"]
        assert given["label_in_words"] == row["parsed"]
        assert given["invalid"] == row["invalid_reason"]
        assert [given["log_probabilities"][x] for x in published.labels] == row["log_probabilities"]
