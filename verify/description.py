"""What dvc.yaml describes: each stage, with its templates filled in from params.yaml.

It is read as DVC reads it (https://dvc.org/doc/user-guide/project-structure/dvcyaml-files). Forms
that no stage of this project has, such as ``vars``, ``matrix`` and ``wdir``, are refused: what they
mean is DVC's to say.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from verdict.core.errors import VerdictError
from verdict.core.paths import PARAMS_FILE, PIPELINE_FILE
from verdict.core.yaml12 import load_yaml

#: Sections of dvc.yaml: the stages, and what is only shown.
_SECTIONS = {"stages", "plots", "artifacts"}
_OUTPUTS = ("outs", "metrics", "plots")
#: What a stage may say; the latter four decide about no command, path or parameter.
_KEYS = {"cmd", "deps", "params", *_OUTPUTS, "desc", "meta", "frozen", "always_changed"}
_TEMPLATE = re.compile(r"\$\{([^}]*)\}")
_PLACE = re.compile(r"[\w-]+(\.[\w-]+)*")


@dataclass(frozen=True)
class Described:
    """A stage as dvc.yaml describes it.

    Attributes:
        deps: paths from the project's root.
        params: dotted keys of params.yaml.
        outs: paths from the project's root, and of each whether DVC's cache has it, not git.
    """

    cmd: str
    deps: frozenset[str]
    params: frozenset[str]
    outs: dict[str, bool]


def read_description(root: Path) -> dict[str, Described]:
    """Return the stages that a project's dvc.yaml describes, by name, such as ``evaluate@tuned``.

    Raises:
        VerdictError: dvc.yaml or params.yaml cannot be read, or dvc.yaml has a form that is not
            known here.
    """
    values = _mapping(_load(root / PARAMS_FILE), str(PARAMS_FILE))
    described = _mapping(_load(root / PIPELINE_FILE), str(PIPELINE_FILE))
    _refuse_others(described, _SECTIONS, str(PIPELINE_FILE))
    stages: dict[str, Described] = {}
    for name, definition in _mapping(described.get("stages", {}), "stages").items():
        for full, body, known in _written_out(name, _mapping(definition, name), values):
            if full in stages:
                _refuse(full, "is there twice", "one definition of each stage")
            stages[full] = _stage(full, _mapping(_filled(body, known, full), full))
    return stages


def plain_path(path: Any, where: str, *, outside: bool = False) -> str:
    """Return a path if it can only mean something inside the project.

    Args:
        outside: it may lie elsewhere, too, as local data do, which are read and never written.

    Raises:
        VerdictError: it is none, is written in more than one way, or leads outside.
    """
    if (
        not isinstance(path, str)
        or path != posixpath.normpath(path)
        or (not outside and path.startswith(("/", "../")))
        or path in (".", "..")
        or "\0" in path
    ):
        raise VerdictError(
            f"{where}: {path!r} is no path in the project; expected is one from its root on, such "
            "as data/raw"
        )
    return path


def _load(path: Path) -> Any:
    try:
        return load_yaml(path.read_bytes(), path.name)
    except OSError as error:
        raise VerdictError(f"{path.name} cannot be read ({error.strerror})") from None


def _written_out(
    name: str, definition: dict[str, Any], values: dict[str, Any]
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield a stage, or each that ``foreach`` makes: name, body, and what its templates know."""
    if "foreach" not in definition:
        yield name, definition, values
        return
    _refuse_others(definition, {"foreach", "do"}, name)
    each = definition["foreach"]
    template = _TEMPLATE.fullmatch(each) if isinstance(each, str) else None
    if template is None:
        _refuse(f"{name}.foreach", f"{each!r}", f"a template of {PARAMS_FILE}, such as ${{models}}")
    items = _mapping(_value(template[1], values, name), f"{each} of {name}.foreach")
    for key, item in items.items():
        yield f"{name}@{key}", definition.get("do"), values | {"key": key, "item": item}


def _stage(name: str, body: dict[str, Any]) -> Described:
    _refuse_others(body, _KEYS, name)
    if not isinstance(body.get("cmd"), str):
        _refuse(f"{name}.cmd", repr(body.get("cmd")), "one command, as text")
    outs: dict[str, bool] = {}
    for kind in _OUTPUTS:
        where = f"{PIPELINE_FILE}, {name}.{kind}"
        for path, cached in _outputs(body.get(kind, []), f"{name}.{kind}"):
            if path in outs:
                _refuse(f"{name}.{kind}", f"{path} again", "each output once")
            outs[plain_path(path, where)] = cached
    where = f"{PIPELINE_FILE}, {name}.deps"
    deps = (
        plain_path(path, where, outside=True)
        for path in _list(body.get("deps", []), f"{name}.deps")
    )
    params = _list(body.get("params", []), f"{name}.params")
    for key in params:
        if not isinstance(key, str):
            _refuse(f"{name}.params", repr(key), f"a key of {PARAMS_FILE}, such as train.seed")
    return Described(body["cmd"], frozenset(deps), frozenset(params), outs)


def _outputs(entries: Any, where: str) -> Iterator[tuple[Any, bool]]:
    """Yield the paths of a list of outputs, each with whether DVC caches it."""
    for entry in _list(entries, where):
        if not isinstance(entry, dict):
            yield entry, True
            continue
        for path, options in entry.items():
            cached = _mapping(options, f"{where}, {path}").get("cache", True)
            if not isinstance(cached, bool):
                _refuse(f"{where}, {path}.cache", repr(cached), "true or false")
            yield path, cached


def _filled(value: Any, values: Mapping[str, Any], where: str) -> Any:
    """Fill in the templates of a value, of all in it and of keys."""
    if isinstance(value, dict):
        return {_filled(k, values, where): _filled(v, values, where) for k, v in value.items()}
    if isinstance(value, list):
        return [_filled(one, values, where) for one in value]
    if not isinstance(value, str):
        return value
    if r"\${" in value:
        _refuse(where, f"{value!r} with a backslash", "${…} for templates alone")
    if whole := _TEMPLATE.fullmatch(value):
        return _scalar(whole[1], values, where)
    return _TEMPLATE.sub(lambda found: _text(_scalar(found[1], values, where)), value)


def _scalar(place: str, values: Mapping[str, Any], where: str) -> Any:
    value = _value(place, values, where)
    if isinstance(value, dict | list):
        _refuse(where, f"${{{place}}}, which has several values", "a template of one value")
    return value


def _value(place: str, values: Any, where: str) -> Any:
    """Return what a template names."""
    if not _PLACE.fullmatch(place):
        _refuse(where, f"${{{place}}}", f"a dotted key of {PARAMS_FILE}, such as ${{train.seed}}")
    for part in place.split("."):
        if not isinstance(values, dict) or part not in values:
            raise VerdictError(
                f"{PIPELINE_FILE}, {where}: ${{{place}}} is not in {PARAMS_FILE}; add it there, or "
                "mend the template"
            )
        values = values[part]
    return values


def _text(value: Any) -> str:
    """Return a value as DVC writes it into a text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        _refuse(where, repr(value)[:40], "keys, which are texts, with values")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        _refuse(where, repr(value)[:40], "a list")
    return value


def _refuse_others(value: Mapping[str, Any], known: set[str], where: str) -> None:
    if others := sorted(value.keys() - known):
        _refuse(where, ", ".join(others), f"nothing but {', '.join(sorted(known))}")


def _refuse(where: str, what: str, expected: str) -> NoReturn:
    raise VerdictError(
        f"{PIPELINE_FILE}, {where}: {what}: this form is not known to verify; expected is "
        f"{expected}"
    )
