"""Small projects for the page: what every stage before it would have left, made by hand."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from testing.samples import (
    SETTINGS,
    TISSUE,
    compare,
    drawn,
    skin_models,
    text_models,
    tissue_models,
)
from tests.report.terms import USED
from verdict.conversations import write_chat
from verdict.core.files import write_csv, write_json
from verdict.params.data import Format
from verdict.predictions import Predictions, make_predictions, write_predictions
from verdict.records.shards import read_records, write_shard
from verdict.report.page import write_page
from verdict.summary.markdown import write_summary

MERGE = {"benign": TISSUE[:4], "malignant": TISSUE[4:]}

#: What a hostile record and a hostile model say.
SCRIPT, BREAKOUT = "<script>alert(1)</script>", "</script><img src=x onerror=alert(2)>"


def changed(predictions: Predictions, change: Callable[[dict[str, Any]], None]) -> Predictions:
    """Return the predictions with each row changed."""
    rows = predictions.table.to_pylist()
    for row in rows:
        row["attributes"] = dict(row["attributes"])
        change(row)
    return make_predictions(predictions.model, predictions.labels, predictions.positive, rows)


def jpeg(seed: int, size: int, noise: int = 10) -> bytes:
    """Return a square JPEG; with much noise it is as large as one of that size can be."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 200, 3) + rng.integers(0, noise, (size, size, 3))
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def build(
    root: Path,
    models: Sequence[Predictions],
    *,
    task: str,
    image: Callable[[int], bytes] | None = lambda i: jpeg(i, 24),
    text: Callable[[int], str] | None = None,
    prompt: str = "Is this melanoma?",
    further: int = 0,
    **options: Any,
) -> Path:
    """Write a project in ``root``, with its page."""
    for predictions in models:
        write_predictions(root / f"data/predictions/{predictions.model}.parquet", predictions)
    for predictions in options.get("validation", ()):
        path = root / f"data/predictions/validation/{predictions.model}.parquet"
        write_predictions(path, predictions)
    _write_records(root, models[0], image, text, prompt, further)
    _write_metrics(root / "metrics", models[0])
    write_summary(
        root / "metrics/report", compare(models, **(SETTINGS | {"resamples": 300} | options))
    )
    write(root, task=task, merge=options.get("merge", {}))
    return root


def write(root: Path, task: str = "melanoma", size: int = 40, **options: Any) -> Path:
    """Write the page, and return its path."""
    merge: Mapping[str, Sequence[str]] = options.get("merge", {})
    positive = "malignant" if merge else None
    write_page(root, task=task, used=USED, size=size, merge=merge, merge_positive=positive)
    return root / "metrics/report/index.html"


def _write_records(
    root: Path,
    predictions: Predictions,
    image: Callable[[int], bytes] | None,
    text: Callable[[int], str] | None,
    prompt: str,
    further: int = 0,
) -> None:
    rows = [
        {
            "id": row["id"],
            "group": row["group"],
            "other_group": row["other_group"],
            "image": {"bytes": image(i), "path": None} if image else None,
            "text": text(i) if text else None,
            "label": row["label"],
            "answer": row["answer"] if predictions.free_text else None,
            "attributes": json.dumps(dict(row["attributes"])),
            "row": i,
            "further_images": [{"bytes": jpeg(i + n, 24), "path": None} for n in range(further)],
            "further_sha256": [f"{i}-{n}" for n in range(further)],
        }
        for i, row in enumerate(predictions.table.to_pylist())
    ]
    (root / "data/records").mkdir(parents=True)
    write_shard(root / "data/records/shard-00000-of-00001.parquet", rows, several=further > 0)
    answers = {label: f"It is {label}." for label in predictions.labels} or None
    options = Format(
        form="turns",
        system="You are careful.",
        prompt=prompt,
        answers=answers,
        positive=predictions.positive,
    )
    records = read_records(root / "data/records")
    write_chat(root / "data/chat", records, {record.id: "test" for record in records}, options)


