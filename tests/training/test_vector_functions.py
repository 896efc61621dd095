"""Nothing on a CPU reaches a function whose bits depend on the processor's maker.

A backward pass runs on the calling thread for tensors of a CPU, so the guard sees it, too.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from testing.preflight import CLASSIFY, DORA, FULL
from testing.tiny import LORA, MODEL, QLORA, TRAIN, Tiny, ask_tiny, train_tiny
from tests.training.vector_functions import guarded
from verdict.params.data import EmbeddedModel


@pytest.mark.parametrize(
    ("architecture", "lessons"),
    [
        ("gemma3", "shapes"),
        ("gemma3n", "shapes"),
        ("gemma4", "shapes"),
        ("gemma3_text", "comparisons"),
    ],
)
def test_pre_training(tmp_path: Path, architecture: Any, lessons: Any) -> None:
    from verdict.tiny_models.builder import build_model

    options = EmbeddedModel(architecture=architecture, lessons=lessons, seed=1, steps=3)
    with guarded():
        build_model(tmp_path / "base", options)


LANGUAGE = {"target_modules": r".*language_model.*\.(q|v)_proj", "modules_to_save": []}


@pytest.mark.parametrize(
    "kinds",
    [
        pytest.param({}, id="LoRA"),
        pytest.param({"quantization": QLORA}, id="QLoRA"),
        pytest.param({"lora": DORA}, id="DoRA"),
        pytest.param({"options": FULL}, id="full"),
        pytest.param(
            {
                "model": CLASSIFY,
                "options": TRAIN.model_copy(update={"class_imbalance": "weighted_loss"}),
            },
            id="classifier",
        ),
        pytest.param(
            {
                "model": MODEL.model_copy(update={"cache_vision_features": True}),
                "lora": LORA.model_copy(update=LANGUAGE),
            },
            id="cached features",
        ),
    ],
)
def test_training(tiny: Tiny, tmp_path: Path, kinds: dict[str, Any]) -> None:
    with guarded():
        train_tiny(tiny, tmp_path, **kinds)


def test_evaluation(tiny: Tiny) -> None:
    from verdict.answers.inference import load_for_inference

    with guarded():
        loaded = load_for_inference(tiny.base, tiny.base / "config.json", MODEL, "cpu")
        ask_tiny(tiny, loaded)


@pytest.mark.parametrize(
    "planted",
    [
        lambda: torch.sqrt(torch.ones(3), out=torch.empty(3)),
        lambda: torch.ones(3).pow_(0.5),
        lambda: torch._foreach_atan([torch.ones(3)]),
        lambda: torch.atan(torch.ones(3)),
        lambda: torch.ones(3).log10_(),
        lambda: torch.tan(torch.ones(3, dtype=torch.float64)),
    ],
    ids=["out", "power", "for each", "atan", "in place", "tan"],
)
def test_what_is_planted_is_caught(planted: Callable[[], Any]) -> None:
    with (
        pytest.raises(AssertionError, match=r"of torch.float\d\d by .*test_vector_functions"),
        guarded(),
    ):
        planted()


@pytest.mark.parametrize(
    "harmless",
    [
        lambda: torch.sqrt(torch.ones(3)),
        lambda: torch._foreach_sqrt([torch.ones(3)]),
        lambda: torch.ones(3).pow(-0.5),
        lambda: torch.tan(torch.ones(3)),
    ],
)
def test_what_agrees_everywhere_is_let_through(harmless: Callable[[], Any]) -> None:
    with guarded():
        harmless()
