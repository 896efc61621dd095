"""A tiny model that has learned to answer in words, and a classifier, as training saved them."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from testing.tiny import MODEL, TRAIN, Tiny, train_tiny
from testing.tiny_texts import build_text_tiny

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
def text(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A tiny model of texts alone, and pairs of them."""
    return build_text_tiny(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="package")
def taught(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that has learned the tiny records by heart."""
    from verdict.models.load import load_processor
    from verdict.training.results import save_adapter

    folder = tmp_path_factory.mktemp("taught")
    training = train_tiny(tiny, folder / "checkpoints", options=LESSON)
    save_adapter(folder / "adapter", training.model, load_processor(tiny.base), {"labels": None})
    return folder / "adapter"


@pytest.fixture(scope="package")
def loaded(tiny: Tiny, taught: Path) -> Any:
    from verdict.answers.inference import load_for_inference

    return load_for_inference(tiny.base, taught, MODEL, "cpu")


@pytest.fixture(scope="package")
def classifier(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A classifier under an adapter, and the folder it was saved to."""
    from tests.answers.saved import LABELS, save, trained

    model = trained(tiny.base, labels=LABELS)
    return model, save(tiny, tmp_path_factory.mktemp("classifier") / "adapter", model, LABELS)


@pytest.fixture
def copied(classifier: tuple[Any, Path], tmp_path: Path) -> Path:
    """A copy of the classifier's adapter, free to be damaged."""
    return Path(shutil.copytree(classifier[1], tmp_path / "adapter"))
