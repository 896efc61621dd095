"""Who asks the model: this process, or the workers of a Ray cluster, each with the model."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from verdict.answers.asking import Asker, Part, Ways
from verdict.answers.prompts import Planned, count_deciding
from verdict.conversations import Answers
from verdict.engine import Pool, open_pool
from verdict.models.inference import Loaded, load_for_inference, without_weights
from verdict.params import Params
from verdict.params.training import ModelOptions
from verdict.records.shards import ImageStore
from verdict.reproducibility import go_offline, make_deterministic, pin_cpu

#: Batches that a worker is given at once, so that it prepares one while the model has another.
_BATCHES = 4

#: The folder whose images are asked about, batches, and how to ask.
_Task = tuple[Path, Sequence[Planned], Ways]


@dataclass(frozen=True)
class Workers:
    """Workers that have a model, and the folder of the records that they are asked about."""

    pool: Pool
    records: Path

    def ask(self, plan: Sequence[Planned], begin: int, ways: Ways) -> Iterator[tuple[int, Part]]:
        """Yield number and answers of the batches of a plan from ``begin`` on, as they end.

        One worker has those that decide how the others are asked about; then nothing depends on
        which worker has which.
        """
        if begin < (deciding := count_deciding(plan)):
            [(_, first)] = self.pool.run([(self.records, plan[begin:deciding], ways)])
            yield from enumerate(first, begin)
            begin, ways = deciding, first[-1].ways
        starts = range(begin, len(plan), _BATCHES)
        tasks = [(self.records, plan[start : start + _BATCHES], ways) for start in starts]
        for index, parts in self.pool.run(tasks):
            yield from enumerate(parts, starts[index])


@contextmanager
def answering(
    model: Path, adapter: Path, records: Path, answers: Answers, params: Params, device: str
) -> Iterator[tuple[Loaded, Workers | None]]:
    """Yield what ``predict`` needs: with ``compute.engine: local`` the model; else its workers.

    Args:
        records: the folder whose images are asked about; workers on other machines see it, too.

    Raises:
        VerdictError: as ``load_for_inference`` and ``open_pool``.
    """
    if params.compute.engine == "local":
        yield load_for_inference(model, adapter, params.model, device), None
        return
    loaded = without_weights(model, adapter)
    with open_workers(model, adapter, answers, params, device) as pool:
        yield loaded, Workers(pool, records)


def open_workers(
    model: Path, adapter: Path, answers: Answers, params: Params, device: str
) -> AbstractContextManager[Pool]:
    """Let workers load a model; each does the tasks of ``Workers``.

    The bits of the answers are those of this process where ``reproducibility.threads`` is a
    number: Ray gives each worker as many cores, or one.

    Raises:
        VerdictError: as ``open_pool``.
    """
    make = _Setup(
        model,
        adapter,
        answers,
        params.model.dtype,
        params.model.attn_implementation,
        device,
        params.reproducibility.strict,
        params.evaluate.max_new_tokens,
        params.evaluate.length_normalization == "tokens",
    )
    pins = (partial(pin_cpu, params.reproducibility), go_offline)
    cpus = params.reproducibility.threads or 1
    return open_pool(make, params.compute, first=pins, cpus=cpus, gpu=device == "cuda")


@dataclass(frozen=True)
class _Setup:
    """Loads the model in a worker."""

    model: Path
    adapter: Path
    answers: Answers
    dtype: str
    attn_implementation: str
    device: str
    strict: bool
    max_new_tokens: int
    by_token: bool

    def __call__(self) -> Callable[[_Task], list[Part]]:
        make_deterministic(0, strict=self.strict)
        # All that decides how a model is held for inference.
        options = ModelOptions.model_construct(
            dtype=self.dtype, attn_implementation=self.attn_implementation
        )
        loaded = load_for_inference(self.model, self.adapter, options, self.device)
        asker = Asker(loaded, self.answers, self.max_new_tokens, by_token=self.by_token)
        # Opened once a folder: reading the ids of many records takes seconds.
        images_of = lru_cache(maxsize=1)(ImageStore)

        def ask(task: _Task) -> list[Part]:
            records, plan, ways = task
            return list(asker.ask(plan, images_of(records), self.device, ways))

        return ask
