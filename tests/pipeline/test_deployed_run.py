"""``deploy/run.sh``, as every launcher starts it: real git, real DVC, remotes that are folders."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testing.project import Project, Small

#: A stage that saves when it is asked to stop, which takes a while, and then goes on from there.
SLOW = """\
import pathlib, signal, sys, time

saved, begun = pathlib.Path(".checkpoints/saved"), pathlib.Path("begun")
saved.parent.mkdir(exist_ok=True)


def save(*_):
    time.sleep(1)
    saved.write_text("half")
    sys.exit(1)


signal.signal(signal.SIGTERM, save)
begun.touch()
if not saved.exists():
    time.sleep(60)
pathlib.Path("slow.txt").write_text(saved.read_text() + " and the rest")
"""

DVC_YAML = """\
stages:
  slow:
    cmd: python slow.py
    deps: [slow.py]
    outs: [slow.txt]
"""


class Deployed:
    """A project at home, and the folders of a machine elsewhere."""

    def __init__(self, home: Project, folder: Path):
        self.home, self.folder = home, folder
        self.workspace = folder / "workspace"
        self.workspace.mkdir()
        self.project = self.workspace / "project"
        self.commit = home.run("git", "rev-parse", "HEAD").stdout.strip()
        self.environment = {
            "COMMIT": self.commit,
            "WORKSPACE": str(self.workspace),
            "REMOTE": str(folder / "remote"),
            "RESULTS": str(folder / "results"),
            "RUN": "first",
        }

    def start(self, *command: str, **changes: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["bash", str(self.home.root / "deploy/run.sh"), *command],
            cwd=self.folder,
            env={**os.environ, **self.environment, **changes},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, code: int = 0, **changes: str) -> str:
        process = self.start(*command, **changes)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == code, output
        return output


@pytest.fixture(scope="module")
def slow(clone: Callable[[str], Project], tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    home = clone("slow")
    (home.root / "slow.py").write_text(SLOW, "utf-8")
    (home.root / "dvc.yaml").write_text(DVC_YAML, "utf-8")
    (home.root / "dvc.lock").unlink()
    (home.root / ".gitignore").write_text(".checkpoints\nbegun\n", "utf-8")
    home.commit("One slow stage")
    return Deployed(home, tmp_path_factory.mktemp("slow"))


@pytest.fixture(scope="module")
def few(clone: Callable[[str], Project], tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    home = clone("few")
    home.edit({("fetch", "embedded", "images"): 60})
    home.commit("Fewer images")
    deployed = Deployed(home, tmp_path_factory.mktemp("few"))
    deployed.environment["TARGETS"] = "extract"
    return deployed


def test_results_come_home_as_a_bundle_and_the_data_through_the_remote(few: Deployed) -> None:
    output = few.run()

    assert "run: first is done" in output
    bundle = few.folder / "results/first/results.bundle"
    home = few.home
    home.run("git", "fetch", "--quiet", str(bundle), "results/first")
    changed = home.run("git", "diff", "--name-only", "HEAD", "FETCH_HEAD").stdout.split()
    assert changed == ["dvc.lock"]  # the metrics of extract are DVC's
    home.run("git", "merge", "--quiet", "--ff-only", "FETCH_HEAD")
    home.dvc("remote", "add", "--default", "--local", "far", str(few.folder / "remote"))
    home.dvc("pull", "extract", "fetch")
    assert "up to date" in home.dvc("status", "extract")


def test_started_again_it_does_nothing_twice(few: Deployed) -> None:
    few.run()
    lock = (few.project / "dvc.lock").read_bytes()
    head = (few.project / ".git/refs/heads/results/first").read_text("utf-8")

    output = few.run()

    assert "Running stage" not in output
    assert (few.project / "dvc.lock").read_bytes() == lock
    assert (few.project / ".git/refs/heads/results/first").read_text("utf-8") == head


def test_another_command_runs_in_the_project_and_its_output_is_brought_out(
    few: Deployed,
) -> None:
    script = "mkdir $OUT/deep && cp dvc.yaml $OUT/deep/"
    few.run("bash", "-c", script, RUN="another")

    exported = few.folder / "results/another/deep/dvc.yaml"
    assert exported.read_bytes() == (few.home.root / "dvc.yaml").read_bytes()


@pytest.mark.fault("kills")
def test_sigterm_reaches_the_stage_which_saves_and_is_gone_on_with(slow: Deployed) -> None:
    process = slow.start()
    _wait_for(slow.project / "begun")
    assert "another run holds" in slow.run(code=75)

    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)

    assert process.returncode == 143, output
    assert (slow.project / ".checkpoints/saved").read_text("utf-8") == "half"
    assert not list((slow.folder / "results/first").iterdir())

    slow.run()
    assert (slow.project / "slow.txt").read_text("utf-8") == "half and the rest"


@pytest.mark.fault("kills")
def test_a_lock_of_a_machine_that_was_switched_off_holds_up_nothing(slow: Deployed) -> None:
    slow.run()
    held = {"write": {str(slow.project / "slow.txt"): {"pid": os.getpid(), "cmd": "dvc repro"}}}
    (slow.project / ".dvc/tmp/rwlock").write_text(json.dumps(held), "utf-8")
    (slow.project / ".git/index.lock").touch()
    (slow.project / "slow.txt").unlink()

    slow.run()


def test_a_commit_that_the_image_lacks_is_fetched(slow: Deployed, tmp_path: Path) -> None:
    other = tmp_path / "other.git"
    slow.home.run("git", "clone", "--quiet", "--bare", ".", str(other))
    tree = slow.home.run("git", f"--git-dir={other}", "rev-parse", "HEAD^{tree}").stdout.strip()
    newer = slow.home.run(
        "git", f"--git-dir={other}", "commit-tree", tree, "-p", slow.commit, "-m", "Newer"
    ).stdout.strip()
    slow.home.run("git", f"--git-dir={other}", "update-ref", "refs/heads/main", newer)

    slow.run("true", COMMIT=newer, REPOSITORY=f"file://{other}", RUN="newer")

    assert (
        slow.home.run("git", "-C", str(slow.project), "rev-parse", "HEAD").stdout.strip() == newer
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"COMMIT": "main"}, "COMMIT is 'main', where a commit's 40 hexadecimal digits"),
        ({"COMMIT": "0" * 40}, "is neither in the image nor in REPOSITORY"),
        ({"REMOTE": ""}, "There is no BUCKET and no REMOTE"),
        ({"RESULTS": ""}, "There is no BUCKET and no RESULTS"),
        ({"RUN": "a/b"}, "RUN is 'a/b'"),
        ({"WORKSPACE": "/nowhere"}, "WORKSPACE is /nowhere"),
    ],
)
def test_a_wrong_environment_is_told_as_such(
    slow: Deployed, changes: dict[str, str], message: str
) -> None:
    assert message in slow.run(code=78, **changes)


def test_a_failing_stage_fails_the_run(slow: Deployed) -> None:
    output = slow.run("bash", "-c", "exit 3", code=3)
    assert "is done" not in output


def test_a_trained_model_is_exported_on_a_new_disk_and_again(small: Small, tmp_path: Path) -> None:
    home = small.copy(tmp_path / "home")
    # Two steps of training do so little that rounding drowns it, which an export refuses.
    parity = home.root / "tools/export/parity.py"
    text = parity.read_text("utf-8")
    parity.write_text(text.replace("OF_THE_ADAPTER = 0.25", "OF_THE_ADAPTER = 9"), "utf-8")
    home.commit("Export it all the same")
    deployed = Deployed(home, tmp_path)
    home.dvc("remote", "add", "--default", "--local", "far", deployed.environment["REMOTE"])
    home.dvc("push")
    export = ("bash", str(home.root / "deploy/export.sh"))

    deployed.run(*export)

    model = deployed.folder / "results/first/model"
    first = (model / "model.safetensors").read_bytes()
    # The raw archive may have 23 GB, and other models' weights are not asked for.
    assert not (deployed.project / "data/raw").exists()
    assert not (deployed.project / "models/reference").exists()
    # An earlier try was killed, and the Job starts again.
    for name in ("model", ".model.1-00000000-0-pod.partial"):
        (deployed.workspace / "out/first" / name).mkdir(parents=True)
    deployed.run(*export)
    assert (model / "model.safetensors").read_bytes() == first
    assert [path.name for path in model.parent.iterdir()] == ["model"]

    home.edit({("lora", "r"): 2})
    home.commit("Not trained yet")
    commit = home.run("git", "rev-parse", "HEAD").stdout.strip()
    output = deployed.run(*export, code=78, COMMIT=commit, RUN="second")
    assert f"{commit} is not trained yet" in output


def _wait_for(path: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.1)
