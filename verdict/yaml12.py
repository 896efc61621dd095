"""YAML 1.2, as DVC reads it: `no` is a text, and a key that is there twice is a fault."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from verdict.errors import VerdictError


def load_yaml(text: str, path: Path | str) -> Any:
    """Return the value that a text says.

    Args:
        text: YAML 1.2.
        path: the file that it is from, for the message.

    Raises:
        VerdictError: it is no such text.
    """
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        said = " ".join(str(error).split())
        raise VerdictError(f"{path} is no YAML 1.2 ({said}): mend it there") from None
