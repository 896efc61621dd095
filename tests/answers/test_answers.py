"""Scoring and generation on the tiny Gemma 3."""

import copy
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from testing.tiny import Tiny, ask_tiny
from verdict.conversations import Conversation
from verdict.predictions import SCHEMA, Predictions, write_predictions
from verdict.statistics.measurement import measure

torch = pytest.importorskip("torch")


def batch(tiny: Tiny, processor: Any, size: int) -> Any:
    from verdict.answers.batches import batches

    return next(batches(processor, tiny.conversations[:size], tiny.images, size, "cpu"))


def test_cached_scores_equal_a_full_forward_pass(tiny: Tiny, loaded: Any) -> None:
    from verdict.answers.score import Scorer
    from verdict.models.chat import candidate_ids

    model, processor = loaded.model, loaded.processor
    inputs = batch(tiny, processor, 3).inputs
    candidates = candidate_ids(processor, tiny.conversations[0].prompt, tiny.answers)
    assert len(candidates[0]) != len(candidates[1])
    scores = Scorer(model)(inputs, candidates)
    for row in range(3):
        for index, candidate in enumerate(candidates):
            ids = torch.cat([inputs["input_ids"][row], torch.tensor(candidate)])[None]
            types = torch.nn.functional.pad(inputs["token_type_ids"][row], (0, len(candidate)))[
                None
            ]
            with torch.no_grad():
                logits = model(
                    input_ids=ids,
                    token_type_ids=types,
                    pixel_values=inputs["pixel_values"][row][None],
                ).logits[0]
            start = inputs["input_ids"].shape[1] - 1
            expected = sum(
                logits[start + i].log_softmax(-1)[token].item() for i, token in enumerate(candidate)
            )
            assert scores[row][index] == pytest.approx(expected, abs=1e-3)


def varied(tiny: Tiny) -> list[Conversation]:
    """The tiny conversations with prompts of three lengths, of which some have no image."""
    rows = []
    for index, row in enumerate(tiny.conversations):
        prompt = copy.deepcopy(row.prompt)
        prompt[-1]["content"][1]["text"] += " malignant" * (index % 3)
        if index % 4 == 3:
            del prompt[-1]["content"][0]
        rows.append(replace(row, prompt=prompt, other_group=f"o{index}" if index % 2 else None))
    return rows


def ask(tiny: Tiny, loaded: Any, rows: list[Conversation], **options: Any) -> Predictions:
    return ask_tiny(tiny, loaded, rows, **{"max_new_tokens": 8, **options})


def test_the_batch_size_changes_no_answer_and_no_metric(tiny: Tiny, loaded: Any) -> None:
    rows = varied(tiny)
    one, many = (ask(tiny, loaded, rows, batch_size=size) for size in (1, 32))
    assert dict(zip(one.ids, one.other_groups, strict=True)) == {
        row.id: row.other_group for row in rows
    }
    assert len({row for row in one.table["generated"].to_pylist() if row}) > 1
    rest = [name for name in SCHEMA.names if name != "log_probabilities"]
    assert one.table.select(rest) == many.table.select(rest)
    np.testing.assert_allclose(one.log_probabilities, many.log_probabilities, atol=1e-4, rtol=0)
    assert measure(one).values() == pytest.approx(measure(many).values(), abs=2e-6)


def test_one_batch_size_gives_the_same_bytes_again(tiny: Tiny, loaded: Any, tmp_path: Path) -> None:
    rows = varied(tiny)
    for name, order in (("first", rows), ("again", rows)):
        write_predictions(tmp_path / name, ask(tiny, loaded, order))
    assert (tmp_path / "first").read_bytes() == (tmp_path / "again").read_bytes()


def test_log_likelihoods_are_divided_by_the_number_of_tokens(tiny: Tiny, loaded: Any) -> None:
    from verdict.models.chat import candidate_ids

    plain, by_token = (
        ask(tiny, loaded, tiny.conversations, length_normalization=kind)
        for kind in ("none", "tokens")
    )
    assert (plain.length_normalization, by_token.length_normalization) == ("none", "tokens")
    ids = candidate_ids(loaded.processor, tiny.conversations[0].prompt, tiny.answers)
    lengths = [len(candidate) for candidate in ids]
    assert lengths[0] != lengths[1]
    # The end of the turn is one of the tokens.
    assert all(ids[0][-1] == candidate[-1] for candidate in ids)
    np.testing.assert_allclose(by_token.log_probabilities * lengths, plain.log_probabilities)


