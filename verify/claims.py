"""Whether what is here is what dvc.lock has written down: outputs, parameters, code, packages."""

import importlib.metadata
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from verdict.core.errors import VerdictError
from verdict.core.files import sha256_of
from verdict.core.paths import (
    METRICS,
    PIPELINE_FILE,
    PREDICTIONS,
    RECORDS,
    REQUIREMENTS,
    SPLITS,
    places_of_set,
)
from verdict.core.project import CHECKPOINTS
from verdict.core.yaml12 import load_yaml
from verdict.outside.sets import leaks_among_asked
from verdict.params import Params, Reproducibility
from verdict.records.duplicates import read_duplicates
from verdict.records.shards import read_records
from verdict.splitting.assignment import SPLITS as SPLIT_NAMES
from verdict.splitting.files import read_split
from verdict.splitting.leakage import check_split
from verify.clone import git, uncommitted
from verify.findings import IDENTICAL, Finding, different, some, unchecked, worst
from verify.pipeline import (
    LOCK,
    PARAMS,
    Digest,
    Digester,
    Pipeline,
    Stage,
    changes,
    leaves,
    overlap,
)

#: The folders of what is published about the models.
RESULTS = (str(PREDICTIONS), str(METRICS))
#: The stages, and this command itself.
_PROGRAMS = ("stages", "tools", "verdict", "verify")
#: What Python runs without the text that it was made from.
_COMPILED = ("*.pyc", "*.pyd", "*.so")


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


def check_pipeline(pipeline: Pipeline, root: Path, digest: Digester) -> Finding:
    """Say whether dvc.yaml and dvc.lock agree, and the lock with itself.

    Args:
        root: where the outputs are; what was read of one that is not here cannot be looked at.
    """
    return _listed([*pipeline.disagreements(), *_read_otherwise(pipeline, root, digest)])


def _read_otherwise(pipeline: Pipeline, root: Path, digest: Digester) -> list[str]:
    """Say which stage read a part of an output, or a folder of several, other than written."""

    def as_recorded(path: str, md5: str) -> bool:
        found = digest(root / path)
        return found is not None and found.md5 == md5

    written = {path: md5 for stage in pipeline.stages for path, md5 in stage.outs.items()}
    here = {path for path, md5 in written.items() if as_recorded(path, md5)}
    return [
        f"{stage.name} read another {path} than {LOCK} has as written"
        for stage in pipeline.stages
        for path, md5 in stage.deps.items()
        if path not in written and path not in stage.code
        if {out for out in written if overlap(path, out)} <= here and not as_recorded(path, md5)
    ]


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
    """Compare the files that the stages ran, and the requirements, with those committed.

    Local data that were fetched need not be here.
    """
    wrong: dict[str, list[str]] = {}
    for stage in stages:
        for path in sorted(stage.code):
            found = digest(root / path)
            local = {value for key, value in leaves(stage.params) if key.endswith("fetch.local")}
            if found is None and path in local:
                continue
            if found is None or found.md5 != stage.deps[path]:
                wrong.setdefault(path, []).append(stage.name)
    return _listed([f"{path} is not what {some(names)} ran" for path, names in wrong.items()])


def check_work_tree(root: Path, stages: Iterable[Stage]) -> Finding:
    """Name what was edited since the commit and decides results, or what is said of them.

    Outputs are compared apart, but for those that were taken away.
    """
    stages = list(stages)
    edited = {path for letters, path in uncommitted(root) if letters != "??"}
    decisive = {str(PIPELINE_FILE), LOCK, PARAMS, *_PROGRAMS}
    decisive |= {path for stage in stages for path in stage.code}
    outputs = {path for stage in stages for path in stage.outs}
    wrong = [
        f"{path} is removed" for path in sorted(edited & outputs) if not (root / path).exists()
    ]
    for path in sorted(edited):
        if path == PARAMS and (root / path).is_file():
            wrong += _edited_parameters(root)
        elif path in decisive or any(path.startswith(f"{folder}/") for folder in decisive):
            wrong.append(f"{path} is edited")
    return _listed(wrong)


