"""A tiny model that has learned to answer in words."""

from pathlib import Path
from typing import Any

import pytest

from tests.tiny import MODEL, TRAIN, Tiny, train_tiny

#: All weights, so that a few steps suffice.
LESSON = TRAIN.model_copy(
    update={
        "method": "full",
        "freeze": [],
        "max_steps": 20,
        "per_device_train_batch_size": 6,
        "learning_rate": 0.01,
        "lr_scheduler_type": "constant",
        "save_strategy": "no",
    }
)


@pytest.fixture(scope="package")
def taught(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that has learned the tiny records by heart."""
    from verdict.models.adapter import save_adapter
    from verdict.models.load import load_processor

    folder = tmp_path_factory.mktemp("taught")
    training = train_tiny(tiny, folder / "checkpoints", options=LESSON)
    save_adapter(folder / "adapter", training.model, load_processor(tiny.base), {"labels": None})
    return folder / "adapter"


@pytest.fixture(scope="package")
def loaded(tiny: Tiny, taught: Path) -> Any:
    from verdict.models.inference import load_for_inference

    return load_for_inference(tiny.base, taught, MODEL, "cpu")
