"""Read params.yaml: check all of it, and give each stage only what dvc.yaml lists for it."""

import argparse
import difflib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from verdict.core.errors import VerdictError
from verdict.core.yaml12 import dump_yaml, load_yaml
from verdict.params import Params

Kind = TypeVar("Kind", bound=BaseModel)

PARAMS_FILE = Path("params.yaml")
PIPELINE_FILE = Path("dvc.yaml")
#: Characters of a wrong value in a message.
_SHOWN = 200
#: Sections that change no output, so that every stage may read them and none lists them.
WITHOUT_EFFECT = frozenset({"tracking", "compute"})


class UnlistedParameterError(VerdictError):
    """A stage reads a parameter that dvc.yaml does not list for it."""


def read_params(path: Path | str = PARAMS_FILE) -> Params:
    """Read and validate a whole params file.

    Raises:
        VerdictError: every problem found, each with its key, what was expected and the fix.
    """
    path = Path(path)
    values = _read_yaml(path)
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


def load_params(stage: str) -> Params:
    """Return the parameters of one stage; reading any that dvc.yaml does not list raises.

    Args:
        stage: the stage's name in dvc.yaml, with its key for a ``foreach`` one: ``evaluate@tuned``.

    Raises:
        VerdictError: the file is invalid, or the stage unknown.
        UnlistedParameterError: later, when a parameter outside the stage's list is read.
    """
    return cast(Params, _Listed(read_params(), stage, listed_params(stage) | WITHOUT_EFFECT))


def listed_params(stage: str) -> frozenset[str]:
    """Return the dotted keys of params.yaml that dvc.yaml lists for ``stage``."""
    key = stage.partition("@")[2]
    listed = stage_definition(stage).get("params", [])
    return frozenset(str(entry).replace("${key}", key) for entry in listed)


def stage_definition(stage: str) -> dict[str, Any]:
    """Return what dvc.yaml says of ``stage`` (of each of its stages, for a ``foreach`` one)."""
    name = stage.partition("@")[0]
    stages = _read_yaml(PIPELINE_FILE).get("stages", {})
    if name not in stages:
        raise VerdictError(f"{PIPELINE_FILE} has no stage {name!r}; it has {', '.join(stages)}")
    return stages[name].get("do", stages[name])


class _Listed:
    """A view of a section that shows only listed keys (by attribute, or by item for a mapping)."""

    def __init__(self, value: Any, stage: str, listed: frozenset[str], path: str = ""):
        self._value, self._stage, self._listed, self._path = value, stage, listed, path

    def _child(self, name: str, value: Any) -> Any:
        path = f"{self._path}.{name}" if self._path else name
        if all(
            any(leaf == key or leaf.startswith(key + ".") for key in self._listed)
            for leaf in _leaves(value, path)
        ):
            return value
        if any(key.startswith(path + ".") for key in self._listed):
            return _Listed(value, self._stage, self._listed, path)
        raise UnlistedParameterError(
            f"stage {self._stage} reads the parameter {path}, which {PIPELINE_FILE} does not list "
            f"for it, so DVC would not notice a change: add `- {path}` to the stage's params"
        )

    def __getattr__(self, name: str) -> Any:
        return self._child(name, getattr(self._value, name))

    def __getitem__(self, name: str) -> Any:
        return self._child(name, self._value[name])


def _leaves(value: Any, path: str) -> Iterator[str]:
    """Yield the dotted keys of the scalars and lists at or below ``path``."""
    if isinstance(value, BaseModel):
        value = dict(value)
    if not isinstance(value, dict):
        yield path
        return
    for name, child in value.items():
        yield from _leaves(child, f"{path}.{name}")


def _read_yaml(path: Path) -> dict[str, Any]:
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
            return f"{key}: missing; recipes/ shows its meaning and default"
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


def main() -> None:
    """Check a params file and print its resolved form."""
    parser = argparse.ArgumentParser(prog="python -m verdict.params", description=main.__doc__)
    parser.add_argument("file", nargs="?", default=PARAMS_FILE, type=Path)
    parser.add_argument("--quiet", action="store_true", help="only check, print nothing if valid")
    arguments = parser.parse_args()
    try:
        params = read_params(arguments.file)
    except VerdictError as error:
        sys.exit(str(error))
    if not arguments.quiet:
        print(dump_yaml(params.model_dump()), end="")


if __name__ == "__main__":
    main()
