"""Lend this machine's pip settings to a build: write them as one file, list the paths they name.

    python3 deploy/container/pip_settings.py pip.conf

Prints the local folders and files (indexes, wheels, certificates) that the build has to see.
"""

import ast
import subprocess
import sys
from pathlib import Path


def settings(listed: str) -> dict[str, str]:
    """Return what ``pip config list`` says, by name; environment variables win over files."""
    found = {}
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        name, value = line.split("=", 1)
        found[name.split(".", 1)[1]] = ast.literal_eval(value)
    return found


def local_paths(values: dict[str, str]) -> list[str]:
    """Return the paths that are here; of a ``file://`` index, the folder that its links lead to."""
    words = [word for value in values.values() for word in value.split()]
    paths = {Path(word) for word in words if word.startswith("/")}
    paths |= {Path(word[7:]).parent for word in words if word.startswith("file:///")}
    return sorted(str(path) for path in paths if path.exists())


def main(path: str) -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], stdout=subprocess.PIPE, text=True
    )
    if listed.returncode:
        sys.exit("pip cannot list its settings; its own words are above.")
    values = settings(listed.stdout)
    lines = [f"{name} = {' '.join(value.split())}" for name, value in sorted(values.items())]
    Path(path).write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")
    print("\n".join(local_paths(values)))


if __name__ == "__main__":
    main(sys.argv[1])
