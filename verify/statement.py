"""A statement about a commit: the SHA-256 of all that it made, and what it was verified with.

It is an in-toto statement (https://github.com/in-toto/attestation/tree/main/spec/v1) with
model-signing's predicate, so that model-signing's own command checks it, too. That predicate names
the files; verifiers have to ignore what stands beside them, which here is the commit, the paths of
the outputs, the environment and the verification's sentence.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from verdict.core.errors import VerdictError
from verdict.core.files import sha256_of
from verdict.core.paths import ENVIRONMENT, METRICS, PIPELINE_FILE, REQUIREMENTS
from verify.claims import RESULTS, describe_environment
from verify.clone import checked_out, git, refuse_uncommitted, uncommitted
from verify.findings import some
from verify.pipeline import LOCK, PARAMS, Pipeline, ignored

#: What decides about the outputs and is no output itself.
DECISIVE = (str(PIPELINE_FILE), LOCK, PARAMS, str(REQUIREMENTS))


@dataclass(frozen=True)
class Statement:
    """What is said of a commit.

    Attributes:
        files: the SHA-256 of each file, by its path from the project's root.
        outputs: the paths of the stages' outputs: files, or folders that hold some of ``files``.
        cached: those of ``outputs`` that DVC keeps, so that a clone may lack them.
        environment: pins, versions, Python and platform.
        sentence: what the verification found.
    """

    commit: str
    files: dict[str, str]
    outputs: list[str]
    cached: list[str]
    environment: dict[str, Any]
    sentence: str = ""

    def predicate(self) -> dict[str, Any]:
        """Return what goes into the predicate beside the files."""
        return {
            "commit": self.commit,
            "outputs": self.outputs,
            "cached": self.cached,
            "environment": self.environment,
            "verification": self.sentence,
        }

    @classmethod
    def read(cls, predicate: Mapping[str, Any]) -> Self:
        """Return the statement that a signed predicate makes.

        Raises:
            VerdictError: it says nothing of a commit of this project.
        """
        try:
            return cls(
                predicate["commit"],
                {one["name"]: one["digest"] for one in predicate["resources"]},
                list(predicate["outputs"]),
                list(predicate["cached"]),
                dict(predicate["environment"]),
                predicate["verification"],
            )
        except (KeyError, TypeError, ValueError):
            raise VerdictError(
                "what is signed is no statement of `verify --sign`: it names no commit and "
                "no outputs"
            ) from None


@dataclass(frozen=True)
class TreeComparison:
    """How the files here differ from those of a statement; paths from the project's root.

    Attributes:
        changed: other bytes than signed, or edited since the commit.
        missing: signed, but not here.
        extra: in an output's folder or beside the published numbers, but not signed.
        unsigned: what this commit makes, or what decides it, and the statement leaves out.
        absent: outputs that were not pulled at all, and of which nothing can be said.
        same: how many files are as signed.
    """

    changed: list[str]
    missing: list[str]
    extra: list[str]
    unsigned: list[str]
    absent: list[str]
    same: int

    @property
    def wrong(self) -> list[str]:
        """All that is not as signed."""
        return [*self.changed, *self.missing, *self.extra, *self.unsigned]

    @property
    def holds(self) -> bool:
        return not self.wrong


def describe(root: Path) -> Statement:
    """Hash everything that the last commit says it made.

    Raises:
        VerdictError: the work tree is not clean, or an output is not here.
    """
    refuse_uncommitted(root, "a statement is about a commit, and ")
    stages = Pipeline(root).stages
    outputs = [path for stage in stages for path in stage.outs]
    cached = [path for stage in stages for path in sorted(stage.cached)]
    absent = [path for path in outputs if not (root / path).exists()]
    if absent:
        raise VerdictError(
            f"a statement is about all outputs, and {some(absent)} is not here: `dvc pull`"
        )
    paths = {*DECISIVE, *_tracked_metrics(root), *_files_of(root, outputs)}
    return Statement(
        checked_out(root),
        hashes(root, paths),
        outputs,
        cached,
        describe_environment(root / REQUIREMENTS),
    )


def compare_tree(root: Path, statement: Statement) -> TreeComparison:
    """Compare the files of a work tree with those of a statement.

    Raises:
        VerdictError: the statement is about another commit, or nothing of its outputs is here.
    """
    head = checked_out(root)
    if head != statement.commit:
        raise VerdictError(
            f"the statement is about commit {statement.commit}, and here is {head}: "
            f"`git checkout {statement.commit}`, or ask for a statement about this one"
        )
    absent = [path for path in statement.cached if not (root / path).exists()]
    if statement.cached and absent == statement.cached:
        raise VerdictError("none of the data, models and predictions is here: `dvc pull`")
    expected = {
        path: digest
        for path, digest in statement.files.items()
        if not any(within(path, output) for output in absent)
    }
    found = hashes(root, [path for path in expected if (root / path).is_file()])
    edited = {path for letters, path in uncommitted(root) if letters != "??"}
    changed = {path for path, digest in found.items() if digest != expected[path]}
    missing = expected.keys() - found.keys()
    made = {path for stage in Pipeline(root).stages for path in stage.outs}
    decisive = {*DECISIVE, *_tracked_metrics(root)} - statement.files.keys()
    unsigned = (made - {*statement.outputs}) | decisive
    extra = _files_of(root, statement.outputs) | _files_beside_numbers(root)
    return TreeComparison(
        sorted(changed | (edited - missing)),
        sorted(missing),
        sorted(extra - statement.files.keys() - unsigned),
        sorted(unsigned),
        absent,
        len(found) - len(changed),
    )


def within(path: str, output: str) -> bool:
    """Say whether a path is an output or lies in its folder."""
    return path == output or path.startswith(f"{output}/")


def hashes(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of files, sorted by path; links are followed, as DVC may make some."""
    return {path: sha256_of(root / path) for path in sorted(paths)}


def _files_of(root: Path, outputs: Iterable[str]) -> set[str]:
    places = [root / path for path in outputs]
    files = [one for place in places for one in (place, *place.rglob("*")) if one.is_file()]
    paths = (file.relative_to(root) for file in files)
    return {path.as_posix() for path in paths if not ignored(path)}


def _files_beside_numbers(root: Path) -> set[str]:
    """Return what lies where numbers are published, but for what git and each run leave there."""
    found = _files_of(root, RESULTS)
    return {path for path in found if Path(path).name not in (".gitignore", ENVIRONMENT.name)}


def _tracked_metrics(root: Path) -> list[str]:
    return [path for path in git(root, "ls-files", "-z", str(METRICS)).split("\0") if path]
