"""A model writes on from what was read for scoring, where that gives the same words."""

from typing import Any

import pytest

from testing.tiny import Tiny
from tests.answers.test_answers import batch

torch = pytest.importorskip("torch")


def evaluator(tiny: Tiny, loaded: Any) -> Any:
    from verdict.answers.evaluator import AnswerOptions, Evaluator

    return Evaluator(loaded, tiny.answers, tiny.images, AnswerOptions(6, 8), "cpu")


def anew(tiny: Tiny, loaded: Any, made: Any) -> list[str]:
    from verdict.answers.generation import generate_answers
    from verdict.models.chat import end_of_turn_id

    end = end_of_turn_id(loaded.processor, made.conversations[0].prompt)
    return generate_answers(
        loaded.model, loaded.processor, made.inputs, end_of_turn=end, max_new_tokens=8
    )


def test_images_are_encoded_once_for_scoring_and_writing(tiny: Tiny, loaded: Any) -> None:
    made = batch(tiny, loaded.processor, 6)
    expected = anew(tiny, loaded, made)
    assert len(set(expected)) > 1
    asking, encoded = evaluator(tiny, loaded), []
    tower = loaded.model.model.vision_tower
    handle = tower.register_forward_hook(lambda *_: encoded.append(1))
    try:
        # At first for scoring, for the comparison of scores, and for that of texts.
        for count in (3, 1):
            encoded.clear()
            assert [one.text for one in asking(made)] == expected
            assert len(encoded) == count
    finally:
        handle.remove()
    assert set(asking.writer.ways.values()) == {"on"}


@pytest.mark.parametrize("raises", [False, True])
def test_a_model_that_writes_otherwise_from_there_begins_anew(
    tiny: Tiny, loaded: Any, raises: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = batch(tiny, loaded.processor, 3)
    expected = anew(tiny, loaded, made)
    generate, begun = loaded.model.generate, []

    def misled(**given: Any) -> Any:
        begun.append("past_key_values" in given)
        output = generate(**given)
        if not begun[-1]:
            return output
        if raises:
            raise ValueError("this cache is none of mine")
        return output.roll(1, dims=0)

    monkeypatch.setattr(loaded.model, "generate", misled)
    asking = evaluator(tiny, loaded)
    for expected_begun in ([True, False], [False]):
        begun.clear()
        assert [one.text for one in asking(made)] == expected
        assert begun == expected_begun
    assert set(asking.writer.ways.values()) == {"anew"}


def test_one_kind_that_begins_anew_holds_for_all(tiny: Tiny, loaded: Any) -> None:
    from verdict.answers.generation import Writer
    from verdict.answers.prefill import read_prompts

    made = batch(tiny, loaded.processor, 2)
    writer = Writer(loaded.model, loaded.processor, 8)
    writer.ways = {"of another kind": "anew"}
    read = read_prompts(loaded.model, made.inputs, shared=True)
    assert writer(made.inputs, read, end_of_turn=1)
    assert writer.ways == {"of another kind": "anew"}
