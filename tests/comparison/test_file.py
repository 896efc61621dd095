from pathlib import Path
from typing import Any

import pytest

from testing.samples import (
    SETTINGS,
    compare,
    drawn,
    from_counts,
    skin_models,
    text_models,
    tissue_models,
)
from tests.report.projects import MERGE, _elsewhere, _sexed, changed
from verdict.comparison.file import read_comparison
from verdict.core.errors import VerdictError
from verdict.core.files import write_json
from verdict.predictions import Predictions

SKIN = [changed(p, _sexed) for p in skin_models()]
THRESHOLD = {"sensitivity": 0.9, "validation": [changed(p, _elsewhere) for p in SKIN]}


@pytest.mark.parametrize(
    ("models", "options"),
    [
        (SKIN, {"subgroups": ["sex", "site"], "warnings": ["one"], "synthetic": True} | THRESHOLD),
        (tissue_models(), {"merge": MERGE, "merge_positive": "malignant"}),
        (text_models(), {"subgroups": ["modality"]}),
        (
            [*skin_models(), drawn("merged_again", seed=7, signal=1)],
            {"replicates": ["merged_again"]},
        ),
        (
            [*SKIN, changed(drawn("rival", seed=7, signal=1.3), _sexed)],
            {"subgroups": ["sex"], "trained": {"rival": "features"}},
        ),
        (
            [*skin_models(), drawn("again", seed=7, signal=1), drawn("rival", seed=8, signal=3)],
            {"replicates": ["again"], "trained": {"rival": "tfidf"}},
        ),
        ([from_counts(name, 0, 0, 0, 0) for name in ("base", "tuned")], {}),
    ],
    ids=[
        "two labels",
        "merged labels",
        "texts",
        "replicates",
        "trained",
        "trained beside replicates",
        "no records",
    ],
)
def test_what_is_read_is_what_was_found(
    tmp_path: Path, models: list[Predictions], options: dict[str, Any]
) -> None:
    comparison = compare(models, **(SETTINGS | {"resamples": 200} | options))
    write_json(tmp_path / "comparison.json", comparison.to_json())
    found = read_comparison(tmp_path / "comparison.json")
    assert found == comparison
    assert found.verdict.remarks == comparison.verdict.remarks
    assert found.to_json() == comparison.to_json()
    assert found.headline() == comparison.headline()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "not here yet: `dvc repro`"),
        ("{", "is not JSON"),
        ("[]", "holds no verdict"),
        ('{"verdict": "from before there were kinds"}', "holds no verdict"),
        ('{"verdict": "", "kind": "text", "models": []}', "has no candidate: `dvc repro compare`"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: str | None, problem: str) -> None:
    path = tmp_path / "comparison.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(VerdictError, match=problem):
        read_comparison(path)
