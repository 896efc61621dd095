"""Try settings in DVC's queue, and take those that are best on the validation split.

    python -m tools.search -S lora.r=8,16 -S train.learning_rate=0.001,0.002

runs all combinations (here four) as experiments of DVC's, beside the project, and applies the best
one: params.yaml has its values then, and what it made is in place. The test split has no part in
the choice, and the verdict says how many settings there were, those of earlier searches among them.
``dvc exp show`` lists them.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from verdict.core.errors import VerdictError
from verdict.core.paths import COMPARE_METRICS, PARAMS_FILE
from verdict.params.file import read_params
from verdict.pipeline.command import command, parser_of

#: What compare writes it under.
_VALIDATION = "validation"


@dataclass(frozen=True)
class Try:
    """An experiment: its name, what it sets, and the decisive metric on the validation split."""

    name: str
    settings: tuple[str, ...]
    validation: float | None = None


def combinations(settings: Sequence[str]) -> list[tuple[str, ...]]:
    """Return what each experiment sets; lists and ranges are DVC's: ``lora.r=8,16``.

    Raises:
        VerdictError: they cannot be read, or make fewer than two experiments.
    """
    from dvc.utils.hydra import get_hydra_sweeps

    try:
        sweeps = get_hydra_sweeps({PARAMS_FILE.name: list(settings)})
        found = [tuple(sweep[PARAMS_FILE.name]) for sweep in sweeps]
    except Exception as error:  # DVC hands on what its parser raises
        raise VerdictError(f"-S {' -S '.join(settings)} cannot be read: {error}") from None
    if len(found) == 1:
        raise VerdictError(f"{settings[0]} is one setting; give several to choose from: -S KEY=A,B")
    return found


def run_all(tries: Sequence[Try], before: int, jobs: int) -> None:
    """Queue the experiments and run them; each knows from how many settings one is chosen.

    Args:
        before: the settings that these start from were chosen from so many.

    Raises:
        VerdictError: there are experiments of these names, others wait in the queue, or one cannot
            be queued, such as for a key that params.yaml does not have.
    """
    if taken := sorted({one.name for one in tries} & _references().keys()):
        raise VerdictError(
            f"there are experiments called {', '.join(taken)} already; call these otherwise: --name"
        )
    if waiting := _dvc("queue", "status").count(" Queued"):
        raise VerdictError(
            f"{waiting} experiments wait in DVC's queue; run them (`dvc exp run --run-all`) or "
            "remove them (`dvc queue remove --all`) first"
        )
    for one in tries:
        values = (f"compare.tries={before - 1 + len(tries)}", *one.settings)
        options = [word for value in values for word in ("-S", value)]
        try:
            _dvc("exp", "run", "--queue", "--name", one.name, *options)
        except VerdictError:
            subprocess.run(("dvc", "queue", "remove", "--queued"), capture_output=True)
            raise
    subprocess.run(("dvc", "exp", "run", "--run-all", "--jobs", str(jobs)))


def measured(one: Try) -> Try:
    """Return the experiment with its metric; without one where it failed."""
    if (reference := _references().get(one.name)) is None:
        return one
    found = json.loads(_run("git", "show", f"{reference}:{COMPARE_METRICS}"))
    return replace(one, validation=found.get(_VALIDATION))


def _references() -> dict[str, str]:
    """Return where git has each experiment, by its name."""
    found = _run("git", "for-each-ref", "--format=%(refname)", "refs/exps").splitlines()
    return {reference.rpartition("/")[2]: reference for reference in found}


def best(tries: Sequence[Try]) -> Try:
    """Return the first of those with the highest metric.

    Raises:
        VerdictError: all have failed.
    """
    ended = [one for one in tries if one.validation is not None]
    if not ended:
        raise VerdictError(
            f"none of the {len(tries)} experiments has ended; `dvc queue logs NAME` says why"
        )
    return max(ended, key=lambda one: one.validation or 0.0)


def _dvc(*arguments: str) -> str:
    return _run("dvc", *arguments)


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise VerdictError(f"`{' '.join(words)}` ended with {done.returncode}: {said}")
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run the experiments, and apply the best one."""
    parser = parser_of("tools.search", __doc__)
    parser.add_argument(
        "-S", "--set-param", metavar="KEY=A,B", action="append", required=True, dest="settings"
    )
    parser.add_argument("--name", default="search", help="what experiments are called: NAME-1 …")
    parser.add_argument("--jobs", type=int, default=1, help="experiments at once")
    options = parser.parse_args(arguments)
    with command("search", "interrupted; experiments that have ended stay: dvc exp show"):
        params = read_params()
        if not params.evaluate.validation:
            raise VerdictError(
                f"evaluate.validation is false in {PARAMS_FILE}, and settings are chosen by the "
                "validation split; set it to true"
            )
        tries = [
            Try(f"{options.name}-{number}", settings)
            for number, settings in enumerate(combinations(options.settings), start=1)
        ]
        run_all(tries, params.compare.tries, options.jobs)
        tries = [measured(one) for one in tries]
        chosen = best(tries)
        _dvc("exp", "apply", chosen.name)
    print("\non the validation split, the best first")
    for one in sorted(tries, key=lambda one: -1.0 if one.validation is None else -one.validation):
        shown = "failed" if one.validation is None else f"{one.validation:.4f}"
        print(f"  {shown}  {one.name}  {' '.join(one.settings)}")
    if any(one.validation is None for one in tries):
        print("Why one failed: dvc queue logs NAME", file=sys.stderr)
    print(f"Applied {chosen.name}. `python -m verdict.report metrics/report` prints its verdict.")


if __name__ == "__main__":
    main()
