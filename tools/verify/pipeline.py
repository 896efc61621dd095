"""What dvc.lock says ran, and whether dvc.yaml still says the same."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tools.verify.copying import cache_of, git
from tools.verify.description import plain_path, read_description
from tools.verify.digests import digest_of_listing
from verdict.core.errors import VerdictError
from verdict.core.yaml12 import load_yaml

DESCRIPTION, LOCK, PARAMS = "dvc.yaml", "dvc.lock", "params.yaml"
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


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
            VerdictError: one is missing or cannot be read, or dvc.yaml has a form not known here.
        """
        lock = root / LOCK
        if not lock.is_file():
            raise VerdictError(f"{LOCK} is not in the commit: nothing was ever run (`dvc repro`)")
        self._root = root
        self._described = read_description(root)
        try:
            # As DVC reads it: YAML 1.2, in which `no` is a text.
            self._locked: dict[str, Any] = load_yaml(lock.read_bytes(), LOCK)["stages"]
            own = {path for stage in self._locked.values() for path in _hashes(stage, "outs")}
            self.stages = [
                self._stage(name, entry, own)
                for name, entry in self._locked.items()
                if name in self._described
            ]
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise VerdictError(
                f"{LOCK} is not as DVC writes it ({type(error).__name__}: {error}): "
                "`git checkout` an earlier one, or `dvc repro`"
            ) from None

    def listing(self, md5: str) -> dict[str, str] | None:
        """Return the MD5 of each file of a folder, by the folder's; None if nobody knows them."""
        path = self._cache / "files/md5" / md5[:2] / md5[2:]
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            files = {entry["relpath"]: entry["md5"] for entry in entries}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return files if digest_of_listing(files) == md5 else None

    @cached_property
    def _cache(self) -> Path:
        return cache_of(self._root)

    def disagreements(self) -> list[str]:
        """Say in what dvc.yaml is not what ran, and where one stage did not read what one wrote."""
        elsewhere = git(self._root, "ls-files", "-z", ":(glob)**/dvc.yaml", ":(glob)**/*.dvc")
        said = [
            f"{path} describes what {LOCK} has not"
            for path in elsewhere.split("\0")
            if path not in ("", DESCRIPTION)
        ]
        said += [f"{name} was never run" for name in self._described if name not in self._locked]
        said += [
            f"{LOCK} has {name}, dvc.yaml has not"
            for name in self._locked
            if name not in self._described
        ]
        for stage in self.stages:
            now = self._described[stage.name]
            for noun, before, after in (
                ("command", {stage.cmd}, {now.cmd}),
                ("dependencies", set(stage.deps), now.deps),
                ("parameters", set(stage.params), now.params),
                ("outputs", set(stage.outs), now.outs.keys()),
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
        deps, outs = (_hashes(entry, kind) for kind in ("deps", "outs"))
        cmd, params = entry["cmd"], dict(entry.get("params", {}).get(PARAMS, {}))
        if not isinstance(cmd, str) or not all(isinstance(key, str) for key in params):
            raise TypeError(f"the command or the parameters of {name} are no texts")
        return Stage(
            name,
            cmd,
            deps,
            params,
            outs,
            frozenset(path for path in deps if not any(overlap(path, out) for out in own)),
            frozenset(path for path in outs if self._described[name].outs.get(path)),
        )


def _hashes(entry: dict[str, Any], kind: str) -> dict[str, str]:
    hashes = {
        plain_path(one["path"], LOCK, outside=kind == "deps"): one["md5"]
        for one in entry.get(kind, [])
    }
    for path, md5 in hashes.items():
        if not _MD5.fullmatch(md5):
            raise ValueError(f"{md5} of {path} is no MD5")
    return hashes


def overlap(path: str, out: str) -> bool:
    """Say whether a path is an output, lies in it, or holds it."""
    return path == out or path.startswith(f"{out}/") or out.startswith(f"{path}/")
