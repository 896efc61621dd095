"""What tools run on: folders with params.yaml, the tiny base and an adapter over it; pictures."""

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from testing.tiny import COMMITTED, Tiny
from tools.predict import __main__
from verdict.params.file import read_params

Run = Callable[..., int]

LABELS = ["melanoma", "benign"]


def make_project(
    root: Path,
    tiny: Tiny,
    *,
    method: str = "lora",
    labels: list[str] | None = None,
    sections: dict[str, dict[str, Any]] | None = None,
) -> Path:
    """Write a project whose tuned model has moved away from its base, as if it had been trained."""
    from tests.answers.saved import save, trained

    params = copy.deepcopy(COMMITTED)
    params["model"]["task"] = "classify" if labels else "generate"
    params["evaluate"].update(batch_size=4, max_new_tokens=4)
    for name, section in (sections or {}).items():
        params[name] = section if name == "dataset" else {**params[name], **section}
    root.mkdir(parents=True)
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    (root / "models").mkdir()
    (root / "models/base").symlink_to(tiny.base)
    (root / "data").mkdir()
    for name in ("records", "chat"):
        (root / "data" / name).symlink_to(getattr(tiny, name))
    save(tiny, root / "models/adapter", trained(tiny.base, method, labels), labels)
    return root


def runner(root: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run tools.predict in a folder; torch is loaded here, so nothing is pinned."""
    monkeypatch.setattr(__main__, "pinned_params", read_params)

    def run(*arguments: object) -> int:
        with monkeypatch.context() as here:
            here.chdir(root)
            try:
                return __main__.main([str(argument) for argument in arguments])
            except SystemExit as ended:
                if isinstance(ended.code, int):
                    raise
                print(ended.code, file=sys.stderr)
                return 1

    return run


def pictures(root: Path) -> Path:
    """Write seven pictures, one in a folder, one damaged; and what is no picture."""
    (root / "more").mkdir(parents=True)
    for number in range(7):
        path = root / ("more" if number == 2 else "") / f"{number}.png"
        colour = (30 * number, 90, 200 - 20 * number)
        Image.new("RGB", (90, 50), colour).save(path)
    (root / "4.png").write_bytes((root / "4.png").read_bytes()[:60])
    (root / "notes.txt").write_text("no picture")
    return root


def lines(text: str) -> list[dict[str, Any]]:
    """Read JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


def text_project(root: Path, tiny: Tiny, changes: dict[str, Any]) -> Path:
    """Write a project of a base alone, which has not been trained further."""
    root.mkdir()
    params = {**COMMITTED, **changes}
    evaluate = {**params["evaluate"], "max_new_tokens": 4}
    params["evaluate"] = evaluate
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), "utf-8")
    (root / "models").mkdir()
    (root / "models/base").symlink_to(tiny.base)
    return root
