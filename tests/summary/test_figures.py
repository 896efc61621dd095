import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from testing.samples import (
    SETTINGS,
    compare,
    from_counts,
    skin_models,
    text_models,
    texts_from,
    tissue_models,
)
from verdict.core.files import sha256_of
from verdict.predictions import Predictions
from verdict.summary.markdown import write_summary

ROOT = Path(__file__).parents[2]

CODE = """
import sys
from testing.samples import SETTINGS, compare, skin_models
from verdict.summary.markdown import write_summary
write_summary(sys.argv[1], compare(skin_models(), **SETTINGS))
assert "matplotlib.pyplot" not in sys.modules
"""


def test_reports_are_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    """Another hash seed, another working folder's matplotlibrc: nothing shows in the bytes."""
    (tmp_path / "matplotlibrc").write_text("font.size: 30\naxes.facecolor: red\n")
    digests = []
    for seed, cwd in (("1", ROOT), ("2", tmp_path)):
        folder = tmp_path / seed
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", CODE, str(folder)]
        subprocess.run(command, check=True, cwd=cwd, env=environment)
        digests.append({path.name: sha256_of(path) for path in folder.iterdir()})
    assert digests[0] == digests[1]
    assert set(digests[0]) == {
        "comparison.json", "comparison.md", "comparison.png", "confusion.png",
    }  # fmt: skip


@pytest.mark.parametrize(
    "models",
    [
        skin_models(),
        tissue_models(),
        [from_counts("base", 0, 5, 15, 0), from_counts("tuned", 0, 2, 18, 0)],
        [from_counts("base", 0, 0, 0, 0), from_counts("tuned", 0, 0, 0, 0)],
        text_models(),
        [texts_from(model, [("Axial", "Axial " * 40)] * 12) for model in ("base", "tuned")],
        [texts_from(model, []) for model in ("base", "tuned")],
    ],
    ids=[
        "three models",
        "eight labels",
        "one label only",
        "no records",
        "texts",
        "long texts, no closed question",
        "no texts",
    ],
)
def test_figures_are_drawn_and_nothing_touches_their_edge(
    tmp_path: Path, models: list[Predictions]
) -> None:
    write_summary(tmp_path, compare(models, **SETTINGS))
    for name in ("comparison.png", "confusion.png"):
        with Image.open(tmp_path / name) as image:
            assert "Software" not in image.info
            pixels = np.asarray(image.convert("L"))
        assert (pixels < 128).sum() > 1000
        edges = (pixels[:4], pixels[-4:], pixels[:, :4], pixels[:, -4:])
        assert all((edge == 255).all() for edge in edges), name
