"""What dvc.yaml lists of the code: a room is listed where it changes results, and only there."""

import subprocess
from pathlib import Path

import pytest

from testing.places import ROOT
from testing.project import Project, Small, ran
from tools.dependencies import WITHOUT_EFFECT
from verdict.core.files import write_csv, write_json
from verdict.core.yaml12 import load_yaml
from verdict.params import LISTED
from verdict.params.file import read_params

COMMENT = "# A comment.\n"


def files_of(room: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", f"verdict/{room}/*.py", f"verdict/{room}/**/*.py"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return listed.stdout.split()


def test_a_key_that_dvcs_run_cache_does_not_see_is_listed_by_itself() -> None:
    """See findings/dvc_run_cache_ignores_size.sh."""
    stages = load_yaml((ROOT / "dvc.yaml").read_bytes(), "dvc.yaml")["stages"]
    (key,) = LISTED
    readers = 0
    for definition in stages.values():
        listed = definition.get("do", definition)["params"]
        assert key.partition(".")[0] not in listed or key in listed
        readers += key in listed
    assert readers == 3


def changed(project: Project, *files: str) -> set[str]:
    """Return the stages whose code differs once a comment stands in these files."""
    for name in files:
        path = project.root / name
        path.write_text(COMMENT + path.read_text("utf-8"), "utf-8")
    said = project.dvc("repro", "--dry")
    project.run("git", "checkout", "--", *files)
    return set(ran(said))


def test_a_comment_runs_again_what_it_may_change_and_nothing_else(
    small: Small, tmp_path: Path
) -> None:
    project = small.copy(tmp_path / "project")
    rooms = {room: files_of(room) for room in WITHOUT_EFFECT}
    assert all(rooms.values()), rooms
    assert changed(project, *(file for files in rooms.values() for file in files)) == set()
    assert changed(project, "verdict/report/__init__.py") == {"report"}
    assert changed(project, "verdict/tasks/melanoma/table.py") >= {"extract"}
    assert "fetch" not in changed(project, "verdict/tasks/melanoma/table.py")
    assert "fetch" in changed(project, "verdict/tasks/melanoma/archive/layout.py")


def test_the_schema_hands_on_every_value_as_it_stands_in_the_file() -> None:
    text = (ROOT / "params.yaml").read_bytes()
    found = read_params(ROOT / "params.yaml").model_dump()
    for model in found["models"].values():
        del model["gguf"]  # which no model built here has
    for model in found["evaluate"]["models"].values():
        del model["examples"]  # which none here is shown
    assert found == load_yaml(text, "params.yaml")


def test_what_is_written_has_the_form_that_earlier_runs_wrote(tmp_path: Path) -> None:
    """Whoever changes one of these forms has to run every stage again: `dvc repro --force`."""
    write_json(tmp_path / "a.json", {"b": 1.0, "a": [None, True, "é", 1e-7], "c": {}})
    assert (tmp_path / "a.json").read_bytes() == (
        b'{\n  "b": 1.0,\n  "a": [\n    null,\n    true,\n    "\xc3\xa9",\n    1e-07\n  ],\n'
        b'  "c": {}\n}\n'
    )
    write_csv(tmp_path / "a.csv", ("a", "b"), [(1.0, 'x,"y"'), (None, "é\n")])
    assert (tmp_path / "a.csv").read_bytes() == b'a,b\n1.0,"x,""y"""\n,"\xc3\xa9\n"\n'


@pytest.mark.parametrize(
    "change",
    [
        {("tracking", "trackers"): ["mlflow", "tensorboard"]},
        {("compute", "workers"): 1},
    ],
    ids=["tracking", "engine"],
)
def test_who_records_and_who_works_changes_no_output(
    small: Small, tmp_path: Path, change: dict[tuple[str, ...], object]
) -> None:
    project = small.copy(tmp_path / "project")
    before = project.read("dvc.lock")
    project.edit(change)
    project.dvc("repro", "--force", "extract")
    project.dvc("repro", "--force", "--single-item", "train", "evaluate@tuned")
    after = project.read("dvc.lock")
    for stage in ("extract", "train", "evaluate@tuned"):
        assert after["stages"][stage]["outs"] == before["stages"][stage]["outs"]
