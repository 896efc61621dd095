"""What a build without a daemon is lent of this machine's pip settings."""

import subprocess
import sys
from pathlib import Path

from deploy.container.pip_settings import local_paths, settings
from tests.conftest import ROOT


def test_variables_win_over_files_and_local_paths_are_found(tmp_path: Path) -> None:
    (tmp_path / "index/simple").mkdir(parents=True)
    (tmp_path / "wheels").mkdir()
    listed = "\n".join(
        [
            ":env:.timeout='180'",
            f"global.extra-index-url='https://index.example/simple file://{tmp_path}/index/simple'",
            f"global.find-links='{tmp_path}/wheels\\n{tmp_path}/nowhere'",
            "global.timeout='15'",
        ]
    )
    values = settings(listed)
    assert values["timeout"] == "180"
    assert local_paths(values) == [f"{tmp_path}/index", f"{tmp_path}/wheels"]


def test_it_writes_a_file_that_pip_reads(tmp_path: Path) -> None:
    path = tmp_path / "pip.conf"
    script = str(ROOT / "deploy/container/pip_settings.py")
    environment = {"PATH": "/usr/bin:/bin", "PIP_TIMEOUT": "77", "PIP_CONFIG_FILE": "/dev/null"}
    subprocess.run([sys.executable, script, str(path)], check=True, env=environment)
    read = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.timeout"],
        env={"PATH": "/usr/bin:/bin", "PIP_CONFIG_FILE": str(path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert read.stdout == "77\n"
