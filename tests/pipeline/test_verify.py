"""The judge's command on a whole project: it holds as it is, and no planted change goes unseen."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from testing.planted import (
    call_another_label_positive,
    change_metric,
    change_prediction,
    change_weight,
    copied,
    flip,
    verify,
    wrong,
)
from testing.project import Project
from testing.secrets import SECRETS, assert_none, leaks
from tests.verify.miniature import write_keys
from verdict.params.file import read_params
from verify.clone import temporary_clone, uncommitted
from verify.pipeline import Digester, Pipeline
from verify.plan import plan
from verify.remake import Workshop


def content(root: Path) -> dict[str, str]:
    """Return the hash of every file that is not DVC's or Python's own memory."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
        and not path.relative_to(root).as_posix().startswith(".dvc/tmp/")
        and "__pycache__" not in path.parts
    }


def test_the_project_holds_and_nothing_of_it_is_touched(repro: Project, tmp_path: Path) -> None:
    before = content(repro.root)
    private, public = write_keys(tmp_path)
    signature = ("--signature", str(tmp_path / "verification.sig"))
    sign = ("--sign", "--private-key", str(private), *signature)
    code, said, found = verify(repro, tmp_path, "--minutes", "20", "--train", *sign)
    assert code == 0, said
    assert content(repro.root) == before
    check = ("--check", "--public-key", str(public), *signature)
    checked = repro.run("python", "-m", "verify", *check).stdout
    signed = re.search(r"commit \w+, (\d+) files", checked)
    assert signed
    assert int(signed[1]) >= 60
    assert f"Holds: the {signed[1]} files here are those signed." in checked
    assert found["sentence"] in checked
    written = ("verification.json", "verification.html", "verification.sig")
    assert_none(tmp_path, said, checked, among=written)
    assert wrong(found) == {}
    assert all(output["as_recorded"]["status"] == "identical" for output in found["outputs"])
    assert all(output["made_again"]["status"] == "identical" for output in found["outputs"])
    assert found["sentence"].startswith("Holds: ")
    assert found["sentence"] in " ".join(said.split())
    assert max(len(line) for line in said.splitlines() if "─" in line) <= 80
    assert found["sentence"] in (tmp_path / "verification.html").read_text("utf-8")


@pytest.mark.fault("secrets")
def test_no_secret_is_in_what_the_pipeline_wrote(repro: Project, tmp_path: Path) -> None:
    among = (
        "params.yaml", "dvc.lock", "models/adapter/provenance.json", "metrics/environment.json",
        "metrics/report/index.html", "metrics/report/model_card.md", "data/predictions",
    )  # fmt: skip
    assert_none(repro.root, repro.said, among=among)
    (tmp_path / "planted").write_text(SECRETS["HF_TOKEN"])
    assert leaks(tmp_path) == [str(tmp_path / "planted")]


@pytest.mark.fault("forgeries")
def test_each_change_to_what_was_pulled_is_named(repro: Project, tmp_path: Path) -> None:
    project = copied(repro, tmp_path / "project")
    project.edit({("report", "cases"): 5})
    project.commit("Never run with this")
    flip(project.root / "data/splits/test.csv", 10)
    change_prediction(project.root / "data/predictions/tuned.parquet")
    change_metric(project.root / "metrics/tuned.json")
    flip(project.root / "models/adapter/adapter_model.safetensors", -2)
    project.edit({("train", "learning_rate"): 0.003})
    code, said, found = verify(project, tmp_path, "--minutes", "0")
    assert code == 1, said
    # Exactly these: what DVC's cache and the commit have is as it was.
    details = wrong(found)
    assert details.pop("work tree") == (
        "params.yaml is edited: train.learning_rate is 0.003, committed is 0.002"
    )
    starts = {
        "data/splits as_recorded": "in the work tree test.csv: MD5 ",
        "data/predictions/tuned.parquet as_recorded": "in the work tree MD5 ",
        "metrics/tuned.json as_recorded": "in the work tree MD5 ",
        "models/adapter as_recorded": "in the work tree adapter_model.safetensors: MD5 ",
    }
    assert details.pop("params.yaml") == "report.cases is 5, dvc.lock has 60 (report, check)"
    assert details.keys() == starts.keys()
    for name, start in starts.items():
        assert details[name].startswith(start)
        assert name.split()[0] in said
    (page,) = (one for one in found["outputs"] if one["path"] == "metrics/report/index.html")
    assert page["made_again"]["detail"].startswith("its parameters are not those of dvc.lock")