def _edited_parameters(root: Path) -> list[str]:
    before = load_yaml(git(root, "show", f"HEAD:{PARAMS}"), PARAMS)
    try:
        after = load_yaml((root / PARAMS).read_bytes(), PARAMS)
    except VerdictError as error:
        return [f"{PARAMS} is edited: {error}"]
    if not isinstance(after, dict):
        return [f"{PARAMS} is edited and is no valid YAML with keys: it holds {after!r}"]
    return [
        f"{PARAMS} is edited: {name} is {new}, committed is {old}"
        for name, old, new in _unequal("", before, after)
    ]


def check_origin(clone: Path, stages: Iterable[Stage]) -> Finding:
    """Name what is committed among the results and no stage makes.

    It can say anything, and looks like one of them. Committed checkpoints are no results, but a
    stage that finds them goes on from what they say; compiled code is run instead of the code that
    people read.
    """
    made = {path for stage in stages for path in stage.outs}
    paths = git(clone, "ls-files", "-z", *RESULTS, CHECKPOINTS, *_COMPILED).split("\0")
    return _listed(
        [
            f"{path} is committed, and no stage makes it"
            for path in paths
            if path and not path.endswith("/.gitignore")
            if not any(overlap(path, one) for one in made)
        ]
    )


def check_leakage(root: Path, params: Params) -> Finding:
    """Look again whether a patient, a duplicate or an identical source crosses the splits.

    And whether a test set from elsewhere has one, or nearly the same image, that training has.
    """
    records, splits = root / RECORDS, root / SPLITS
    sets = [root / place for name in params.outside for place in places_of_set(name)]
    for folder in (records, splits, *sets):
        if not folder.is_dir():
            return unchecked(f"{folder.relative_to(root)} is absent: `dvc pull`")
    published = params.split.source == "published"
    try:
        check_split(
            read_records(records),
            read_duplicates(records),
            read_split(splits),
            may_cross=params.split.crossing == "keep",
            complete=("train", "test") if published else SPLIT_NAMES,
        )
    except VerdictError as error:
        return different(str(error))
    return _listed([said for name in params.outside for said in leaks_among_asked(name, root)])


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


def check_environment(requirements: Path) -> Finding:
    """Compare the installed packages with the pinned ones."""
    wrong = []
    for name, pin in _pins(requirements).items():
        version = _installed(name)
        # torch's CPU build calls itself 2.13.0+cpu.
        if version.partition("+")[0] != pin:
            wrong.append(f"{name} {version} for {pin}")
    return unchecked(f"other packages than pinned: {some(wrong)}") if wrong else IDENTICAL


def excuse(requirements: Path, options: Reproducibility) -> str:
    """Say why bytes may differ here from those published; nothing where nothing excuses it.

    On which machine a commit was made, nothing says; what it pinned decides.
    """
    packages = check_environment(requirements)
    if packages != IDENTICAL:
        return packages.detail
    if options.device != "cpu":
        return f"reproducibility.device is {options.device}"
    if options.cpu_isa != "avx2":
        return f"reproducibility.cpu_isa is {options.cpu_isa}"
    if options.threads is None:
        return "reproducibility.threads is null"
    # Only now: it takes seconds.
    import torch

    found = torch.backends.cpu.get_cpu_capability()
    return "" if found in ("AVX2", "AVX512") else "this processor has no AVX2"


def describe_environment(requirements: Path) -> dict[str, Any]:
    """Return the hash of the pins, the version of each pinned package, Python and the platform."""
    return {
        f"{REQUIREMENTS} sha256": sha256_of(requirements),
        "packages": {name: _installed(name) for name in _pins(requirements)},
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def _pins(requirements: Path) -> dict[str, str]:
    lines = requirements.read_text(encoding="utf-8").splitlines()
    pinned = (line.partition("==") for line in lines if not line.startswith("#"))
    return {name: pin for name, equals, pin in pinned if equals}


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
