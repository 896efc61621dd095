"""A recipe for pairs of one's own, whichever of the usual forms they have."""

from pathlib import Path

import pytest

from tools.new_pairs import main
from tools.recipe import validate_recipe
from verdict.tasks import read_raw

TABLE = "id,name\n{0},north cafe\n{1},south cafe\n"
SERIALIZED = "COL name VAL north cafe\tCOL name VAL the north cafe\t1\n"
MADE = {
    "two tables": {
        "tableA.csv": TABLE.format("a1", "a2"),
        "tableB.csv": TABLE.format("b1", "b2"),
        "train.csv": "ltable_id,rtable_id,label\na1,b1,1\na1,b2,0\n",
        "test.csv": "ltable_id,rtable_id,label\na2,b2,1\n",
    },
    "serialized": {"train.txt": SERIALIZED * 2, "test.txt": SERIALIZED},
    "columns": {
        "pairs.csv": "one,other,same\nnorth cafe,the north cafe,1\nnorth cafe,south cafe,0\n"
    },
}
NAMED = ["--left", "one", "--right", "other", "--label", "same"]


def write(folder: Path, form: str) -> Path:
    folder.mkdir()
    for name, text in MADE[form].items():
        (folder / name).write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize(
    ("form", "options", "layout", "header", "source", "told"),
    [
        ("two tables", [], "tables", True, "published", "2 train, 1 test pairs, 2 of"),
        ("serialized", [], "columns", False, "published", "2 train, 1 test pairs, 3 of them"),
        (
            "columns",
            NAMED,
            "columns",
            True,
            "shares",
            ": 2 pairs, 1 of them matches, of 2",
        ),
    ],
)
def test_each_form_becomes_a_recipe_that_reads_it(
    labelled: Path,
    capsys: pytest.CaptureFixture[str],
    form: str,
    options: list[str],
    layout: str,
    header: bool,
    source: str,
    told: str,
) -> None:
    main([str(write(labelled / "pairs", form)), "--about", "cafe", *options])
    printed = capsys.readouterr().out
    assert told in printed
    assert "`make repro recipe=mine/pairs` runs" in printed
    params = validate_recipe(Path("recipes/mine/pairs.yaml"))
    assert (params.dataset["layout"], params.dataset["header"]) == (layout, header)
    assert (params.split.source, params.split.crossing) == (source, "leave_out")
    assert params.fetch.files["pairs"].address == params.fetch.local == str(labelled / "pairs")
    assert params.format.prompt.startswith("Do these two entries describe the same cafe?\n\n{text}")
    assert len(read_raw("entity_resolution", labelled, params.dataset).rows) in (2, 3)


@pytest.mark.parametrize(
    ("folder", "options", "expected"),
    [
        ("pairs", [], r"pairs\.csv has no column 'left'; it has one, other, same\. .* --left"),
        ("pairs", [*NAMED[:2], "--right", "one", *NAMED[4:]], "three different columns"),
        ("nowhere", [], "nowhere is not a folder"),
    ],
)
def test_what_cannot_be_read_is_told_and_nothing_written(
    labelled: Path, folder: str, options: list[str], expected: str
) -> None:
    write(labelled / "pairs", "columns")
    with pytest.raises(SystemExit, match=expected):
        main([folder, "--about", "cafe", *options])
    assert not Path("recipes/mine/pairs.yaml").exists()
