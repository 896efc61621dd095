import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from testing.isic import jpeg
from testing.places import SHARED_DATA
from tests.tools.test_rendering import undocumented
from tools.pack_medpix import Fields, Packed, main, pack
from tools.recipe import validate_recipe
from tools.rendering import render
from verdict.core.errors import VerdictError
from verdict.extraction.extract import extract
from verdict.params.data import Dicom, Extract, Split
from verdict.records.shards import read_records
from verdict.splitting.assignment import split_records
from verdict.splitting.leakage import check_split
from verdict.tasks.medpix_vqa import Options, read_table
from verdict.tasks.medpix_vqa.archive import FILES

MEDPIX = SHARED_DATA / "medpix2"


def record(number: int, split: str, **changes: Any) -> dict[str, Any]:
    return {
        "split": split,
        "case_id": f"MPX{number}",
        "image_id": f"MPX{number}_1",
        "image": f"images/{number}.png",
        "question": "What is the imaging plane?",
        "answer": "Axial",
        **changes,
    }


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Packed]:
    """Pack the given records (or lines) of four small images into ``tmp_path/out``."""
    (tmp_path / "images").mkdir()
    for number in range(4):
        Image.new("L", (20, 30), 60 * number).save(tmp_path / "images" / f"{number}.png")

    def run(records: list[Any]) -> Packed:
        lines = [r if isinstance(r, str) else json.dumps(r) for r in records]
        (tmp_path / "vqa.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return pack(tmp_path / "vqa.jsonl", tmp_path / "out")

    return run


SPLITS = ("train", "dev", "test", "train")
RECORDS = [record(number, split) for number, split in enumerate(SPLITS)]


def rows(folder: Path, split: str) -> list[dict[str, Any]]:
    return [
        row
        for path in sorted((folder / "out" / FILES[split]).iterdir())
        for row in pq.read_table(path).to_pylist()
    ]


def test_layout(run: Callable[..., Packed], tmp_path: Path) -> None:
    more = record(0, "train", question="Is a mass visible?", answer=" No ", mode="CT")
    assert run([*RECORDS, more]) == Packed(
        {"train": 3, "validation": 1, "test": 1}, cases=4, images=4
    )
    assert sorted(
        p.relative_to(tmp_path / "out").as_posix() for p in tmp_path.rglob("*.parquet")
    ) == [
        "test/test-00000-of-00001.parquet",
        "train/train-00000-of-00001.parquet",
        "validation/validation-00000-of-00001.parquet",
    ]
    train = rows(tmp_path, "train")
    assert [row["case_id"] for row in train] == ["MPX0", "MPX3", "MPX0"]
    assert train[2] == {
        "image_id": {"bytes": (tmp_path / "images" / "0.png").read_bytes(), "path": "0.png"},
        "mode": "CT",
        "case_id": "MPX0",
        "question": "Is a mass visible?",
        "answer": "No",
    }
    assert [row["case_id"] for row in rows(tmp_path, "validation")] == ["MPX1"]
    assert [row["case_id"] for row in rows(tmp_path, "test")] == ["MPX2"]
    assert len(read_table(tmp_path / "out", Options(blank_answers="fail")).rows) == 5


def test_same_input_same_bytes(run: Callable[..., Packed], tmp_path: Path) -> None:
    def packed() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*.parquet")}

    run(RECORDS)
    first = packed()
    (tmp_path / "out" / "mine.txt").write_text("stays")
    run(["", *RECORDS])
    assert packed() == first
    assert (tmp_path / "out" / "mine.txt").exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (record(1, "dev", answer=" "), r"line 2: answer is ' '; expected a text"),
        (record(1, "dev", question=None), r"line 2: question is missing"),
        (record(1, "dev", case_id=17), r"line 2: case_id is 17; expected a text"),
        ({"split": "dev"}, r"line 2: case_id is missing"),
        (record(1, "holdout"), r"line 2: split is 'holdout'; expected one of train, dev"),
        (record(1, "dev", image="images/9.png"), r"line 2: there is no image .*images/9\.png"),
        (record(1, "dev", image="vqa.jsonl"), r"line 2: image .*vqa\.jsonl cannot be read"),
        (
            record(1, "dev", image_id="MPX0_1"),
            r"line 2: image_id MPX0_1 is images/1\.png, but images/0\.png in .* line 1",
        ),
        ('{"split": "dev",', r"line 2 is no JSON"),
        (r'{"split": "\ud800"}', r"line 2 is no JSON that can be read \('\\ud800' is no character"),
        ("[1, 2]", r"line 2 is no JSON object; write the fields split, case_id"),
    ],
)
def test_a_bad_record_is_named(
    run: Callable[..., Packed], tmp_path: Path, wrong: Any, said: str
) -> None:
    with pytest.raises(VerdictError, match=said):
        run([RECORDS[0], wrong, *RECORDS[2:]])
    assert not (tmp_path / "out").exists()


def test_progress_ends_with_every_question(
    run: Callable[..., Packed], capsys: pytest.CaptureFixture[str]
) -> None:
    run(RECORDS)
    assert "pack: 4/4 questions" in capsys.readouterr().err


def test_something_to_train_on_and_something_else_is_needed(run: Callable[..., Packed]) -> None:
    with pytest.raises(VerdictError, match="has no records of train"):
        run(RECORDS[1:3])
    with pytest.raises(VerdictError, match="has no records of validation or test"):
        run([RECORDS[0], RECORDS[3]])


