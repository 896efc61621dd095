"""Shared fixtures: the project's root, valid parameters to vary, and small raw archives."""

import copy
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from testing.isic import IsicArchive
from testing.places import ROOT
from verdict.reproducibility.torchvision_operators import declare_missing_operators

# Read when gcsfs is imported: otherwise every emulated bucket costs a minute of retries.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")

# A test may import transformers before the project does.
declare_missing_operators()

#: What takes long comes last, in this order: of that, minutes first and seconds at the end, so that
#: both processes end at about the same time.
SLOW = (
    # The first to need the small recipe's run, for which others would have to wait.
    "tests/pipeline/test_repro.py",
    "tests/pipeline/test_recipes_labels.py",
    "tests/pipeline/test_training.py",
    "tests/pipeline/test_verify.py",
    "tests/pipeline/test_recipes_words.py",
    "tests/pipeline/",
    "tests/faults/",
    "tests/engine/test_ray",
    "tests/tracking/",
    "tests/answers/",
    "tests/benchmarks/",
    "tests/models/",
    "tests/tiny_models/",
    "tests/runtime/",
    "tests/training/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the quick tests first, so that a mistake is soon seen."""

    def rank(item: pytest.Item) -> int:
        place = item.nodeid
        return next((i + 1 for i, start in enumerate(SLOW) if place.startswith(start)), 0)

    items.sort(key=rank)


@pytest.fixture(scope="session")
def committed_params() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def params(committed_params: dict[str, Any]) -> dict[str, Any]:
    """A copy of the committed parameters, free to be changed."""
    return copy.deepcopy(committed_params)


@pytest.fixture
def isic(tmp_path: Path) -> Callable[..., IsicArchive]:
    return lambda **options: IsicArchive(tmp_path / "raw", **options)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tiny base and its records (``testing.tiny.Tiny``); imports torch."""
    from testing.tiny import build_tiny

    return build_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def in_a_terminal() -> Iterator[None]:
    """Take signals as a terminal's programs do: in the background or by nohup some are ignored."""
    hung_up = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    interrupted = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGHUP, hung_up)
    signal.signal(signal.SIGINT, interrupted)
