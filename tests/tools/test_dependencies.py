"""dvc.yaml lists all code that a stage imports; and the check does catch an omission."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testing.places import ROOT


def run_check(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.dependencies"], cwd=root, capture_output=True, text=True
    )


def test_dvc_yaml_lists_exactly_what_is_imported() -> None:
    result = run_check(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("stages", "verdict", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for file in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


@pytest.mark.parametrize(
    ("stage", "dependency"),
    [
        ("extract", "stages/extract.py"),
        ("extract", "verdict/records"),  # imported by an import
        ("extract", "verdict/tasks/${task}"),  # imported by a name from params.yaml
        ("fetch", "verdict/tasks/${task}/archive"),
        ("fetch", "verdict/synthetic"),  # imported by a task
        ("train", "verdict/conversations.py"),
    ],
)
def test_code_missing_from_the_deps_is_named(project: Path, stage: str, dependency: str) -> None:
    text = (project / "dvc.yaml").read_text("utf-8")
    start = text.index(f"      - {dependency}\n", text.index(f"  {stage}:\n"))
    (project / "dvc.yaml").write_text(
        text[:start] + text[start:].replace(f"      - {dependency}\n", "", 1), "utf-8"
    )
    result = run_check(project)
    assert result.returncode == 1
    assert f"{stage} imports, but dvc.yaml does not list:\n      - {dependency}\n" in result.stdout


def test_a_new_import_is_noticed(project: Path) -> None:
    (project / "verdict" / "helper.py").write_text("")
    script = project / "stages" / "split.py"
    script.write_text("def late():\n    import verdict.helper\n" + script.read_text())
    result = run_check(project)
    assert result.returncode == 1
    assert "split imports, but dvc.yaml does not list:\n      - verdict/helper.py" in result.stdout


def test_what_changes_no_result_is_not_listed(project: Path) -> None:
    script = project / "stages" / "split.py"
    script.write_text("def late():\n    import verdict.tracking.run\n" + script.read_text())
    assert run_check(project).returncode == 0


def test_code_that_is_no_longer_imported_is_named(project: Path) -> None:
    (project / "stages" / "format.py").write_text("")
    result = run_check(project)
    assert result.returncode == 1
    assert "format no longer imports, but dvc.yaml lists:" in result.stdout
    assert "- verdict/conversations.py" in result.stdout