@pytest.mark.fault("forgeries")
def test_changes_that_are_committed_with_their_hashes_are_found_by_making_again(
    repro: Project, tmp_path: Path
) -> None:
    project = copied(repro, tmp_path / "project")
    train, test = (project.root / f"data/splits/{name}.csv" for name in ("train", "test"))
    ids = test.read_text().splitlines()
    moved = ids.pop(1)
    others = train.read_text().splitlines()
    for path, lines in ((test, ids), (train, [others[0], *sorted([*others[1:], moved])])):
        path.unlink()
        path.write_text("\n".join(lines) + "\n")
    change_prediction(project.root / "data/predictions/base.parquet")
    call_another_label_positive(project.root / "data/predictions/validation/reference.parquet")
    change_metric(project.root / "metrics/reference.json")
    change_weight(project.root / "models/adapter/adapter_model.safetensors")
    (project.root / "metrics/report/summary.md").write_text("Accuracy 0.999\n")
    project.edit({("compare", "seed"): 1})
    project.dvc("commit", "--force")
    project.commit("Nobody will notice")
    assert "up to date" in project.dvc("status")
    code, said, found = verify(project, tmp_path, "--minutes", "20")
    assert code == 1, said
    details = wrong(found)
    assert "crosses splits" in details["leakage"]
    wrote = "metrics/report/summary.md is committed, and no stage makes it"
    assert details["origin of files"] == wrote
    assert "test.csv" in details["data/splits made_again"]
    assert "log-probabilities differ by 0.01" in details["data/predictions/base.parquet made_again"]
    assert details["metrics/reference.json made_again"].startswith("accuracy is ")
    assert "asked again about" in details["data/predictions/tuned.parquet made_again"]
    path = "data/predictions/validation/reference.parquet"
    assert "says positive is 'benign'" in details[f"{path} made_again"]
    assert "metrics/report/comparison.json made_again" in details
    assert not [name for name in details if name.endswith("as_recorded")]


@pytest.mark.parametrize(
    ("task", "path", "plant"),
    [
        ("evaluate@base", "data/predictions/base.parquet", change_prediction),
        ("fetch_model@base", "models/base", lambda path: change_weight(path / "model.safetensors")),
    ],
)
def test_where_another_processor_excuses_it_the_verdict_that_follows_decides(
    repro: Project, tmp_path: Path, task: str, path: str, plant: Callable[[Path], None]
) -> None:
    project = copied(repro, tmp_path / "project")
    plant(project.root / path)
    project.dvc("commit", "--force")
    project.commit("As another processor computed it")
    with temporary_clone(project.root, keep=False) as clone:
        stages, params = Pipeline(clone).stages, read_params(clone / "params.yaml")
        tasks = [one for one in plan(stages, params, train=True, gpu=False) if one.name == task]
        workshop = Workshop(clone, Digester(), 20, print, lambda: "this processor has no AVX2")
        workshop.work(tasks, {})
        assert uncommitted(clone) == []
    found = str(workshop.findings[path])
    assert found.startswith("equivalent (")
    assert "; this processor has no AVX2; the verdict stands: tuned_minus_base." in found


def test_nothing_pulled_says_what_to_do(repro: Project, tmp_path: Path) -> None:
    fresh = Project(tmp_path / "fresh")
    repro.run("git", "clone", "--quiet", str(repro.root), str(fresh.root))
    code, said, found = verify(fresh, tmp_path, "--minutes", "0")
    assert code == 2
    assert found == {}
    assert "`dvc pull` fetches them" in said
    assert "Traceback" not in said
