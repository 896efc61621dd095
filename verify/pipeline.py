"""What dvc.lock says ran, whether dvc.yaml still says the same, and DVC's hashes of what is here.

DVC remembers hashes by size and time of change; here every byte is read, since a file may have been
changed in a way that leaves both as they were.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from verdict.core.errors import VerdictError
from verdict.core.paths import LOCK_FILE, PARAMS_FILE, PIPELINE_FILE
from verdict.core.yaml12 import load_yaml
from verify.clone import cache_of, git
from verify.description import plain_path, read_description
from verify.findings import some

DESCRIPTION, LOCK, PARAMS = map(str, (PIPELINE_FILE, LOCK_FILE, PARAMS_FILE))
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
#: What .dvcignore leaves out of folders of code.
_IGNORED = ("__pycache__", ".pyc")


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
        return read_listing(self._cache / "files/md5", md5)

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


@dataclass(frozen=True)
class Digest:
    """The MD5 that dvc.lock writes for a path; of a folder also those of its files, by name."""

    md5: str
    files: dict[str, str] | None = None


class Digester:
    """Computes digests; bytes that several links share are read once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], str] = {}

    def __call__(self, path: Path) -> Digest | None:
        """Return the digest of a file or folder; None where there is neither."""
        if path.is_dir():
            files = {
                file.relative_to(path).as_posix(): self._file(file)
                for file in sorted(path.rglob("*"))
                if file.is_file() and not ignored(file)
            }
            return Digest(digest_of_listing(files), files)
        return Digest(self._file(path)) if path.is_file() else None

    def _file(self, path: Path) -> str:
        status = path.stat()
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if key not in self._known:
            with path.open("rb") as file:
                self._known[key] = hashlib.file_digest(file, "md5").hexdigest()
        return self._known[key]


def leaves(params: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of parameters by dotted key, those of whole sections one by one."""
    for key, value in params.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def ignored(path: Path) -> bool:
    """Say whether a file counts as no part of the folder that it is in."""
    return any(part.endswith(_IGNORED) for part in path.parts)


def read_listing(objects: Path, md5: str) -> dict[str, str] | None:
    """Return the MD5 of each file of a folder that DVC stored; None if it is not whole there.

    Args:
        objects: the folder ``files/md5`` of DVC's cache, or of a remote.
        md5: the folder's.
    """
    try:
        entries = json.loads((objects / md5[:2] / md5[2:]).read_text(encoding="utf-8"))
        files = {entry["relpath"]: entry["md5"] for entry in entries}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return files if digest_of_listing(files) == md5 else None


def digest_of_listing(files: dict[str, str]) -> str:
    """Return DVC's MD5 of a folder from those of its files, by their names relative to it."""
    # As DVC writes a folder's `.dir` file: keys and files sorted, non-ASCII letters escaped.
    listing = [{"md5": files[name], "relpath": name} for name in sorted(files)]
    text = json.dumps(listing)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"


def changes(files: dict[str, str], recorded: dict[str, str] | None) -> str:
    """Name the files of a folder that are not as recorded; nothing without a record of them."""
    if recorded is None:
        return ""
    changed = [name for name in files if recorded.get(name, files[name]) != files[name]]
    parts = (
        ("", changed),
        ("missing ", [name for name in recorded if name not in files]),
        ("added ", [name for name in files if name not in recorded]),
    )
    return "; ".join(word + some(names) for word, names in parts if names)
