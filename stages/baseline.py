"""Train a method without fine-tuning on the same records, and write its predictions and metrics."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from verdict.core.paths import BASE, CHAT, METRICS, PREDICTIONS, RECORDS, VALIDATION_PREDICTIONS
from verdict.params import Params
from verdict.params.data import Form
from verdict.pipeline.stage import key_of, run
from verdict.reproducibility import device_name, go_offline, pin_cpu

if TYPE_CHECKING:
    import numpy as np

    from verdict.conversations import Conversation
    from verdict.predictions import Predictions


def main(name: str, params: Params) -> None:
    pin(params)
    splits = ("train", "validation", "test")
    predictions = predict(name, params, dict.fromkeys(splits, (CHAT, RECORDS)))
    from verdict.predictions import write_predictions
    from verdict.statistics.measurement import write_measurement

    write_predictions(PREDICTIONS / f"{name}.parquet", predictions["test"])
    write_predictions(VALIDATION_PREDICTIONS / f"{name}.parquet", predictions["validation"])
    write_measurement(METRICS, name, predictions["test"])


def predict(
    name: str, params: Params, splits: Mapping[str, tuple[Path, Path]]
) -> "dict[str, Predictions]":
    """Train the method, and return what it predicts of each split but that of training.

    The processor is pinned before.

    Args:
        splits: by name the folders of a split's conversations and of its records.
    """
    # Imported only now: numpy must find the pins in its environment.
    from verdict.baselines.training import Material, train_baseline
    from verdict.conversations import read_answers, read_conversations
    from verdict.tasks import load_task

    answers = read_answers(CHAT)
    records = {split: folder for split, (_, folder) in splits.items()}
    material = Material(
        {split: read_conversations(chat / f"{split}.jsonl") for split, (chat, _) in splits.items()},
        answers,
        records,
        getattr(load_task(params.task), "out_of_pair", None),
        lambda splits: features_of_base(params, splits, records, answers.form),
    )
    return train_baseline(name, params.baselines[name].kind, material)


def pin(params: Params) -> None:
    """Pin the kernels, also those of numpy's and scipy's own matrix library; before numpy comes."""
    pin_cpu(params.reproducibility)
    go_offline()
    if params.reproducibility.cpu_isa == "avx2" and platform.machine() in ("x86_64", "AMD64"):
        os.environ["OPENBLAS_CORETYPE"] = "Haswell"


def features_of_base(
    params: Params,
    splits: "Mapping[str, Sequence[Conversation]]",
    records: Mapping[str, Path],
    form: Form,
) -> "dict[str, np.ndarray]":
    # Imported only now: torch takes seconds, and the other kinds do without.
    from verdict.baselines.probe import base_features
    from verdict.reproducibility import make_deterministic

    device = device_name(params.reproducibility)
    make_deterministic(0, strict=params.reproducibility.strict)
    return base_features(BASE, splits, records, params.model, device, form)


if __name__ == "__main__":
    key = key_of(sys.argv[1])
    run(f"baseline@{key}", lambda params: main(key, params))
