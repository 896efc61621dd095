"""Our training step against a bare loop: same model, batch and precision.

``make bench name=step`` needs the recipe's inputs (``dvc repro format fetch_model@base`` makes
them). The bare loop runs forward, backward and the optimizer's step on tensors that are ready in
memory; ours includes everything a run does: reading and decoding rows, collating, clipping,
logging, the record of consumed rows, progress. The two take turns, so that a busy machine slows
both.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.parts.table import Figure, conclude
from verdict.core.paths import BASE, CHAT, RECORDS
from verdict.params import Params
from verdict.params.file import read_params
from verdict.reproducibility import go_offline, pin_cpu

STEPS, ROUNDS = 30, 5


def main() -> None:
    params = read_params()
    pin_cpu(params.reproducibility)
    go_offline()
    ours, bare = [], []
    with tempfile.TemporaryDirectory() as folder:
        trainer, batches = prepare(params, Path(folder))
        for _ in range(ROUNDS):
            bare.append(seconds_a_bare_step(trainer, batches))
            ours.append(seconds_a_step(trainer))
    ratio = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
    conclude(
        f"training step, {params.train.per_device_train_batch_size} rows, {trainer.args.device}",
        [
            Figure("bare loop", statistics.median(bare) * 1000, "ms"),
            Figure("ours", statistics.median(ours) * 1000, "ms"),
            Figure("ours over bare loop, median of rounds", ratio, "", "<=", 1.10),
        ],
    )


def prepare(params: Params, folder: Path) -> tuple[Any, list[dict[str, Any]]]:
    """Return the trainer of the recipe, and ready batches of the same rows."""
    from verdict.conversations import read_conversations
    from verdict.models.load import load_model, load_processor
    from verdict.records.shards import ImageStore
    from verdict.reproducibility import device_name, make_deterministic
    from verdict.runtime.progress import Bar
    from verdict.runtime.signals import StopWish
    from verdict.training.job import TrainingJob, build_trainer
    from verdict.training.watch import Watch

    device = device_name(params.reproducibility)
    make_deterministic(params.train.seed)
    options = params.train.model_copy(
        update={"max_steps": STEPS, "warmup_steps": 0, "save_strategy": "no"}
    )
    job = TrainingJob(
        train_conversations=read_conversations(CHAT / "train.jsonl"),
        validation_conversations=[],
        images=ImageStore(RECORDS),
        labels=None,
        train=options,
        lora=params.lora,
        model=params.model,
        checkpoints=folder,
        device=device,
    )
    watch = Watch(
        Bar("train", None, "steps", None),
        StopWish(),
        every=options.logging_steps,
        on_point=lambda *_: None,
    )
    trainer = build_trainer(
        load_model(BASE, params.model, device, params.quantization),
        load_processor(BASE),
        job,
        [watch],
    )
    batches = []
    for batch in trainer.get_train_dataloader():
        for name in ("positions", "weights"):
            batch.pop(name, None)
        batches.append(trainer._prepare_inputs(batch))
        if len(batches) == STEPS:
            break
    return trainer, batches


def seconds_a_step(trainer: Any) -> float:
    """Run one training; return the time from the end of its first step to that of its last.

    What a run does once (building the optimizer, starting the processes that prepare batches) is
    no part of a step.
    """
    from transformers import TrainerCallback

    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.perf_counter())

    clock = Clock()
    trainer.add_callback(clock)
    trainer.train()
    trainer.remove_callback(clock)
    return (ends[-1] - ends[0]) / (len(ends) - 1)


def seconds_a_bare_step(trainer: Any, batches: list[dict[str, Any]]) -> float:
    import torch

    model = trainer.model
    optimizer = torch.optim.AdamW(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=1e-5,
        fused=True,
    )
    autocast = torch.autocast(
        trainer.args.device.type, dtype=torch.bfloat16, enabled=trainer.args.bf16
    )
    model.train()
    started = time.perf_counter()
    for batch in batches:
        with autocast:
            loss = model(**batch, use_cache=False).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return (time.perf_counter() - started) / len(batches)


if __name__ == "__main__":
    main()
