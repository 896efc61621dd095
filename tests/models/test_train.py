"""Training on the tiny Gemma 3: what is learned, that it repeats, and what is refused."""

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import LABELS, LORA, MODEL, NOT_QUANTIZED, QLORA, TRAIN, Tiny, train_tiny
from verdict.errors import VerdictError
from verdict.files import sha256_of_tree
from verdict.params import ModelOptions, Quantization, Train

torch = pytest.importorskip("torch")

CLASSIFY = MODEL.model_copy(update={"task": "classify"})


def vary(**changes: Any) -> Train:
    return TRAIN.model_copy(update=changes)


def weights(training: Any) -> dict[str, Any]:
    return {
        name: parameter.detach().clone()
        for name, parameter in training.model.named_parameters()
        if parameter.requires_grad
    }


def same(first: Any, second: Any) -> bool:
    a, b = weights(first), weights(second)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def collate(tiny: Tiny, count: int = 3, labels: list[str] | None = None) -> tuple[Any, Any]:
    from verdict.models.collate import Collator
    from verdict.models.load import load_processor
    from verdict.models.rows import training_rows

    processor = load_processor(tiny.base)
    rows = training_rows(tiny.conversations, tiny.images)
    return processor, Collator(processor, labels)([rows[i] for i in range(count)])


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


def test_a_classifiers_rows_are_the_same_prompts_with_an_index(tiny: Tiny) -> None:
    _, written = collate(tiny)
    _, batch = collate(tiny, labels=LABELS)
    assert batch["labels"].tolist() == [LABELS.index(c.label) for c in tiny.conversations[:3]]
    assert batch["positions"].tolist() == [0, 1, 2]
    length = batch["input_ids"].shape[1]
    assert torch.equal(batch["input_ids"], written["input_ids"][:, :length])
    assert torch.equal(batch["token_type_ids"], written["token_type_ids"][:, :length])


@pytest.mark.parametrize(
    ("quantization", "model"),
    [(NOT_QUANTIZED, MODEL), (QLORA, MODEL), (QLORA, CLASSIFY)],
    ids=["lora", "qlora", "classifier"],
)
def test_two_runs_give_the_same_adapter_to_the_byte(
    tiny: Tiny, tmp_path: Path, quantization: Quantization, model: ModelOptions
) -> None:
    from verdict.models.adapter import save_adapter
    from verdict.models.load import load_processor

    hashes, logs = [], []
    for name in ("first", "second"):
        training = train_tiny(tiny, tmp_path / name, quantization=quantization, model=model)
        save_adapter(
            tmp_path / f"adapter-{name}", training.model, load_processor(tiny.base), {},
            dtype=torch.float32,
        )  # fmt: skip
        hashes.append(sha256_of_tree(tmp_path / f"adapter-{name}"))
        logs.append((training.log, training.consumed))
        assert training.steps == 4
        assert [entry["step"] for entry in training.log] == [1, 2, 3, 4]
    assert hashes[0] == hashes[1]
    assert logs[0] == logs[1]


def test_the_order_of_rows_is_a_function_of_seed_and_epoch(tiny: Tiny, tmp_path: Path) -> None:
    def epochs(seed: int, **changes: Any) -> list[list[str]]:
        options = vary(max_steps=6, save_strategy="no", seed=seed, **changes)
        batches = train_tiny(tiny, tmp_path / "x", options=options).consumed
        flat = list(itertools.chain(*batches))
        return [flat[:12], flat[12:]]

    first = epochs(0)
    ids = sorted(row.id for row in tiny.conversations)
    assert sorted(first[0]) == sorted(first[1]) == ids
    assert first[0] != first[1]
    assert epochs(0, learning_rate=0.5, label_smoothing_factor=0.1) == first
    assert epochs(1)[0] != first[0]
    # Processes that prepare batches change nothing.
    assert epochs(0, dataloader_num_workers=2) == first


