"""Does a pipeline that is killed at any moment end as if nobody had killed it?

``make bench name=kills`` runs the embedded recipe, shortened, in a fresh copy of the project, and
measures how long it takes. Then it does so again and again, each time kills (``kill -9``) the whole
process group of ``dvc repro`` at a moment drawn from a fixed seed, and recovers as ``make repro``
does: ``python -m tools.recipe check``, which frees a DVC that was killed, and ``dvc repro``.
``dvc.lock`` and every output have to be the bytes of the run that nobody disturbed.

    python -m benchmarks.kills --kills 5    so many, the first of the thirty
"""

import argparse
import contextlib
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from random import Random

from benchmarks.parts.table import Figure, conclude
from testing.project import SMALL, Project, Result, lay_out, ran, result
from verdict.core.yaml12 import dump_yaml

KILLS = 30
#: Two models are enough; of the third the same code makes the same.
WITHOUT = "reference"
#: Of the undisturbed run's duration; later ones would come after the end, now and then.
MOMENTS = (0.02, 0.95)
#: A run that ended before its kill is killed earlier, so many times at most.
_TRIES = 5


def prepare(folder: Path) -> Project:
    """Copy the project, and commit the short recipe: nothing of it was ever run."""
    project = lay_out(folder)
    project.edit(SMALL)
    values = project.read("params.yaml")
    del values["models"][WITHOUT], values["evaluate"]["models"][WITHOUT]
    (project.root / "params.yaml").write_text(dump_yaml(values), "utf-8")
    project.commit("Shorten the recipe")
    return project


def forget(project: Project) -> None:
    """Remove all that runs have left: outputs, checkpoints and what DVC keeps."""
    project.run("git", "checkout", "--quiet", ".")
    project.run("git", "clean", "-dffqx")


def killed(project: Project, moment: float) -> str | None:
    """Kill a run from nothing after so many seconds; return what it said, or None if it had ended.

    Raises:
        SystemExit: it ended with an error of its own.
    """
    forget(project)
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            ["dvc", "repro"], cwd=project.root, stdout=said, stderr=subprocess.STDOUT,
            env=project.variables, start_new_session=True,
        )  # fmt: skip
        try:
            code: int | None = process.wait(moment)
        except subprocess.TimeoutExpired:
            code = None
        # Also what one that ended may have left running.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        said.seek(0)
        text = said.read()
    if code:
        raise SystemExit(f"dvc repro ended with {code} before it was killed:\n{text}")
    return text if code is None else None


def recovered(project: Project, expected: Result) -> str | None:
    """Recover as ``make repro`` does; return what is wrong afterwards, or None."""
    for command in (("python", "-m", "tools.recipe", "check"), ("dvc", "repro")):
        done = project.run(*command, check=False)
        if done.returncode:
            return f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}"
    found = result(project)
    if found.lock != expected.lock:
        return "dvc.lock is another"
    names = expected.outputs.keys() | found.outputs.keys()
    differing = sorted(n for n in names if expected.outputs.get(n) != found.outputs.get(n))
    return f"{', '.join(differing[:5])}: other bytes, missing or left over" if differing else None


def attempt(project: Project, number: int, seconds: float, expected: Result) -> bool:
    """Kill and recover once; say what was under way, and how it ended."""
    share = Random(f"kill {number}").uniform(*MOMENTS)
    for _ in range(_TRIES):
        said = killed(project, share * seconds)
        if said is not None:
            break
        share *= 0.8
    else:
        raise SystemExit(f"{project.root}: each of {_TRIES} runs had ended before it was killed")
    problem = recovered(project, expected)
    during = (ran(said) or ["nothing yet"])[-1]
    print(
        f"kill {number}, at {share:.0%} of the time, after {during} began: {problem or 'the same'}",
        flush=True,
    )
    return problem is None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help="so many, the first of the thirty")
    kills = parser.parse_args().kills
    with tempfile.TemporaryDirectory() as folder:
        project = prepare(Path(folder) / "project")
        started = time.monotonic()
        project.dvc("repro")
        seconds = time.monotonic() - started
        expected = result(project)
        same = [attempt(project, number, seconds, expected) for number in range(kills)]
    conclude(
        "dvc repro killed at any moment, and recovered",
        [
            Figure("a run that nobody disturbs", seconds, "s"),
            Figure("recovered to the same bytes", sum(same), f"of {kills}", "=", kills),
            Figure("kills in all", kills, "", ">=", KILLS),
        ],
    )


if __name__ == "__main__":
    main()
