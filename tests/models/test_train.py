"""Training on the tiny Gemma 3: what is learned, that it repeats, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import LORA, MODEL, NOT_QUANTIZED, QLORA, TRAIN, Tiny
from verdict.errors import VerdictError
from verdict.files import sha256_of_tree
from verdict.params import Lora, Quantization, Train

torch = pytest.importorskip("torch")


def train(
    tiny: Tiny,
    quantization: Quantization = NOT_QUANTIZED,
    lora: Lora = LORA,
    options: Train = TRAIN,
) -> Any:
    from verdict.models.load import load_model, load_processor
    from verdict.models.train import train_adapter
    from verdict.reproducibility import make_deterministic

    make_deterministic(options.seed)
    return train_adapter(
        load_model(tiny.base, MODEL, "cpu", quantization),
        load_processor(tiny.base),
        tiny.conversations,
        tiny.images,
        options=options,
        lora=lora,
        model_options=MODEL,
        device="cpu",
    )


def collate(tiny: Tiny, count: int = 3) -> tuple[Any, Any]:
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    from verdict.models.load import load_processor
    from verdict.models.rows import training_rows

    processor = load_processor(tiny.base)
    rows = training_rows(tiny.conversations, tiny.images)
    collator = DataCollatorForVisionLanguageModeling(processor, completion_only_loss=True)
    return processor, collator([rows[i] for i in range(count)])


def test_only_the_answer_and_the_end_of_turn_are_learned(tiny: Tiny) -> None:
    processor, batch = collate(tiny)
    for row, conversation in zip(batch["labels"], tiny.conversations, strict=False):
        learned = processor.tokenizer.decode(row[row != -100])
        answer = conversation.completion[0]["content"][0]["text"]
        assert learned == f"{answer}<end_of_turn>\n"


def test_a_row_has_one_bos_and_all_its_image_tokens(tiny: Tiny) -> None:
    processor, batch = collate(tiny)
    tokenizer = processor.tokenizer
    for row in batch["input_ids"]:
        assert (row == tokenizer.bos_token_id).sum() == 1
        assert (row == tokenizer.image_token_id).sum() == processor.image_seq_length
    assert batch["token_type_ids"].sum() == 3 * processor.image_seq_length


def test_evaluation_asks_what_training_taught(tiny: Tiny) -> None:
    from verdict.answers.prompts import batches, candidate_ids

    processor, batch = collate(tiny, count=2)
    asked = next(batches(processor, tiny.conversations[:2], tiny.images, 2, "cpu"))
    length = asked.inputs["input_ids"].shape[1]
    assert torch.equal(batch["input_ids"][:, :length], asked.inputs["input_ids"])
    assert torch.equal(batch["pixel_values"], asked.inputs["pixel_values"])
    candidates = candidate_ids(processor, tiny.conversations[0].prompt, tiny.answers)
    learned = batch["labels"][0][batch["labels"][0] != -100].tolist()
    assert learned[: len(candidates[0])] == candidates[0]
    assert candidates[0][-1] == processor.tokenizer.convert_tokens_to_ids("<end_of_turn>")


@pytest.mark.parametrize("quantization", [NOT_QUANTIZED, QLORA], ids=["lora", "qlora"])
def test_two_runs_give_the_same_adapter_to_the_byte(
    tiny: Tiny, tmp_path: Path, quantization: Quantization
) -> None:
    from verdict.models.adapter import save_adapter
    from verdict.models.load import load_processor

    hashes = []
    for name in ("first", "second"):
        training = train(tiny, quantization)
        save_adapter(tmp_path / name, training.model, load_processor(tiny.base), {})
        hashes.append(sha256_of_tree(tmp_path / name))
        assert training.steps == 4
        assert [entry["step"] for entry in training.log] == [1, 2, 3, 4]
    assert hashes[0] == hashes[1]


def test_trained_weights_are_float32_even_over_4_bits(tiny: Tiny) -> None:
    model = train(tiny, QLORA).model
    dtypes = {p.dtype for p in model.parameters() if p.requires_grad}
    assert dtypes == {torch.float32}
    names = [type(module).__name__ for module in model.modules()]
    assert "Linear4bit" in names
    vision = [
        module
        for name, module in model.named_modules()
        if "vision_tower" in name and name.endswith("fc1.base_layer")
    ]
    assert vision
    assert all(type(module).__name__ == "Linear" for module in vision)


def test_the_saved_adapter_changes_the_answers_of_a_fresh_model(tiny: Tiny, tmp_path: Path) -> None:
    from verdict.answers.evaluate import predict
    from verdict.models.adapter import save_adapter
    from verdict.models.load import load_for_inference, load_processor

    save_adapter(tmp_path / "adapter", train(tiny).model, load_processor(tiny.base), {})
    scores = []
    for adapter in (tiny.base / "config.json", tmp_path / "adapter"):
        model, processor = load_for_inference(tiny.base, adapter, MODEL, "cpu")
        predictions = predict(
            "x", model, processor, tiny.conversations, tiny.images, tiny.answers,
            batch_size=4, max_new_tokens=4, device="cpu",
        )  # fmt: skip
        scores.append(predictions.log_probabilities)
    # The answers were what it learned, so they must have become likelier.
    assert (scores[1].max(axis=1) > scores[0].max(axis=1)).all()


def test_the_adapter_folder_is_complete_and_free_of_this_run(tiny: Tiny, tmp_path: Path) -> None:
    from verdict.models.adapter import describe_origin, save_adapter
    from verdict.models.load import load_processor

    origin = describe_origin(
        base=tiny.base, base_name="embedded", base_revision=None,
        chat=tiny.chat / "train.jsonl", records=tiny.records, parameters={"lora": {"r": 16}},
    )  # fmt: skip
    save_adapter(tmp_path / "adapter", train(tiny).model, load_processor(tiny.base), origin)
    names = {path.name for path in (tmp_path / "adapter").iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json"} <= names
    assert "README.md" not in names
    assert "training_args.bin" not in names
    provenance = json.loads((tmp_path / "adapter/provenance.json").read_text())
    assert provenance["base"]["sha256"] == sha256_of_tree(tiny.base)
    assert provenance["versions"]["torch"] == "2.13.0"


def test_targets_that_match_nothing_are_refused(tiny: Tiny) -> None:
    lora = LORA.model_copy(update={"target_modules": r".*language_model.*\.qkv_proj"})
    with pytest.raises(VerdictError, match="matches no module of the base model"):
        train(tiny, lora=lora)


def test_a_loss_that_is_not_finite_stops_the_run(tiny: Tiny, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    broken = tmp_path / "base"
    shutil.copytree(tiny.base, broken)
    weights = load_file(broken / "model.safetensors")
    name = next(name for name in weights if name.endswith("layers.0.mlp.down_proj.weight"))
    weights[name] = torch.full_like(weights[name], float("nan"))
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    from dataclasses import replace

    with pytest.raises(VerdictError, match=r"the loss is nan at step \d; no adapter"):
        train(replace(tiny, base=broken))


def test_the_8_bit_optimizer_says_what_it_uses_on_a_cpu(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tiny, options=TRAIN.model_copy(update={"optim": "paged_adamw_8bit", "max_steps": 1}))
    assert "paged_adamw_8bit needs a GPU; on this CPU adamw_torch is used" in (
        capsys.readouterr().out
    )
