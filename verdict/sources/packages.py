"""A file of a package on PyPI, or on the index that pip is set up for: ``pypi://NAME==VERSION/FILE``.

pip brings the package: its configuration names index, credentials, certificates and proxies, and it
compares what arrives with the index's checksum. Only wheels are asked for, of which nothing is
installed or run; a source distribution would run its own code to say what it is.
"""

import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.sources.addresses import redacted
from verdict.sources.partial import Partial, space_reported

_FORM = "pypi://NAME==VERSION/FILE"
_ADDRESS = re.compile(
    r"pypi://(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)==(?P<version>[\w.!+-]+)/(?P<file>.+)",
    re.ASCII,
)


def take_from_package(address: str, partial: Partial) -> None:
    """Bring the wheel and put the file of it where ``partial`` has its data.

    Nothing is left half-written there: what lies there already is whole, and kept.

    Raises:
        VerdictError: the address is none, the package cannot be had, or has no such file.
    """
    parts = _ADDRESS.fullmatch(address)
    if parts is None:
        raise VerdictError(
            f"{redacted(address)} is no address of a file in a package; expected {_FORM}, with one "
            "fixed version."
        )
    if partial.data.exists():
        return
    folder = partial.data.parent
    package = f"{parts['name']}=={parts['version']}"
    with space_reported(folder), tempfile.TemporaryDirectory(dir=folder) as temporary:
        wheel = _download(package, Path(temporary))
        with _opened(wheel, package) as archive:
            try:
                member = archive.getinfo(parts["file"])
            except KeyError:
                raise VerdictError(_not_in(archive, package, parts["file"])) from None
            partial.reserve(member.file_size)
            whole = Path(temporary) / "file"
            with archive.open(member) as source, whole.open("wb") as file:
                shutil.copyfileobj(source, file, 2**20)
        partial.restart({})
        os.replace(whole, partial.data)


def _download(package: str, folder: Path) -> Path:
    print(f"download {package} by pip", flush=True)
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input"),
        *("--disable-pip-version-check", "--no-deps", "--only-binary=:all:"),
        *("--ignore-requires-python", "--dest", str(folder), package),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0 and (wheels := list(folder.glob("*.whl"))):
        return wheels[0]
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
    why = " ".join(said or done.stderr.splitlines()[-1:]).replace("ERROR: ", "")[:600]
    if "No matching distribution" in why:
        raise VerdictError(
            f"The package index has no wheel of {package} ({why}). Correct name and version; `pip "
            "config list` shows which index is asked."
        )
    raise VerdictError(
        f"pip could not download {package}: {why or 'it said nothing'}. Check the network and `pip "
        "config list`, and run again."
    )


def _opened(wheel: Path, package: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(wheel)
    except zipfile.BadZipFile:
        raise VerdictError(f"{wheel.name} of {package} is damaged; run again.") from None


def _not_in(archive: zipfile.ZipFile, package: str, file: str) -> str:
    names = archive.namelist()
    close = difflib.get_close_matches(file, names, n=3, cutoff=0)
    return (
        f"{package} has no file {file}. Of its {len(names):,} files these are the nearest: "
        f"{', '.join(close)}."
    )
