"""Every shell script of the project is clean, and can be started."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

SCRIPTS = sorted(ROOT.glob("deploy/**/*.sh"))


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing() -> None:
    assert SCRIPTS
    done = subprocess.run(
        ["shellcheck", *map(str, SCRIPTS)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_script_stops_at_the_first_failure_and_is_executable(script: Path) -> None:
    text = script.read_text("utf-8")
    assert text.startswith(("#!/usr/bin/env bash\n", "#!/bin/sh\n"))
    assert "\nset -e" in text
    assert os.access(script, os.X_OK)
