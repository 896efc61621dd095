"""Names in params.yaml are somebody else's: none reaches a shell, or a path outside the project."""

from collections.abc import Callable

import pytest
import yaml

from testing.places import ROOT
from testing.project import Project, ran

pytestmark = pytest.mark.fault("parameters")

SHELL = "x; touch LET_IN $(touch LET_IN) `touch LET_IN`"


def test_no_command_holds_a_value_of_params_yaml() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"]
    commands = [stage.get("do", stage)["cmd"] for stage in stages.values()]
    assert [command for command in commands if "${" in command] == []


@pytest.fixture(scope="module")
def project(clone: Callable[[str], Project]) -> Project:
    project = clone("named")
    # As a stranger's commit may be: nothing of it was ever run.
    (project.root / "dvc.lock").unlink()
    project.commit("Nothing was run")
    return project


@pytest.mark.parametrize(
    ("command", "section"),
    [
        (("repro",), ("models",)),
        (("repro", "--keep-going", "fetch_model"), ("models",)),
        (("exp", "run"), ("models",)),
        (("repro",), ("replicates",)),
        (("repro",), ("evaluate", "models")),
    ],
)
def test_a_name_that_is_none_is_refused_before_anything_runs(
    project: Project, command: tuple[str, ...], section: tuple[str, ...]
) -> None:
    outside = project.root.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "kept").write_text("kept")
    values = project.read("params.yaml")
    for key in section:
        values = values[key]
    value = next(iter(values.values()), 7)
    project.edit({(*section, SHELL): value})
    if section == ("models",):  # of the others DVC itself says that the outputs overlap
        project.edit({(*section, "../../outside"): value})
    done = project.run("dvc", *command, check=False)
    project.run("git", "checkout", "--quiet", "params.yaml")
    assert done.returncode != 0
    assert ran(done.stdout) == ["check"]
    assert f"{'.'.join(section)}.{SHELL}" in done.stdout
    assert "Traceback" not in done.stdout
    assert (outside / "kept").read_text() == "kept"
    assert not (project.root / "LET_IN").exists()


def test_a_stage_on_its_own_gets_its_name_past_the_shell(project: Project) -> None:
    values = project.read("params.yaml")
    (project.root / "data/checked").write_text("")
    project.edit({("models", SHELL): values["models"]["base"]})
    done = project.run("dvc", "repro", "--single-item", f"fetch_model@{SHELL}", check=False)
    project.run("git", "checkout", "--quiet", "params.yaml")
    assert done.returncode != 0
    assert f"fetch_model@{SHELL}: " in done.stdout  # the stage's own message
    assert not (project.root / "LET_IN").exists()
