"""Training on the tiny Gemma 3: what is learned, that it repeats, and what is refused."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from testing.tiny import LABELS, LORA, MODEL, NOT_QUANTIZED, QLORA, TRAIN, Tiny, train_tiny
from verdict.core.files import sha256_of_tree
from verdict.params.training import ModelOptions, Quantization, Train

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


@pytest.mark.parametrize(
    ("quantization", "model"),
    [(NOT_QUANTIZED, MODEL), (QLORA, MODEL), (QLORA, CLASSIFY)],
    ids=["lora", "qlora", "classifier"],
)
def test_two_runs_give_the_same_adapter_to_the_byte(
    tiny: Tiny, tmp_path: Path, quantization: Quantization, model: ModelOptions
) -> None:
    from verdict.models.load import load_processor
    from verdict.training.results import save_adapter

    hashes, logs = [], []
    for name in ("first", "second"):
        training = train_tiny(tiny, tmp_path / name, quantization=quantization, model=model)
        save_adapter(
            tmp_path / f"adapter-{name}", training.model, load_processor(tiny.base), {},
            dtype=torch.float32,
        )  # fmt: skip
        hashes.append(sha256_of_tree(tmp_path / f"adapter-{name}"))
        # Readable for the same people, weights and all.
        assert len({path.stat().st_mode for path in (tmp_path / f"adapter-{name}").iterdir()}) == 1
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


@pytest.mark.parametrize("task", ["generate", "classify"])
def test_the_validation_loss_does_not_depend_on_the_batch_size(
    tiny: Tiny, tmp_path: Path, task: str
) -> None:
    """It is the sum of all learned tokens' losses over their number: that of one batch of all."""
    model, losses = MODEL.model_copy(update={"task": task}), []
    for size in (4, 3, 2, 1):
        options = vary(
            max_steps=1, eval_strategy="steps", eval_steps=1, per_device_eval_batch_size=size
        )
        training = train_tiny(tiny, tmp_path / str(size), options=options, model=model)
        losses.append(training.evaluations[0]["eval_loss"])
    assert losses == pytest.approx([losses[0]] * 4, rel=1e-5)


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


def test_the_adapter_folder_is_complete_and_free_of_this_run(tiny: Tiny, tmp_path: Path) -> None:
    from verdict.models.load import load_processor
    from verdict.training.results import write_results

    training = train_tiny(tiny, tmp_path / "run")
    origin = {"base": {"sha256": "ab"}}
    processor = load_processor(tiny.base)
    write_results(
        training, tmp_path / "adapter", tmp_path / "metrics", processor, origin, "float32"
    )
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