def test_one_batch_of_four_and_four_of_one_agree(tiny: Tiny, tmp_path: Path) -> None:
    lora = LORA.model_copy(update={"lora_dropout": 0.0})
    curves = []
    for batch, accumulation in ((4, 1), (1, 4), (2, 2)):
        options = vary(per_device_train_batch_size=batch, gradient_accumulation_steps=accumulation)
        training = train_tiny(tiny, tmp_path / f"{batch}", options=options, lora=lora)
        curves.append([entry[key] for entry in training.log for key in ("loss", "grad_norm")])
        assert len(training.consumed) == 4 * accumulation
    assert curves[1] == pytest.approx(curves[0], rel=1e-4)
    assert curves[2] == pytest.approx(curves[0], rel=1e-4)


@pytest.mark.parametrize("model", [MODEL, CLASSIFY], ids=["writes", "classifies"])
def test_full_fine_tuning_moves_the_weights_and_leaves_frozen_ones(
    tiny: Tiny, tmp_path: Path, model: ModelOptions
) -> None:
    from verdict.models.load import load_model

    options = vary(method="full", freeze=["embeddings", "vision_tower"], max_steps=2)
    training = train_tiny(tiny, tmp_path, options=options, model=model)
    labels = LABELS if model.task == "classify" else None
    before = dict(load_model(tiny.base, model, "cpu", labels=labels).named_parameters())
    moved = {
        name
        for name, parameter in training.model.named_parameters()
        if not name.startswith("score") and not torch.equal(parameter, before[name])
    }
    assert any("language_model.layers" in name for name in moved)
    assert any("multi_modal_projector" in name for name in moved)
    assert not [name for name in moved if "vision_tower" in name or "embed_tokens" in name]
    assert training.summary()["trainable_parameters"] == sum(
        parameter.numel()
        for name, parameter in training.model.named_parameters()
        if "vision_tower" not in name and "embed_tokens" not in name
    )


def test_cached_vision_features_give_the_same_losses(tiny: Tiny, tmp_path: Path) -> None:
    frozen = vary(
        freeze=["embeddings", "vision_tower"], max_steps=6, eval_strategy="steps", eval_steps=3
    )
    lora = LORA.model_copy(update={"target_modules": "all-linear"})
    cached = MODEL.model_copy(update={"cache_vision_features": True})
    for quantization in (NOT_QUANTIZED, QLORA):
        runs = [
            train_tiny(
                tiny, tmp_path / f"{index}{quantization.load_in_4bit}", options=frozen, lora=lora,
                model=model, quantization=quantization,
            )
            for index, model in enumerate((MODEL, cached))
        ]  # fmt: skip
        losses = [[entry["loss"] for entry in run.log] for run in runs]
        assert losses[1] == pytest.approx(losses[0], rel=1e-4)
        assert runs[1].evaluations[-1]["eval_loss"] == pytest.approx(
            runs[0].evaluations[-1]["eval_loss"], rel=1e-4
        )
        assert runs[0].consumed == runs[1].consumed


def test_label_smoothing_is_the_textbook_formula(tiny: Tiny, tmp_path: Path) -> None:
    from verdict.models.load import load_model

    for model, labels in ((MODEL, None), (CLASSIFY, LABELS)):
        options = vary(label_smoothing_factor=0.2, max_steps=1, learning_rate=1e-9)
        lora = LORA.model_copy(update={"lora_dropout": 0.0})
        from verdict.reproducibility import make_deterministic

        training = train_tiny(tiny, tmp_path / model.task, options=options, lora=lora, model=model)
        make_deterministic(options.seed)  # for the same random head
        plain = load_model(tiny.base, model, "cpu", labels=labels).eval()
        chosen = [c for c in tiny.conversations if c.id in training.consumed[0]]
        _, batch = collate(replace(tiny, conversations=chosen), 4, labels)
        targets = batch.pop("labels")
        batch.pop("positions")
        with torch.no_grad():
            logits = plain(**batch).logits
        if labels is None:
            logits, targets = logits[:, :-1], targets[:, 1:]
        log_probabilities = logits.log_softmax(-1)[targets != -100]
        target = targets[targets != -100]
        nll = -log_probabilities.gather(-1, target[:, None]).mean()
        uniform = -log_probabilities.mean()
        assert training.log[0]["loss"] == pytest.approx(float(0.8 * nll + 0.2 * uniform), rel=1e-4)


