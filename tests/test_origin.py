import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from testing.places import ROOT
from testing.samples import skin_models
from verdict.core.files import write_json
from verdict.predictions import make_predictions, write_predictions
from verdict.predictions.origin import edited_by_hand
from verify.pipeline import digest_of_listing


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def lock(folder: Path, *files: Path) -> Path:
    """Write a ``dvc.lock`` as DVC does after it has run the stages that write ``files``."""
    stages = {
        f"evaluate@{file.stem}": {
            "cmd": f"python -m stages.evaluate {file.stem}",
            "outs": [
                {"path": file.relative_to(folder).as_posix(), "hash": "md5", "md5": md5(file)},
                {"path": f"metrics/{file.stem}", "hash": "md5", "md5": "0.dir", "nfiles": 2},
            ],
        }
        for file in files
    }
    compared = {"compare": {"cmd": "python -m stages.compare"}}
    path = folder / "dvc.lock"
    path.write_text(yaml.safe_dump({"schema": "2.0", "stages": stages | compared}))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "predictions" / "tuned.parquet"
    path.parent.mkdir(parents=True)
    write_predictions(path, skin_models()[1])
    return path


def edit(path: Path) -> None:
    """Let the model have been right about every record."""
    p = skin_models()[1]
    rows = [
        row | {"log_probabilities": [-0.1 if label == row["label"] else -9.0 for label in p.labels]}
        for row in p.table.to_pylist()
    ]
    write_predictions(path, make_predictions(p.model, p.labels, p.positive, rows))


def test_what_dvc_wrote_down_is_unedited(tmp_path: Path, file: Path) -> None:
    assert edited_by_hand(file, lock(tmp_path, file)) is None


@pytest.mark.fault("forgeries")
def test_an_edited_file_is_named_with_both_hashes(tmp_path: Path, file: Path) -> None:
    path, before = lock(tmp_path, file), md5(file)
    edit(file)
    warning = edited_by_hand(file, path)
    assert warning is not None
    assert warning.startswith(f"{file} is not the file that was evaluated: its MD5 is {md5(file)}")
    assert before in warning
    assert f"`dvc checkout --force {file}`" in warning


def test_the_file_may_be_named_in_any_way(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(tmp_path, file)
    edit(file)
    monkeypatch.chdir(file.parent)
    for name in ("tuned.parquet", "../predictions/tuned.parquet", str(file)):
        assert edited_by_hand(Path(name), Path("../../dvc.lock")) is not None
    monkeypatch.chdir(tmp_path)
    assert edited_by_hand(Path("data/predictions/tuned.parquet")) is not None


def test_a_link_into_the_cache_is_the_file(tmp_path: Path, file: Path) -> None:
    path, cached = lock(tmp_path, file), tmp_path / "cached"
    shutil.move(file, cached)
    file.symlink_to(cached)
    assert edited_by_hand(file, path) is None
    edit(cached)
    assert edited_by_hand(file, path) is not None


def test_what_dvc_does_not_know_cannot_differ(tmp_path: Path, file: Path) -> None:
    path = lock(tmp_path, file)
    other = tmp_path / "tuned.parquet"
    shutil.copy(file, other)
    edit(other)
    assert edited_by_hand(other, path) is None
    assert edited_by_hand(file, tmp_path / "gone.lock") is None
    path.write_text("schema: '2.0'\n")
    assert edited_by_hand(file, path) is None


#: What DVC would not write, each of another kind.
BROKEN = (
    b"<<<<<<< HEAD\na: [1\n=======", b"- a list", b"", b"stages: [a]", b"stages: {a: b}",
    b"stages: {a: {outs: [1]}}", b"stages: {a: {outs: 7}}", b"stages: {1: {outs: [{md5: 1}]}}",
    b"stages: {a: {outs: [{path: 1, md5: 2}]}}", b"stages: \xff", b"a: 2020-13-45",
    b"a: " + b"9" * 5000, b"[" * 5000,
)  # fmt: skip


@pytest.mark.fault("forgeries")
@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_lock_is_said_to_be_so(tmp_path: Path, file: Path, text: bytes) -> None:
    path = tmp_path / "dvc.lock"
    path.write_bytes(text)
    assert "cannot be read, so nobody can say" in str(edited_by_hand(file, path))


def test_the_command_warns_and_still_counts(tmp_path: Path, file: Path) -> None:
    lock(tmp_path, file)
    command = [sys.executable, "-m", "verdict.statistics", "data/predictions/tuned.parquet"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    assert run().stderr == ""
    edit(file)
    done = run()
    assert done.returncode == 0
    assert done.stderr.startswith("WARNING: data/predictions/tuned.parquet is not the file that")
    assert json.loads(done.stdout)["data/predictions/tuned.parquet"]["accuracy"] == 1


def test_the_compare_stage_warns_wherever_its_numbers_stand(tmp_path: Path, file: Path) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["compare"] |= {"resamples": 100, "sensitivity": 0.9, "subgroups": ["sex"]}
    params |= {"baselines": {}}
    params["evaluate"] |= {"validation": True}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (file.parent / "validation").mkdir()
    split = {"test": {"groups": 145}, "crosses_splits": {"groups": 0}}
    write_json(tmp_path / "metrics/split.json", split)
    for p in skin_models():
        write_predictions(file.parent / f"{p.model}.parquet", p)
        rows = [
            row | {"id": "V" + row["id"], "group": "V" + row["group"]}
            for row in p.table.to_pylist()
        ]
        validation = make_predictions(p.model, p.labels, p.positive, rows)
        write_predictions(file.parent / "validation" / f"{p.model}.parquet", validation)
    lock(tmp_path, file)

    def compared() -> tuple[str, dict[str, object], str]:
        done = subprocess.run(
            [sys.executable, "-m", "stages.compare"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        report = tmp_path / "metrics" / "report"
        numbers = json.loads((report / "comparison.json").read_text(encoding="utf-8"))
        return done.stderr, numbers, (report / "comparison.md").read_text(encoding="utf-8")

    said, numbers, text = compared()
    assert "WARNING" not in said
    assert numbers["warnings"] == []
    assert numbers["threshold.validation_records"] == 600
    edit(file)
    said, numbers, text = compared()
    warning = "data/predictions/tuned.parquet is not the file that was evaluated"
    assert f"WARNING: {warning}" in said
    assert len(numbers["warnings"]) == 1  # type: ignore[arg-type]
    assert numbers["warnings"][0].startswith(warning)  # type: ignore[index]
    assert f"> **Warning.** {warning}" in text


def test_a_folder_of_predictions_is_known_by_dvcs_list_of_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "far"
    folder.mkdir()
    for name in ("tuned", "base"):
        (folder / f"{name}.parquet").write_text(name)
    files = {
        f"{name}.parquet": hashlib.md5(name.encode()).hexdigest() for name in ("tuned", "base")
    }
    place = tmp_path / "dvc.lock"
    out = {"path": "far", "md5": digest_of_listing(files)}
    place.write_text(yaml.safe_dump({"stages": {"evaluate_outside@far": {"outs": [out]}}}))
    assert edited_by_hand(folder, place) is None
    (folder / "tuned.parquet").write_text("mine")
    assert "far is not the file that was evaluated" in str(edited_by_hand(folder, place))
