"""Several DVCs in one project at once: each works or says why not, and no result is harmed."""

import re
import subprocess
import threading

import pytest

from testing.project import Project, Result, Small, ran, result
from testing.secrets import SECRETS, assert_none

#: What DVC says to one that comes while another writes the same, or looks what there is to do.
BUSY = re.compile(
    r"' is busy, it is being blocked by:\n  \(PID \d+\): \S*dvc |Unable to acquire lock"
)


@pytest.fixture(scope="module")
def project(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = small.copy(tmp_path_factory.mktemp("at_once") / "project")
    project.environment |= SECRETS
    return project


@pytest.fixture(scope="module")
def results(project: Project) -> Result:
    return result(project)


def forget(project: Project) -> None:
    """Remove every output: DVC restores what it can, and computes the rest again."""
    for name in result(project).outputs:
        (project.root / name).unlink()


def at_once(project: Project, *commands: tuple[str, ...]) -> list[tuple[int, str]]:
    """Run commands at the same time; return the exit code of each, and what a person reads."""
    ended: dict[int, subprocess.CompletedProcess[str]] = {}

    def run(number: int) -> None:
        ended[number] = project.run(*commands[number], check=False)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(commands))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [(ended[number].returncode, ended[number].stdout) for number in range(len(commands))]


@pytest.mark.fault("several at once")
def test_of_two_dvc_repro_one_is_told_or_both_work(project: Project, results: Result) -> None:
    forget(project)
    ended = at_once(project, ("dvc", "repro"), ("dvc", "repro"))
    assert 0 in [code for code, _ in ended], ended
    for code, said in ended:
        assert code == 0 or BUSY.search(said), said
        assert "Traceback" not in said
    assert result(project) == results
    assert ran(project.dvc("repro")) == []


@pytest.mark.fault("several at once")
def test_dvc_exp_run_temp_beside_a_dvc_repro_changes_none_of_its_results(
    project: Project, results: Result
) -> None:
    forget(project)
    experiment = ("dvc", "exp", "run", "--temp", "-n", "beside", "-S", "compare.resamples=150")
    repro, beside = at_once(project, ("dvc", "repro", "compare"), (*experiment, "compare"))
    assert repro[0] == 0 or BUSY.search(repro[1]), repro[1]
    assert beside[0] == 0 or BUSY.search(beside[1]), beside[1]
    project.dvc("repro")
    assert result(project) == results
    if beside[0] == 0:
        assert committed(project, "beside", "dvc.lock") != results.lock


@pytest.mark.fault("several at once")
def test_a_queue_of_two_workers_ends_and_leaves_the_project_as_it_was(
    project: Project, results: Result
) -> None:
    queued = project.dvc("exp", "run", "--queue", "-S", "compare.resamples=150,160", "compare")
    names = re.findall(r"Queued experiment '([\w-]+)'", queued)
    said = project.dvc("exp", "run", "--run-all", "--jobs", "2")
    status = project.dvc("queue", "status")
    assert len(names) == 2
    assert len(re.findall(r"^\w+ .* Success *$", status, re.MULTILINE)) == 2, said + status
    for name, resamples in zip(names, (150, 160), strict=True):
        assert f"resamples: {resamples}\n".encode() in committed(project, name, "dvc.lock")
    assert result(project) == results
    assert project.run("git", "status", "--porcelain").stdout == ""
    kept = (".dvc/tmp/exps/celery", ".dvc/tmp/exps/run")
    assert_none(project.root, queued, said, status, among=kept)


def committed(project: Project, name: str, path: str) -> bytes:
    """Return a file of an experiment, whose reference is none that git looks for by its name."""
    references = project.run("git", "for-each-ref", "--format=%(refname)", "refs/exps").stdout
    (reference,) = (line for line in references.splitlines() if line.endswith(f"/{name}"))
    return project.run("git", "show", f"{reference}:{path}").stdout.encode()
