"""Who asks the model: this process, or the workers of a Ray cluster, each with the model."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from verdict.answers.batches import PlannedBatch, count_deciding
from verdict.answers.evaluator import AnswerOptions, BatchResult, Evaluator, Ways
from verdict.answers.inference import Loaded, load_for_inference, without_weights
from verdict.conversations import Answers, Conversation
from verdict.engine import Pool, open_pool
from verdict.params import Params
from verdict.params.training import ModelOptions
from verdict.records.shards import ImageStore
from verdict.reproducibility import go_offline, make_deterministic, pin_cpu

#: Batches that a worker is given at once, so that it prepares one while the model has another.
_BATCHES = 4

#: The folders of the images that are asked about or shown before, batches, and how to ask.
_Work = tuple[tuple[Path, ...], Sequence[PlannedBatch], Ways]


class PoolEvaluator(Evaluator):
    """Asks workers that have the model; here it has no weights.

    Args:
        records: the folders that ``images`` come from; workers on other machines see them, too.
        pool: as ``open_workers`` opens it, with the same model, answers and options.
    """

    def __init__(
        self,
        loaded: Loaded,
        answers: Answers,
        records: Sequence[Path],
        options: AnswerOptions,
        pool: Pool,
        examples: Sequence[Conversation] = (),
    ):
        super().__init__(loaded, answers, ImageStore(*records), options, "cpu", examples)
        self._records, self._pool = tuple(records), pool

    def ask(
        self, plan: Sequence[PlannedBatch], begin: int, ways: Ways
    ) -> Iterator[tuple[int, BatchResult]]:
        """Yield number and result of the batches of a plan from ``begin`` on, as they end.

        One worker has those that decide how the others are asked about; then nothing depends on
        which worker has which.
        """
        if begin < (deciding := count_deciding(plan)):
            [(_, first)] = self._pool.run([(self._records, plan[begin:deciding], ways)])
            yield from enumerate(first, begin)
            begin, ways = deciding, first[-1].ways
        starts = range(begin, len(plan), _BATCHES)
        work = [(self._records, plan[start : start + _BATCHES], ways) for start in starts]
        for index, results in self._pool.run(work):
            yield from enumerate(results, starts[index])


@contextmanager
def open_evaluator(
    model: Path,
    adapter: Path,
    records: Sequence[Path],
    answers: Answers,
    params: Params,
    device: str,
    examples: Sequence[Conversation] = (),
) -> Iterator[Evaluator]:
    """Load a model as ``compute.engine`` says: ``local`` here; else in workers.

    Args:
        records: the folders of what is asked about and of the examples, which share no id; workers
            on other machines see them, too.
        examples: as of ``Evaluator``.

    Raises:
        VerdictError: as ``load_for_inference`` and ``open_pool``.
    """
    options = AnswerOptions.of(params.evaluate)
    if params.compute.engine == "local":
        loaded = load_for_inference(model, adapter, params.model, device, answers.form)
        yield Evaluator(loaded, answers, ImageStore(*records), options, device, examples)
        return
    loaded = without_weights(model, adapter, answers.form)
    with open_workers(model, adapter, answers, params, device) as pool:
        yield PoolEvaluator(loaded, answers, records, options, pool, examples)


def open_workers(
    model: Path, adapter: Path, answers: Answers, params: Params, device: str
) -> AbstractContextManager[Pool]:
    """Let workers load a model; each does the work of ``PoolEvaluator``.

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
        AnswerOptions.of(params.evaluate),
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
    options: AnswerOptions

    def __call__(self) -> Callable[[_Work], list[BatchResult]]:
        make_deterministic(0, strict=self.strict)
        # All that decides how a model is held for inference.
        held = ModelOptions.model_construct(
            dtype=self.dtype, attn_implementation=self.attn_implementation
        )
        weights = self.model, self.adapter
        loaded = load_for_inference(*weights, held, self.device, self.answers.form)

        # Once for the same folders: reading the ids of many records takes seconds.
        @lru_cache(maxsize=1)
        def evaluator(records: tuple[Path, ...]) -> Evaluator:
            return Evaluator(loaded, self.answers, ImageStore(*records), self.options, self.device)

        def ask(work: _Work) -> list[BatchResult]:
            records, plan, ways = work
            return [result for _, result in evaluator(records).ask(plan, 0, ways)]

        return ask
