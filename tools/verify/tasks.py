"""What can be made again, from what, and at what cost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter

from tools.verify.pipeline import LOCK, Stage, overlap
from tools.verify.tolerance import STATISTICS, Tolerance, of_training
from verdict.core.errors import VerdictError
from verdict.params import Params
from verdict.params.data import EMBEDDED

PREDICTIONS, METRICS, MODELS = "data/predictions", "metrics", "models"

#: What stages write into metrics/ that does not come from predictions alone.
_OTHERS = (
    "metrics/extract.json",
    "metrics/plots/eval_loss.csv",
    "metrics/plots/loss.csv",
    "metrics/preflight.json",
    "metrics/replicates/*",
    "metrics/report/index.html",
    "metrics/report/model_card.md",
    "metrics/split.json",
    "metrics/train.json",
)

_RECOMPUTE = "python -m tools.verify.recompute"


_TRAININGS = ("train", "replicate")


class Cost(IntEnum):
    """What is done first; what is equally cheap in the order of the pipeline."""

    STATISTICS = 0
    TABLES = 1
    IMAGES = 2
    MODEL = 3
    TRAINING = 4


@dataclass(frozen=True)
class Task:
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
        together: a command that can do several tasks at once, each by the last word of its own.
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


def merged(tasks: Sequence[Task]) -> Task:
    """Return tasks of one ``together`` as one."""
    first, *others = tasks
    words = [task.command.split()[-1] for task in others]
    return replace(
        first,
        name=", ".join([first.name, *words]),
        inputs={path: md5 for task in tasks for path, md5 in task.inputs.items()},
        outputs={path: md5 for task in tasks for path, md5 in task.outputs.items()},
        command=" ".join([first.command, *words]),
    )


def is_statistics(path: str) -> bool:
    """Say whether an output has to come from predictions alone, whichever stage may write it."""
    return path.startswith(f"{METRICS}/") and not any(fnmatchcase(path, one) for one in _OTHERS)


def plan(stages: Iterable[Stage], params: Params, *, train: bool, gpu: bool) -> list[Task]:
    """Return what can be made again, cheapest first.

    Args:
        train: whether models and adapters are to be made again, too.
        gpu: whether this machine has one that can be used.
    """
    stages = list(stages)
    tasks = [task for stage in stages for task in _tasks(stage, stages, params, train)]
    if params.reproducibility.device == "cuda" and not gpu:
        tasks = [
            replace(task, refused="needs a GPU: reproducibility.device is cuda")
            if task.model or task.stage.name.partition("@")[0] in _TRAININGS
            else task
            for task in tasks
        ]
    return sorted(tasks, key=lambda task: task.cost)


def _tasks(stage: Stage, stages: list[Stage], params: Params, train: bool) -> list[Task]:
    name, _, key = stage.name.partition("@")
    data = {path: md5 for path, md5 in stage.deps.items() if path not in stage.code}

    def task(cost: Cost, **others: object) -> Task:
        values = {"inputs": data, "outputs": stage.outs, "command": stage.cmd} | others
        return Task(stage.name, stage, cost, **values)  # type: ignore[arg-type]

    if name == "evaluate":
        predictions = {p: md5 for p, md5 in stage.outs.items() if p.startswith(PREDICTIONS)}
        figures = {p: md5 for p, md5 in stage.outs.items() if p not in predictions}
        return [
            Task(
                f"metrics of {key}",
                stage,
                Cost.STATISTICS,
                predictions,
                figures,
                f"{_RECOMPUTE} {key}",
                together=_RECOMPUTE,
            ),
            task(
                Cost.MODEL,
                outputs=predictions,
                model=key,
                writes=frozenset(figures),
                leads_to=_followers(predictions, stages),
            ),
        ]
    if name == "fetch":
        embedded = params.fetch.source == EMBEDDED
        why = "downloads the published archive: `dvc repro --force --single-item fetch`"
        return [task(Cost.IMAGES, refused="" if embedded else why)]
    if name == "fetch_model":
        source = params.models[key].name
        why = "" if train else "builds the model: --train"
        if source != EMBEDDED:
            why = f"downloads {source}: `dvc repro --force --single-item {stage.name}`"
        return [task(Cost.TRAINING, refused=why, leads_to=_followers(stage.outs, stages))]
    if name in _TRAININGS:
        why = "" if train else "training: --train"
        tolerance = of_training(params.model.dtype)
        follow = _followers(stage.outs, stages)
        return [task(Cost.TRAINING, refused=why, tolerance=tolerance, leads_to=follow)]
    costs = dict.fromkeys(("check", "split", "format"), Cost.TABLES) | {"extract": Cost.IMAGES}
    return [task(costs.get(name, Cost.STATISTICS))]


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
