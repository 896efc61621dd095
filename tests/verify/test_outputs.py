"""How verify compares two files: identical, equivalent or different."""

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image, ImageCms, ImageDraw
from safetensors.torch import save_file

from verify.findings import (
    IDENTICAL,
    Finding,
    Status,
    different,
)
from verify.outputs import compare, only_weights_differ


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
        ({"n": 3, "list": [1, 2], "p": None}, "list.1 is absent, made again 2"),
        ({"n": 3, "list": [1], "p": 0.5}, "p is null, made again 0.5"),
        ({"n": 3, "list": [1]}, "p is null, made again absent"),
    ],
)
def test_counts_and_structure_of_json_must_be_equal(
    tmp_path: Path, after: object, named: str
) -> None:
    assert of_json(tmp_path, {"n": 3, "list": [1], "p": None}, after) == different(named)


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ({"tuned": {"x": 0.9}, "tuned.x": 0.5}, {"tuned": {"x": 0.5}, "tuned.x": 0.5}, "tuned.x"),
        ({"a": [0.9], "a.0": 0.5}, {"a": [0.5], "a.0": 0.5}, "a.0"),
        ({"a": {"0": 1}}, {"a": [1]}, "a.0"),
        ({"a": {"": 1}}, {"a": 1}, "a."),
        ({"a": "absent"}, {}, "a"),
    ],
)
def test_no_value_of_json_is_hidden_behind_another(
    tmp_path: Path, before: object, after: object, named: str
) -> None:
    found = of_json(tmp_path, before, after)
    assert found.status == Status.DIFFERENT
    assert found.detail.startswith(f"{named} is ")


def test_what_is_no_number_is_within_no_tolerance(tmp_path: Path) -> None:
    for number in (b"NaN", b"1e999"):
        assert both(tmp_path, "m.json", b"[%b]" % number, b"[0.5]").status == Status.DIFFERENT
    assert both(tmp_path, "t.csv", b"x\n1e998\n", b"x\n1e999\n").status == Status.DIFFERENT


@pytest.mark.parametrize(
    ("before", "after"),
    [("sha256 7f0e12", "sha256 7f0e13"), ("numpy 2.4.6", "numpy 2.4000001.6"), ("a\r", "a")],
    ids=["hash", "version", "line end"],
)
def test_what_only_looks_like_a_number_must_be_equal(
    tmp_path: Path, before: str, after: str
) -> None:
    found = both(tmp_path, "t.md", f"{before}\n".encode(), f"{after}\n".encode())
    assert found == different("line 1 is other text")


def test_text_may_differ_in_computed_numbers_alone(tmp_path: Path) -> None:
    near = both(tmp_path, "roc.csv", b"x,y\n0.100000,1.0\n", b"x,y\n0.100001,1.0\n")
    assert near.status == Status.EQUIVALENT
    assert both(tmp_path, "t.csv", b"id\n12\n", b"id\n13\n") == different("line 2 is other text")
    assert both(tmp_path, "t.csv", b"id\n12\n", b"id\n") == different("3 lines, made again 2")
    assert both(tmp_path, "t.txt", b"0.5", b"0.6") == different(
        "line 1: numbers differ by 0.1, tolerance 2e-06"
    )
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


