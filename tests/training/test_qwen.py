"""Another family by name: Qwen2.5-VL, with its own processor, positions and names."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from testing.preflight import Flight
from testing.tiny import LORA, MODEL, NOT_QUANTIZED, QLORA, TRAIN, Tiny, train_tiny
from testing.tiny_texts import build_text_tiny
from tests.training.qwen import build_qwen
from verdict.core.errors import VerdictError

torch = pytest.importorskip("torch")

ADAPT = LORA.model_copy(update={"target_modules": "all-linear", "modules_to_save": []})
FROZEN = TRAIN.model_copy(update={"freeze": ["embeddings", "projector", "vision_tower"]})
FULL = FROZEN.model_copy(update={"method": "full"})
#: An image of 64 pixels becomes 4 × 4 patches, merged two by two.
IMAGE_TOKENS = 4


@pytest.fixture(scope="module")
def qwen(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return build_qwen(tmp_path_factory.mktemp("qwen"), tiny)


@pytest.fixture(scope="module")
def loaded(qwen: Tiny) -> Any:
    from verdict.answers.inference import load_for_inference

    return load_for_inference(qwen.base, qwen.base / "config.json", MODEL, "cpu")


def test_the_processor_uses_pillow_and_knows_no_videos(qwen: Tiny, tmp_path: Path) -> None:
    from verdict.models.load import load_processor

    processor: Any = load_processor(qwen.base)
    assert type(processor.image_processor).__name__ == "Qwen2VLImageProcessorPil"
    processor.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "processor_config.json").read_text())
    assert saved["processor_class"] == "Qwen2_5_VLProcessor"
    again: Any = load_processor(tmp_path)
    assert again.to_dict() == processor.to_dict()


def test_a_batch_holds_the_image_and_only_the_answer_to_learn(qwen: Tiny) -> None:
    from verdict.models.load import load_processor
    from verdict.training.rows import Collator, training_rows

    processor = load_processor(qwen.base)
    rows = training_rows(qwen.conversations, qwen.images)
    batch = Collator(processor)([rows[i] for i in range(3)])
    image = processor.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    assert (batch["input_ids"] == image).sum(1).tolist() == [IMAGE_TOKENS] * 3
    assert torch.equal(batch["mm_token_type_ids"] == 1, batch["input_ids"] == image)
    for labels, conversation in zip(batch["labels"], qwen.conversations, strict=False):
        answer = conversation.completion[0]["content"][0]["text"]
        assert processor.tokenizer.decode(labels[labels != -100]) == f"{answer}<|im_end|>\n"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quantization": QLORA},
        {"train": FULL},
        {"train": FROZEN.model_copy(update={"gradient_checkpointing": True})},
        {"train": FULL.model_copy(update={"freeze": ["embeddings"]})},
    ],
    ids=["lora", "qlora", "full", "checkpointing", "vision learns"],
)
def test_preflight_passes(qwen: Tiny, options: dict[str, Any]) -> None:
    options = {"quantization": NOT_QUANTIZED, "train": FROZEN, **options}
    figures = Flight(qwen, lora=ADAPT, **options).run().as_json()
    assert figures["image_tokens"] == {"image_tokens_a_row": [IMAGE_TOKENS]}
    assert figures["bos"]["bos_a_row"] is None
    if options["train"].method == "lora":
        assert figures["modules"]["adapters_by_part"] == {"language_model": 14}
    elif "vision_tower" in options["train"].freeze:
        assert set(figures["trainable"]["by_part"]) == {"language_model"}
    else:
        parts = {"language_model", "projector", "vision_tower"}
        assert set(figures["trainable"]["by_part"]) == parts


def test_letters_that_the_tokenizer_composes_are_no_error(qwen: Tiny) -> None:
    answer = [{"type": "text", "text": "Me\u0301lanome."}]
    rows = [
        dataclasses.replace(row, completion=[{"role": "assistant", "content": answer}])
        for row in qwen.conversations
    ]
    figures = Flight(qwen, lora=ADAPT, train=FROZEN, conversations=rows).run().as_json()
    assert figures["labels"]["learned"] == ["M\u00e9lanome.<|im_end|>\n"]


def in_full(model: Any, inputs: Any, row: int, candidate: list[int]) -> float:
    """Return one row's score of one candidate, from that row alone."""
    ids = torch.cat([inputs["input_ids"][row], torch.tensor(candidate)])[None]
    types = torch.nn.functional.pad(inputs["mm_token_type_ids"][row], (0, len(candidate)))[None]
    images = {}
    if "image_grid_thw" in inputs:
        patches = inputs["image_grid_thw"].prod(1).tolist()
        images = {
            "pixel_values": inputs["pixel_values"].split(patches)[row],
            "image_grid_thw": inputs["image_grid_thw"][row : row + 1],
        }
    with torch.no_grad():
        logits = model(input_ids=ids, mm_token_type_ids=types, **images, use_cache=False).logits[0]
    start = inputs["input_ids"].shape[1] - 1
    return sum(logits[start + i].log_softmax(-1)[token].item() for i, token in enumerate(candidate))


def test_scores_equal_a_full_forward_pass(qwen: Tiny, loaded: Any, tmp_path: Path) -> None:
    from verdict.answers.batches import batches
    from verdict.answers.generation import generate_answers
    from verdict.answers.score import Scorer
    from verdict.models.chat import candidate_ids, end_of_turn_id

    model, processor = loaded.model, loaded.processor
    texts = build_text_tiny(tmp_path)
    candidates = candidate_ids(processor, qwen.conversations[0].prompt, qwen.answers)
    end = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert end_of_turn_id(processor, qwen.conversations[0].prompt) == end == candidates[0][-1]
    assert len(candidates[0]) != len(candidates[1])
    for order in ([texts, qwen, texts], [qwen, texts]):
        scorer = Scorer(model)
        for rows in order:
            batch = next(batches(processor, rows.conversations, qwen.images, 3, "cpu"))
            assert len(batch.conversations) > 1
            scores = scorer(batch.inputs, candidates)
            for row in range(len(batch.conversations)):
                for index, candidate in enumerate(candidates):
                    expected = in_full(model, batch.inputs, row, candidate)
                    assert scores[row][index] == pytest.approx(expected, abs=1e-3)
            # What it leaves in the model must not change the next batch.
            generate_answers(model, processor, batch.inputs, end_of_turn=end, max_new_tokens=2)


def test_vision_features_of_another_family_are_refused(qwen: Tiny, tmp_path: Path) -> None:
    cached = MODEL.model_copy(update={"cache_vision_features": True})
    with pytest.raises(VerdictError, match="this model \\(qwen2_5_vl\\) cannot be cached"):
        train_tiny(qwen, tmp_path, lora=ADAPT, options=FROZEN, model=cached)


def test_rows_without_an_image(qwen: Tiny, tmp_path: Path) -> None:
    texts = dataclasses.replace(build_text_tiny(tmp_path), base=qwen.base)
    figures = Flight(texts, lora=ADAPT, train=FROZEN).run().as_json()
    assert figures["image_tokens"] == {"image_tokens_a_row": [0]}
