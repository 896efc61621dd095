"""Read params.yaml, and explain everything that is wrong in it."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from verdict.core.errors import VerdictError
from verdict.core.paths import PARAMS_FILE
from verdict.core.yaml12 import load_yaml
from verdict.params import Params

Kind = TypeVar("Kind", bound=BaseModel)

#: Characters of a wrong value in a message.
_SHOWN = 200


def read_params(path: Path | str = PARAMS_FILE) -> Params:
    """Read and validate a whole params file.

    Raises:
        VerdictError: every problem found, each with its key, what was expected and the fix.
    """
    path = Path(path)
    return check_params(read_mapping(path), path)


def check_params(values: dict[str, Any], path: Path) -> Params:
    """Validate the values of a whole params file; ``path``: where they stand, for messages.

    Raises:
        VerdictError: every problem found, each with its key, what was expected and the fix.
    """
    return _validated(Params, values, "", path)


def check_section(
    kind: type[Kind], values: Mapping[str, Any], key: str, path: Path = PARAMS_FILE
) -> Kind:
    """Validate a part of a params file whose schema its task has.

    Args:
        key: where the values stand, such as ``fetch.embedded``.

    Raises:
        VerdictError: every problem found, each with its key, what was expected and the fix.
    """
    return _validated(kind, dict(values), f"{key}.", path)


def _validated(kind: type[Kind], values: dict[str, Any], prefix: str, path: Path) -> Kind:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        lines = [f"  {_explain(problem, kind, prefix)}" for problem in error.errors()]
        raise VerdictError(
            f"{path} has {len(lines)} problem{'s' if len(lines) > 1 else ''}:\n" + "\n".join(lines)
        ) from None


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML file of the project's root that holds a mapping."""
    try:
        values = load_yaml(path.read_bytes(), path)
    except FileNotFoundError:
        raise VerdictError(f"{path} is not here; run this from the project's root folder") from None
    if not isinstance(values, dict):
        raise VerdictError(
            f"{path} is empty or not a mapping; `python -m tools.recipe use embedded/melanoma` "
            "writes one"
        )
    return values


def _explain(problem: ErrorDetails, kind: type[BaseModel], prefix: str) -> str:
    """Turn one pydantic error into a line with the key, the problem and the fix."""
    location = [part for part in problem["loc"] if not _is_union_branch(part)]
    key = prefix + ".".join(str(part) for part in location)
    given = problem["input"]
    match problem["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key{_did_you_mean(location, kind)}"
        case "missing":
            return f"{key}: missing; recipes/defaults.yaml has its meaning and default"
        case "float_type" | "int_type" if isinstance(given, str):
            return f"{key}: {given!r} is text, a number is expected"
        case "value_error":
            detail = problem["msg"].removeprefix("Value error, ")
            return f"{key}: {detail}" if location else detail
        case _:
            shown = repr(given)
            shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
            return f"{key}: {problem['msg'][0].lower()}{problem['msg'][1:]}, not {shown}"


def _is_union_branch(part: str | int) -> bool:
    return isinstance(part, str) and (part.startswith(("constrained", "list[")) or part == "str")


def _did_you_mean(location: list[str | int], kind: type[BaseModel]) -> str:
    section: type[BaseModel] | None = kind
    for part in location[:-1]:
        section = _section_type(section, str(part))
    if section is None:
        return ""
    close = difflib.get_close_matches(str(location[-1]), section.model_fields, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]}?"
    known = ", ".join(section.model_fields)
    return f"; this section has {known or 'no keys'}"


def _section_type(section: type[BaseModel] | None, part: str) -> type[BaseModel] | None:
    """Return the class of a nested section; a mapping's entries have its value type."""
    if section is None:
        return None
    if part not in section.model_fields:
        return section  # a key of a mapping: its value type was taken one step before
    annotation: Any = section.model_fields[part].annotation
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