def unbalanced(tiny: Tiny) -> list[Any]:
    """Six benign rows and two melanomas."""
    rows = tiny.conversations
    benign = [row for row in rows if row.label == "benign"]
    return benign + [row for row in rows if row.label == "melanoma"][:2]


def test_rare_labels_by_each_method(tiny: Tiny, tmp_path: Path) -> None:
    rows = unbalanced(tiny)
    counts = {}
    for method in ("none", "undersample", "oversample", "weighted_loss"):
        options = vary(class_imbalance=method, max_steps=None, num_train_epochs=1)
        training = train_tiny(tiny, tmp_path / method, options=options, conversations=rows)
        seen = list(itertools.chain(*training.consumed))
        labels = {row.id: row.label for row in rows}
        counts[method] = [sum(labels[id_] == label for id_ in seen) for label in LABELS]
    assert counts == {
        "none": [6, 2], "undersample": [2, 2], "oversample": [6, 6], "weighted_loss": [6, 2],
    }  # fmt: skip


def test_a_weighted_row_counts_as_often_as_it_weighs(tiny: Tiny, tmp_path: Path) -> None:
    rows = unbalanced(tiny)
    lora = LORA.model_copy(update={"lora_dropout": 0.0})
    options = vary(
        class_imbalance="weighted_loss", per_device_train_batch_size=8, max_steps=1,
        learning_rate=1e-9,
    )  # fmt: skip
    for model in (MODEL, CLASSIFY):
        weighted = train_tiny(
            tiny, tmp_path / f"w{model.task}", options=options, lora=lora, conversations=rows,
            model=model,
        )  # fmt: skip
        repeated = train_tiny(
            tiny, tmp_path / f"r{model.task}", lora=lora, conversations=rows, model=model,
            options=options.model_copy(
                update={"class_imbalance": "oversample", "per_device_train_batch_size": 12}
            ),
        )  # fmt: skip
        # Both answers have about as many tokens; a classifier's rows count exactly alike.
        tolerance = 1e-4 if model.task == "classify" else 0.05
        assert weighted.log[0]["loss"] == pytest.approx(repeated.log[0]["loss"], rel=tolerance)


def test_validation_loss_early_stopping_and_the_best_weights(tiny: Tiny, tmp_path: Path) -> None:
    options = vary(
        learning_rate=0.3, lr_scheduler_type="constant", max_steps=12, save_steps=1,
        eval_strategy="steps", eval_steps=1, load_best_model_at_end=True,
        early_stopping_patience=2,
    )  # fmt: skip
    training = train_tiny(tiny, tmp_path, options=options)
    losses = [entry["eval_loss"] for entry in training.evaluations]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < 12
    # The weights are those of the best step, not of the last.
    from safetensors.torch import load_file

    (kept,) = tmp_path.glob(f"checkpoint-{best + 1}/adapter_model.safetensors")
    saved = load_file(kept)
    current = {name.replace(".default", ""): value for name, value in weights(training).items()}
    shared = saved.keys() & current.keys()
    assert len(shared) > 50
    assert all(torch.equal(saved[name], current[name]) for name in shared)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_checkpoints(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from verdict.models.trainer import WritingTrainer

    real = WritingTrainer._losses

    def blow_up(self: Any, model: Any, inputs: Any) -> Any:
        outputs, losses = real(self, model, inputs)
        return outputs, losses * (float("inf") if self.state.global_step == 3 else 1.0)

    monkeypatch.setattr(WritingTrainer, "_losses", blow_up)
    with pytest.raises(VerdictError, match=r"the loss is (inf|nan) at step 4; no adapter"):
        train_tiny(tiny, tmp_path, options=vary(max_steps=6))
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-2"]


def test_damaged_weights_are_found_before_the_first_step(tiny: Tiny, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "base"
    shutil.copytree(tiny.base, broken)
    stored = load_file(broken / "model.safetensors")
    name = next(name for name in stored if name.endswith("layers.0.mlp.down_proj.weight"))
    stored[name] = torch.full_like(stored[name], float("nan"))
    save_file(stored, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(VerdictError, match="nan"):
        train_tiny(replace(tiny, base=broken), tmp_path / "run")
    del stored[name]
    save_file(stored, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(VerdictError, match=r"does not hold all weights .*down_proj"):
        train_tiny(replace(tiny, base=broken), tmp_path / "run")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), r"lower train\.per_device_train_batch_size"),
        (MemoryError(), r"train\.gradient_checkpointing=true"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"),
            r"memory ran out in training; no adapter is published",
        ),
        (OSError(28, "No space left on device"), r"no space left on the disk; no adapter"),
    ],
)
def test_what_runs_out_is_named_with_what_to_change(
    tiny: Tiny, tmp_path: Path, error: Exception, said: str
) -> None:
    def fail(step: int, _: dict[str, float]) -> None:
        if step == 3:
            raise error

    with pytest.raises(VerdictError, match=said):
        train_tiny(tiny, tmp_path, on_point=fail)
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-2"]


