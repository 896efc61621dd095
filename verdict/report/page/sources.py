"""What the page is made of: the comparison, the predictions, the records and the small files."""

import csv
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from verdict.conversations import Conversation, read_conversations
from verdict.core.errors import VerdictError
from verdict.core.files import sha256_of
from verdict.core.paths import ADAPTER, COMPARISON, METRICS, PLOTS, PREDICTIONS, RECORDS, TEST_CHAT
from verdict.predictions import Predictions, read_predictions
from verdict.records.shards import ImageStore, Record, read_records
from verdict.report.comparison_file import read_comparison
from verdict.statistics.kinds import KINDS, Kind

#: What the comparison has to say for a page to be made of it.
_NEEDED = (
    "candidate",
    "baseline",
    "models",
    "replicates",
    "labels",
    "linked",
    "warnings",
    "subgroups",
)


@dataclass(frozen=True)
class Sources:
    """Everything that the page shows, read from the project in ``root``."""

    root: Path
    #: The numbers: ``metrics/report/comparison.json``.
    comparison: dict[str, Any]
    #: On the test split, by model, in the order of tables.
    predictions: dict[str, Predictions]
    #: What the models were asked, in the order of the test split.
    conversations: list[Conversation]

    @property
    def kind(self) -> Kind:
        return KINDS[self.comparison["kind"]]

    @property
    def candidate(self) -> str:
        return self.comparison["candidate"]

    @property
    def baseline(self) -> str:
        return self.comparison["baseline"]

    @property
    def models(self) -> list[str]:
        return self.comparison["models"]

    @property
    def single(self) -> list[str]:
        """The models without the candidate's trainings with other seeds, which differ little."""
        return [name for name in self.models if name not in self.comparison["replicates"]]

    @property
    def singles(self) -> dict[str, Predictions]:
        """The predictions of ``single``."""
        return {name: self.predictions[name] for name in self.single}

    @property
    def noun(self) -> str:
        """What groups are called, in the plural."""
        return self.comparison["groups_are"]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        return self.predictions[self.candidate].labels

    @cached_property
    def records(self) -> dict[str, Record]:
        """The records of all splits by id, without pixels."""
        return {record.id: record for record in read_records(self.root / RECORDS)}

    @cached_property
    def images(self) -> ImageStore:
        return ImageStore(self.root / RECORDS)

    def metrics(self, name: str) -> dict[str, Any]:
        """Return what a stage counted: ``metrics/NAME.json``.

        Raises:
            VerdictError: the file is missing or not JSON.
        """
        return read_json(self.root, METRICS / f"{name}.json")

    def provenance(self) -> dict[str, Any]:
        """Return what the adapter is made of.

        Raises:
            VerdictError: the file is missing or not JSON.
        """
        return read_json(self.root, ADAPTER / "provenance.json")

    def curve(self, name: str) -> list[dict[str, float | None]]:
        """Return the rows of ``metrics/plots/NAME.csv``; an empty cell is None.

        Raises:
            VerdictError: the file is missing, or a cell is no number.
        """
        path = PLOTS / f"{name}.csv"
        rows = csv.DictReader(_text(self.root, path).splitlines())
        try:
            return [
                {key: float(cell) if cell else None for key, cell in row.items()} for row in rows
            ]
        except ValueError as error:
            raise VerdictError(f"{path}: {error}; `dvc repro train` writes it anew") from None

    def prediction_files(self) -> list[tuple[str, str]]:
        """Return the path of each predictions file and the SHA-256 of its bytes."""
        paths = [PREDICTIONS / f"{name}.parquet" for name in self.models]
        others = [PREDICTIONS / "validation" / path.name for path in paths]
        paths += [path for path in others if (self.root / path).exists()]
        return [(path.as_posix(), sha256_of(self.root / path)) for path in paths]


def read_sources(root: Path) -> Sources:
    """Read what every page needs; the rest is read when it is shown.

    Raises:
        VerdictError: a file is missing or damaged, or the predictions are not those compared.
    """
    comparison = read_comparison(root / COMPARISON)
    if missing := [key for key in _NEEDED if key not in comparison]:
        raise VerdictError(f"{COMPARISON} has no {missing[0]}: `dvc repro compare` writes it anew")
    predictions = {
        name: read_predictions(root / PREDICTIONS / f"{name}.parquet")
        for name in comparison["models"]
    }
    for name, found in predictions.items():
        if len(found) != comparison["records"] or list(found.labels) != comparison["labels"]:
            raise VerdictError(
                f"{PREDICTIONS / name}.parquet has {len(found):,} records of "
                f"{len(found.labels)} labels, {COMPARISON} was made of {comparison['records']:,} "
                f"of {len(comparison['labels'])}: run `dvc repro compare`"
            )
    conversations = read_conversations(root / TEST_CHAT) if comparison["records"] else []
    if {c.id for c in conversations} != set(predictions[comparison["candidate"]].ids):
        raise VerdictError(
            f"{TEST_CHAT} and {PREDICTIONS} are about different records: run `dvc repro`"
        )
    return Sources(root, comparison, predictions, conversations)


def read_json(root: Path, path: Path) -> dict[str, Any]:
    """Read a JSON object of the project.

    Raises:
        VerdictError: the file is missing or not JSON.
    """
    try:
        return json.loads(_text(root, path))
    except ValueError as error:
        raise VerdictError(f"{path} is not JSON ({error}): `dvc repro` writes it anew") from None


def _text(root: Path, path: Path) -> str:
    try:
        return (root / path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise VerdictError(
            f"{path} is not here: `dvc repro` writes it, `dvc pull` fetches it"
        ) from None
