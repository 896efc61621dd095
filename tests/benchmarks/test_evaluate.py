"""The evaluation benchmark runs, and asks the same of every way."""

import dataclasses
from typing import Any

import pytest

from testing.tiny import MODEL, Tiny

torch = pytest.importorskip("torch")


@pytest.fixture
def ways(tiny: Tiny) -> Any:
    from benchmarks.evaluate import Ways
    from verdict.answers.inference import load_for_inference
    from verdict.answers.score import Scorer

    loaded = load_for_inference(tiny.base, tiny.base / "config.json", MODEL, "cpu")
    return Ways(
        loaded=loaded,
        scorer=Scorer(loaded.model),
        images=tiny.images,
        answers=tiny.answers,
        conversations=tiny.conversations,
        batch_size=5,
        max_new_tokens=4,
        device="cpu",
    )


def test_every_way_answers_every_record(ways: Any) -> None:
    from benchmarks.evaluate import agreement, speed

    rows = ways.conversations
    by_hand, scored, generated = ways.by_hand(rows), ways.scored(rows), ways.generated(rows)
    assert set(by_hand) == set(scored) == set(generated) == {row.id for row in rows}
    assert set(scored.values()) <= set(ways.answers.labels)
    assert agreement(by_hand, generated) == 1
    small = dataclasses.replace(ways, batch_size=1)
    assert small.scored(rows) == scored
    assert speed(ways.scored, rows[:2]) > 0


def test_ratios_and_agreement() -> None:
    from benchmarks.evaluate import agreement, ratio

    assert ratio({"hand": [2.0, 4.0, 5.0], "score": [20.0, 20.0, 20.0]}, "score") == 5
    assert agreement({"a": "x", "b": None}, {"a": "x", "b": "y", "c": "z"}) == 0.5
