"""A temporary clone to work in, so that the project itself stays as it is."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from dvc.exceptions import DvcException
from dvc.repo import Repo

from tools.verify.pipeline import PARAMS
from verdict.errors import VerdictError


def git(root: Path, *arguments: str) -> str:
    """Return what git says; it writes nothing, not even a refreshed index.

    Raises:
        VerdictError: with git's message.
    """
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            env={**_without_git(), "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        raise VerdictError("git is not installed, and it knows what was committed") from None
    if done.returncode != 0:
        raise VerdictError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def uncommitted(root: Path) -> list[tuple[str, str]]:
    """Return what is not as committed: git's two letters and the path; `??` is not tracked.

    What was renamed counts as removed and added.
    """
    status = git(root, "status", "--porcelain", "--no-renames", "-z")
    return [(entry[:2], entry[3:]) for entry in status.split("\0") if entry]


@contextmanager
def temporary_clone(root: Path, *, keep: bool) -> Iterator[Path]:
    """Yield a clone of the last commit of ``root``, with what DVC's cache has of its data.

    Args:
        keep: leave it there afterwards.

    Raises:
        VerdictError: this is no clone of a DVC project, or it cannot be cloned.
    """
    if git(root, "rev-parse", "--show-cdup").strip():
        raise VerdictError("run this from the project's root folder")
    folder = Path(tempfile.mkdtemp(prefix="verify-"))
    clone = folder / "project"
    # What DVC remembers about a clone's files would otherwise stay on this machine.
    os.environ["DVC_SITE_CACHE_DIR"] = str(folder / "dvc")
    try:
        git(root, "clone", "--quiet", str(root), str(clone))
        _share_cache(root, clone)
        run(clone, [sys.executable, "-m", "dvc", "checkout", "--quiet", "--allow-missing"])
        yield clone
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def without_trackers(clone: Path) -> None:
    """Let the clone's stages tell no tracker about their runs; no result depends on it."""
    path = clone / PARAMS
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    values["tracking"]["trackers"] = []
    path.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), "utf-8")


def run(
    clone: Path, command: Sequence[str] | str, limit: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in the clone with this Python; all that it started ends with it.

    Args:
        command: the arguments, or a line for the shell, as DVC runs it.
        limit: seconds after which it is stopped.

    Raises:
        subprocess.TimeoutExpired: it was stopped.
    """
    process = subprocess.Popen(
        command,
        shell=isinstance(command, str),
        cwd=clone,
        env={
            **_without_git(),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=limit)
    except BaseException:
        os.killpg(process.pid, 9)
        process.wait()
        raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _share_cache(root: Path, clone: Path) -> None:
    try:
        with Repo(str(root)) as repo:
            cache = repo.cache.local_cache_dir
    except DvcException as error:
        raise VerdictError(f"this is no DVC project: {error}") from None
    with Repo(str(clone)) as repo, repo.config.edit("local") as config:
        config["cache"]["dir"] = cache


def _without_git() -> dict[str, str]:
    """Return the environment without what git tells the hooks that it runs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_DIR")}