def stored(path: Path, **options: Any) -> Path:
    """The same pixels each time, and what a viewer is told beside them."""
    image = Image.open(drawn(path.with_name("pixels.png"), "0.93"))
    image.save(path, **options)
    return path


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"icc_profile": profile()}, "is shown otherwise than the one made again, by its iCCP"),
        ({"dpi": (300, 300)}, "is shown otherwise than the one made again, by its pHYs"),
        ({"transparency": 255}, "is shown otherwise than the one made again, by its tRNS"),
        ({"format": "GIF"}, "cannot be read as an image: cannot identify"),
    ],
    ids=["profile", "size", "transparency", "format"],
)
def test_the_same_pixels_shown_otherwise_are_different(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    published, remade = stored(tmp_path / "a.png", **options), stored(tmp_path / "b.png")
    for pair in ((published, remade), (remade, published)):
        found = compare(*pair)
        assert found.status == Status.DIFFERENT
        assert found.detail.startswith(said)


def test_a_figure_that_moves_is_different_though_it_begins_as_the_true_one(tmp_path: Path) -> None:
    true, forged = drawn(tmp_path / "b.png", "0.51"), drawn(tmp_path / "forged.png", "0.99")
    image, later = Image.open(true), Image.open(forged)
    image.save(tmp_path / "a.png", save_all=True, append_images=[later], duration=[1, 100_000])
    wrong = different("cannot be read as an image: it has 2 frames, a figure has one")
    assert compare(tmp_path / "a.png", true) == compare(true, tmp_path / "a.png") == wrong
    # Frames that a reader of stills does not count are parts of the file all the same.
    image.save(tmp_path / "a.png", save_all=True, append_images=[later], default_image=True)
    assert compare(tmp_path / "a.png", true).status == Status.DIFFERENT


def test_what_follows_a_figure_is_different(tmp_path: Path) -> None:
    true = drawn(tmp_path / "b.png", "0.51")
    (tmp_path / "a.png").write_bytes(true.read_bytes() + b"<script>")
    found = compare(tmp_path / "a.png", true)
    assert found == different("is shown otherwise than the one made again, by its end")


@pytest.mark.parametrize(
    ("name", "before", "said"),
    [
        ("m.json", b"5", "all of it is 5, made again absent"),
        ("m.json", b"[" * 100_000, "cannot be read as JSON: "),
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


def parquet(path: Path, scores: list[list[float | None]], words: list[str]) -> Path:
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
    for scores in ([[-1.0, -2.0], [-3.0, math.nan]], [[-1.0, -2.0], [-3.0, None]]):
        none = parquet(tmp_path / "c.parquet", scores, ["x", "y"])
        true = parquet(tmp_path / "d.parquet", [[-1.0, -2.0], [-3.0, -4.0]], ["x", "y"])
        assert compare(none, true) == different(wrong.replace("0.5", "inf"))
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


@pytest.mark.parametrize(
    ("weights", "metadata"),
    [
        ({"lora_A": torch.zeros(3)}, None),
        ({"lora_B": torch.zeros(2)}, None),
        ({"lora_A": torch.zeros(2, dtype=torch.float64)}, None),
        ({"lora_A": torch.zeros(2)}, {"auroc": "0.999"}),
        (None, None),
    ],
    ids=["shape", "name", "type", "metadata", "no weights"],
)
def test_weights_of_another_form_are_no_rounding(
    tmp_path: Path, weights: dict[str, torch.Tensor] | None, metadata: dict[str, str] | None
) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        save_file({"lora_A": torch.zeros(2)}, tmp_path / place / "adapter_model.safetensors")
    published = tmp_path / "a" / "adapter_model.safetensors"
    if weights is None:
        published.write_bytes(b"no weights")
    else:
        save_file(weights, published, metadata=metadata)
    assert compare(tmp_path / "a", tmp_path / "b").status == Status.DIFFERENT
    assert not only_weights_differ(tmp_path / "a", tmp_path / "b")


def test_folders_are_compared_file_by_file(tmp_path: Path) -> None:
    for place, names in (("a", ("one", "two")), ("b", ("two", "three"))):
        for name in names:
            (tmp_path / place / "in").mkdir(parents=True, exist_ok=True)
            (tmp_path / place / "in" / name).write_text(name)
    found = compare(tmp_path / "a", tmp_path / "b")
    assert found == different("in/one: was not made; in/three: was not published")


def test_an_empty_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("0.99")
    (tmp_path / "b").mkdir()
    for pair in (("a", "b"), ("b", "a")):
        found = compare(*(tmp_path / name for name in pair))
        assert found == different("is a file at one time and a folder at the other")
