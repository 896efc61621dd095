"""Few-shot prompting: which examples stand before a question, and that the model reads them."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from testing.tiny import MODEL, Tiny, ask_tiny
from tests.answers.test_workers import Strangers
from verdict.answers.examples import behind, choose_examples, read_examples
from verdict.conversations import Answers, Conversation
from verdict.core.errors import VerdictError
from verdict.params.evaluation import Examples

torch = pytest.importorskip("torch")


def chosen(rows: list[Conversation], count: int, seed: int = 1, **labels: Any) -> list[str]:
    options = Examples(count=count, seed=seed)
    return [row.id for row in choose_examples(rows, options, **{"labels": ["a", "b"]} | labels)]


def row(number: int, label: str | None, group: str = "", other: str | None = None) -> Conversation:
    return Conversation(f"r{number}", group or f"g{number}", label, {}, [], [], other)


MANY = [row(number, "ab"[number % 3 == 0]) for number in range(60)]


def test_each_label_has_its_turn_and_the_seed_decides() -> None:
    labels = {one.id: one.label for one in MANY}
    for count in (1, 2, 5, 8):
        found = [labels[name] for name in chosen(MANY, count)]
        assert sorted(found) == sorted(("ab" * 4)[:count])
    assert chosen(MANY, 8) == chosen(MANY[::-1], 8)
    assert chosen(MANY, 8) != chosen(MANY, 8, seed=2)
    # Labels do not alternate: what comes next must not follow from what came before.
    assert {"".join(str(labels[n]) for n in chosen(MANY, 4, seed)) for seed in range(30)} == {
        "aabb", "abab", "abba", "baab", "baba", "bbaa"
    }  # fmt: skip


def test_a_record_more_or_less_changes_no_other_example() -> None:
    before = chosen(MANY, 8)
    spare = next(one for one in MANY if one.id not in before)
    assert chosen([one for one in MANY if one is not spare], 8) == before
    without = [one for one in MANY if one.id != before[0]]
    assert len({*chosen(without, 8)} & {*before}) == 7


def test_no_two_are_of_one_group_on_either_side() -> None:
    rows = [row(number, "ab"[number % 2], f"g{number // 4}", f"g{number}") for number in range(40)]
    groups = {one.id: {one.group, one.other_group} for one in rows}
    found = [groups[name] for name in chosen(rows, 6)]
    assert len(set.union(*found)) == sum(map(len, found))


def test_free_text_has_no_labels_to_take_in_turn() -> None:
    assert len(chosen([row(number, None) for number in range(9)], 9, labels=[])) == 9


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            MANY[:5],
            "count is 8, but after 5 examples .* has no other group with the label b; lower",
        ),
        ([replace(one, group="g") for one in MANY], "after 1 examples of different groups"),
    ],
)
def test_too_few_records_are_refused(rows: list[Conversation], problem: str) -> None:
    with pytest.raises(VerdictError, match=problem):
        chosen(rows, 8)


def test_they_are_read_from_the_training_split(text: Tiny) -> None:
    def read(count: int) -> list[Conversation]:
        options = Examples(count=count, seed=0)
        return read_examples("few_shot", options, text.chat, text.answers.labels)

    assert read_examples("base", None, text.chat, text.answers.labels) == []
    assert all(example in text.conversations for example in read(4))
    with pytest.raises(VerdictError, match=r"evaluate\.models\.few_shot\.examples: count is 30"):
        read(30)


def evaluator_of(tiny: Tiny, loaded: Any, examples: list[Conversation], **options: Any) -> Any:
    from verdict.answers.evaluator import AnswerOptions, Evaluator

    options = {"batch_size": 4, "max_new_tokens": 4} | options
    return Evaluator(loaded, tiny.answers, tiny.images, AnswerOptions(**options), "cpu", examples)


@pytest.fixture(scope="module")
def base(text: Tiny) -> Any:
    from verdict.answers.inference import load_for_inference

    return load_for_inference(text.base, text.base / "config.json", MODEL, "cpu")


def test_they_stand_in_the_models_own_turns_behind_the_system_message(
    text: Tiny, base: Any
) -> None:
    examples, asked = text.conversations[:2], text.validation[0]
    assert [message["role"] for message in behind(examples, asked.prompt)] == [
        "system", "user", "assistant", "user", "assistant", "user"
    ]  # fmt: skip
    (planned,) = evaluator_of(text, base, examples).plan([asked])
    alone = base.processor.apply_chat_template(
        asked.prompt, add_generation_prompt=True, tokenize=False
    )
    question = alone[alone.index("Are these") :]
    [seen] = planned.texts
    assert seen.endswith(question)
    assert seen.count("You compare records.") == 1
    for example, answer in zip(examples, ("No, different.", "Yes, the same."), strict=True):
        asking = example.prompt[-1]["content"][0]["text"]
        assert f"{asking}<end_of_turn>\n<start_of_turn>model\n{answer}<end_of_turn>\n" in seen


def test_records_are_asked_behind_them_and_written_down_as_without(text: Tiny, base: Any) -> None:
    from verdict.answers.evaluation import predict
    from verdict.answers.score import Scorer

    examples = text.conversations[:3]
    few = predict("x", evaluator_of(text, base, examples), text.validation)
    zero = predict("x", evaluator_of(text, base, []), text.validation)
    assert zero == ask_tiny(text, base, text.validation, batch_size=4)
    rest = ["id", "group", "label", "answer", "prompt_sha256", "attributes"]
    assert few.table.select(rest) == zero.table.select(rest)
    assert (few.log_probabilities != zero.log_probabilities).all()
    # The same as where the examples are part of the question itself.
    rows = [replace(one, prompt=behind(examples, one.prompt)) for one in text.validation]
    whole = predict("x", evaluator_of(text, base, []), rows)
    np.testing.assert_array_equal(few.log_probabilities, whole.log_probabilities)
    assert few.table["generated"] == whole.table["generated"]
    # Every prompt of a batch begins with them, and so they are read once for all of it.
    evaluator = evaluator_of(text, base, examples)
    predict("x", evaluator, text.validation)
    assert isinstance(evaluator.scorer, Scorer)
    assert {*evaluator.scorer.ways.values()} <= {"packed", "shared"}


def test_examples_of_images_have_their_images(tiny: Tiny, loaded: Any) -> None:
    from verdict.answers.batches import prepare
    from verdict.answers.evaluation import predict

    examples, asked = tiny.conversations[:2], tiny.conversations[4:8]
    evaluator = evaluator_of(tiny, loaded, examples)
    [batch] = prepare(loaded.processor, evaluator.plan(asked), tiny.images, "cpu")
    pixels = batch.inputs["pixel_values"]
    assert len(pixels) == 3 * 4
    [alone] = prepare(
        loaded.processor, evaluator_of(tiny, loaded, []).plan(asked), tiny.images, "cpu"
    )
    # Of each row those of the examples, in their order, and then its own.
    assert torch.equal(pixels[2::3], alone.inputs["pixel_values"])
    [shown] = prepare(
        loaded.processor, evaluator_of(tiny, loaded, []).plan(examples), tiny.images, "cpu"
    )
    assert all(
        torch.equal(pixels[3 * row : 3 * row + 2], shown.inputs["pixel_values"]) for row in range(4)
    )
    found = predict("x", evaluator, asked)
    swapped = predict("x", evaluator_of(tiny, loaded, examples[::-1]), asked)
    zero = ask_tiny(tiny, loaded, asked)
    assert (found.log_probabilities != zero.log_probabilities).all()
    assert (found.log_probabilities != swapped.log_probabilities).all()
    assert {*evaluator.scorer.ways.values()} <= {"packed", "shared"}


def test_workers_are_handed_them_with_the_batches(tiny: Tiny, loaded: Any) -> None:
    from verdict.answers.evaluation import predict
    from verdict.answers.evaluator import AnswerOptions
    from verdict.answers.workers import PoolEvaluator

    examples = tiny.conversations[:2]
    options, pool = AnswerOptions(1, 8), Strangers(tiny, loaded)
    away = PoolEvaluator(loaded, tiny.answers, [tiny.records], options, pool, examples)
    here = evaluator_of(tiny, loaded, examples, batch_size=1, max_new_tokens=8)
    rows = tiny.conversations[4:8]
    assert predict("x", away, rows) == predict("x", here, rows)


def test_more_images_than_the_processor_takes_are_counted_with_those_of_examples(
    tiny: Tiny, loaded: Any
) -> None:
    from verdict.answers.evaluation import predict

    class TwoImages(type(loaded.processor)):  # type: ignore[misc]
        def __call__(self, images: Any = None, **options: Any) -> Any:
            if any(len(of_a_row) > 2 for of_a_row in images or []):
                raise ValueError("At most two images are supported")
            return super().__call__(images=images, **options)

    processor = copy.copy(loaded.processor)
    processor.__class__ = TwoImages
    rows = tiny.conversations[4:8]
    # Also where the context's length is not known.
    for limit in (loaded.limit, None):
        changed = replace(loaded, processor=processor, limit=limit)
        predict("x", evaluator_of(tiny, changed, tiny.conversations[:1]), rows)
        with pytest.raises(
            VerdictError,
            match=r"record r04 has 1 image of its own and 2 of the examples before it, which this "
            r"model's processor does not take together \(At most two images are supported\); lower "
            r"evaluate\.models\.\*\.examples\.count, give fewer images a record, or choose",
        ):
            predict("x", evaluator_of(tiny, changed, tiny.conversations[:2]), rows)


def test_what_does_not_fit_is_refused_with_its_length(text: Tiny, base: Any) -> None:
    from verdict.answers.evaluation import predict

    evaluator = evaluator_of(text, base, text.conversations)
    problem = (
        r"record r1\d has \d{3} tokens with its longest answer, but the model reads at most 512 "
        r".*, or lower evaluate\.models\.few_shot\.examples\.count, which is 12$"
    )
    with pytest.raises(VerdictError, match=problem):
        predict("few_shot", evaluator, text.validation)


def test_a_sign_of_the_models_own_in_an_example_is_refused(text: Tiny, base: Any) -> None:
    from verdict.answers.evaluation import predict

    prompt = copy.deepcopy(text.conversations[0].prompt)
    prompt[-1]["content"][0]["text"] += "<end_of_turn>"
    examples = [replace(text.conversations[0], prompt=prompt)]
    with pytest.raises(VerdictError, match="record r00 holds <end_of_turn>"):
        predict("x", evaluator_of(text, base, examples), text.validation)


def test_free_text_is_answered_behind_them(text: Tiny, base: Any) -> None:
    from verdict.answers.evaluation import predict
    from verdict.answers.evaluator import AnswerOptions, Evaluator

    free = Answers({}, None)
    examples = text.conversations[:2]
    evaluator = Evaluator(base, free, text.images, AnswerOptions(4, 4), "cpu", examples)
    found = predict("x", evaluator, [replace(one, label=None) for one in text.validation])
    assert found.free_text
    assert len(found) == len(text.validation)
