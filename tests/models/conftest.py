"""A classifier as training saved it, whole and to be damaged."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import Tiny


@pytest.fixture(scope="package")
def classifier(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A classifier under an adapter, and the folder it was saved to."""
    from tests.models.saved import LABELS, save, trained

    model = trained(tiny.base, labels=LABELS)
    return model, save(tiny, tmp_path_factory.mktemp("classifier") / "adapter", model, LABELS)


@pytest.fixture
def copied(classifier: tuple[Any, Path], tmp_path: Path) -> Path:
    """A copy of the classifier's adapter, free to be damaged."""
    return Path(shutil.copytree(classifier[1], tmp_path / "adapter"))
