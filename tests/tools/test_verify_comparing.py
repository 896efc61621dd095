"""How verify compares two files: identical, equivalent or different."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from tools.verify.comparing import compare
from tools.verify.judging import only_weights_differ
from tools.verify.results import (
    IDENTICAL,
    Finding,
    Status,
    different,
)


def both(folder: Path, name: str, before: bytes, after: bytes) -> Finding:
    for place, content in (("a", before), ("b", after)):
        (folder / place).mkdir(exist_ok=True)
        (folder / place / name).write_bytes(content)
    return compare(folder / "a" / name, folder / "b" / name)


def of_json(folder: Path, before: object, after: object) -> Finding:
    return both(folder, "m.json", json.dumps(before).encode(), json.dumps(after).encode())


def test_equal_bytes_are_identical(tmp_path: Path) -> None:
    assert both(tmp_path, "x.bin", b"\x00\xff", b"\x00\xff") == IDENTICAL


def test_last_digits_of_json_are_equivalent_and_more_is_named(tmp_path: Path) -> None:
    before = {"auroc": 0.912345, "models": [{"n": 3}], "p": None}
    near = of_json(tmp_path, before, before | {"auroc": 0.912346})
    assert near.status == Status.EQUIVALENT
    assert near.detail.startswith("difference 1e-06, tolerance 2e-06: ")
    far = of_json(tmp_path, before, before | {"auroc": 0.9124})
    assert far == different("auroc is 0.912345, made again 0.9124")


@pytest.mark.parametrize(
    ("after", "named"),
    [
        ({"n": 4, "list": [1], "p": None}, "n is 3, made again 4"),
        ({"n": 3, "list": [1, 2], "p": None}, 'list.1 is "absent", made again 2'),
        ({"n": 3, "list": [1], "p": 0.5}, "p is null, made again 0.5"),
        ({"n": 3, "list": [1]}, 'p is null, made again "absent"'),
    ],
)
def test_counts_and_structure_of_json_must_be_equal(
    tmp_path: Path, after: object, named: str
) -> None:
    assert of_json(tmp_path, {"n": 3, "list": [1], "p": None}, after) == different(named)


def test_text_may_differ_in_computed_numbers_alone(tmp_path: Path) -> None:
    near = both(tmp_path, "roc.csv", b"x,y\n0.100000,1.0\n", b"x,y\n0.100001,1.0\n")
    assert near.status == Status.EQUIVALENT
    assert both(tmp_path, "t.csv", b"id\n12\n", b"id\n13\n") == different("line 2 is other text")
    assert both(tmp_path, "t.csv", b"id\n12\n", b"id\n") == different("3 lines, made again 2")
    assert both(tmp_path, "t.csv", b"0.5", b"0.6") == different("line 1: numbers differ by 0.1")
    assert both(tmp_path, "t.bin", b"\xff1", b"\xff2").status == Status.DIFFERENT


def drawn(path: Path, text: str, x: int = 20, shade: int = 0) -> Path:
    image = Image.new("L", (160, 80), 255)
    draw = ImageDraw.Draw(image)
    draw.text((40, 30), text, fill=0, font_size=20)
    draw.line((x, 0, x, 79), fill=shade)
    image.save(path)
    return path


def test_lines_of_figures_may_move_by_a_pixel_and_no_number_may_change(tmp_path: Path) -> None:
    before = drawn(tmp_path / "a.png", "0.93")
    moved = compare(before, drawn(tmp_path / "b.png", "0.93", x=21, shade=30))
    assert str(moved) == (
        "equivalent (1.2 % of the pixels differ, tolerance 2 %: edges drawn otherwise)"
    )
    assert compare(before, drawn(tmp_path / "b.png", "0.93", x=22)).status == Status.DIFFERENT
    forged = compare(before, drawn(tmp_path / "b.png", "0.98"))
    assert forged.status == Status.DIFFERENT
    assert " pixels show something else, from " in forged.detail
    shaded = Image.new("L", (160, 80), 245)
    shaded.save(tmp_path / "b.png")
    Image.new("L", (160, 80), 255).save(before)
    assert compare(before, tmp_path / "b.png") == different(
        "1e+02 % of the pixels differ, tolerance 2 %"
    )
    shaded.crop((0, 0, 160, 40)).save(tmp_path / "b.png")
    sizes = "160 × 80 pixels, made again 160 × 40"
    assert compare(before, tmp_path / "b.png") == different(sizes)


@pytest.mark.parametrize(
    ("name", "before", "said"),
    [
        ("m.json", b"5", 'all of it is 5, made again "absent"'),
        (
            "m.json",
            b'{"auroc": 0.99, "auroc": 0.5}',
            "cannot be read as JSON: auroc is there twice",
        ),
        ("m.json", b'{"auroc": true}', "auroc is true, made again 1"),
        ("m.png", b"no image", "cannot be read as an image: "),
        ("m.safetensors", b"no weights", "cannot be read as weights: "),
    ],
)
def test_what_cannot_be_read_is_different_and_said(
    tmp_path: Path, name: str, before: bytes, said: str
) -> None:
    found = both(tmp_path, name, before, b'{"auroc": 1}')
    assert found.status == Status.DIFFERENT
    assert found.detail.startswith(said)


def parquet(path: Path, scores: list[list[float]], words: list[str]) -> Path:
    table = pa.table({"id": ["r1", "r2"], "log_probabilities": scores, "word": words})
    pq.write_table(table, path)
    return path


def test_tables_are_compared_row_by_row(tmp_path: Path) -> None:
    before = parquet(tmp_path / "a.parquet", [[-1.0, -2.0], [-3.0, -4.0]], ["x", "y"])
    near = parquet(tmp_path / "b.parquet", [[-1.0, -2.0], [-3.0, -4.000001]], ["x", "y"])
    assert compare(before, near).status == Status.EQUIVALENT
    far = parquet(tmp_path / "b.parquet", [[-1.0, -2.0], [-3.0, -4.5]], ["x", "y"])
    wrong = "log_probabilities of r2 differs by 0.5, tolerance 2e-06"
    assert compare(before, far) == different(wrong)
    word = parquet(tmp_path / "b.parquet", [[-1.0, -2.0], [-3.0, -4.0]], ["x", "z"])
    assert compare(before, word) == different("word of 1 rows, the first is r2")
    said = [{b"verdict": f"{{positive: {word}}}".encode()} for word in ("yes", "no")]
    for path, metadata in zip((before, near), said, strict=True):
        pq.write_table(pq.read_table(path).replace_schema_metadata(metadata), path)
    assert compare(before, near) == different(
        'its metadata verdict: "{positive: yes}", made again "{positive: no}"'
    )
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    assert compare(before, tmp_path / "b.parquet").status == Status.DIFFERENT


def test_weights_are_counted(tmp_path: Path) -> None:
    for place, last in (("a", 1.0), ("b", 1.25)):
        (tmp_path / place).mkdir()
        weights = {"lora_A": torch.tensor([0.5, last]), "lora_B": torch.zeros(2)}
        save_file(weights, tmp_path / place / "adapter_model.safetensors")
        (tmp_path / place / "README.md").write_text("same")
    found = compare(tmp_path / "a", tmp_path / "b")
    assert found == different("adapter_model.safetensors: 1 weights, lora_A by 0.25 at most")
    assert only_weights_differ(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / "README.md").write_text("other")
    assert not only_weights_differ(tmp_path / "a", tmp_path / "b")


def test_folders_are_compared_file_by_file(tmp_path: Path) -> None:
    for place, names in (("a", ("one", "two")), ("b", ("two", "three"))):
        for name in names:
            (tmp_path / place / "in").mkdir(parents=True, exist_ok=True)
            (tmp_path / place / "in" / name).write_text(name)
    found = compare(tmp_path / "a", tmp_path / "b")
    assert found == different("in/one: was not made; in/three: was not published")
