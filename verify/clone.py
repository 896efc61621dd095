"""A temporary clone to work in, so that the project itself stays as it is."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.core.paths import PARAMS_FILE
from verdict.core.project import CHECKPOINTS
from verdict.core.yaml12 import dump_yaml, load_yaml
from verify.findings import some

#: Where DVC keeps what it remembers about files.
_DVC_MEMORY = "DVC_SITE_CACHE_DIR"


def git(root: Path, *arguments: str) -> str:
    """Return what git says; it writes nothing, not even a refreshed index.

    Raises:
        VerdictError: with git's message.
    """
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            env={**environment(), "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        raise VerdictError("git is not installed, and it knows what was committed") from None
    if done.returncode != 0:
        raise VerdictError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def dvc(root: Path, *arguments: str) -> str:
    """Return what the `dvc` command says.

    Raises:
        VerdictError: with its message.
    """
    done = run(root, [sys.executable, "-m", "dvc", *arguments])
    if done.returncode != 0:
        message = done.stderr.partition("Having any troubles?")[0].removeprefix("ERROR: ").strip()
        raise VerdictError(f"`dvc {' '.join(arguments)}` fails in {root}: {message}")
    return done.stdout


def cache_of(root: Path) -> Path:
    """Return the folder of DVC's cache.

    Raises:
        VerdictError: this is no DVC project.
    """
    return Path(dvc(root, "cache", "dir").strip())


def uncommitted(root: Path) -> list[tuple[str, str]]:
    """Return what is not as committed: git's two letters and the path; `??` is not tracked.

    What was renamed counts as removed and added.
    """
    status = git(root, "status", "--porcelain", "--no-renames", "-z")
    return [(entry[:2], entry[3:]) for entry in status.split("\0") if entry]


def checked_out(root: Path) -> str:
    """Return the checked-out commit."""
    return git(root, "rev-parse", "HEAD").strip()


def refuse_uncommitted(root: Path, why: str = "") -> None:
    """Refuse a work tree that is not as committed.

    Args:
        why: it has to be, as the beginning of the sentence.

    Raises:
        VerdictError: naming what is not.
    """
    if changes := [path for _, path in uncommitted(root)]:
        raise VerdictError(
            f"{why}{some(changes)} is not as committed (`git status`): commit it, or take it away"
        )


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
    before = os.environ.get(_DVC_MEMORY)
    os.environ[_DVC_MEMORY] = str(folder / "dvc")
    try:
        git(root, "clone", "--quiet", str(root), str(clone))
        # Of committed checkpoints a stage would make what they say, not what its inputs give.
        remove(clone / CHECKPOINTS)
        dvc(clone, "cache", "dir", "--local", str(cache_of(root)))
        run(clone, [sys.executable, "-m", "dvc", "checkout", "--quiet", "--allow-missing"])
        yield clone
    finally:
        # Whoever asks DVC next would make the folder anew.
        os.environ.pop(_DVC_MEMORY)
        if before is not None:
            os.environ[_DVC_MEMORY] = before
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def without_trackers(clone: Path) -> None:
    """Let the clone's stages tell no tracker about their runs; no result depends on it."""
    path = clone / PARAMS_FILE
    values = load_yaml(path.read_bytes(), path)
    values["tracking"]["trackers"] = []
    path.write_text(dump_yaml(values), "utf-8")


def run(
    clone: Path, command: Sequence[str] | str, limit: float | None = None, *, stage: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command in the clone with this Python; all that it started ends with it.

    Args:
        command: the arguments, or a line for the shell, as DVC runs it.
        limit: seconds after which it is stopped.
        stage: the name that DVC would give to the command.

    Raises:
        subprocess.TimeoutExpired: it was stopped.
    """
    process = subprocess.Popen(
        command,
        shell=isinstance(command, str),  # nosec B602 # as DVC runs a stage
        cwd=clone,
        env={
            **environment(),
            "DVC_STAGE": stage,
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


def remove(path: Path) -> None:
    """Remove a file or a folder, if there is one; of a link the link alone."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def environment() -> dict[str, str]:
    """Return the environment without what leads git to the repository of a hook that runs this.

    With its GIT_INDEX_FILE, a clone would be written into the index of whoever is committing.
    """
    foreign = _variables_of_a_repository()
    return {name: value for name, value in os.environ.items() if name not in foreign}


@cache
def _variables_of_a_repository() -> frozenset[str]:
    command = ["git", "rev-parse", "--local-env-vars"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return frozenset(done.stdout.split())
