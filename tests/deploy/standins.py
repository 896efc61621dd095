"""Run a script of ``deploy/`` beside programs that only note how they were called."""

import os
import subprocess
from pathlib import Path


def started(
    folder: Path,
    script: str,
    *arguments: str,
    programs: dict[str, str],
    code: int = 0,
    **environment: str,
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run a script beside stand-ins, which note their calls and do as told; return the calls.

    It has to end with ``code``.
    """
    log = folder / "log"
    log.write_text("", "utf-8")
    for name, text in programs.items():
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >>"$LOG"\n{text}\n', "utf-8")
        (folder / name).chmod(0o755)
    result = subprocess.run(
        ["bash", folder / "deploy" / script, *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={"PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(log), **environment},
    )
    assert result.returncode == code, result.stderr
    return result, log.read_text("utf-8").splitlines()
