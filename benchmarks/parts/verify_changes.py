"""Twelve changes, each planted in a clone of its own, and whether ``verify`` names them.

The first four lie in the work tree alone, as if bytes had rotted or somebody had edited them. The
others are committed. Where DVC would notice, its hashes are committed as well (``dvc commit``), so
that no checksum is wrong and only making things again can tell.
"""

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.parts.verify_project import cloned, sharing
from testing.planted import change_metric, change_prediction, flip, verify, wrong
from testing.project import Project

#: What has to be made again for a change to be found, and time enough for it.
STATISTICS, DATA, ANSWERS = "0", "1", "10"  # minutes


@dataclass(frozen=True)
class Change:
    """A change to plant.

    Attributes:
        named: what ``verify`` has to call different: a claim, or an output and how it was looked
            at.
        cover: commit, and let dvc.lock have the new hashes.
        minutes: what ``verify`` is given.
    """

    what: str
    plant: Callable[[Path], None]
    named: str
    commit: bool = False
    cover: bool = False
    minutes: str = STATISTICS


def plant_and_verify(judge: Project, number: int, change: Change) -> bool:
    """Plant a change in a copy of what a judge has pulled; say whether it was caught and named."""
    project = sharing(cloned(judge, f"changed-{number}"), judge.root / ".dvc" / "cache")
    change.plant(project.root)
    if change.cover:
        project.dvc("commit", "--quiet", "--force")
    if change.cover or change.commit:
        project.commit("Nobody will notice")
    with tempfile.TemporaryDirectory(dir=project.root.parent) as folder:
        code, said, found = verify(project, Path(folder), "--minutes", change.minutes)
    named = wrong(found) if found else {}
    caught = code == 1 and change.named in named
    print(f"{change.what}: {f'{change.named}: {named[change.named]}' if caught else 'MISSED'}")
    if not caught:
        print(said)
    return caught


def _byte(path: str, position: int) -> Callable[[Path], None]:
    return lambda root: flip(root / path, position)


def _edit(path: str, pattern: str, replacement: str) -> Callable[[Path], None]:
    """Replace the first match in a text; there has to be one."""

    def plant(root: Path) -> None:
        before = (root / path).read_text("utf-8")
        after, count = re.subn(pattern, replacement, before, count=1)
        if not count or after == before:
            raise SystemExit(f"{path} has nothing like {pattern!r} to change")
        (root / path).unlink()
        (root / path).write_text(after, "utf-8")

    return plant


def _change_shard(root: Path) -> None:
    """Change one byte in the middle of a shard, which is inside an image."""
    shard = sorted((root / "data/records").glob("shard-*.parquet"))[0]
    flip(shard, shard.stat().st_size // 2)


CHANGES = [
    Change(
        "a byte of a split",
        _byte("data/splits/test.csv", 10),
        "data/splits as_recorded",
    ),
    Change(
        "a byte of an adapter's weight",
        _byte("models/adapter/adapter_model.safetensors", -2),
        "models/adapter as_recorded",
    ),
    Change(
        "a byte of the base model's weights",
        _byte("models/base/model.safetensors", -2),
        "models/base as_recorded",
    ),
    Change(
        "a parameter, edited",
        _edit("params.yaml", r"(learning_rate): [\d.]+", r"\1: 0.003"),
        "work tree",
    ),
    Change(
        "a stage's code",
        _edit("verdict/comparison/thresholds.py", r"\n\n\n", "\n\n\n# Better numbers.\n"),
        "code",
        commit=True,
    ),
    Change(
        "a requirement",
        _edit("requirements.txt", r"(numpy==\d+\.\d+)\.\d+", r"\1.99"),
        "code",
        commit=True,
    ),
    Change(
        "a hash in dvc.lock",
        _edit("dvc.lock", r"(path: models/base\n +hash: md5\n +md5: )[0-9a-f]{4}", r"\g<1>0000"),
        "dvc.yaml and dvc.lock",
        commit=True,
    ),
    Change(
        "a metric, hashes renewed",
        lambda root: change_metric(root / "metrics/tuned.json"),
        "metrics/tuned.json made_again",
        cover=True,
    ),
    Change(
        "a number of the report, hashes renewed",
        _edit("metrics/report/index.html", r"(95 % CI 0\.)\d", r"\g<1>9"),
        "metrics/report/index.html made_again",
        cover=True,
    ),
    Change(
        "a conversation, hashes renewed",
        _edit("data/chat/test.jsonl", "dermatology assistant", "dermatology expert"),
        "data/chat made_again",
        cover=True,
        minutes=DATA,
    ),
    Change(
        "a byte of an image, hashes renewed",
        _change_shard,
        "data/records made_again",
        cover=True,
        minutes=DATA,
    ),
    Change(
        "one log-probability of one prediction, hashes renewed",
        lambda root: change_prediction(root / "data/predictions/tuned.parquet"),
        "data/predictions/tuned.parquet made_again",
        cover=True,
        minutes=ANSWERS,
    ),
]
