"""What verify says about things that agree, nearly agree, or do not."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image, ImageDraw
from rich.console import Console
from safetensors.torch import save_file

from tools.verify.__main__ import main
from tools.verify.comparing import compare
from tools.verify.digests import Digester, changes, digest_of_listing
from tools.verify.judging import compare_rows, judge_answers, judge_sample, only_weights_differ
from tools.verify.page import write_page
from tools.verify.pipeline import Stage
from tools.verify.recorded import check_parameters
from tools.verify.results import (
    IDENTICAL,
    Finding,
    Output,
    Status,
    Verification,
    different,
    equivalent,
    unchecked,
    worst,
)
from tools.verify.table import show


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


def test_a_digest_reads_every_byte_and_names_what_changed(tmp_path: Path) -> None:
    for name in ("one", "two", "deep/three"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "deep/__pycache__").mkdir()
    (tmp_path / "deep/__pycache__/x.pyc").write_text("")
    before = Digester()(tmp_path)
    assert before is not None
    assert before.files is not None
    assert set(before.files) == {"one", "two", "deep/three"}
    assert before.md5 == digest_of_listing(before.files)
    # What `dvc add` writes for a folder with these files.
    assert before.md5 == "3fc21683f40bbea57db571cb6c289070.dir"
    (tmp_path / "one").write_text("eno")
    (tmp_path / "two").unlink()
    (tmp_path / "four").write_text("")
    after = Digester()(tmp_path)
    assert after is not None
    assert after.files is not None
    assert changes(after.files, before.files) == "one; missing two; added four"
    assert Digester()(tmp_path / "nothing") is None


def stage(**params: object) -> Stage:
    return Stage("train", "python -m stages.train", {}, params, {}, frozenset(), frozenset())


def test_other_parameters_are_named_with_both_values() -> None:
    ran = [stage(**{"lora.r": 16, "models.base": {"seed": 1, "steps": 2}})]
    now = {"lora": {"r": 16}, "models": {"base": {"seed": 1, "steps": 2}}, "more": 1}
    assert check_parameters(ran, now) == IDENTICAL
    now["models"] = {"base": {"seed": 1, "steps": 3}}
    wrong = "models.base.steps is 3, dvc.lock has 2 (train)"
    assert check_parameters(ran, now) == different(wrong)
    now = {"lora": {}, "models": {"base": {"seed": 1, "steps": 2}}}
    assert check_parameters(ran, now) == different("lora.r is absent, dvc.lock has 16 (train)")


def test_a_sample_is_judged_by_what_was_compared() -> None:
    found = {"records": 64, "of": 96, "difference": 0.0, "tolerance": 0.001, "wrong": []}
    found["seed"] = 7
    assert judge_sample(found | {"records": 96}) == IDENTICAL
    assert judge_sample(found).status == Status.EQUIVALENT
    assert (
        "64 of 96 records, drawn with seed 7: difference 0, tolerance 0.001"
        in judge_sample(found).detail
    )
    assert judge_sample(found | {"difference": 0.0005}).status == Status.EQUIVALENT
    assert judge_sample(found | {"difference": 0.002}).status == Status.DIFFERENT
    wrong = judge_sample(found | {"wrong": ["r1: parsed is 'a', asked again 'b'", "r2: …"]})
    assert wrong == different(
        "asked again about 64 of 96 records, drawn with seed 7: "
        "r1: parsed is 'a', asked again 'b' and 1 more"
    )


def test_rows_are_compared_exactly_but_for_log_probabilities() -> None:
    row = dict.fromkeys(
        ("group", "other_group", "label", "answer", "generated", "parsed", "invalid_reason",
         "predicted", "attributes", "prompt_sha256"), "same",
    )  # fmt: skip
    row |= {"log_probabilities": [-1.0, -2.0]}
    assert compare_rows(row, row | {"log_probabilities": [-1.0, -2.25]}) == (0.25, [])
    assert compare_rows(row, row | {"parsed": None}) == (
        0.0, ["parsed is 'same', asked again None"],
    )  # fmt: skip
    problems = compare_rows(row, row | {"log_probabilities": [-1.0]})[1]
    assert problems == ["2 log-probabilities, asked again 1"]


def test_another_adapter_is_judged_by_the_published_intervals() -> None:
    numbers = {"tuned.auroc_low": 0.8, "tuned.auroc_high": 0.9, "tuned.f1_low": None}
    inside = judge_answers("tuned", {"auroc": 0.85, "f1": 0.1, "records": 9}, numbers, "3 weights")
    assert str(inside) == (
        "equivalent (3 weights; trained anew, 1 metrics inside: auroc 0.85, published interval "
        "0.8 to 0.9 …)"
    )
    assert judge_answers("tuned", {"auroc": 0.95}, numbers, "").status == Status.DIFFERENT
    assert judge_answers("tuned", {"f1": 0.95}, numbers, "").status == Status.DIFFERENT


def findings(remade: Finding) -> Verification:
    path = "data/predictions/validation/reference_again.parquet"
    outputs = [
        Output("data/raw", "fetch", IDENTICAL, unchecked("no time left: --minutes")),
        Output(path, "evaluate@reference_again", IDENTICAL, remade),
    ]
    return Verification("0" * 40, outputs, {"leakage": IDENTICAL})


def test_the_worst_finding_decides() -> None:
    found = [unchecked("a"), different("b"), IDENTICAL, different("c"), different("b")]
    assert worst(found) == different("b; c")
    assert worst([IDENTICAL, equivalent("near")]) == equivalent("near")
    assert worst([]) == IDENTICAL


def test_what_is_said_at_the_end() -> None:
    assert findings(IDENTICAL).sentence == (
        "Holds: of 2 outputs 1 were made again identically; 1 were not made again."
    )
    wrong = findings(different("rows"))
    assert not wrong.holds
    assert wrong.sentence == ("Does not hold: data/predictions/validation/reference_again.parquet.")
    written = wrong.as_json()
    assert written["holds"] is False
    assert written["outputs"][1]["made_again"] == {"status": "DIFFERENT", "detail": "rows"}


def test_nothing_holds_whose_numbers_were_not_computed_again() -> None:
    found = findings(IDENTICAL)
    found.claims["leakage"] = unchecked("data/records is absent: `dvc pull`")
    assert found.holds
    assert found.sentence.endswith("; 1 were not made again; not checked: leakage.")
    for name in ("compare", "tuned"):
        again = unchecked("needs data/predictions: `dvc pull`")
        found.outputs.append(Output(f"metrics/{name}.json", "", IDENTICAL, again, numbers=True))
    assert not found.holds
    assert not found.differs
    assert found.sentence == (
        "Not verified: metrics/compare.json and 1 more could not be computed again from the "
        "predictions."
    )
    found.claims["code"] = different("x.py")
    assert found.sentence == "Does not hold: code."


@pytest.mark.parametrize("minutes", ["inf", "nan", "-1", "soon"])
def test_no_time_is_refused(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"--minutes={minutes}"])
    assert ended.value.code == 2
    assert f"{minutes} is no time: 0 or more minutes" in capsys.readouterr().err


def test_the_table_fits_a_terminal_of_80_columns(tmp_path: Path) -> None:
    console = Console(width=80, record=True, file=(tmp_path / "out").open("w"))
    show(findings(different("word of 1 rows, the first is <r2>")), console)
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "data/predictions/validation/reference_again.parquet: word of 1" in text
    assert "data/raw: no time left: --minutes" in text


def test_the_page_says_the_same_and_escapes(tmp_path: Path) -> None:
    write_page(tmp_path / "v.html", findings(different("the first is <r2>")))
    text = (tmp_path / "v.html").read_text("utf-8")
    assert "Does not hold: data/predictions/validation/reference_again.parquet." in text
    assert "the first is &lt;r2&gt;" in text
    assert "http" not in text.replace("http-equiv", "")


def test_no_project_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert main(["--minutes", "0"]) == 2
    assert "Could not verify: git rev-parse: fatal: not a git repository" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SystemExit):
        main(["--out", "verification.txt"])
    assert "has to end in .json" in capsys.readouterr().err
