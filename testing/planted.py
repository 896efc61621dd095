"""Changes to plant in a project that ran, and what the judge's command says about them.

A file is removed and written anew, never changed in place: it may be a link into DVC's cache.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from safetensors.torch import load_file, save_file

from testing.project import Project
from verdict.predictions import METADATA_KEY


def copied(project: Project, folder: Path) -> Project:
    """A copy to damage; it shares no file with the original."""
    shutil.copytree(project.root, folder, symlinks=False)
    return Project(folder)


def verify(project: Project, folder: Path, *options: str) -> tuple[int, str, dict[str, Any]]:
    """Return the exit code, what was said, and the findings."""
    out = folder / "verification.json"
    project.environment["COLUMNS"] = "80"
    done = project.run("python", "-m", "verify", "--out", str(out), *options, check=False)
    return done.returncode, done.stdout, json.loads(out.read_text("utf-8")) if out.exists() else {}


def wrong(found: dict[str, Any]) -> dict[str, str]:
    """Return what is different: the name of a claim or the path of an output, and the details."""
    said = {
        name: claim["detail"]
        for name, claim in found["claims"].items()
        if claim["status"] == "DIFFERENT"
    }
    for output in found["outputs"]:
        for kind in ("as_recorded", "made_again"):
            if output[kind]["status"] == "DIFFERENT":
                said[f"{output['path']} {kind}"] = output[kind]["detail"]
    return said


def flip(path: Path, position: int) -> None:
    """Change one byte."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.unlink()
    path.write_bytes(data)


def change_prediction(path: Path) -> None:
    """Rewrite predictions with another log-probability of one record, the likeliest label kept."""
    table = pq.read_table(path)
    rows = table["log_probabilities"].to_pylist()
    best = rows[3].index(max(rows[3]))
    rows[3][best] += 0.01
    index = table.schema.get_field_index("log_probabilities")
    field = table.schema.field(index)
    changed = table.set_column(index, field, [rows])
    path.unlink()
    pq.write_table(changed, path)


def call_another_label_positive(path: Path) -> None:
    """Rewrite predictions with the other of two labels as the positive one, and no other row."""
    table = pq.read_table(path)
    said = json.loads(table.schema.metadata[METADATA_KEY])
    (said["positive"],) = {*said["labels"]} - {said["positive"]}
    path.unlink()
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: json.dumps(said)}), path)


def change_metric(path: Path) -> None:
    values = json.loads(path.read_text("utf-8"))
    values["accuracy"] += 0.01
    path.unlink()
    path.write_text(json.dumps(values, indent=2) + "\n", "utf-8")


def change_weight(path: Path) -> None:
    """Change one weight of the projector by so much that answers move."""
    weights = load_file(path)
    name = next(name for name in weights if "projection_weight" in name)
    changed = {key: value.clone() for key, value in weights.items()}
    changed[name][0, 0] += 30
    path.unlink()
    save_file(changed, path, metadata={"format": "pt"})