def test_rows_of_different_lengths_are_never_padded(tiny: Tiny, loaded: Any) -> None:
    from verdict.answers.batches import batches

    made = list(batches(loaded.processor, varied(tiny), tiny.images, 4, "cpu"))
    assert sorted(row.id for batch in made for row in batch.conversations) == sorted(
        row.id for row in tiny.conversations
    )
    for made_of in made:
        images = {len(row.prompt[-1]["content"]) - 1 for row in made_of.conversations}
        assert images == {int("pixel_values" in made_of.inputs)}
        assert made_of.inputs["attention_mask"].all()


def test_generation_stops_at_the_end_of_the_turn(
    tiny: Tiny, loaded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from verdict.answers.generation import generate_answers

    model, processor = loaded.model, loaded.processor
    inputs = batch(tiny, processor, 1).inputs
    generated: list[int] = []
    generate = model.generate

    def counting(**arguments: Any) -> Any:
        output = generate(**arguments)
        generated.append(output.shape[1] - inputs["input_ids"].shape[1])
        return output

    monkeypatch.setattr(model, "generate", counting)
    with torch.no_grad():
        first = int(model(**inputs).logits[0, -1].argmax())
    never = processor.tokenizer.convert_tokens_to_ids("<mask>")
    assert first != never
    for end_of_turn in (first, never):
        generate_answers(model, processor, inputs, end_of_turn=end_of_turn, max_new_tokens=20)
    assert generated == [1, 20]


def test_nothing_after_the_end_of_the_turn_is_kept(
    tiny: Tiny, loaded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from verdict.answers.generation import generate_answers

    model, tokenizer = loaded.model, loaded.processor.tokenizer
    inputs = batch(tiny, loaded.processor, 2).inputs
    yes, no, end = (
        tokenizer(text, add_special_tokens=False).input_ids[0]
        for text in ("Yes", "No", "<end_of_turn>")
    )
    rows = torch.tensor([[yes, end, no, no], [no, no, end, tokenizer.pad_token_id]])
    written = torch.cat([inputs["input_ids"], rows], dim=1)
    monkeypatch.setattr(model, "generate", lambda **_: written)
    texts = generate_answers(model, loaded.processor, inputs, end_of_turn=end, max_new_tokens=4)
    assert texts == ["Yes", "NoNo"]


def test_a_model_that_would_sample_answers_greedily(
    tiny: Tiny, loaded: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from transformers import GenerationConfig
    from transformers.utils import logging

    greedy = ask(tiny, loaded, tiny.conversations[:4]).table["generated"]
    hub = GenerationConfig(
        do_sample=True, temperature=5.0, top_k=64, top_p=0.95, min_p=0.01, repetition_penalty=3.0,
        no_repeat_ngram_size=1,
    )  # fmt: skip
    monkeypatch.setattr(loaded.model, "generation_config", hub)
    logging.enable_propagation()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for seed in range(3):
                torch.manual_seed(seed)
                assert ask(tiny, loaded, tiny.conversations[:4]).table["generated"] == greedy
    finally:
        logging.disable_propagation()
    assert caplog.records == []


class Misplacing:
    """A model that reads on after a cache as if it stood elsewhere (``shift``), or not at all.

    Or one that lets each position see all before it, whatever a mask says (``sees_all``).
    """

    def __init__(
        self, model: Any, shift: int | None, *, only_prompts: bool = False, sees_all: bool = False
    ):
        self._model, self._shift, self._only_prompts = model, shift, only_prompts
        self._sees_all = sees_all
        self.dtype, self.config, self.passes = model.dtype, model.config, 0

    def __call__(self, **inputs: Any) -> Any:
        self.passes += 1
        cache = inputs.get("past_key_values")
        if cache is not None and (not self._only_prompts or "pixel_values" in inputs):
            if self._shift is None:
                raise RuntimeError("The size of tensor a (9) must match the size of tensor b (40)")
            rows, width = inputs["input_ids"].shape
            start = cache.get_seq_length()
            places = inputs.get("position_ids", torch.arange(start, start + width).expand(rows, -1))
            inputs["position_ids"] = places + self._shift
        if self._sees_all:
            inputs.pop("attention_mask", None)
        return self._model(**inputs)


@pytest.mark.parametrize(
    ("misplacing", "way", "passes"),
    [
        # What prompts begin with, their rest, the answers; and once the longest answer in full.
        ({"shift": 0}, "packed", [4, 3]),
        ({"shift": 0, "sees_all": True}, "shared", [7, 3]),
        ({"shift": 5, "only_prompts": True}, "cached", [9, 2]),
        ({"shift": None, "only_prompts": True}, "cached", [7, 2]),
        ({"shift": 5}, "full", [11, 2]),
        ({"shift": None}, "full", [8, 2]),
    ],
    ids=["right", "sees all", "prompts wrong", "prompts impossible", "wrong", "impossible"],
)
def test_scores_are_right_where_the_cache_misleads(
    tiny: Tiny, loaded: Any, misplacing: dict[str, Any], way: str, passes: list[int]
) -> None:
    from verdict.answers.score import Scorer
    from verdict.models.chat import candidate_ids

    inputs = batch(tiny, loaded.processor, 3).inputs
    candidates = candidate_ids(loaded.processor, tiny.conversations[0].prompt, tiny.answers)
    kind = " ".join(sorted(inputs))
    expected = Scorer(loaded.model, {kind: "full"})(inputs, candidates)
    model = Misplacing(loaded.model, **misplacing)
    scorer = Scorer(model)
    for count in passes:
        model.passes = 0
        np.testing.assert_allclose(scorer(inputs, candidates), expected, atol=1e-3)
        assert (scorer.ways, model.passes) == ({kind: way}, count)


def test_prompts_share_what_stands_ahead_of_the_image_and_of_any_difference(
    tiny: Tiny, loaded: Any
) -> None:
    from verdict.answers.prefill import shared_tokens

    model, inputs = loaded.model, batch(tiny, loaded.processor, 3).inputs
    image = inputs["token_type_ids"][0].argmax().item()
    assert shared_tokens(model, inputs) == image > 2
    other = inputs["input_ids"].clone()
    other[2, 2] += 1
    assert shared_tokens(model, {"input_ids": other}) == 2
    assert shared_tokens(model, {"input_ids": other[:1]}) == 0
    same = torch.full((2, 5), 7)
    # The last begins what is read on with, and the one ahead of it is left for a pass of all rows.
    assert shared_tokens(model, {"input_ids": same}) == 3


@pytest.mark.parametrize("window", [30, 95])
def test_answers_that_no_window_holds_together_stand_in_rows_of_their_own(
    tiny: Tiny, loaded: Any, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from verdict.answers.score import Scorer
    from verdict.models.chat import candidate_ids

    inputs = batch(tiny, loaded.processor, 3).inputs
    candidates = candidate_ids(loaded.processor, tiny.conversations[0].prompt, tiny.answers)
    kind, length = " ".join(sorted(inputs)), inputs["input_ids"].shape[1]
    far = Scorer(loaded.model, {kind: "full"})(inputs, candidates)
    assert length + max(map(len, candidates)) <= 95 < length + sum(map(len, candidates)) - 2
    monkeypatch.setattr(loaded.model.config.get_text_config(), "sliding_window", window)
    expected = Scorer(loaded.model, {kind: "full"})(inputs, candidates)
    assert (np.abs(np.subtract(far, expected)).max() > 1e-3) == (window < length)
    scores = Scorer(loaded.model, {kind: "packed"})(inputs, candidates)
    np.testing.assert_allclose(scores, expected, atol=1e-3)


def test_want_of_memory_is_no_reason_to_compute_more(tiny: Tiny, loaded: Any) -> None:
    from verdict.answers.score import Scorer

    def full(**_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    full.dtype = torch.float32  # type: ignore[attr-defined]
    with pytest.raises(torch.OutOfMemoryError):
        Scorer(full)(batch(tiny, loaded.processor, 1).inputs, [[1, 2]])