@pytest.mark.parametrize("write", ["torch", "safetensors"])
def test_a_full_disk_is_recognised_however_it_is_reported(write: str) -> None:
    from safetensors.torch import save_file

    from verdict.models.failures import explained

    values = {"w": torch.zeros(1_000_000)}
    with pytest.raises(VerdictError, match="no space left on the disk"), explained(TRAIN):
        if write == "torch":
            torch.save(values, "/dev/full")
        else:
            with open("/dev/full", "wb", buffering=0) as file:
                file.write(b"x" * 10)
            save_file(values, "/dev/full")


def test_the_8_bit_optimizer_says_what_it_uses_on_a_cpu(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_tiny(tiny, tmp_path, options=vary(optim="paged_adamw_8bit", max_steps=1))
    assert "paged_adamw_8bit needs a GPU; on this CPU adamw_torch is used" in (
        capsys.readouterr().out
    )


def test_the_adapter_folder_is_complete_and_free_of_this_run(tiny: Tiny, tmp_path: Path) -> None:
    from verdict.models.load import load_processor
    from verdict.models.publish import publish

    training = train_tiny(tiny, tmp_path / "run")
    origin = {"base": {"sha256": "ab"}}
    processor = load_processor(tiny.base)
    publish(training, tmp_path / "adapter", tmp_path / "metrics", processor, origin, "float32")
    names = {path.name for path in (tmp_path / "adapter").iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json"} <= names
    assert "README.md" not in names
    assert "training_args.bin" not in names
    provenance = json.loads((tmp_path / "adapter/provenance.json").read_text())
    assert provenance["consumed"]["rows"] == 16
    assert provenance["class_imbalance"]["rows_before"] == {"benign": 6, "melanoma": 6}
    metrics = json.loads((tmp_path / "metrics/train.json").read_text())
    assert metrics["steps"] == 4
    curve = (tmp_path / "metrics/plots/loss.csv").read_text().splitlines()
    assert curve[0] == "step,loss,learning_rate,grad_norm"
    assert len(curve) == 5
    assert (tmp_path / "metrics/plots/eval_loss.csv").read_text() == "step,eval_loss\n"


def test_points_of_the_curve_average_the_steps_between(tiny: Tiny, tmp_path: Path) -> None:
    points: dict[int, dict[str, float]] = {}
    fine = train_tiny(tiny, tmp_path / "a")
    coarse = train_tiny(
        tiny, tmp_path / "b", options=vary(logging_steps=3), on_point=points.__setitem__
    )
    losses = [entry["loss"] for entry in fine.log]
    assert [entry["step"] for entry in coarse.log] == [3, 4]
    assert coarse.log[0]["loss"] == pytest.approx(sum(losses[:3]) / 3, rel=1e-12)
    assert coarse.log[1]["loss"] == losses[3]
    assert {step: point["loss"] for step, point in points.items()} == {
        entry["step"]: entry["loss"] for entry in coarse.log
    }
    assert points[3]["samples_per_second"] > 0
    assert points[3]["peak_memory_gb"] > 0.1
