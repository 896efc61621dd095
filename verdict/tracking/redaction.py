"""Keep secrets out of what is written down: passwords in addresses, tokens from the environment."""

import os
import re
from typing import Any

from verdict.sources.addresses import redacted, scheme_of

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>)]+")
_SECRET_NAME = re.compile(r"(PASSWORD|TOKEN|SECRET|API_KEY|ACCESS_KEY|KAGGLE_KEY)$")
#: Shorter values of such variables are no secrets, and would blank out ordinary text.
_SHORTEST = 6


def without_secrets(value: Any) -> Any:
    """Return ``value`` (text, or lists and mappings of it) as it may be recorded and shown."""
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, dict):
        return {key: without_secrets(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    return value


def _clean(text: str) -> str:
    for name, secret in os.environ.items():
        if _SECRET_NAME.search(name) and len(secret) >= _SHORTEST:
            text = text.replace(secret, "…")
    return _ADDRESS.sub(lambda found: _clean_address(found.group()), text)


def _clean_address(address: str) -> str:
    # A database's file may look like an empty host with a path; it carries no secret there.
    return address if scheme_of(address) == "sqlite" else redacted(address)
