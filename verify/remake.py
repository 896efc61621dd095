"""Make outputs again in the clone, cheapest first, and compare them with the published ones."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from verdict.core.paths import COMPARISON, MODELS, PREDICTIONS
from verify.clone import remove, run
from verify.equivalence import is_exact, judge_comparisons
from verify.findings import IDENTICAL, Finding, Status, different, equivalent, some, unchecked
from verify.outputs import compare, only_computed_differs
from verify.pipeline import Digester
from verify.plan import Cost, Job, merged

#: What a sample of answers found, as JSON.
FOUND = "found.json"

_UNEXCUSED = (
    "nothing excuses it: with these packages and parameters every processor with AVX2 gives the "
    "same bytes"
)


class Workshop:
    """Runs jobs in a clone; each from the published inputs, so that no difference spreads.

    An output that comes out as dvc.lock records it stays in place, also where the published one
    was absent or damaged: what depends on it can then be made again as well.

    Args:
        excuse: says why bytes may differ on this machine; nothing where nothing excuses it.
    """

    def __init__(
        self,
        clone: Path,
        digest: Digester,
        minutes: float,
        say: Callable[[str], None],
        excuse: Callable[[], str],
    ):
        self._clone, self._digest, self._say, self._excuse = clone, digest, say, excuse
        self._aside = clone.parent / "published"
        self._left = 60 * minutes
        self.findings: dict[str, Finding] = {}
        #: Seconds that each job took.
        self.seconds: dict[str, float] = {}

    def work(self, jobs: list[Job], not_as_recorded: dict[str, str]) -> None:
        """Do what can be done; ``findings`` then has an entry for every output of every job.

        Args:
            not_as_recorded: names of stages that cannot be judged, each with the reason.
        """
        waiting = []
        for job in jobs:
            refused = job.refused or not_as_recorded.get(job.stage.name, "")
            if refused:
                self._note(job, unchecked(refused))
            else:
                waiting.append(job)
        while ready := next((job for job in waiting if not self._lacking(job)), None):
            alike = [ready]
            if ready.together:
                others = (job for job in waiting if job.together == ready.together)
                alike = [job for job in others if not self._lacking(job)]
            waiting = [job for job in waiting if job not in alike]
            self._do(merged(alike), sum(job.model is not None for job in waiting))
        for job in waiting:
            self._note(job, unchecked(self._lacking(job)))

    def _lacking(self, job: Job) -> str:
        """Say which input is not the recorded one; nothing if all are."""
        for path, md5 in job.inputs.items():
            found = self._digest(self._clone / path)
            if found is None:
                return f"needs {path}: `dvc pull`"
            if found.md5 != md5:
                return f"needs {path}, which is not as recorded"
        return ""

    def _do(self, job: Job, others: int) -> None:
        """Do one job in its share of the time that is left; ``others`` ask models as well."""
        timed = job.cost not in (Cost.STATISTICS, Cost.TRAINING)
        limit = None
        if timed and self._left <= 0:
            self._note(job, unchecked("no time left: --minutes"))
            return
        if timed:
            limit = self._left / (others + 1) if job.model else self._left / 2
        self._say(f"{job.name} …")
        started = time.monotonic()
        sampled = job.model is not None and all(
            (self._clone / path).exists() for path in job.outputs
        )
        if sampled:
            assert limit is not None
            self._ask(job, limit)
        else:
            self._make(job, limit)
        self.seconds[job.name] = time.monotonic() - started
        if timed:
            self._left -= self.seconds[job.name]

    def _make(self, job: Job, limit: float | None) -> None:
        self._set_aside((*job.outputs, *job.writes))
        try:
            done = run(self._clone, job.command, limit, stage=job.stage.name)
        except subprocess.TimeoutExpired:
            self._note(job, unchecked(f"not done within {limit:.0f} seconds: --minutes"))
        else:
            if done.returncode != 0:
                self._note(job, different(f"`{job.command}` failed: {_last_line(done)}"))
            else:
                for path in job.outputs:
                    self.findings[path] = self._judge(job, path, self._clone / path)
                self._compare_with_weights(job)
                self._apply_rule(job)
        made = [path for path in job.outputs if self.findings[path] == IDENTICAL]
        self._put_back((*job.outputs, *job.writes), made)

    def _compare_with_weights(self, job: Job) -> None:
        """Let no number differ of a training whose weights came out to the byte."""
        weights = [path for path in job.outputs if path.startswith(f"{MODELS}/")]
        if not weights or any(self.findings[path] != IDENTICAL for path in weights):
            return
        for path in job.outputs:
            finding = self.findings[path]
            if finding.status == Status.EQUIVALENT:
                said = f"{weights[0]} came out identical, and this did not: {finding.detail}"
                self.findings[path] = different(said)

    def _apply_rule(self, job: Job) -> None:
        """Let the rule decide about weights and answers that were made and are others.

        What was made lies in its place, what was published aside.
        """
        others = [
            path
            for path in job.outputs
            if job.leads_to
            and self.findings[path].status == Status.DIFFERENT
            and only_computed_differs(self._aside / path, self._clone / path)
        ]
        if not others:
            return
        excuse = self._excuse()
        said = self._follow(job) if excuse else different(_UNEXCUSED)
        for path in others:
            detail = "; ".join(filter(None, (self.findings[path].detail, excuse, said.detail)))
            self.findings[path] = Finding(said.status, detail)

    def _follow(self, job: Job) -> Finding:
        """Make what follows from what was made, and judge by the comparison that comes out."""
        outs = [path for stage in job.leads_to for path in stage.outs]
        self._set_aside(outs)
        try:
            for stage in job.leads_to:
                self._say(f"{stage.name} with what {job.name} made …")
                done = run(self._clone, stage.cmd, stage=stage.name)
                if done.returncode != 0:
                    return different(f"{stage.name} with it failed: {_last_line(done)}")
                for path, md5 in stage.outs.items() if is_exact(stage.name) else ():
                    found = self._digest(self._clone / path)
                    if found is None or found.md5 != md5:
                        return different(f"with it {path} is another, which no processor excuses")
            return judge_comparisons(self._aside / COMPARISON, self._clone / COMPARISON)
        finally:
            self._put_back(outs, ())

    def _ask(self, job: Job, limit: float) -> None:
        """Ask a model again about as many records as there is time for."""
        out = self._clone.parent / "asked"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        assert job.model is not None
        command = [sys.executable, "-m", "verify.again", "answers", job.model, str(limit), str(out)]
        done = run(self._clone, command)
        if done.returncode != 0:
            self._note(job, different(f"asking again failed: {_last_line(done)}"))
            return
        found = json.loads((out / FOUND).read_text("utf-8"))
        finding = judge_sample(found)
        self._note(job, finding)
        asked = {path: out / Path(path).relative_to(PREDICTIONS) for path in job.outputs}
        if finding == IDENTICAL:
            for path, remade in asked.items():
                self.findings[path] = self._judge(job, path, remade)
        elif finding.status == Status.DIFFERENT and found["records"] == found["of"]:
            self._set_aside(job.outputs)
            for path, remade in asked.items():
                shutil.copy(remade, self._clone / path)
            self._apply_rule(job)
            self._put_back(job.outputs, ())
        elif finding.status == Status.DIFFERENT and self._excuse():
            more = "to judge another processor all records have to be asked about: --minutes"
            self._note(job, different(f"{finding.detail}; {self._excuse()}: {more}"))

    def _judge(self, job: Job, path: str, remade: Path) -> Finding:
        """Compare what was made with dvc.lock, or number by number with what was published."""
        found = self._digest(remade)
        if found is None:
            return different("was not made")
        if found.md5 == job.outputs[path]:
            return IDENTICAL
        published = self._aside / path
        if not published.exists():
            published = self._clone / path
        if published == remade or not published.exists():
            return different(f"made again its MD5 is {found.md5[:8]}…")
        finding = compare(published, remade, job.tolerance)
        if finding.status == Status.EQUIVALENT and is_exact(job.stage.name):
            return different(f"{finding.detail}; no processor excuses other bytes here")
        return finding

    def _set_aside(self, paths: Iterable[str]) -> None:
        for path in paths:
            if (self._clone / path).exists():
                (self._aside / path).parent.mkdir(parents=True, exist_ok=True)
                (self._clone / path).rename(self._aside / path)

    def _put_back(self, paths: Iterable[str], stay: Collection[str]) -> None:
        """Put back what was published; of ``stay`` what was made remains instead."""
        for path in paths:
            kept, made = self._aside / path, self._clone / path
            remove(kept if path in stay else made)
            if kept.exists():
                kept.rename(made)

    def _note(self, job: Job, finding: Finding) -> None:
        self.findings |= dict.fromkeys(job.outputs, finding)


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return lines[-1].strip() if lines else f"exit code {done.returncode}"


def judge_sample(found: Mapping[str, Any]) -> Finding:
    """Judge what :mod:`verify.answers` found."""
    records, of, wrong = found["records"], found["of"], found["wrong"]
    share = "all records"
    if records < of:
        share = f"{records:,} of {of:,} records, drawn with seed {found['seed']}"
    if wrong:
        return different(f"asked again about {share}: {some(wrong, most=1)}")
    apart, tolerance = found["difference"], found["tolerance"]
    if apart > tolerance:
        return different(
            f"asked again about {share}: log-probabilities differ by {apart:.2g}, "
            f"tolerance {tolerance:g}"
        )
    if records == of and apart == 0:
        return IDENTICAL
    why = "the others were not asked about" if apart == 0 else "rounding of another processor"
    return equivalent(
        f"asked again about {share}: difference {apart:.2g}, tolerance {tolerance:g}; {why}"
    )
