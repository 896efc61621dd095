"""What a build without a daemon is lent of this machine's pip settings."""

import subprocess
import sys
from pathlib import Path

from deploy.container.pip_settings import local_paths, settings
from testing.places import ROOT

SCRIPT = str(ROOT / "deploy/container/pip_settings.py")


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
    # pip wants a home, and a user without a name has none but by this variable.
    home = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    environment = {**home, "PIP_TIMEOUT": "77", "PIP_CONFIG_FILE": "/dev/null"}
    subprocess.run([sys.executable, SCRIPT, str(path)], check=True, env=environment)
    read = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.timeout"],
        env={**home, "PIP_CONFIG_FILE": str(path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert read.stdout == "77\n"


def test_what_pip_says_of_its_settings_is_shown(tmp_path: Path) -> None:
    broken = tmp_path / "broken.conf"
    broken.write_text("timeout = 77\n")
    done = subprocess.run(
        [sys.executable, SCRIPT, str(tmp_path / "pip.conf")],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PIP_CONFIG_FILE": str(broken)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert str(broken) in done.stderr
    assert done.stderr.endswith("pip cannot list its settings; its own words are above.\n")
    assert not (tmp_path / "pip.conf").exists()
