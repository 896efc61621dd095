"""The numbers of a comparison as the compare stage leaves them: ``comparison.json``."""

import json
from pathlib import Path
from typing import Any

from verdict.core.errors import VerdictError


def read_comparison(path: Path) -> dict[str, Any]:
    """Read the numbers of a comparison.

    Raises:
        VerdictError: the file is missing or not what the compare stage writes.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise VerdictError(f"{path} is not here yet: `dvc repro` writes it") from None
    except ValueError as error:
        raise VerdictError(f"{path} is not JSON ({error}): `dvc repro compare` mends it") from None
    if not isinstance(values, dict) or not {"verdict", "kind", "models"} <= values.keys():
        raise VerdictError(f"{path} holds no verdict: `dvc repro compare` writes one")
    return values
