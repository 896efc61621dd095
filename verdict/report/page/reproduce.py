"""How a stranger gets the same numbers, and how they see that they have."""

import shlex
from typing import Any

from verdict.core.files import sha256_of
from verdict.core.paths import COMPARISON, PREDICTIONS
from verdict.report.page.sources import Sources

Fact = tuple[str, str]


def commands(sources: Sources) -> list[Fact]:
    """Return commands, each with what it does."""
    files = " ".join(shlex.quote(f"{PREDICTIONS.as_posix()}/{m}.parquet") for m in sources.models)
    return [
        ("dvc pull", "fetch the data, models and predictions that this page was made of"),
        (f"python -m verdict.statistics {files}", "every metric again, from the predictions alone"),
        ("dvc repro --force --single-item compare", "intervals, differences and the verdict again"),
        ("dvc repro", "everything, from the raw data on, as far as it is not up to date"),
    ]


def digests(sources: Sources) -> list[Fact]:
    """Return the files that the numbers rest on, with the SHA-256 of each."""
    return [
        *sources.prediction_files(),
        (COMPARISON.as_posix(), sha256_of(sources.root / COMPARISON)),
    ]


def identity(sources: Sources) -> list[Fact]:
    """Return what was trained, on what, and with which versions."""
    made: dict[str, Any] = sources.provenance()
    base, data = made["base"], made["training_data"]
    name = "built by this project (embedded)" if base["name"] == "embedded" else base["name"]
    revision = f", revision {base['revision']}" if base["revision"] else ""
    versions = ", ".join(f"{package} {version}" for package, version in made["versions"].items())
    return [
        ("Base model", f"{name}{revision}"),
        ("Base model’s files, SHA-256", base["sha256"]),
        ("Training conversations, SHA-256", data["conversations_sha256"]),
        ("Records, SHA-256", data["records_sha256"]),
        ("Order of training rows, SHA-256", made["consumed"]["sha256"]),
        ("Seed of the training", str(made["parameters"]["train"]["seed"])),
        ("Versions", versions),
    ]
