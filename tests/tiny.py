"""A tiny base model and a few training records, built once a test session."""

import os

# Read by torch and its libraries when they load.
os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", TOKENIZERS_PARALLELISM="false")

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from tests.conftest import ROOT
from verdict.params import Format
from verdict.params_training import Lora, ModelOptions, Quantization, Train
from verdict.records.conversations import (
    Answers,
    Conversation,
    read_answers,
    read_conversations,
    write_chat,
)
from verdict.records.shards import ImageStore, read_records, write_shard

COMMITTED: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
MODEL = ModelOptions(**COMMITTED["model"])
LORA = Lora(**COMMITTED["lora"])
QLORA = Quantization(**{**COMMITTED["quantization"], "load_in_4bit": True})
NOT_QUANTIZED = QLORA.model_copy(update={"load_in_4bit": False})
#: Twelve training rows in batches of 4: three steps an epoch.
TRAIN = Train(
    **{
        **COMMITTED["train"],
        "max_steps": 4,
        "per_device_train_batch_size": 4,
        "per_device_eval_batch_size": 4,
        "dataloader_num_workers": 0,
        "logging_steps": 1,
        "save_steps": 2,
        "warmup_steps": 0,
    }
)
LABELS = ["benign", "melanoma"]


SPLIT = ["train"] * 12 + ["validation"] * 4 + ["test"] * 4


@dataclass(frozen=True)
class Tiny:
    base: Path
    records: Path
    chat: Path
    conversations: list[Conversation]
    validation: list[Conversation]
    images: ImageStore
    answers: Answers


def build_tiny(folder: Path) -> Tiny:
    """Build a base with two pre-training steps, and twenty coloured squares as records."""
    from verdict.models.embedded import build_model

    build_model(folder / "base", seed=1, steps=2)
    records = folder / "records"
    records.mkdir()
    write_shard(
        records / "shard-00000-of-00001.parquet",
        (
            {
                "id": f"r{i:02d}",
                "group": f"g{i // 2}",
                "image": {"bytes": _square(i), "path": None},
                "label": ("benign", "melanoma")[i % 2],
                "attributes": json.dumps({"sex": "female"}),
                "sha256": f"{i:064x}",
                "row": i,
            }
            for i in range(len(SPLIT))
        ),
    )
    rows = read_records(records)
    splits = {row.id: SPLIT[i] for i, row in enumerate(rows)}
    write_chat(folder / "chat", rows, splits, Format(**COMMITTED["format"]))
    return open_tiny(folder)


def open_tiny(folder: Path) -> Tiny:
    """Read what ``build_tiny`` has written."""
    return Tiny(
        base=folder / "base",
        records=folder / "records",
        chat=folder / "chat",
        conversations=read_conversations(folder / "chat" / "train.jsonl"),
        validation=read_conversations(folder / "chat" / "validation.jsonl"),
        images=ImageStore(folder / "records"),
        answers=read_answers(folder / "chat"),
    )


def _square(number: int) -> bytes:
    colour = (220, 60, 40) if number % 2 else (40, 90, 200)
    image = Image.new("RGB", (64, 64), (230, 200, 180))
    image.paste(colour, (10 + number, 10, 40 + number, 44))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def train_tiny(
    tiny: Tiny,
    checkpoints: Path,
    *,
    quantization: Quantization = NOT_QUANTIZED,
    lora: Lora = LORA,
    options: Train = TRAIN,
    model: ModelOptions = MODEL,
    conversations: Sequence[Conversation] | None = None,
    on_point: Callable[[int, dict[str, float]], None] = lambda *_: None,
) -> Any:
    """Train on the tiny records as the train stage does; return its ``Training``."""
    from verdict.models.load import load_model, load_processor
    from verdict.models.train import train_model
    from verdict.reproducibility import make_deterministic

    make_deterministic(options.seed)
    task = tiny_task(
        tiny, checkpoints, lora=lora, options=options, model=model, conversations=conversations
    )
    return train_model(
        load_model(tiny.base, model, "cpu", quantization, task.labels),
        load_processor(tiny.base),
        task,
        on_point=on_point,
    )


def tiny_task(
    tiny: Tiny,
    checkpoints: Path,
    *,
    lora: Lora = LORA,
    options: Train = TRAIN,
    model: ModelOptions = MODEL,
    conversations: Sequence[Conversation] | None = None,
) -> Any:
    """Return the ``verdict.models.train.Task`` of the tiny records."""
    from verdict.models.train import Task

    return Task(
        train_conversations=conversations or tiny.conversations,
        validation_conversations=tiny.validation,
        images=tiny.images,
        labels=LABELS if model.task == "classify" else None,
        train=options,
        lora=lora,
        model=model,
        checkpoints=checkpoints,
        device="cpu",
    )
