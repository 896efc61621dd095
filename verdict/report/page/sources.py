"""What the page is made of: the comparison, the predictions, the records and the small files."""

import base64
import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from verdict.comparison.file import read_comparison
from verdict.comparison.model import Comparison
from verdict.conversations import Conversation, read_conversations
from verdict.core.errors import VerdictError
from verdict.core.files import sha256_of
from verdict.core.paths import (
    ADAPTER,
    COMPARISON,
    METRICS,
    OUTSIDE_PREDICTIONS,
    PLOTS,
    PREDICTIONS,
    RECORDS,
    TEST_CHAT,
    VALIDATION_PREDICTIONS,
)
from verdict.predictions import Predictions, read_predictions
from verdict.records.shards import ImageStore, Record, read_records

#: All images together, in bytes of base64 text: what is left of 5 MB is for words.
BUDGET = 3_000_000

#: Longest side in pixels and JPEG quality, best first; the first that fits the budget is taken.
LADDER = ((320, 85), (256, 82), (192, 80), (144, 78), (96, 72), (64, 65))

_TYPES = {"JPEG": "image/jpeg", "WEBP": "image/webp", "PNG": "image/png"}


@dataclass(frozen=True)
class Picture:
    """An image for an ``img`` element."""

    uri: str
    #: Of what is embedded, in pixels.
    width: int
    height: int


@dataclass(frozen=True)
class Sources:
    """Everything that the page shows, read from the project in ``root``."""

    root: Path
    #: The numbers: ``metrics/report/comparison.json``.
    comparison: Comparison
    #: On the test split, by model, in the order of tables.
    predictions: dict[str, Predictions]
    #: What the models were asked, in the order of the test split.
    conversations: list[Conversation]

    @property
    def singles(self) -> dict[str, Predictions]:
        """The predictions of ``Comparison.single``."""
        return {name: self.predictions[name] for name in self.comparison.single}

    @property
    def asked(self) -> Predictions:
        """The candidate's predictions, for what all models were asked."""
        return self.predictions[self.comparison.candidate]

    def outside(self, name: str) -> dict[str, Predictions]:
        """Return the predictions of ``Comparison.single`` on a test set from elsewhere."""
        folder = self.root / OUTSIDE_PREDICTIONS / name
        return {model: read_predictions(folder / f"{model}.parquet") for model in self.singles}

    @cached_property
    def records(self) -> dict[str, Record]:
        """The records of all splits by id, without pixels."""
        return {record.id: record for record in read_records(self.root / RECORDS)}

    def pictures(self, ids: Iterable[str]) -> dict[str, list[Picture]]:
        """Return the images of each record, if it has any, as ``data:`` URIs.

        All are made with the same longest side, the largest for which they fit into the budget.
        """
        store = ImageStore(self.root / RECORDS)
        images = {id_: store.all(id_) for id_ in ids}
        pictures: dict[str, list[Picture]] = {}
        for side, quality in LADDER:
            pictures = {
                id_: [_picture(data, side, quality) for data in own] for id_, own in images.items()
            }
            if sum(len(one.uri) for own in pictures.values() for one in own) <= BUDGET:
                break
        return pictures

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
        paths = [PREDICTIONS / f"{name}.parquet" for name in self.comparison.models]
        others = [VALIDATION_PREDICTIONS / path.name for path in paths]
        paths += [path for path in others if (self.root / path).exists()]
        for name in self.comparison.outside:
            folder = OUTSIDE_PREDICTIONS / name
            paths += [folder / f"{model}.parquet" for model in self.comparison.models]
        return [(path.as_posix(), sha256_of(self.root / path)) for path in paths]


def read_sources(root: Path) -> Sources:
    """Read what every page needs; the rest is read when it is shown.

    Raises:
        VerdictError: a file is missing or damaged, or the predictions are not those compared.
    """
    comparison = read_comparison(root / COMPARISON)
    predictions = {
        name: read_predictions(root / PREDICTIONS / f"{name}.parquet") for name in comparison.models
    }
    for name, found in predictions.items():
        if len(found) != comparison.records or found.labels != comparison.labels:
            raise VerdictError(
                f"{PREDICTIONS / name}.parquet has {len(found):,} records of "
                f"{len(found.labels)} labels, {COMPARISON} was made of {comparison.records:,} of "
                f"{len(comparison.labels)}: run `dvc repro compare`"
            )
    conversations = read_conversations(root / TEST_CHAT) if comparison.records else []
    sources = Sources(root, comparison, predictions, conversations)
    if {c.id for c in conversations} != set(sources.asked.ids):
        raise VerdictError(
            f"{TEST_CHAT} and {PREDICTIONS} are about different records: run `dvc repro`"
        )
    return sources


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


def _picture(data: bytes, side: int, quality: int) -> Picture:
    with Image.open(io.BytesIO(data), formats=list(_TYPES)) as image:
        media, size = _TYPES[str(image.format)], image.size
        if max(size) > side:
            image.load()
            image.thumbnail((side, side), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            image.convert("RGB").save(buffer, "JPEG", quality=quality, optimize=True)
            data, media, size = buffer.getvalue(), "image/jpeg", image.size
    return Picture(f"data:{media};base64,{base64.b64encode(data).decode()}", *size)
