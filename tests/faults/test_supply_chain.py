"""Weights as pickles, which run what they like when they are read: in no folder are they opened."""

import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from testing.tiny import MODEL, Tiny
from tests.answers.saved import load, save, trained
from verdict.core.errors import VerdictError


class Armed:
    """Leaves a file where it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "LET_IN"


def arm(weights: Path, pickled: str, mark: Path) -> None:
    """Put pickled weights in place of the safetensors beside them."""
    import torch

    weights.unlink()
    torch.save({"weight": Armed(mark)}, weights.with_name(pickled))


@pytest.mark.fault("supply chain")
@pytest.mark.parametrize("labels", [None, ["benign", "melanoma"]])
def test_pickled_weights_of_a_base_are_refused(
    tiny: Tiny, tmp_path: Path, mark: Path, labels: list[str] | None
) -> None:
    from verdict.models.load import load_model

    base = Path(shutil.copytree(tiny.base, tmp_path / "base"))
    arm(base / "model.safetensors", "pytorch_model.bin", mark)
    with pytest.raises(VerdictError, match=r"base does not load: .*model\.safetensors"):
        load_model(base, MODEL, "cpu", labels=labels)
    assert not mark.exists()


@pytest.mark.fault("supply chain")
@pytest.mark.parametrize("method", ["lora", "full"])
def test_pickled_weights_of_an_adapter_are_refused(
    tiny: Tiny, tmp_path: Path, mark: Path, method: str
) -> None:
    adapter = save(tiny, tmp_path / "adapter", trained(tiny.base, method), None)
    name = "adapter_model" if method == "lora" else "model"
    pickled = "adapter_model.bin" if method == "lora" else "pytorch_model.bin"
    arm(adapter / f"{name}.safetensors", pickled, mark)
    with pytest.raises(VerdictError) as refused:
        load(tiny, adapter)
    assert str(adapter) in str(refused.value)
    assert not mark.exists()


def test_the_pickle_is_armed(mark: Path) -> None:
    pickle.loads(pickle.dumps(Armed(mark)))
    assert mark.exists()