def _write_metrics(folder: Path, predictions: Predictions) -> None:
    rejections = [{"id": "BAD_1", "reason": "does not decode: truncated"}]
    counts = {"records": 3000, "groups": 700, "shards": 2, "rejected": 1}
    write_json(folder / "extract.json", counts | {"rejections": rejections, "closed_ones": 12})
    split = {"records": 1000, "groups": 200}
    split |= {f"label_{label}": 1000 // len(predictions.labels) for label in predictions.labels}
    leak = {
        "test_groups": 190,
        "test_groups_also_in_training": 179,
        "duplicate_pairs": 22,
        "duplicate_pairs_across_splits": 8,
    }
    apart = {"groups": 0, "test_groups": 0, "identical": 0, "duplicate_pairs": 0}
    splits = dict.fromkeys(("train", "validation", "test"), split)
    write_json(
        folder / "split.json",
        splits | {"image_level_split_would_leak": leak, "crosses_splits": apart},
    )
    trained = {"trainable_parameters": 102464, "trainable_share": 0.174, "rows": 979}
    losses = {"steps": 186, "first_loss": 0.09, "last_loss": 0.05}
    write_json(folder / "train.json", trained | losses)
    write_json(
        folder / "preflight.json",
        {
            "trainable": {"total": 588736},
            "length": {"longest_row": 93, "limit": 512},
            "image_tokens": {"image_tokens_a_row": [16]},
            "modules": {"method": "lora", "adapters_by_part": {"language_model": 14}},
            "precision": {"trainable": "float32", "frozen": ["float32", "uint8"]},
        },
    )
    curve = [(step, 1 / step, 0.002 / step, 0.04) for step in range(5, 190, 5)]
    write_csv(folder / "plots/loss.csv", ("step", "loss", "learning_rate", "grad_norm"), curve)
    write_csv(folder / "plots/eval_loss.csv", ("step", "eval_loss"), [(50, 0.1), (100, 0.06)])
    write_json(
        folder.parent / "models/adapter/provenance.json",
        {
            "base": {"name": "google/gemma-3-4b-it", "revision": "a" * 40, "sha256": "b" * 64},
            "training_data": {"conversations_sha256": "c" * 64, "records_sha256": "d" * 64},
            "consumed": {"rows": 2937, "sha256": "e" * 64},
            "parameters": {
                "quantization": {"load_in_4bit": True},
                "lora": {"r": 16, "lora_alpha": 32},
                "train": {"method": "lora", "seed": 0},
            },
            "versions": {"torch": "2.13.0"},
        },
    )


def _sexed(row: dict[str, Any]) -> None:
    row["attributes"]["sex"] = "male" if int(row["id"][-1]) % 3 else "female"
    # One site has benign records alone.
    row["attributes"]["site"] = "nail" if row["label"] == "benign" and "00" in row["id"] else "skin"


def _elsewhere(row: dict[str, Any]) -> None:
    row["id"], row["group"] = f"V{row['id']}", f"V{row['group']}"


def skin(root: Path) -> Path:
    """Write a project with two labels: images, three models, subgroups and a threshold."""
    models = [changed(predictions, _sexed) for predictions in skin_models()]
    return build(
        root,
        models,
        task="melanoma",
        noun="patients",
        synthetic=True,
        subgroups=["sex", "site"],
        sensitivity=0.9,
        cost=10.0,
        coverage=0.8,
        validation=[changed(predictions, _elsewhere) for predictions in models],
    )


def tissue(root: Path) -> Path:
    """Write a project with eight labels, merged into two."""
    return build(
        root,
        tissue_models(),
        task="breakhis",
        noun="patients",
        merge=MERGE,
        merge_positive="malignant",
        coverage=0.8,
        validation=[changed(predictions, _elsewhere) for predictions in tissue_models()],
    )


def texts(root: Path) -> Path:
    """Write a project of free text: a question to each image."""
    return build(
        root,
        text_models(),
        task="medpix_vqa",
        text=lambda i: f"Question {i} & <b>its</b> text?",
        prompt="{text}",
        noun="cases",
        subgroups=["modality"],
    )


def pairs(root: Path) -> Path:
    """Write a project of text pairs without images, with hostile words in them.

    A record with an even number is a pair of two entities.
    """

    def hostile(row: dict[str, Any]) -> None:
        row["other_group"] = f"other {row['group']}" if int(row["id"][-1]) % 2 == 0 else None
        row["generated"] = f"{BREAKOUT} {row['generated']}"

    models = [
        changed(drawn("base", seed=1, signal=0.2, records=200), hostile),
        changed(drawn("tuned", seed=2, signal=1.5, records=200), hostile),
    ]
    return build(
        root,
        models,
        task="entity_resolution",
        image=None,
        text=lambda i: f"Record A: {SCRIPT} {i}\n\nRecord B: 'x' \"y\" & z",
        prompt="Compare.\n\n{text}\n\nThe same?",
        warnings=[f"data/predictions/tuned.parquet was changed by hand {SCRIPT}"],
    )


def classifier(root: Path) -> Path:
    """Write a project whose models write nothing; its candidate has two more trainings."""

    def silent(row: dict[str, Any]) -> None:
        row |= {"generated": "", "parsed": row["predicted"], "invalid_reason": None}

    seeds = {"base": (1, 0.2), "tuned": (2, 1.5), "tuned_2": (5, 1.4), "tuned_3": (6, 1.6)}
    models = [
        changed(drawn(name, seed=seed, signal=signal, records=200), silent)
        for name, (seed, signal) in seeds.items()
    ]
    return build(
        root,
        models,
        task="entity_resolution",
        image=None,
        text=lambda i: f"Record A: {i}\nRecord B: {i}",
        prompt="Compare: {text}",
        replicates=["tuned_2", "tuned_3"],
    )


KINDS = {
    "skin": skin,
    "tissue": tissue,
    "texts": texts,
    "pairs": pairs,
    "classifier": classifier,
}
