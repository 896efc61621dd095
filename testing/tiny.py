"""A tiny base model and a few training records, built once a test session."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from testing.places import ROOT
from verdict.conversations import (
    Answers,
    Conversation,
    read_answers,
    read_conversations,
    write_chat,
)
from verdict.core.yaml12 import load_yaml
from verdict.params.data import EmbeddedModel, Format
from verdict.params.training import Lora, ModelOptions, Quantization, Train
from verdict.records.shards import ImageStore, read_records, write_shard

COMMITTED: dict[str, Any] = load_yaml((ROOT / "params.yaml").read_bytes(), "params.yaml")
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
    from verdict.tiny_models.builder import build_model

    build_model(
        folder / "base",
        EmbeddedModel(architecture="gemma3", lessons="shapes", seed=1, steps=2),
    )
    rows = [{**_lesion(i), "attributes": json.dumps({"sex": "female"})} for i in range(len(SPLIT))]
    write_records(folder, rows, Format(**COMMITTED["format"]))
    return open_tiny(folder)


#: How two images are asked about, with words before each.
TWO = Format(
    form="turns",
    system="",
    prompt="Prior: {image 1}\nCurrent: {image 2}\nIs it symmetric?",
    answers={"benign": "Yes, it is symmetric.", "melanoma": "No, it is not symmetric."},
    positive="melanoma",
)


def build_several(folder: Path, base: Path, options: Format = TWO) -> Tiny:
    """Write twenty records of two coloured squares each, for the model in ``base``."""
    rows = [
        {
            **_lesion(i),
            "further_images": [{"bytes": _square(i + 1 + i % 3), "path": None}],
            "further_sha256": [f"{i + 100:064x}"],
        }
        for i in range(len(SPLIT))
    ]
    write_records(folder, rows, options, several=True)
    (folder / "base").symlink_to(base)
    return open_tiny(folder)


def write_records(
    folder: Path, rows: Sequence[dict[str, Any]], options: Format, *, several: bool = False
) -> None:
    """Write records, and their conversations."""
    records = folder / "records"
    records.mkdir(parents=True, exist_ok=True)
    write_shard(records / "shard-00000-of-00001.parquet", rows, several=several)
    read = read_records(records)
    write_chat(folder / "chat", read, {row.id: SPLIT[i] for i, row in enumerate(read)}, options)


def record_of(number: int) -> dict[str, Any]:
    """Return what all records have."""
    return {
        "id": f"r{number:02d}",
        "group": f"g{number // 2}",
        "attributes": "{}",
        "row": number,
    }


def _lesion(number: int) -> dict[str, Any]:
    """Return a record with one image."""
    return {
        **record_of(number),
        "image": {"bytes": _square(number), "path": None},
        "label": ("benign", "melanoma")[number % 2],
        "sha256": f"{number:064x}",
    }


def _square(number: int) -> bytes:
    colour = (220, 60, 40) if number % 2 else (40, 90, 200)
    image = Image.new("RGB", (64, 64), (230, 200, 180))
    image.paste(colour, (10 + number, 10, 40 + number, 44))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


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


def ask_tiny(
    tiny: Tiny,
    loaded: Any,
    conversations: Sequence[Conversation] | None = None,
    *,
    name: str = "x",
    batch_size: int = 5,
    max_new_tokens: int = 4,
    length_normalization: str = "none",
    finished: Any = None,
) -> Any:
    """Ask a loaded model about the tiny records as the evaluate stage does; return predictions."""
    from verdict.answers.evaluation import predict
    from verdict.answers.evaluator import AnswerOptions, Evaluator

    options = AnswerOptions(batch_size, max_new_tokens, length_normalization)
    evaluator = Evaluator(loaded, tiny.answers, tiny.images, options, "cpu")
    rows = tiny.conversations if conversations is None else conversations
    return predict(name, evaluator, rows, finished=finished)


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
    """Train on the tiny records as the train stage does; return its ``TrainingResult``."""
    from verdict.models.load import load_model, load_processor
    from verdict.reproducibility import make_deterministic
    from verdict.training.job import train_model

    make_deterministic(options.seed)
    job = tiny_job(
        tiny, checkpoints, lora=lora, options=options, model=model, conversations=conversations
    )
    return train_model(
        load_model(tiny.base, model, "cpu", quantization, job.labels),
        load_processor(tiny.base, tiny.answers.form),
        job,
        on_point=on_point,
    )


def tiny_job(
    tiny: Tiny,
    checkpoints: Path,
    *,
    lora: Lora = LORA,
    options: Train = TRAIN,
    model: ModelOptions = MODEL,
    conversations: Sequence[Conversation] | None = None,
) -> Any:
    """Return the ``verdict.training.job.TrainingJob`` of the tiny records."""
    from verdict.training.job import TrainingJob

    return TrainingJob(
        train_conversations=conversations or tiny.conversations,
        validation_conversations=tiny.validation,
        images=tiny.images,
        labels=tiny.answers.labels if model.task == "classify" else None,
        train=options,
        lora=lora,
        model=model,
        checkpoints=checkpoints,
        device="cpu",
    )