def test_records_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"pack_medpix: .*none\.jsonl cannot be read: No such"):
        main(["--records", str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "out")])
    (tmp_path / "latin.jsonl").write_bytes(b'{"answer": "caf\xe9"}')
    with pytest.raises(VerdictError, match=r"latin\.jsonl is no text in UTF-8"):
        pack(tmp_path / "latin.jsonl", tmp_path / "out")


def test_a_damaged_image_is_named(run: Callable[..., Packed], tmp_path: Path) -> None:
    (tmp_path / "images" / "3.png").write_bytes(jpeg()[:300])
    with pytest.raises(VerdictError, match=r"line 4: image .*3\.png cannot be read"):
        run(RECORDS)


@pytest.mark.skipif(not MEDPIX.is_dir(), reason="the real MedPix 2.0 images are not here")
def test_the_real_images_and_questions(tmp_path: Path) -> None:
    packed = pack(MEDPIX / "derived_vqa.jsonl", tmp_path / "raw")
    assert packed.questions == {"train": 299, "validation": 100, "test": 45}
    assert (packed.images, packed.cases) == (89, 35)
    table = read_table(tmp_path / "raw", Options(blank_answers="fail"))
    assert len(table.rows) == 444
    options = Extract(
        size=64,
        fit="stretch",
        resample="bilinear",
        format="jpeg",
        quality=90,
        shard_megabytes=64,
        max_megapixels=20,
        max_rejected=0,
        dicom=Dicom(window="file", frame="only"),
    )
    metrics = extract(table, options, tmp_path / "records")
    assert (metrics["records"], metrics["groups"], metrics["rejected"]) == (444, 35, 0)

    records = read_records(tmp_path / "records")
    shares = Split(
        source="published", crossing="leave_out", train=0.8, validation=0.1, test=0.1, seed=42
    )
    division = split_records(records, [], shares)
    check_split(records, [], division.assignment)
    assert division.crossing == []
    counts = {
        split: sum(name == split for name in division.assignment.values())
        for split in ("train", "validation", "test")
    }
    assert counts == packed.questions


def test_a_json_array_with_numbers_for_answers(run: Callable[..., Packed], tmp_path: Path) -> None:
    records = [record(0, "train", answer=3), record(1, "dev", answer=2.5)]
    run([json.dumps(records, indent=1)])
    assert [rows(tmp_path, split)[0]["answer"] for split in ("train", "validation")] == ["3", "2.5"]
    del records[1]["case_id"]
    with pytest.raises(VerdictError, match=r"record 2: case_id is missing; expected a text\. It "):
        run([json.dumps(records)])
    with pytest.raises(VerdictError, match=r"line 1 has the key 'answer' 2 times"):
        run([json.dumps(records[0])[:-1] + ', "answer": "4"}'])


def test_other_names_of_fields_and_further_ones(run: Callable[..., Packed], tmp_path: Path) -> None:
    renamed = [
        {
            "part": split, "patient": "P1", "file": f"{n}.png", "ask": "What is it?", "said": n,
            "question_type": "ORGAN", "score": 2.5, "mode": "CT", "boxes": [1, 2], "none": None,
        }
        for n, split in enumerate(("train", "train", "test"))
    ]  # fmt: skip
    run(RECORDS)
    records = tmp_path / "other.json"
    records.write_text(json.dumps(renamed), "utf-8")
    names = Fields(split="part", case="patient", image="file", question="ask", answer="said")
    packed = pack(records, tmp_path / "other", names, tmp_path / "images")
    assert packed == Packed({"train": 2, "test": 1}, 1, 3, ("question_type", "score"))
    table = read_table(tmp_path / "other", Options(blank_answers="fail"))
    assert [row.split for row in table.rows] == ["train", "train", "test"]
    assert table.rows[1].attributes == {
        "mode": "CT", "question_type": "ORGAN", "score": "2.5", "question": "What is it?",
    }  # fmt: skip
    records.write_text(json.dumps([{**renamed[0], "answer": "another"}]), "utf-8")
    with pytest.raises(VerdictError, match="record 1: the field 'answer' is none of those that"):
        pack(records, tmp_path / "other", names, tmp_path / "images")


def test_command_line_writes_a_recipe(
    labelled: Path, run: Callable[..., Packed], capsys: pytest.CaptureFixture[str]
) -> None:
    run([{**record, "type": "PLANE"} for record in RECORDS])
    main(["--records", "vqa.jsonl", "--out", "scans"])
    printed = capsys.readouterr().out
    assert "2 train, 1 validation, 1 test questions, on 4 images of 4 cases." in printed
    assert "compare.subgroups can be: type." in printed
    assert "`make repro recipe=mine/scans` runs" in printed
    params = validate_recipe(recipe := Path("recipes/mine/scans.yaml"))
    assert {key: file.address for key, file in params.fetch.files.items()} == {
        "train": "scans/train", "validation": "scans/validation", "test": "scans/test",
    }  # fmt: skip
    assert params.fetch.local == str(labelled / "scans")
    assert params.split.source == "published"
    assert undocumented(render(recipe), Path("params.yaml")) == []
    assert len(recipe.read_text("utf-8").splitlines()) < 70
