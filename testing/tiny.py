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
    records = folder / "records"
    records.mkdir(parents=True)
    write_shard(
        records / "shard-00000-of-00001.parquet",
        (
            {
                "id": f"r{i:02d}",
                "group": f"g{i // 2}",
                "image": {"bytes": _square(i), "path": None},
                "label": ("benign", "melanoma")[i % 2],
                "attributes": "{}",
                "sha256": f"{i:064x}",
                "row": i,
                "further_images": [{"bytes": _square(i + 1 + i % 3), "path": None}],
                "further_sha256": [f"{i + 100:064x}"],
            }
            for i in range(len(SPLIT))
        ),
        several=True,
    )
    rows = read_records(records)
    write_chat(folder / "chat", rows, {row.id: SPLIT[i] for i, row in enumerate(rows)}, options)
    (folder / "base").symlink_to(base)
    return open_tiny(folder)


def build_text_tiny(
    folder: Path, build: Callable[[Any], Any] | None = None, options: Format | None = None
) -> Tiny:
    """Build a base that reads text alone, untrained, and twenty pairs of names as records.

    The folder has what that of google/gemma-3-1b-it has: a tokenizer, but no processor.

    Args:
        build: makes the model for a tokenizer; a Gemma 3 by default.
        options: how they are asked about, ``PAIRS`` by default; a plain form without chat template.
    """
    import torch

    from verdict.tiny_models.tokenizer import CHAT_TEMPLATE, build_tokenizer

    tokenizer = build_tokenizer()
    options = options or PAIRS
    tokenizer.chat_template = CHAT_TEMPLATE if options.form == "turns" else None
    torch.manual_seed(1)
    (build or _gemma3_for_text)(tokenizer).save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    write_texts(folder, options)
    return open_tiny(folder)


def _gemma3_for_text(tokenizer: Any) -> Any:
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    return Gemma3ForCausalLM(
        Gemma3TextConfig(
            vocab_size=-(-len(tokenizer) // 64) * 64,
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=1,
            head_dim=32,
            query_pre_attn_scalar=32,
            max_position_embeddings=512,
            # Shorter than the prompts; of two layers, the second attends to everything.
            sliding_window=16,
            layer_types=["sliding_attention", "full_attention"],
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


#: How the pairs of names are asked about.
PAIRS = Format(
    form="turns",
    system="You compare records.",
    prompt="Are these the same?\n{text}",
    answers={"different": "No, different.", "same": "Yes, the same."},
    positive="same",
)
#: The same, as a model that is only pre-trained is asked.
PLAIN = PAIRS.model_copy(update={"form": "plain", "prompt": "Are these the same?\n{text}\nAnswer:"})
#: The same records as a free-text task.
FREE = PAIRS.model_copy(update={"answers": None, "positive": None})


def write_texts(folder: Path, options: Format = PAIRS) -> None:
    """Write records of text alone, and their conversations."""
    records = folder / "records"
    records.mkdir(exist_ok=True)
    write_shard(
        records / "shard-00000-of-00001.parquet",
        (
            {
                "id": f"r{i:02d}",
                "group": f"g{i // 2}",
                "text": f"A: green shape {'green ' * (i % 3)}{i}\nB: red shape {i + i % 2}",
                "label": ("different", "same")[i % 2] if options.answers else None,
                "answer": None if options.answers else f"red shape {'red ' * (i % 4)}{i}",
                "attributes": "{}",
                "row": i,
            }
            for i in range(len(SPLIT))
        ),
    )
    rows = read_records(records)
    splits = {row.id: SPLIT[i] for i, row in enumerate(rows)}
    write_chat(folder / "chat", rows, splits, options)


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
