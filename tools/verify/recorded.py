"""Whether what is here is what dvc.lock has written down: outputs, parameters and code."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tools.verify.copying import git
from tools.verify.digests import Digest, Digester, changes
from tools.verify.pipeline import LOCK, PARAMS, Pipeline, Stage
from tools.verify.results import IDENTICAL, Finding, different, unchecked, worst
from verdict.errors import VerdictError
from verdict.params import Params
from verdict.records.duplicates import read_duplicates
from verdict.records.leakage import check_split
from verdict.records.shards import read_records
from verdict.records.split_files import read_split
from verdict.records.splitting import SPLITS

_NAMED = 4  # things in a message


def check_output(
    path: str, stage: Stage, pipeline: Pipeline, places: dict[str, Path], digest: Digester
) -> Finding:
    """Compare an output with its hash in dvc.lock, wherever it is.

    Args:
        places: the roots that may hold it, by what messages call them.
    """
    md5, findings = stage.outs[path], []
    for place, root in places.items():
        found = digest(root / path)
        if found is not None:
            findings.append(_against(md5, found, pipeline, place))
    if not findings:
        pulled = "dvc pull" if path in stage.cached else "git checkout"
        return unchecked(f"absent: `{pulled} {path}`")
    return worst(findings)


def _against(md5: str, found: Digest, pipeline: Pipeline, place: str) -> Finding:
    if found.md5 == md5:
        return IDENTICAL
    named = changes(found.files, pipeline.listing(md5)) if found.files is not None else ""
    hashes = f"MD5 {found.md5[:8]}…, {LOCK} has {md5[:8]}…"
    return different(f"in {place} {named + ': ' if named else ''}{hashes}")


def check_pipeline(pipeline: Pipeline) -> Finding:
    """Say whether dvc.yaml and dvc.lock agree, and the lock with itself."""
    return _listed(pipeline.disagreements())


def other_parameters(stage: Stage, params: Any) -> list[str]:
    """Return in what the parameters in params.yaml are not those that the stage ran with."""
    return [
        f"{name} is {new}, {LOCK} has {old}"
        for key, value in stage.params.items()
        for name, old, new in _unequal(key, value, _value(params, key))
    ]


def check_parameters(stages: Iterable[Stage], params: Any) -> Finding:
    """Compare params.yaml with the values that every stage ran with."""
    found: dict[str, list[str]] = {}
    for stage in stages:
        for wrong in other_parameters(stage, params):
            found.setdefault(wrong, []).append(stage.name)
    return _listed([f"{wrong} ({some(names)})" for wrong, names in found.items()])


def check_code(stages: Iterable[Stage], root: Path, digest: Digester) -> Finding:
    """Compare the files that the stages ran, and the requirements, with those committed."""
    wrong: dict[str, list[str]] = {}
    for stage in stages:
        for path in sorted(stage.code):
            found = digest(root / path)
            if found is None or found.md5 != stage.deps[path]:
                wrong.setdefault(path, []).append(stage.name)
    return _listed([f"{path} is not what {some(names)} ran" for path, names in wrong.items()])


def check_work_tree(root: Path, stages: Iterable[Stage]) -> Finding:
    """Name what was edited since the commit and decides results; outputs are compared apart."""
    status = git(root, "status", "--porcelain", "--untracked-files=no", "-z")
    edited = {entry[3:] for entry in status.split("\0") if entry}
    decisive = {"dvc.yaml", LOCK, PARAMS}
    decisive |= {path for stage in stages for path in stage.code}
    wrong = []
    for path in sorted(edited):
        if path == PARAMS and (root / path).is_file():
            before = yaml.safe_load(git(root, "show", f"HEAD:{PARAMS}"))
            after = yaml.safe_load((root / path).read_text(encoding="utf-8"))
            wrong += [
                f"{PARAMS} is edited: {name} is {new}, committed is {old}"
                for name, old, new in _unequal("", before, after)
            ]
        elif path in decisive or any(path.startswith(f"{folder}/") for folder in decisive):
            wrong.append(f"{path} is edited")
    return _listed(wrong)


def check_leakage(root: Path, params: Params) -> Finding:
    """Look again whether a patient, a duplicate or an identical source crosses the splits."""
    records, splits = root / "data/records", root / "data/splits"
    for folder in (records, splits):
        if not folder.is_dir():
            return unchecked(f"{folder.relative_to(root)} is absent: `dvc pull`")
    published = params.split.source == "published"
    try:
        check_split(
            read_records(records),
            read_duplicates(records),
            read_split(splits),
            may_cross=params.split.crossing == "keep",
            complete=("train", "test") if published else SPLITS,
        )
    except VerdictError as error:
        return different(str(error))
    return IDENTICAL


def _unequal(key: str, old: Any, new: Any) -> list[tuple[str, Any, Any]]:
    """Return the dotted keys at which two values differ, with both."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [] if old == new else [(key, old, new)]
    return [
        one
        for name in dict.fromkeys([*old, *new])
        for one in _unequal(
            f"{key}.{name}".lstrip("."), old.get(name, "absent"), new.get(name, "absent")
        )
    ]


def _value(params: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(params, dict) or part not in params:
            return "absent"
        params = params[part]
    return params


def _listed(wrong: list[str]) -> Finding:
    return different(some(wrong, "; ")) if wrong else IDENTICAL


def some(names: list[str], separator: str = ", ") -> str:
    more = f"{separator}and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return separator.join(names[:_NAMED]) + more
