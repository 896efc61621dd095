"""The emulator as people start it, in a process that a test can kill; and DVC beside it."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from testing.places import ROOT
from testing.project import Project

#: The tools of this project in whichever folder, and gcsfs as it goes with the emulator.
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}


class Emulator:
    """``python -m tools.emulator`` in a project; started again, it has the same address."""

    def __init__(self, project: Project):
        self.project = project
        self.port = 0
        self._journal = project.root / ".emulator" / "journal.jsonl"

    def start(self) -> None:
        self._process = begin(self.project, *self.command)
        assert self._process.stdout
        first = self._process.stdout.readline()
        address = re.search(r"runs at http://127\.0\.0\.1:(\d+)", first)
        assert address, first + self._process.stdout.read()
        self.port = int(address[1])

    @property
    def command(self) -> tuple[str, ...]:
        return (sys.executable, "-m", "tools.emulator", "--port", str(self.port))

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def interrupt(self) -> str:
        """End it as Ctrl-C does, and return what else it printed."""
        self._process.send_signal(signal.SIGINT)
        return self._process.communicate(timeout=30)[0]

    def objects(self) -> set[str]:
        """Return the names of the objects that were acknowledged."""
        # What follows the last end of a line is still being written.
        whole = self._journal.read_text("utf-8").rpartition("\n")[0].splitlines()
        return {name for _, name, _ in map(json.loads, whole) if name}

    def object(self, digest: str) -> Path:
        """Return the file that holds the object with this MD5."""
        (path,) = self._journal.parent.rglob(f"files/md5/{digest[:2]}/{digest[2:]}")
        return path


def begin(project: Project, *command: str) -> "subprocess.Popen[str]":
    """Start a command in the project, its output to be read."""
    return subprocess.Popen(
        command,
        cwd=project.root,
        env={**os.environ, **project.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
