"""One short training of the recipe in use, by our trainer or by plain trl; prints its figures.

python -m benchmarks.parts.real_training ours|pinned|trl STEPS
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from verdict.core.paths import BASE, CHAT, RECORDS
from verdict.params import Params
from verdict.params.file import read_params
from verdict.reproducibility import go_offline, pin_cpu

#: What both are given, whatever the recipe says.
_SAME = {
    "warmup_steps": 0, "save_strategy": "no", "eval_strategy": "no", "gradient_checkpointing": True,
    "class_imbalance": "none",
}  # fmt: skip
_THREADS = 2


def main(way: str, steps: int) -> None:
    params = read_params()
    isa = "avx2" if way == "pinned" else "native"
    pin_cpu(params.reproducibility.model_copy(update={"cpu_isa": isa, "threads": _THREADS}))
    go_offline()
    # Imported only now: torch must find the pins in its environment.
    from transformers import TrainerCallback

    from verdict.models.load import load_processor
    from verdict.reproducibility import make_deterministic

    train = params.train.model_copy(update={**_SAME, "max_steps": steps})
    lora = params.lora.model_copy(update={"lora_dropout": 0.0})
    params = params.model_copy(update={"train": train, "lora": lora})
    if way != "trl":
        make_deterministic(train.seed)
    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            ends.append(time.perf_counter())

    processor = load_processor(BASE, params.format.form)
    batches = _batches(params, steps, processor)
    with tempfile.TemporaryDirectory() as folder:
        build = _trl if way == "trl" else _ours
        trainer = build(params, Path(folder), processor, batches)
        trainer.add_callback(Clock())
        trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    figures = {
        "rows": len(batches[0]["labels"]),
        # The first step pays for what is done once.
        "seconds": ends[-1] - ends[0],
        "tokens": sum(int(batch["attention_mask"].sum()) for batch in batches[1:]),
        "first_loss": losses[0],
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(figures))


def _batches(params: Params, steps: int, processor: Any) -> list[dict[str, Any]]:
    """Return the first batches as our trainer makes them, in its order."""
    from verdict.conversations import read_conversations
    from verdict.records.shards import ImageStore
    from verdict.training.rows import Collator, training_rows
    from verdict.training.trainer import EpochOrder

    conversations = read_conversations(CHAT / "train.jsonl")
    rows = training_rows(conversations, ImageStore(RECORDS))
    collate = Collator(processor)
    order = list(EpochOrder(len(conversations), params.train.seed))
    each = params.train.per_device_train_batch_size
    return [
        collate(rows.__getitems__(order[step * each : (step + 1) * each])) for step in range(steps)
    ]


def _ours(params: Params, folder: Path, processor: Any, _: list[dict[str, Any]]) -> Any:
    """Return the trainer of the stage, after its pre-flight."""
    from verdict.conversations import read_conversations
    from verdict.models.load import load_model
    from verdict.records.shards import ImageStore
    from verdict.training.job import TrainingJob, build_trainer
    from verdict.training.preflight import run_preflight

    job = TrainingJob(
        train_conversations=read_conversations(CHAT / "train.jsonl"),
        validation_conversations=[],
        images=ImageStore(RECORDS),
        labels=None,
        train=params.train,
        lora=params.lora,
        model=params.model,
        checkpoints=folder,
        device="cpu",
    )
    trainer = build_trainer(
        load_model(BASE, params.model, "cpu", params.quantization), processor, job
    )
    run_preflight(
        trainer, processor, job.train_conversations,
        train=params.train, lora=params.lora, model_options=params.model,
    )  # fmt: skip
    return trainer


def _trl(params: Params, folder: Path, processor: Any, batches: list[dict[str, Any]]) -> Any:
    """Return plain trl's trainer of the same adapters, on the same rows in the same order."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer

    train, lora = params.train, params.lora
    rows = [
        {"input_ids": ids[seen].tolist(), "completion_mask": labels[seen].ne(-100).int().tolist()}
        for batch in batches
        for ids, labels, mask in zip(
            batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True
        )
        for seen in [mask.bool()]
    ]
    return SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(
            BASE, dtype=torch.float32, trust_remote_code=False
        ),
        processing_class=processor.tokenizer,
        train_dataset=Dataset.from_list(rows),
        peft_config=LoraConfig(
            r=lora.r, lora_alpha=lora.lora_alpha, lora_dropout=0.0,
            target_modules=lora.target_modules, task_type="CAUSAL_LM",
        ),
        args=SFTConfig(
            output_dir=str(folder), max_steps=len(batches), warmup_steps=0,
            per_device_train_batch_size=train.per_device_train_batch_size,
            learning_rate=train.learning_rate, lr_scheduler_type=train.lr_scheduler_type,
            max_length=None, completion_only_loss=True, logging_steps=1, save_strategy="no",
            report_to="none", use_cpu=True, bf16=False, disable_tqdm=True, seed=train.seed,
            train_sampling_strategy="sequential",
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
