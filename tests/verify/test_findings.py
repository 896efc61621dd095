"""What verify concludes from what it compared, and how it says so."""

from pathlib import Path

from rich.console import Console

from testing.places import ROOT
from verdict.core.yaml12 import load_yaml
from verify.answers import compare_rows
from verify.claims import check_parameters
from verify.findings import (
    IDENTICAL,
    Finding,
    Output,
    Status,
    Verification,
    different,
    equivalent,
    show,
    unchecked,
    worst,
    write_page,
)
from verify.pipeline import Digester, Stage, changes, digest_of_listing
from verify.plan import is_statistics
from verify.remake import judge_sample


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
    none = row | {"log_probabilities": [float("nan"), -2.0]}
    for pair in ((row, none), (none, row)):
        assert compare_rows(*pair) == (0.0, ["a log-probability is no number"])
    problems = compare_rows(row, row | {"log_probabilities": [-1.0]})[1]
    assert problems == ["2 log-probabilities, asked again 1"]


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
    near = findings(equivalent("the verdict stands"))
    assert near.holds
    assert near.sentence == (
        "Holds: of 2 outputs 0 were made again identically, 1 equivalently; 1 were not made again."
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


def test_the_numbers_of_the_verdict_are_told_by_where_they_are() -> None:
    """Not by the name of their stage, which a commit can choose."""
    stages = load_yaml((ROOT / "dvc.lock").read_bytes(), "dvc.lock")["stages"]
    numbers = {
        out["path"] for stage in stages.values() for out in stage["outs"]
        if is_statistics(out["path"])
    }  # fmt: skip
    of_models = {
        path
        for name in ("base", "boosting", "reference", "tuned")
        for path in (f"{name}.json", f"plots/confusion_{name}.csv", f"plots/roc_{name}.csv")
    }
    files = ("comparison.json", "comparison.md", "comparison.png", "confusion.png")
    compared = {"compare.json", *(f"report/{name}" for name in files)}
    assert numbers == {f"metrics/{path}" for path in of_models | compared}


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
