"""A trainer on the tiny Gemma 3 and its pre-flight, for the tests of that."""

import copy
import hashlib
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from testing.tiny import LORA, MODEL, NOT_QUANTIZED, QLORA, TRAIN, Tiny
from verdict.conversations import Conversation
from verdict.params.training import Lora, ModelOptions, Quantization, Train

torch = pytest.importorskip("torch")

FULL = TRAIN.model_copy(update={"method": "full"})
DORA = LORA.model_copy(update={"use_dora": True})
CLASSIFY = MODEL.model_copy(update={"task": "classify"})
BFLOAT16 = MODEL.model_copy(update={"dtype": "bfloat16"})

Change = Callable[[Any], None]


class Flight:
    """A trainer, and the pre-flight of it."""

    def __init__(
        self,
        tiny: Tiny,
        quantization: Quantization = NOT_QUANTIZED,
        lora: Lora = LORA,
        train: Train = TRAIN,
        model: ModelOptions = MODEL,
        conversations: Sequence[Conversation] | None = None,
        edit_processor: Change = lambda processor: None,
    ):
        from verdict.models.load import load_model, load_processor
        from verdict.reproducibility import make_deterministic
        from verdict.training.job import TrainingJob, build_trainer

        make_deterministic(train.seed)
        labels = tiny.answers.labels if model.task == "classify" else None
        self.lora, self.train, self.options = lora, train, model
        self.conversations = conversations or tiny.conversations
        self.processor: Any = load_processor(tiny.base, tiny.answers.form)
        edit_processor(self.processor)
        task = TrainingJob(
            train_conversations=self.conversations,
            validation_conversations=[],
            images=tiny.images,
            labels=labels,
            train=train,
            lora=lora,
            model=model,
            checkpoints=tiny.base.parent / "checkpoints",
            device="cpu",
        )
        base = load_model(tiny.base, model, "cpu", quantization, labels)
        self.trainer: Any = build_trainer(base, self.processor, task)
        self.model: Any = self.trainer.model

    def run(self, lora: Lora | None = None, train: Train | None = None) -> Any:
        from verdict.training.preflight import run_preflight

        return run_preflight(
            self.trainer,
            self.processor,
            self.conversations,
            train=train or self.train,
            lora=lora or self.lora,
            model_options=self.options,
        )

    def rows(self) -> Any:
        from verdict.training.preflight_rows import Rows

        return Rows(self.trainer, self.processor, self.conversations)

    def edit_batches(self, change: Change) -> None:
        collate = self.trainer.data_collator

        def edited(rows: list[dict[str, Any]]) -> dict[str, Any]:
            batch = collate(rows)
            change(batch)
            return batch

        self.trainer.data_collator = edited

    def parameter(self, ending: str) -> Any:
        return next(p for name, p in self.model.named_parameters() if name.endswith(ending))

    def snapshot(self) -> dict[str, Any]:
        digest = hashlib.sha256()
        for name, value in sorted(self.model.state_dict().items()):
            if torch.is_tensor(value):
                digest.update(f"{name} {value.dtype}".encode())
                digest.update(value.contiguous().flatten().view(torch.uint8).numpy().tobytes())
        state: Any = np.random.get_state()
        return {
            "weights": digest.hexdigest(),
            "requires_grad": [p.requires_grad for p in self.model.parameters()],
            "gradients": [n for n, p in self.model.named_parameters() if p.grad is not None],
            "training": [module.training for module in self.model.modules()],
            "hooks": [len(module._forward_hooks) for module in self.model.modules()],
            "input hooks": [
                getattr(module, "_require_grads_hooks", None) for module in self.model.modules()
            ],
            "checkpointing": [
                getattr(module, "gradient_checkpointing", None) for module in self.model.modules()
            ],
            "torch": torch.get_rng_state().tolist(),
            "numpy": (state[1].tolist(), state[2:]),
            "python": random.getstate(),
            "consumed": copy.deepcopy(self.trainer.consumed),
            "vision": self.trainer.vision,
            "model": id(self.trainer.model),
        }


WAYS: dict[str, dict[str, Any]] = {
    "lora": {},
    "qlora": {"quantization": QLORA},
    "dora": {"lora": DORA},
    "dora over 4 bits": {"lora": DORA, "quantization": QLORA},
    "full": {"train": FULL},
    "classifier": {"model": CLASSIFY},
    "classifier over 4 bits": {"model": CLASSIFY, "quantization": QLORA},
    "classifier, full": {"model": CLASSIFY, "train": FULL},
    "bfloat16": {"model": BFLOAT16},
    "checkpointing": {"train": TRAIN.model_copy(update={"gradient_checkpointing": True})},
    "one row a pass": {"train": TRAIN.model_copy(update={"per_device_train_batch_size": 1})},
    "smoothing": {"train": TRAIN.model_copy(update={"label_smoothing_factor": 0.1})},
}


def blind(batch: dict[str, Any]) -> None:
    del batch["pixel_values"]
