"""Scoring and generation on the tiny Gemma 3."""

from typing import Any

import numpy as np
import pytest

from tests.tiny import MODEL, Tiny

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def loaded(tiny: Tiny) -> Any:
    from verdict.models.inference import load_for_inference

    return load_for_inference(tiny.base, tiny.base / "config.json", MODEL, "cpu")


def batch(tiny: Tiny, processor: Any, size: int) -> Any:
    from verdict.answers.prompts import batches

    return next(batches(processor, tiny.conversations[:size], tiny.images, size, "cpu"))


def test_cached_scores_equal_a_full_forward_pass(tiny: Tiny, loaded: Any) -> None:
    from verdict.answers.prompts import candidate_ids
    from verdict.answers.score import Scorer

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


def test_the_batch_size_changes_no_answer(tiny: Tiny, loaded: Any) -> None:
    from verdict.answers.evaluate import predict

    one, many = (
        predict(
            "x",
            loaded,
            tiny.conversations,
            tiny.images,
            tiny.answers,
            batch_size=size,
            max_new_tokens=8,
            device="cpu",
        )
        for size in (1, 32)
    )
    assert one.table["generated"] == many.table["generated"]
    assert (one.predicted == many.predicted).all()
    np.testing.assert_allclose(one.log_probabilities, many.log_probabilities, atol=1e-4)


def test_rows_of_different_lengths_are_never_padded(tiny: Tiny, loaded: Any) -> None:
    import copy
    from dataclasses import replace

    from verdict.answers.prompts import batches

    rows = []
    for index, row in enumerate(tiny.conversations[:6]):
        prompt = copy.deepcopy(row.prompt)
        prompt[-1]["content"][1]["text"] += " malignant" * (index % 3)
        rows.append(replace(row, prompt=prompt))
    made = list(batches(loaded.processor, rows, tiny.images, 4, "cpu"))
    assert [len(batch.conversations) for batch in made] == [2, 2, 2]
    assert all(batch.inputs["attention_mask"].all() for batch in made)


def test_generation_stops_at_the_end_of_the_turn(
    tiny: Tiny, loaded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from verdict.answers.generate import generate_answers

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


class Misplacing:
    """A model that reads an answer after a cache as if it stood elsewhere, or not at all."""

    def __init__(self, model: Any, shift: int | None):
        self._model, self._shift = model, shift
        self.dtype, self.passes = model.dtype, 0

    def __call__(self, **inputs: Any) -> Any:
        self.passes += 1
        cache = inputs.get("past_key_values")
        if cache is not None and self._shift is None:
            raise RuntimeError("The size of tensor a (9) must match the size of tensor b (40)")
        if cache is not None and self._shift:
            rows, width = inputs["input_ids"].shape
            start = cache.get_seq_length() + self._shift
            inputs["position_ids"] = torch.arange(start, start + width).expand(rows, -1)
        return self._model(**inputs)


@pytest.mark.parametrize(
    ("shift", "passes"),
    [
        (0, [3, 2]),  # the prompts, the answers, and once the longest answer in full
        (5, [5, 2]),
        (None, [4, 2]),
    ],
    ids=["right", "wrong", "impossible"],
)
def test_scores_are_right_where_the_cache_misleads(
    tiny: Tiny, loaded: Any, shift: int | None, passes: list[int]
) -> None:
    from verdict.answers.prompts import candidate_ids
    from verdict.answers.score import Scorer

    inputs = batch(tiny, loaded.processor, 3).inputs
    candidates = candidate_ids(loaded.processor, tiny.conversations[0].prompt, tiny.answers)
    expected = Scorer(loaded.model)(inputs, candidates)
    model = Misplacing(loaded.model, shift)
    scorer = Scorer(model)
    for count in passes:
        model.passes = 0
        np.testing.assert_allclose(scorer(inputs, candidates), expected, atol=1e-3)
        assert model.passes == count


def test_want_of_memory_is_no_reason_to_compute_more(tiny: Tiny, loaded: Any) -> None:
    from verdict.answers.score import Scorer

    def full(**_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    full.dtype = torch.float32  # type: ignore[attr-defined]
    with pytest.raises(torch.OutOfMemoryError):
        Scorer(full)(batch(tiny, loaded.processor, 1).inputs, [[1, 2]])
