"""What dvc.yaml says of a stage, and its parameters: a stage reads only what is listed for it."""

from collections.abc import Iterator
from typing import Any, cast

from pydantic import BaseModel

from verdict.core.errors import VerdictError
from verdict.core.paths import PIPELINE_FILE
from verdict.params import Params
from verdict.params.file import read_mapping, read_params

#: Sections that change no output, so that every stage may read them and none lists them.
WITHOUT_EFFECT = frozenset({"tracking", "compute"})


class UnlistedParameterError(VerdictError):
    """A stage reads a parameter that dvc.yaml does not list for it."""


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
    stages = read_mapping(PIPELINE_FILE).get("stages", {})
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
