"""Compare what was made here with what is committed: is it the same result?

Each output is `identical` by its hash in dvc.lock; where one is not, the whole run is `equivalent`
or `DIFFERENT` by the rule of verify.equivalence. Exit code 0: identical or equivalent, or another
experiment than the committed one, of which nothing is compared; 1: DIFFERENT; 2: it cannot be said.
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from verdict.core.errors import VerdictError
from verdict.core.paths import COMPARISON, LOCK_FILE, REQUIREMENTS
from verdict.core.yaml12 import load_yaml
from verdict.pipeline.command import parser_of
from verify.clone import git
from verify.equivalence import decisive_numbers, differences, is_exact
from verify.findings import some
from verify.pipeline import leaves, overlap

#: What describes the machine, not the experiment: pinned packages, and the section on processors.
_PACKAGES, _MACHINE = str(REQUIREMENTS), "reproducibility."

#: What looking into a lock, or into numbers, raises that the pipeline did not write.
_NOT_AS_WRITTEN = (
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError
)  # fmt: skip

Stages = Mapping[str, Mapping[str, Any]]


def compare_with_commit(root: Path) -> tuple[bool, str]:
    """Return whether the result here is that of the last commit, and lines for a person.

    Raises:
        VerdictError: there is no commit, or one of the two results is not whole.
    """
    with _as_written():
        committed_lock, committed_file = (
            git(root, "show", f"HEAD:./{p}") for p in (LOCK_FILE, COMPARISON)
        )
        committed, here = (
            _stages(text, where)
            for text, where in (
                (committed_lock, f"the committed {LOCK_FILE}"),
                (_read(root / LOCK_FILE).decode(), str(LOCK_FILE)),
            )
        )
        other = _other_experiment(committed, here)
        if other:
            return (
                True,
                f"Not compared: this is another experiment than the committed one ({other}).",
            )
        path = root / COMPARISON
        found = hashlib.md5(_read(path), usedforsecurity=False).hexdigest()
        if found != _outputs(here).get(str(COMPARISON)):
            raise VerdictError(
                f"{COMPARISON} is not what {LOCK_FILE} records: `dvc repro` makes it"
            )
        return judge(committed, here, json.loads(committed_file), json.loads(path.read_bytes()))


@contextmanager
def _as_written() -> Iterator[None]:
    """Say of a lock, or of numbers, that have another form than the pipeline's that they have.

    Raises:
        VerdictError: instead of whatever looking into them raises.
    """
    try:
        yield
    except _NOT_AS_WRITTEN as error:
        raise VerdictError(
            f"{LOCK_FILE} or {COMPARISON}, here or committed, is not as the pipeline writes it "
            f"({type(error).__name__}: {error}): `dvc repro` makes them"
        ) from None


def judge(
    committed: Stages, here: Stages, numbers: Mapping[str, Any], own: Mapping[str, Any]
) -> tuple[bool, str]:
    """Apply the rule to two runs of one experiment.

    Args:
        committed, here: the stages of their dvc.lock.
        numbers, own: their comparison.json, the committed one first.
    """
    before, after = _outputs(committed), _outputs(here)
    changed = [path for path in before if after.get(path) != before[path]]
    if not changed and numbers == own:
        return True, f"identical: all {len(before)} outputs have the committed bytes."
    exact = _outputs({name: stage for name, stage in committed.items() if is_exact(name)})
    wrong = [
        f"{path} is not as committed, which no processor excuses"
        for path in changed
        if path in exact
    ]
    wrong += differences(numbers, own)
    count = f"{len(before) - len(changed)} of {len(before)} outputs are identical, the others"
    if wrong:
        return False, f"{count} DIFFERENT:\n{some(wrong, '; ')}."
    return True, (
        f"{count} equivalent ({some(changed)}):\n"
        "with this processor, GPU or these packages numbers differ, and the verdict stands:\n"
        f"{decisive_numbers(numbers, own)}."
    )


def _other_experiment(committed: Stages, here: Stages) -> str:
    """Say in what the two runs had other code, commands or parameters; nothing where in none."""
    if committed.keys() != here.keys():
        return f"stages: {some(sorted(committed.keys() ^ here.keys()))}"
    made = {*_outputs(committed), *_outputs(here)}
    asked = [{name: _asked(run[name], made) for name in committed} for run in (committed, here)]
    if asked[0] == asked[1]:
        return ""
    said = [
        what
        for name, before in asked[0].items()
        for what in {**before, **asked[1][name]}
        if before.get(what) != asked[1][name].get(what)
    ]
    return some(list(dict.fromkeys(said)))


def _asked(stage: Mapping[str, Any], made: set[str]) -> dict[str, str]:
    """Return what a stage was asked to do: its command, code and parameters, as one text each."""
    asked = {"a command": stage["cmd"]}
    for dep in stage.get("deps", []):
        # Not a folder or file that a stage made, nor one in it, nor one that holds such.
        path = dep["path"]
        if path != _PACKAGES and not any(overlap(path, out) for out in made):
            asked[path] = dep["md5"]
    for values in stage.get("params", {}).values():
        asked |= {
            key: json.dumps(value, sort_keys=True)
            for key, value in leaves(values)
            if not key.startswith(_MACHINE)
        }
    return asked


def _outputs(stages: Stages) -> dict[str, str]:
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}


def _stages(text: str, where: str) -> Stages:
    lock = load_yaml(text, where)
    if not isinstance(lock, dict) or not isinstance(lock.get("stages"), dict):
        raise VerdictError(f"{where} names no stages: `git checkout {LOCK_FILE}`, or `dvc repro`")
    stages: Stages = lock["stages"]
    return stages


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VerdictError(
            f"{path} cannot be read ({error.strerror}): `dvc repro` makes it"
        ) from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, say what was found, and return the exit code."""
    parser_of("verify.compare", __doc__).parse_args(arguments)
    try:
        same, said = compare_with_commit(Path())
    except VerdictError as error:
        print(f"Could not compare with the commit: {error}", file=sys.stderr)
        return 2
    print(f"Compared with the commit: {said}" if not said.startswith("Not") else said)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
