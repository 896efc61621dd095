"""Test sets from elsewhere, with DVC itself: nothing is trained again, and the gate stops."""

from pathlib import Path
from typing import Any

import pytest

from testing.project import Project, Small, ran

#: Another hospital; its camera has a colour cast.
EMBEDDED = {"seed": 21, "images": 60, "positive_share": 0.3, "cast": 30}
FETCH = {"source": "embedded", "files": {}, "local": "stages/fetch.py", "embedded": EMBEDDED}
SET: dict[str, Any] = {
    "fetch": FETCH,
    "dataset": {},
    "labels": {},
    "groups_are": "patients",
    "same_groups": False,
    "crossing": "fail",
    "subgroups": [],
}
STAGES = [f"{stage}@far" for stage in ("fetch_outside", "outside", "evaluate_outside")]


def with_set(project: Project, **changes: Any) -> None:
    project.edit({("outside",): {"far": SET | changes}})


@pytest.fixture
def project(small: Small, tmp_path: Path) -> Project:
    return small.share_cache(small.copy(tmp_path / "project"))


def test_a_set_is_asked_about_and_nothing_is_trained_or_asked_again(project: Project) -> None:
    before = project.read("dvc.lock")["stages"]
    with_set(project)
    assert set(ran(project.dvc("repro"))) == {"check", *STAGES, "compare", "report"}
    after = project.read("dvc.lock")["stages"]
    unchanged = set(before) - {"check", "compare", "report"}
    assert {name: after[name] for name in unchanged} == {name: before[name] for name in unchanged}
    numbers = project.read("metrics/report/comparison.json")
    assert numbers["outside"] == ["far"]
    assert numbers["outside.far.records"] == 60
    assert "outside.far.boosting.outside_minus_test.balanced_accuracy" in numbers
    assert 'id="outside-far"' in (project.root / "metrics/report/index.html").read_text("utf-8")
    assert "### Outside: far" in (project.root / "metrics/report/model_card.md").read_text("utf-8")

    # An edit of the set runs it alone again; without it the outputs are what they were.
    with_set(project, crossing="leave_out")
    assert set(ran(project.dvc("repro"))) <= {"check", "outside@far", "compare", "report"}
    project.run("git", "checkout", "--", "params.yaml")
    project.run("rm", "-r", "data/predictions/outside")
    project.dvc("repro")
    again = project.read("dvc.lock")["stages"]
    for name in ("compare", "report"):
        assert again[name]["outs"] == before[name]["outs"]


def test_what_training_has_seen_stops_and_is_named_or_left_out(project: Project) -> None:
    own = project.read("params.yaml")["fetch"]["embedded"]
    with_set(project, fetch=FETCH | {"embedded": own})
    said = project.dvc("repro", "outside@far", check=False)
    assert "outside@far: outside.far: models have seen " in said
    assert "of its 240 records in training or validation: far:ISIC_" in said
    assert "(the image of ISIC_" in said
    assert "set outside.far.crossing to leave_out, which leaves out their patients" in said
    assert "Traceback" not in said

    with_set(project, fetch=FETCH | {"embedded": own}, crossing="leave_out")
    assert "left out" in project.dvc("repro", "outside@far")
    counts = project.read("metrics/outside/far.json")
    split = project.read("metrics/split.json")
    # What is left are the test split's patients, but for near copies of others' lesions.
    assert 0 < counts["asked_groups"] <= split["test"]["groups"]
    assert counts["leaks"]["identical"] == sum(
        split[name]["records"] for name in ("train", "validation")
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fetch": FETCH | {"embedded": {}}}, "outside.far.fetch.embedded.seed: missing"),
        ({"fetch": FETCH | {"source": "files"}}, "outside.far: params.yaml: fetch.files has noth"),
        ({"dataset": {"fold": 1}}, "outside.far.dataset.fold: unknown key"),
        ({"labels": {"naevus": "nevus"}}, "outside.far.labels calls naevus nevus, but format"),
        ({"crossing": "keep"}, "outside.far.crossing: input should be 'fail' or 'leave_out'"),
        ({"colour": "red"}, "outside.far.colour: unknown key"),
    ],
    ids=["embedded", "files", "dataset", "labels", "crossing", "key"],
)
def test_a_set_that_is_not_valid_stops_before_anything_runs(
    project: Project, changes: dict[str, Any], said: str
) -> None:
    with_set(project, **changes)
    told = project.run("python", "-m", "tools.recipe", "check", check=False)
    assert told.returncode == 1
    assert said in told.stdout.replace("\n", " ")


@pytest.mark.parametrize("name", ["test", "train", "Second", "a.b"])
def test_a_name_that_cannot_be_is_named(project: Project, name: str) -> None:
    project.edit({("outside",): {name: SET}})
    told = project.run("python", "-m", "tools.recipe", "check", check=False)
    assert told.returncode == 1
    assert f"outside.{name}" in told.stdout


def test_a_set_needs_the_validation_split_to_be_asked_about(project: Project) -> None:
    with_set(project)
    project.edit({("evaluate", "validation"): False, ("compare", "sensitivity"): None})
    told = project.run("python", "-m", "tools.recipe", "check", check=False)
    assert "set evaluate.validation=true, or outside={}" in told.stdout
