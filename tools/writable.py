"""Places for results, looked at before the work, so that none is done in vain."""

import os
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.core.files import replacing


def check_writable(*paths: Path) -> None:
    """Refuse files that cannot be written.

    Raises:
        VerdictError: names the file, and what the system says.
    """
    for path in paths:
        if os.path.isdir(path):
            raise VerdictError(f"{path} is a folder; name a file")
        # As it will be written: beside its place, and then put there; what is there stays.
        tried = path.with_name(f".{path.name}.check")
        try:
            with replacing(tried) as partial:
                partial.touch()
            tried.unlink()
        except OSError as error:
            raise refused(path, error) from None


def refused(path: Path, error: OSError) -> VerdictError:
    """Return what is to be said of a file that could not be written."""
    return VerdictError(f"{path} cannot be written: {os.strerror(error.errno or 0)}")
