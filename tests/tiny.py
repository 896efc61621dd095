"""A tiny base model and a few training records, built once a test session."""

import os

# Read by torch and its libraries when they load.
os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", TOKENIZERS_PARALLELISM="false")

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from tests.conftest import ROOT
from verdict.params import Format, Lora, ModelOptions, Quantization, Train
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
TRAIN = Train(
    **{
        **COMMITTED["train"],
        "max_steps": 4,
        "per_device_train_batch_size": 4,
        "logging_steps": 1,
        "warmup_steps": 0,
    }
)


@dataclass(frozen=True)
class Tiny:
    base: Path
    records: Path
    chat: Path
    conversations: list[Conversation]
    images: ImageStore
    answers: Answers


def build_tiny(folder: Path) -> Tiny:
    """Build a base with two pre-training steps, and sixteen coloured squares as records."""
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
            for i in range(16)
        ),
    )
    rows = read_records(records)
    splits = {row.id: "train" if i < 12 else "test" for i, row in enumerate(rows)}
    write_chat(folder / "chat", rows, splits, Format(**COMMITTED["format"]))
    return Tiny(
        base=folder / "base",
        records=records,
        chat=folder / "chat",
        conversations=read_conversations(folder / "chat" / "train.jsonl"),
        images=ImageStore(records),
        answers=read_answers(folder / "chat"),
    )


def _square(number: int) -> bytes:
    colour = (220, 60, 40) if number % 2 else (40, 90, 200)
    image = Image.new("RGB", (64, 64), (230, 200, 180))
    image.paste(colour, (10 + number, 10, 40 + number, 44))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()
