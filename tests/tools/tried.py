"""A folder that tools run in: params.yaml, the tiny base, an adapter over it, and its records."""

import copy
from pathlib import Path
from typing import Any

import yaml

from tests.tiny import COMMITTED, Tiny

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
    from tests.models.test_inference import save, trained

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
