"""Real DVC in temporary clones, on a recipe so small that a run takes about a minute."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from testing.places import ROOT
from testing.secrets import SECRETS
from verdict.core.files import sha256_of
from verdict.core.yaml12 import dump_yaml, load_yaml

#: Changes to the committed parameters: the same stages, next to no learning.
SMALL = {
    ("fetch", "embedded", "images"): 240,
    ("models", "base", "embedded", "steps"): 2,
    ("models", "reference", "embedded", "steps"): 3,
    ("train", "max_steps"): 2,
    ("train", "logging_steps"): 1,
    ("compare", "resamples"): 200,
    ("evaluate", "max_new_tokens"): 4,
    ("tracking", "trackers"): [],
}


@dataclass
class Project:
    """A clone of the project, with its own environment variables; ``said``: by its pipeline."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    said: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """The environment of what runs in the clone."""
        return {**os.environ, **_ENVIRONMENT, **self.environment}

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the clone; with ``check``, a failure fails the test with its output."""
        result = subprocess.run(
            command,
            cwd=self.root,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if check and result.returncode != 0:
            pytest.fail(f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout}")
        return result

    def dvc(self, *arguments: str, check: bool = True) -> str:
        return self.run("dvc", *arguments, check=check).stdout

    def read(self, name: str) -> Any:
        """Return what a YAML file of the clone says, as DVC reads it."""
        return load_yaml((self.root / name).read_bytes(), name)

    def edit(self, changes: dict[tuple[str, ...], Any]) -> None:
        values = self.read("params.yaml")
        for (*parents, last), value in changes.items():
            section = values
            for part in parents:
                section = section[part]
            section[last] = value
        (self.root / "params.yaml").write_text(dump_yaml(values), "utf-8")

    def commit(self, message: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "-m", message)


@dataclass(frozen=True)
class Small:
    """A run of the small recipe that nobody changes: take a copy, or what DVC keeps of it.

    Attributes:
        folder: holds ``project``, as it was after the run, and ``cache``.
        said: what its pipeline printed.
    """

    folder: Path
    said: str

    def copy(self, root: Path) -> Project:
        """Copy the project with a DVC cache of its own; links into the cache stay links."""
        subprocess.run(["cp", "-a", str(self.folder / "project"), str(root)], check=True)
        return Project(root)

    def share_cache(self, project: Project) -> Project:
        """Let a project use the DVC cache that tests share: what one has run, no other runs."""
        project.dvc("cache", "dir", "--local", str(self.folder / "cache"))
        return project


def make_small(folder: Path) -> Small:
    """Run the small recipe under the given folder, unless another process has done it."""
    folder.mkdir(exist_ok=True)
    said = folder / "said.txt"
    with FileLock(folder / "lock"):
        if not said.exists():
            # What a process that failed has left.
            shutil.rmtree(folder / "project", ignore_errors=True)
            shutil.rmtree(folder / "cache", ignore_errors=True)
            project = lay_out(folder / "project")
            project.environment |= SECRETS
            project.edit(SMALL)
            output = project.dvc("repro")
            project.commit("Run the small recipe")
            shutil.copytree(project.root / ".dvc/cache", folder / "cache")
            said.write_text(output, "utf-8")
    return Small(folder, said.read_text("utf-8"))


_ENVIRONMENT = {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "GIT_AUTHOR_NAME": "test",
    "GIT_AUTHOR_EMAIL": "test@example.org",
    "GIT_COMMITTER_NAME": "test",
    "GIT_COMMITTER_EMAIL": "test@example.org",
    "NO_COLOR": "1",
    "COLUMNS": "200",
}


def ran(output: str) -> list[str]:
    """Return the stages that a ``dvc`` command ran, in order."""
    return [
        line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage '")
    ]


def lay_out(root: Path) -> Project:
    """Make a project like this one in an empty folder: its work tree, committed, not yet run."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for file in listed.split("\0"):
        if file and (ROOT / file).exists():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, root / file)
    project = Project(root)
    project.run("git", "init", "--quiet", "--initial-branch", "main")
    project.commit("As it stands")
    return project


@dataclass(frozen=True)
class Result:
    """A project after a run: the bytes of its lock, and a hash of every output by its path."""

    lock: bytes
    outputs: dict[str, str]


def result(project: Project) -> Result:
    """Return what a run has left; what git keeps and what says where it ran is none of it."""
    files = [
        path
        for folder in ("data", "metrics", "models")
        for path in (project.root / folder).rglob("*")
        if path.is_file() and path.name not in (".gitignore", "environment.json")
    ]
    return Result(
        (project.root / "dvc.lock").read_bytes(),
        {path.relative_to(project.root).as_posix(): sha256_of(path) for path in files},
    )
