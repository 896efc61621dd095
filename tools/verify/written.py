"""Where the findings go: looked at before the work, written after it."""

import os
from pathlib import Path

from tools.verify.page import write_page
from tools.verify.results import Verification
from verdict.errors import VerdictError
from verdict.files import write_json


def page_of(out: Path) -> Path:
    """Return where the page for people goes, beside the findings."""
    return out.with_suffix(".html")


def check_writable(*paths: Path) -> None:
    """Refuse what cannot be written, before any work is done.

    Raises:
        VerdictError: names the file, and what the system says.
    """
    for path in paths:
        if path.is_dir():
            raise VerdictError(f"{path} is a folder; name a file")
        # As it will be written: beside its place, and then put there.
        tried = path.with_name(f".{path.name}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            tried.touch()
            tried.unlink(missing_ok=True)
        except OSError as error:
            raise _refused(path, error) from None


def write_findings(result: Verification, out: Path) -> None:
    """Write the findings for programs, and the page.

    Raises:
        VerdictError: one cannot be written.
    """
    try:
        write_json(out, result.as_json())
        write_page(page_of(out), result)
    except OSError as error:
        raise _refused(out, error) from None


def _refused(path: Path, error: OSError) -> VerdictError:
    return VerdictError(f"{path} cannot be written: {os.strerror(error.errno or 0)}")
