"""Where the findings go."""

from pathlib import Path

from tools.verify.page import write_page
from tools.verify.results import Verification
from tools.writable import refused
from verdict.core.files import write_json


def page_of(out: Path) -> Path:
    """Return where the page for people goes, beside the findings."""
    return out.with_suffix(".html")


def write_findings(result: Verification, out: Path) -> None:
    """Write the findings for programs, and the page.

    Raises:
        VerdictError: one cannot be written.
    """
    try:
        write_json(out, result.as_json())
        write_page(page_of(out), result)
    except OSError as error:
        raise refused(out, error) from None
