"""How candidates are scored and answers written does not depend on who has which batches."""

import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from testing.tiny import Tiny
from tests.answers.test_answers import ask, varied
from verdict.answers.batches import count_deciding, plan_batches
from verdict.answers.workers import PoolEvaluator
from verdict.records.shards import ImageStore

pytest.importorskip("torch")


class Strangers:
    """A pool in which a worker that never worked before does each task."""

    workers = 2

    def __init__(self, tiny: Tiny, loaded: Any):
        self._tiny, self._loaded = tiny, loaded

    def run(self, tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        from verdict.answers.evaluator import AnswerOptions, Evaluator

        for number in reversed(range(len(tasks))):
            records, plan, ways = pickle.loads(pickle.dumps(tasks[number]))
            images = ImageStore(*records)
            evaluator = Evaluator(
                self._loaded, self._tiny.answers, images, AnswerOptions(1, 8), "cpu"
            )
            yield number, [result for _, result in evaluator.ask(plan, 0, ways)]


def test_all_kinds_are_decided_before_parts_are_handed_out(
    tiny: Tiny, loaded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from verdict.answers.evaluation import predict
    from verdict.answers.evaluator import AnswerOptions
    from verdict.answers.score import Scorer

    decided: list[set[str]] = []
    decide = Scorer._decide

    def counting(scorer: Scorer, ways: Any, inputs: Any, candidates: Any) -> Any:
        decided.append(set(inputs))
        return decide(scorer, ways, inputs, candidates)

    monkeypatch.setattr(Scorer, "_decide", counting)
    rows = varied(tiny)
    here = ask(tiny, loaded, rows, batch_size=1)
    kinds = decided.copy()
    assert sorted("pixel_values" in kind for kind in kinds) == [False, True]
    pool = Strangers(tiny, loaded)
    evaluator = PoolEvaluator(loaded, tiny.answers, [tiny.records], AnswerOptions(1, 8), pool)
    assert predict("x", evaluator, rows) == here
    assert decided == kinds * 2


def test_the_first_batch_with_each_number_of_images_stands_ahead(tiny: Tiny, loaded: Any) -> None:
    rows = varied(tiny)
    plan = plan_batches(loaded.processor, rows, 2)
    assert count_deciding(plan) == 2
    assert {planned.pictures for planned in plan[:2]} == {0, 1}
    tokens = [len(loaded.processor.tokenizer(p.texts[0]).input_ids) for p in plan[2:]]
    assert tokens == sorted(tokens)
    assert sorted(row.id for p in plan for row in p.conversations) == sorted(r.id for r in rows)
    assert count_deciding(plan_batches(loaded.processor, tiny.conversations, 2)) == 1
