"""Send what a tracker has missed: ``python -m verdict.tracking upload .tracking/FILE.jsonl``."""

import argparse
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

from filelock import FileLock, Timeout

from verdict.core.errors import VerdictError
from verdict.tracking.run import NOT_SENT, SENT, upload_command
from verdict.tracking.sender import Say, replay
from verdict.tracking.spool import TRACKING, Spool

#: Seconds that a sender has left when the work is gone without a word.
PATIENCE = 20.0

#: The libraries would tell their makers how they are used.
_NO_REPORTS = {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false"}


def main() -> None:
    """Send the events of runs that a tracker has missed; delete each file when all has arrived."""
    parser = argparse.ArgumentParser(prog="python -m verdict.tracking", description=main.__doc__)
    commands = parser.add_subparsers(dest="command", metavar="upload")
    upload = commands.add_parser("upload", help="send files of events to their trackers")
    upload.add_argument("files", nargs="+", type=Path, help=f"{TRACKING}/*.jsonl")
    # What a run starts beside itself; it has no help, so that nobody types it.
    follow = commands.add_parser("follow")
    follow.add_argument("file", type=Path)
    arguments = parser.parse_args()
    if arguments.command is None:
        parser.print_help()
        return
    for name, value in _NO_REPORTS.items():
        os.environ.setdefault(name, value)
    say = _only_speaker()
    if arguments.command == "follow":
        sys.exit(_follow(Spool(arguments.file), say))
    sys.exit(max(_upload(Spool(file.resolve()), say) for file in arguments.files))


def _upload(spool: Spool, say: Say) -> int:
    # Retries are for servers that come and go; here a person waits.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    try:
        if not spool.path.is_file():
            raise VerdictError(
                f"{spool.path} is not here; what waits for upload: ls {TRACKING}/*.jsonl"
            )
        sent = _send(spool, say, None)
    except VerdictError as error:
        say(str(error))
        return 1
    if sent:
        say(f"{spool.path.name} is sent, and deleted here")
    return SENT if sent else 1


def _follow(spool: Spool, say: Say) -> int:
    # The work comes first where cores are few.
    os.nice(5)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(NOT_SENT))
    # Two tries of eight seconds fit into the time that a run waits at its end.
    for name, value in {"MAX_RETRIES": "1", "TIMEOUT": "8", "BACKOFF_FACTOR": "1"}.items():
        os.environ.setdefault(f"MLFLOW_HTTP_REQUEST_{name}", value)
    ended = threading.Event()
    threading.Thread(target=_watch, args=(ended, spool, say), daemon=True).start()
    return SENT if _send(spool, say, ended) else NOT_SENT


def _send(spool: Spool, say: Say, ended: threading.Event | None) -> bool:
    try:
        with FileLock(spool.lock, timeout=0):
            sent = replay(spool, say, ended)
            if sent:
                spool.remove()
            return sent
    except Timeout:
        raise VerdictError(
            f"{spool.path} belongs to a run that is still going on; upload it afterwards"
        ) from None


def _watch(ended: threading.Event, spool: Spool, say: Say) -> None:
    """Wait until the work closes its end of the pipe; when it is dead, allow a little more time."""
    work = os.getppid()
    sys.stdin.buffer.read()
    ended.set()
    while os.getppid() == work:
        time.sleep(1)
    time.sleep(PATIENCE)
    say(f"not everything was sent. The run is kept; send it with: {upload_command(spool)}")
    os._exit(NOT_SENT)


def _only_speaker() -> Say:
    """Silence the libraries, which chatter on both outputs; return what still reaches a person."""
    terminal = os.fdopen(os.dup(2), "w")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)

    def say(message: str) -> None:
        print(f"\ntracking: {message}", file=terminal, flush=True)

    sys.excepthook = lambda *error: say("".join(traceback.format_exception(*error)))
    return say


if __name__ == "__main__":
    main()
