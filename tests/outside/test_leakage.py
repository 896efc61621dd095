"""What training has seen is found: patients, identical images, and nearly identical ones."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from verdict.conversations import write_chat
from verdict.core.paths import OUTSIDE, RECORDS, SPLITS
from verdict.outside.leakage import BITS, find_leaks, nearly_identical
from verdict.outside.sets import leaks_among_asked
from verdict.params.data import Format
from verdict.records.shards import Record, read_records, write_shard
from verdict.splitting.assignment import Division
from verdict.splitting.files import write_split
from verdict.tasks.melanoma.archive.lesions import draw_jpegs
from verdict.tasks.melanoma.archive.options import Embedded
from verdict.tasks.melanoma.archive.photographs import make_photographs


@pytest.fixture(scope="module")
def lesions() -> list[Image.Image]:
    """Square images of 60 lesions, none of them of another one."""
    drawn = make_photographs(Embedded(seed=3, images=60, positive_share=0.3))
    seen, chosen = set(), []
    for one in sorted(drawn, key=lambda photograph: photograph.name):
        chosen.append(one.lesion_seed not in seen and one.copy_of is None)
        seen.add(one.lesion_seed)
    images = [Image.open(io.BytesIO(data)) for _, data in draw_jpegs(drawn, 3)]
    return [one.resize((128, 128)) for one, keep in zip(images, chosen, strict=True) if keep]


def encoded(image: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def written(
    folder: Path,
    rows: Sequence[tuple[str, str, bytes | None, str]],
    further: Mapping[str, Sequence[tuple[bytes, str]]] = {},
) -> list[Record]:
    """Write records of (id, group, image, sha256) to a folder, and return them.

    Args:
        further: by id the other images of a record, and their sha256.
    """
    folder.mkdir()
    write_shard(
        folder / "shard-00000-of-00001.parquet",
        [
            {
                "id": id_,
                "group": group,
                "image": None if image is None else {"bytes": image, "path": None},
                "text": None if image else id_,
                "label": "benign",
                "attributes": json.dumps({}),
                "sha256": sha256,
                "row": row,
                "further_images": [
                    {"bytes": data, "path": None} for data, _ in further.get(id_, ())
                ],
                "further_sha256": [sha256 for _, sha256 in further.get(id_, ())],
            }
            for row, (id_, group, image, sha256) in enumerate(rows)
        ],
        several=bool(further),
    )
    return read_records(folder)


def test_copies_are_found_and_other_lesions_are_not(lesions: list[Image.Image]) -> None:
    others = [encoded(image) for image in lesions]
    changes = {
        "stored again": lambda image: encoded(image, quality=60),
        "smaller": lambda image: encoded(image.resize((72, 72)), quality=80),
        "mirrored": lambda image: encoded(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
        "turned": lambda image: encoded(image.transpose(Image.Transpose.ROTATE_270)),
        "brighter": lambda image: encoded(image.point(lambda value: min(255, value + 12))),
    }
    for name, change in changes.items():
        found = dict(nearly_identical([change(image) for image in lesions], others))
        right = sum(found.get(i) == i for i in range(len(lesions)))
        assert right >= 0.95 * len(lesions), name
        assert all(found[i] == i for i in found), name
    half = len(others) // 2
    assert list(nearly_identical(others[:half], others[half:])) == []
    assert list(nearly_identical(others, [])) == []
    assert list(nearly_identical([], others)) == []


def test_a_table_in_pieces_says_the_same(
    lesions: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [encoded(image) for image in lesions]
    images = [encoded(image, 70) for image in lesions]
    whole = list(nearly_identical(images, others))
    monkeypatch.setattr("verdict.outside.leakage._AT_ONCE", 3 * 8 * len(others))
    assert list(nearly_identical(images, others)) == whole
    assert BITS == 256


@pytest.mark.fault("splits")
def test_each_way_to_have_been_seen_is_named(lesions: list[Image.Image], tmp_path: Path) -> None:
    images = [encoded(image) for image in lesions[:6]]
    own = written(
        tmp_path / "own",
        [
            ("r0", "p0", images[0], "s0"),
            ("r1", "p1", images[1], "s1"),
            ("r2", "p2", images[2], "s2"),
            ("r3", "p3", images[3], "s3"),
        ],
    )
    splits = {"r0": "train", "r1": "validation", "r2": "train", "r3": "test"}
    records = written(
        tmp_path / "set",
        [
            ("o0", "p0", images[4], "t0"),
            ("o1", "q1", images[1], "s1"),
            ("o2", "q2", encoded(lesions[2].transpose(Image.Transpose.FLIP_TOP_BOTTOM)), "t2"),
            ("o3", "p3", images[3], "s3"),
            ("o4", "q4", images[5], "t4"),
        ],
    )
    leaks = find_leaks(records, tmp_path / "set", own, tmp_path / "own", splits)
    found = {id_: (leak.kind, leak.of, leak.split) for id_, leak in leaks.items()}
    assert found == {
        "o0": ("group", "r0", "train"),
        "o1": ("identical", "r1", "validation"),
        "o2": ("nearly_identical", "r2", "train"),
    }, "what is in the test split, or in none, was not learned from"


@pytest.mark.fault("splits")
def test_one_of_several_images_is_enough(lesions: list[Image.Image], tmp_path: Path) -> None:
    images = [encoded(image) for image in lesions[:8]]
    again = encoded(lesions[1].transpose(Image.Transpose.ROTATE_90), 80)
    own = written(
        tmp_path / "own",
        [("r0", "p0", images[0], "s0"), ("r1", "p1", images[2], "s2")],
        {"r0": [(images[1], "s1")]},
    )
    records = written(
        tmp_path / "set",
        [
            ("o0", "q0", images[3], "t3"),
            ("o1", "q1", images[4], "t4"),
            ("o2", "q2", again, "t1"),
            ("o3", "q3", images[7], "t7"),
            ("o4", "q4", images[2], "t2"),
        ],
        {"o0": [(images[5], "t5"), (again, "t1")], "o1": [(images[6], "s1")]},
    )
    splits = {"r0": "train", "r1": "train"}
    leaks = find_leaks(records, tmp_path / "set", own, tmp_path / "own", splits)
    assert {id_: (leak.why, leak.of) for id_, leak in leaks.items()} == {
        "o0": ("nearly an image of", "r0"),
        "o1": ("an image of", "r0"),
        "o2": ("nearly an image of", "r0"),
        "o4": ("nearly the image of", "r1"),
    }


def test_texts_have_no_pictures_to_compare(tmp_path: Path) -> None:
    own = written(tmp_path / "own", [("r0", "p0", None, "s0"), ("r1", "p1", None, "s1")])
    records = written(tmp_path / "set", [("o0", "q0", None, "s0"), ("o1", "q1", None, "t1")])
    splits = {"r0": "train", "r1": "train"}
    leaks = find_leaks(records, tmp_path / "set", own, tmp_path / "own", splits)
    assert {id_: leak.why for id_, leak in leaks.items()} == {"o0": "the text of"}


def test_no_hash_depends_on_how_many_are_made_at_once(lesions: list[Image.Image]) -> None:
    images = [encoded(image) for image in lesions[:8]]
    alone = [next(nearly_identical([one], images))[1] for one in images]
    assert alone == list(range(8))
    assert np.array(alone).dtype.kind == "i"


def test_a_judge_looks_again_at_what_was_asked_about(
    lesions: list[Image.Image], tmp_path: Path
) -> None:
    images = [encoded(image) for image in lesions[:3]]
    for place in (RECORDS, SPLITS, OUTSIDE / "far"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / OUTSIDE / "far").mkdir()
    own = [("r0", "p0", images[0], "s0"), ("r1", "p1", images[1], "s1")]
    written(tmp_path / RECORDS, own)
    write_split(tmp_path / SPLITS, Division({"r0": "train", "r1": "test"}))
    there = [("o0", "q0", images[0], "s0"), ("o1", "q1", images[2], "t1")]
    records = written(tmp_path / OUTSIDE / "far/records", there)
    options = Format(
        form="turns", system="", prompt="?", answers={"benign": "No", "bad": "Yes"}, positive="bad"
    )
    told = "o0 of outside.far is the image of r0 of train"
    for asked, leaking in ((["o1"], []), (["o0", "o1"], [told])):
        chat = tmp_path / OUTSIDE / "far/chat"
        write_chat(chat, records, dict.fromkeys(asked, "far"), options)
        assert leaks_among_asked("far", tmp_path) == leaking
