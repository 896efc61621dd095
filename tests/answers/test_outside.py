"""A set from elsewhere, of several images a record, is asked about behind examples of the task."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from testing.tiny import COMMITTED, MODEL, TWO, Tiny, build_several
from tests.answers.test_examples import evaluator_of
from verdict.answers.examples import read_examples
from verdict.conversations import read_conversations, write_chat
from verdict.params import Params
from verdict.params.evaluation import Examples
from verdict.records.shards import read_records, shard_paths, write_shard

pytest.importorskip("torch")


@pytest.fixture
def project(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """The folder of a project whose records have two images each, and a set of them elsewhere."""
    monkeypatch.chdir(tmp_path)
    own = build_several(Path("data"), tiny.base)
    Path("models").mkdir()
    Path("models/base").symlink_to(tiny.base)
    (shard,) = shard_paths(own.records)
    rows = [row | {"id": f"far:{row['id']}"} for row in pq.read_table(shard).to_pylist()]
    shards = Path("data/outside/far/records")
    shards.mkdir(parents=True)
    # In another order, so that no image is at the same place in both.
    write_shard(shards / shard.name, rows[:2:-1], several=True)
    records = read_records(shards)
    write_chat(shards.with_name("chat"), records, {one.id: "far" for one in records[:4]}, TWO)
    return own


def few_shot() -> Params:
    entry = {"model": "models/base", "adapter": "models/base/config.json"}
    models = {"base": entry, "few_shot": entry | {"examples": {"count": 2, "seed": 1}}}
    values = COMMITTED | {
        "models": {"base": COMMITTED["models"]["base"]},
        "format": TWO.model_dump(),
        "evaluate": COMMITTED["evaluate"] | {"models": models, "batch_size": 1},
    }
    return Params.model_validate(values)


class Local:
    """An engine whose workers are made here, in the place of those of a cluster."""

    workers = 1

    def __init__(self, make: Any):
        self._work = make()

    def __enter__(self) -> "Local":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        yield from enumerate(map(self._work, tasks))


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_set_from_elsewhere_is_asked_about_behind_examples_of_the_tasks_own(
    project: Tiny, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stages.evaluate import asking
    from verdict.answers.evaluation import predict
    from verdict.answers.inference import load_for_inference

    monkeypatch.setattr("verdict.answers.workers.open_pool", lambda make, *_, **__: Local(make))
    params = few_shot()
    params = params.model_copy(
        update={"compute": params.compute.model_copy(update={"engine": engine})}
    )
    chat, records = Path("data/outside/far/chat/far.jsonl"), Path("data/outside/far/records")
    with asking("few_shot", params, records, {chat: True}) as asked:
        [found] = asked.predictions
    rows = {row.id: row for row in project.conversations}
    ids = [row.id for row in read_conversations(chat)]
    assert found.table["id"].to_pylist() == ids
    # The same as of the same images in the task's own records.
    examples = read_examples(
        "few_shot", Examples(count=2, seed=1), project.chat, project.answers.labels
    )
    loaded = load_for_inference(project.base, project.base / "config.json", MODEL, "cpu")
    options = {"batch_size": 1, "max_new_tokens": params.evaluate.max_new_tokens}
    evaluator = evaluator_of(project, loaded, examples, **options)
    same = predict("x", evaluator, [rows[id_.removeprefix("far:")] for id_ in ids])
    np.testing.assert_array_equal(found.log_probabilities, same.log_probabilities)
    assert found.table["generated"] == same.table["generated"]
