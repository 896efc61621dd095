"""What dvc.lock says ran, and whether dvc.yaml still says the same."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo

from tools.verify.digests import digest_of_listing
from verdict.errors import VerdictError
from verdict.yaml12 import load_yaml

DESCRIPTION, LOCK, PARAMS = "dvc.yaml", "dvc.lock", "params.yaml"


@dataclass(frozen=True)
class Stage:
    """A stage that ran.

    Attributes:
        deps, outs: the MD5 of each path, as DVC writes it.
        params: the values of the parameters that it could read, by dotted key.
        code: those of ``deps`` that git has.
        cached: those of ``outs`` that are in DVC's cache, not in git.
    """

    name: str
    cmd: str
    deps: dict[str, str]
    params: dict[str, Any]
    outs: dict[str, str]
    code: frozenset[str]
    cached: frozenset[str]


class Pipeline:
    """The pipeline of a project, as dvc.yaml describes it and as dvc.lock recorded its last run."""

    def __init__(self, root: Path):
        """Read both files.

        Raises:
            VerdictError: one is missing or cannot be read, or DVC cannot write its own files here.
        """
        lock = root / LOCK
        if not lock.is_file():
            raise VerdictError(f"{LOCK} is not in the commit: nothing was ever run (`dvc repro`)")
        try:
            # As DVC reads it: YAML 1.2, in which `no` is a text.
            self._locked: dict[str, Any] = load_yaml(lock.read_text("utf-8"), LOCK)["stages"]
            with open_project(root) as repo:
                self._described = {_name(stage): stage for stage in repo.index.stages}
                self._cache = Path(repo.cache.local.path)
            own = {path for stage in self._locked.values() for path in _hashes(stage, "outs")}
            self.stages = [
                self._stage(name, entry, own)
                for name, entry in self._locked.items()
                if name in self._described
            ]
        except DvcException as error:
            raise VerdictError(f"dvc.yaml or {LOCK} cannot be read: {error}") from None
        except (AttributeError, LookupError, TypeError) as error:
            raise VerdictError(
                f"{LOCK} is not as DVC writes it ({type(error).__name__}: {error}): "
                "`git checkout` an earlier one, or `dvc repro`"
            ) from None

    def listing(self, md5: str) -> dict[str, str] | None:
        """Return the MD5 of each file of a folder, by the folder's; None if nobody knows them."""
        path = self._cache / md5[:2] / md5[2:]
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            files = {entry["relpath"]: entry["md5"] for entry in entries}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return files if digest_of_listing(files) == md5 else None

    def disagreements(self) -> list[str]:
        """Say in what dvc.yaml is not what ran, and where one stage did not read what one wrote."""
        said = [f"{name} was never run" for name in self._described if name not in self._locked]
        said += [
            f"{LOCK} has {name}, dvc.yaml has not"
            for name in self._locked
            if name not in self._described
        ]
        for stage in self.stages:
            now = self._described[stage.name]
            deps = {dep.def_path for dep in now.deps if not hasattr(dep, "params")}
            keys = {key for dep in now.deps if hasattr(dep, "params") for key in dep.params}
            for noun, before, after in (
                ("command", {stage.cmd}, {now.cmd}),
                ("dependencies", set(stage.deps), deps),
                ("parameters", set(stage.params), keys),
                ("outputs", set(stage.outs), {out.def_path for out in now.outs}),
            ):
                if before != after:
                    names = ", ".join(sorted(before ^ after))
                    said.append(f"{stage.name}: other {noun} in dvc.yaml than ran ({names})")
        return said + self._broken_chains()

    def _broken_chains(self) -> list[str]:
        written = {path: md5 for stage in self.stages for path, md5 in stage.outs.items()}
        return [
            f"{stage.name} read another {path} than {LOCK} has as written"
            for stage in self.stages
            for path, md5 in stage.deps.items()
            if written.get(path, md5) != md5
        ]

    def _stage(self, name: str, entry: dict[str, Any], own: set[str]) -> Stage:
        deps = _hashes(entry, "deps")
        outs = {out.def_path: out for out in self._described[name].outs}
        return Stage(
            name,
            entry["cmd"],
            deps,
            entry.get("params", {}).get(PARAMS, {}),
            _hashes(entry, "outs"),
            frozenset(path for path in deps if not any(overlap(path, out) for out in own)),
            frozenset(path for path, out in outs.items() if out.use_cache),
        )


def _hashes(entry: dict[str, Any], kind: str) -> dict[str, str]:
    return {one["path"]: one["md5"] for one in entry.get(kind, [])}


@contextmanager
def open_project(root: Path) -> Iterator[Repo]:
    """Open a project as DVC does.

    Raises:
        DvcException: it is none.
        VerdictError: DVC cannot write what it keeps there for itself.
    """
    try:
        with Repo(str(root)) as repo:
            yield repo
    except OSError as error:
        raise VerdictError(
            f"DVC cannot work in {root}, where it keeps its locks ({error}): make it writable, or "
            "work in a clone"
        ) from None


def _name(stage: Any) -> str:
    """Return a stage's name; of one that is not in the project's own dvc.yaml also where it is."""
    where, name = stage.path_in_repo, getattr(stage, "name", "")
    return name if where == DESCRIPTION else f"{where}:{name}".removesuffix(":")


def overlap(path: str, out: str) -> bool:
    """Say whether a path is an output, lies in it, or holds it."""
    return path == out or path.startswith(f"{out}/") or out.startswith(f"{path}/")
