"""Follow-up of lesions: two images a record, of which neither alone says whether it has changed."""

import csv
import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.extraction.test_extract import OPTIONS
from verdict.core.errors import VerdictError
from verdict.extraction.extract import extract
from verdict.models.chat import decode
from verdict.records.shards import ImageStore, read_records
from verdict.tasks.follow_up.archive import FILES, Embedded, write_archive
from verdict.tasks.follow_up.table import Options, read_table

BOTH, CURRENT = Options(visits="both"), Options(visits="current")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("follow-up") / "raw"
    write_archive(folder, Embedded(seed=5, lesions=400))
    return folder


def test_a_record_has_the_images_of_both_visits_or_the_current_one(archive: Path) -> None:
    both, current = (read_table(archive, options).rows for options in (BOTH, CURRENT))
    assert len(both) == len(current) >= 400
    assert both[0].images == ("L00000-prior", "L00000-current")
    assert current[0].images == ("L00000-current",)
    assert {row.label for row in both} == {"changed", "unchanged"}
    assert max(Counter(row.group for row in both).values()) == 4


def test_the_options_decide_every_byte(archive: Path, tmp_path: Path) -> None:
    write_archive(tmp_path, Embedded(seed=5, lesions=400))
    for name in FILES.values():
        digests = {
            hashlib.sha256((folder / name).read_bytes()).digest() for folder in (archive, tmp_path)
        }
        assert len(digests) == 1


def darkness(data: bytes) -> float:
    """Return how much darker the middle of a stored image is than its corner."""
    grey = np.asarray(decode(data).convert("L"), dtype=float)
    return float(grey[:8, :8].mean() - grey[20:44, 20:44].mean())


def test_neither_image_alone_tells_a_change_and_both_together_do(
    archive: Path, tmp_path: Path
) -> None:
    extract(read_table(archive, BOTH), OPTIONS, tmp_path / "records")
    records, store = read_records(tmp_path / "records"), ImageStore(tmp_path / "records")
    changed = np.array([record.label == "changed" for record in records])
    measured = np.array([[darkness(data) for data in store.all(record.id)] for record in records])
    large = measured > np.median(measured)
    for visit in (0, 1):
        # Of 400 lesions a share of a half is off by 0.025 on average.
        assert abs((large[:, visit] == changed).mean() - 0.5) < 0.1
    assert ((large[:, 0] != large[:, 1]) == changed).mean() > 0.8


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("changed", "perhaps", "line 3: changed of L00001 is 'perhaps'; expected no or yes"),
        ("patient_id", "", "line 3: patient_id is empty"),
        ("current", "", "line 3: current is empty"),
    ],
)
@pytest.mark.fault("tables")
def test_a_row_that_cannot_be_meant_is_named(
    archive: Path, tmp_path: Path, column: str, cell: str, message: str
) -> None:
    with (archive / FILES["table"]).open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[1][column] = cell
    with (tmp_path / FILES["table"]).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(VerdictError, match=message):
        read_table(tmp_path, BOTH)
