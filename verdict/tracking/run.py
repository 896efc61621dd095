"""Record a run: what the stages call. Nothing here waits for a tracker, except ``finish``."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from verdict.core.files import sha256_of
from verdict.core.paths import LOCK_FILE
from verdict.core.project import project_root
from verdict.tracking.spool import TRACKING, Spool, SpoolWriter, without_secrets

TRACKERS = ("mlflow", "tensorboard", "wandb")

#: The sender's exit statuses: everything is sent; something is not, and it has said so.
SENT, NOT_SENT = 0, 3

_PACKAGE_PARENT = Path(__file__).resolve().parents[2]


class Run:
    """One run in the trackers. No method raises because of a tracker, or waits for one."""

    def __init__(self, trackers: Sequence[str], start: Mapping[str, Any]):
        self._writer: SpoolWriter | None = None
        self._sender: subprocess.Popen[bytes] | None = None
        self._upload = ""
        if not trackers:
            return
        root = project_root()
        try:
            self._writer = SpoolWriter(root / TRACKING)
        except OSError as error:
            _say(
                f"{root / TRACKING} cannot be written ({error.strerror}). The work goes on, but "
                f"{', '.join(trackers)} will know nothing of this run; make the folder writable "
                "before the next one"
            )
            return
        self._upload = f"send it with: {upload_command(self._writer.spool)}"
        self._append("start", trackers=list(trackers), **start)
        self._start_sender(root, self._writer.spool)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Record a point of every curve in ``values`` at ``step``."""
        self._append("log", step=step, values={key: float(v) for key, v in values.items()})

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Set or replace tags."""
        self._append("tags", tags=without_secrets({key: str(v) for key, v in tags.items()}))

    def log_metrics(self, values: Mapping[str, float]) -> None:
        """Record final numbers, which belong to no step."""
        self._append("metrics", values={key: float(v) for key, v in values.items()})

    def log_figures(self, paths: Sequence[Path]) -> None:
        """Record files (png, csv, md, json) as they are now; TensorBoard shows the images only."""
        self._keep("figures", paths, {})

    def log_adapter(self, adapter: Path, base: Path) -> None:
        """Record an adapter as an MLflow model; of the base only the path, name and hash.

        What it holds now is kept: a later run may replace the folder before it has been sent.
        """
        self._keep("adapter", [adapter], {"base": base.as_posix()})

    def finish(self, failed: bool = False, wait: float = 20.0) -> None:
        """End the run and wait until everything is sent, at most ``wait`` seconds."""
        if self._writer is not None:
            self._append("finish", status="FAILED" if failed else "FINISHED")
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._sender is not None:
            self._await(self._sender, wait)
            self._sender = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish(failed=error is not None)

    def _start_sender(self, root: Path, spool: Spool) -> None:
        path = os.pathsep.join(filter(None, (str(_PACKAGE_PARENT), os.environ.get("PYTHONPATH"))))
        try:
            self._sender = subprocess.Popen(
                [sys.executable, "-m", "verdict.tracking", "follow", str(spool.path)],
                cwd=root,
                env={**os.environ, "PYTHONPATH": path},
                # When this process ends, however it does, its end of the pipe closes.
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                # Ctrl-C is for the work; the sender still records how the run ended.
                start_new_session=True,
            )
        except OSError as error:
            _say(f"sending cannot start ({error.strerror}). The run is kept; {self._upload}")

    def _await(self, sender: "subprocess.Popen[bytes]", wait: float) -> None:
        assert sender.stdin is not None
        sender.stdin.close()
        try:
            status = sender.wait(wait)
        except subprocess.TimeoutExpired:
            _stop(sender)
            _say(f"not everything was sent within {wait:g} s. The run is kept; {self._upload}")
        else:
            if status not in (SENT, NOT_SENT):
                _say(f"sending stopped unexpectedly ({status}). The run is kept; {self._upload}")

    def _keep(self, event: str, paths: Sequence[Path], values: dict[str, str]) -> None:
        if self._writer is None:
            return
        try:
            kept = self._writer.keep(paths)
        except OSError as error:
            path = error.filename or paths[0]
            _say(f"{path} cannot be recorded ({error.strerror}); the work goes on")
        else:
            self._append(event, paths=kept, **values)

    def _append(self, event: str, **values: Any) -> None:
        if self._writer is None:
            return
        try:
            self._writer.append(event, **values)
        except OSError as error:
            path, self._writer = self._writer.spool.path, None
            _say(
                f"{path} cannot be written ({error.strerror}). The work goes on; what follows is "
                f"not recorded. What came before is kept; {self._upload}"
            )


def _stop(sender: "subprocess.Popen[bytes]") -> None:
    """End the sender, with a moment to clear away its temporary files."""
    sender.terminate()
    try:
        sender.wait(2)
    except subprocess.TimeoutExpired:
        sender.kill()
        sender.wait()


def start_run(
    trackers: Sequence[str],
    experiment: str,
    *,
    name: str,
    parameters: Mapping[str, Any],
    tags: Mapping[str, str],
) -> Run:
    """Start a new run.

    Args:
        trackers: any of ``TRACKERS``; with none the run does nothing.
        parameters: nested; recorded with dotted names.
    """
    return Run(
        trackers,
        {
            "experiment": experiment,
            "name": name,
            "parameters": without_secrets(flatten(parameters)),
            "tags": without_secrets(dict(tags)),
            "resume": None,
            "address": _address(),
        },
    )


def resume_run(trackers: Sequence[str], experiment: str, *, tag: tuple[str, str], name: str) -> Run:
    """Continue the newest MLflow run that carries ``tag``; without one, start a run with it.

    The status of a continued run stays as it is. TensorBoard and W&B get a run of their own.
    """
    return Run(
        trackers,
        {
            "experiment": experiment,
            "name": name,
            "parameters": {},
            "tags": dict([tag]),
            "resume": list(tag),
            "address": _address(),
        },
    )


def project_tags() -> dict[str, str]:
    """Return the git commit, whether files differ from it, and the SHA-256 of dvc.lock.

    What is not there is left out.
    """
    tags = {}
    commit = _git("rev-parse", "HEAD")
    if commit is not None:
        tags["git.commit"] = commit
        tags["git.dirty"] = str(bool(_git("status", "--porcelain", "--untracked-files=no"))).lower()
    if LOCK_FILE.is_file():
        tags["dvc.lock.sha256"] = sha256_of(LOCK_FILE)
    return tags


def flatten(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one, with dotted keys; lists become JSON."""
    flat: dict[str, Any] = {}
    for key, value in parameters.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + str(key)] = (
                json.dumps(value, default=str) if isinstance(value, list) else value
            )
    return flat


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=2)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _address() -> str | None:
    """Where an upload from another shell should go."""
    address = os.environ.get("MLFLOW_TRACKING_URI")
    return without_secrets(address) if address else None


def upload_command(spool: Spool) -> str:
    """Return what a person types in the project's folder to send a spool."""
    return f"python -m verdict.tracking upload {(TRACKING / spool.path.name).as_posix()}"


def _say(message: str) -> None:
    print(f"\ntracking: {message}", file=sys.stderr, flush=True)
