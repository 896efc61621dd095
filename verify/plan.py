"""What can be made again, from what, and at what cost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter

from verdict.core.errors import VerdictError
from verdict.core.paths import (
    CARD,
    EXTRACT_METRICS,
    METRICS,
    MODELS,
    OUTSIDE_METRICS,
    PAGE,
    PLOTS,
    PREDICTIONS,
    PREFLIGHT_METRICS,
    REPLICATE_METRICS,
    SPLIT_METRICS,
    TRAIN_METRICS,
)
from verdict.params import Params
from verdict.params.data import EMBEDDED
from verify.equivalence import STATISTICS, Tolerance, of_training
from verify.pipeline import LOCK, Stage, overlap

#: What stages write into metrics/ that does not come from predictions alone.
_OTHERS = tuple(
    path.as_posix()
    for path in (
        CARD,
        EXTRACT_METRICS,
        OUTSIDE_METRICS / "*",
        PAGE,
        PLOTS / "eval_loss.csv",
        PLOTS / "loss.csv",
        PREFLIGHT_METRICS,
        REPLICATE_METRICS / "*",
        SPLIT_METRICS,
        TRAIN_METRICS,
    )
)

_RECOMPUTE = "python -m verify.again metrics"

_TRAININGS = ("train", "replicate")
#: What needs a model on the device that was used.
_ON_DEVICE = (*_TRAININGS, "evaluate_outside")


class Cost(IntEnum):
    """What is done first; what is equally cheap in the order of the pipeline."""

    STATISTICS = 0
    TABLES = 1
    IMAGES = 2
    MODEL = 3
    TRAINING = 4


@dataclass(frozen=True)
class Job:
    """Something to make again.

    Attributes:
        inputs, outputs: paths, with the MD5 that dvc.lock has for each.
        command: what makes the outputs; for the shell, as DVC runs it.
        model: the one whose answers are asked for again; then a sample of them may do.
        refused: why it is not done, if it is not.
        writes: what else the command writes; it is put back afterwards.
        leads_to: of a model's weights or answers the stages that follow from them, up to the
            comparison, in an order to run them in: where another processor computes others, that
            decides.
        together: a command that can do several jobs at once, each by the last word of its own.
    """

    name: str
    stage: Stage
    cost: Cost
    inputs: dict[str, str]
    outputs: dict[str, str]
    command: str
    model: str | None = None
    tolerance: Tolerance = STATISTICS
    refused: str = ""
    writes: frozenset[str] = frozenset()
    leads_to: tuple[Stage, ...] = ()
    together: str = ""


def merged(jobs: Sequence[Job]) -> Job:
    """Return jobs of one ``together`` as one."""
    first, *others = jobs
    words = [job.command.split()[-1] for job in others]
    return replace(
        first,
        name=", ".join([first.name, *words]),
        inputs={path: md5 for job in jobs for path, md5 in job.inputs.items()},
        outputs={path: md5 for job in jobs for path, md5 in job.outputs.items()},
        command=" ".join([first.command, *words]),
    )


def is_statistics(path: str) -> bool:
    """Say whether an output has to come from predictions alone, whichever stage may write it."""
    return path.startswith(f"{METRICS}/") and not any(fnmatchcase(path, one) for one in _OTHERS)


def plan(stages: Iterable[Stage], params: Params, *, train: bool, gpu: bool) -> list[Job]:
    """Return what can be made again, cheapest first.

    Args:
        train: whether models and adapters are to be made again, too.
        gpu: whether this machine has one that can be used.
    """
    stages = list(stages)
    jobs = [job for stage in stages for job in _jobs(stage, stages, params, train)]
    if (device := params.reproducibility.device) in ("cuda", "mps") and not gpu:
        jobs = [
            replace(job, refused=f"needs a GPU: reproducibility.device is {device}")
            if job.model or job.stage.name.partition("@")[0] in _ON_DEVICE
            else job
            for job in jobs
        ]
    return sorted(jobs, key=lambda job: job.cost)


def _jobs(stage: Stage, stages: list[Stage], params: Params, train: bool) -> list[Job]:
    name, _, key = stage.name.partition("@")
    data = {path: md5 for path, md5 in stage.deps.items() if path not in stage.code}

    def job(cost: Cost, **others: object) -> Job:
        values = {"inputs": data, "outputs": stage.outs, "command": stage.cmd} | others
        return Job(stage.name, stage, cost, **values)  # type: ignore[arg-type]

    if name in ("evaluate", "baseline"):
        asked = name == "evaluate"
        predictions = {p: md5 for p, md5 in stage.outs.items() if p.startswith(f"{PREDICTIONS}/")}
        figures = {p: md5 for p, md5 in stage.outs.items() if p not in predictions}
        return [
            Job(
                f"metrics of {key}",
                stage,
                Cost.STATISTICS,
                predictions,
                figures,
                f"{_RECOMPUTE} {key}",
                together=_RECOMPUTE,
            ),
            job(
                Cost.MODEL if asked else Cost.IMAGES,
                outputs=predictions,
                model=key if asked else None,
                writes=frozenset(figures),
                leads_to=_followers(predictions, stages),
            ),
        ]
    if name == "evaluate_outside":
        # All models, and all of it: as many as the time allows, or nothing.
        weights = {
            path: md5
            for other in stages
            for path, md5 in other.outs.items()
            if path.startswith(f"{MODELS}/")
        }
        follow = _followers(stage.outs, stages)
        return [job(Cost.MODEL, inputs=data | weights, leads_to=follow)]
    if name in ("fetch", "fetch_outside"):
        fetch = params.outside[key].fetch if key else params.fetch
        embedded = fetch.source == EMBEDDED
        why = f"downloads the published archive: `dvc repro --force --single-item {stage.name}`"
        return [job(Cost.IMAGES, refused="" if embedded else why)]
    if name == "fetch_model":
        source = params.models[key].name
        why = "" if train else "builds the model: --train"
        if source != EMBEDDED:
            why = f"downloads {source}: `dvc repro --force --single-item {stage.name}`"
        return [job(Cost.TRAINING, refused=why, leads_to=_followers(stage.outs, stages))]
    if name in _TRAININGS:
        why = "" if train else "training: --train"
        tolerance = of_training(params.model.dtype)
        follow = _followers(stage.outs, stages)
        return [job(Cost.TRAINING, refused=why, tolerance=tolerance, leads_to=follow)]
    costs = dict.fromkeys(("check", "split", "format"), Cost.TABLES)
    costs |= dict.fromkeys(("extract", "outside"), Cost.IMAGES)
    return [job(costs.get(name, Cost.STATISTICS))]


def _followers(outputs: Iterable[str], stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Return the stages that read outputs, or what follows from them, but for the report."""
    by_name = {stage.name: stage for stage in stages if stage.name != "report"}
    reading = {name: _readers(stage.outs, by_name) for name, stage in by_name.items()}
    found, new = set[str](), _readers(outputs, by_name)
    while new:
        found |= new
        new = {reader for name in new for reader in reading[name]} - found
    order = TopologicalSorter(
        {name: [other for other in found if name in reading[other]] for name in sorted(found)}
    )
    try:
        return tuple(by_name[name] for name in order.static_order())
    except CycleError as error:
        raise VerdictError(
            f"{LOCK}: {', '.join(error.args[1])} read what the others write, in a circle; "
            "`git checkout` an earlier one, or `dvc repro`"
        ) from None


def _readers(paths: Iterable[str], stages: Mapping[str, Stage]) -> set[str]:
    paths = list(paths)
    return {
        name
        for name, stage in stages.items()
        if any(overlap(dep, path) for dep in stage.deps for path in paths)
    }
