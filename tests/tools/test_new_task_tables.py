"""A task of one's own: which tables, names and options are refused, and that nothing is written."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tools.own_task import ROWS, loaded, make, write
from tools.new_task.__main__ import main
from tools.new_task.labels import MOST
from verdict.errors import VerdictError


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a,Mild,", r"table\.csv line 2: id or group is empty"),
        (",Mild,P1", r"table\.csv line 2: id or group is empty"),
        ("a,mild,P1", r"table\.csv line 2: label of a is 'mild', not Mild, No finding, Severe; "
                      r"mend it, or add it to LABELS in eyes/__init__\.py and to format\.answers"),
        ("", r"table\.csv has no rows"),
    ],
)  # fmt: skip
def test_the_module_checks_the_table(labelled: Path, line: str, said: str) -> None:
    make()
    task = loaded("eyes")
    Path("own/table.csv").write_text(f"id,label,group\n{line}\n")
    with pytest.raises(VerdictError, match=said):
        task.read_table(Path("own"), task.Options())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[1:2] * 2, r"labels\.csv line 3: b stands in line 2 already"),
        (lambda rows: [*rows, ("x", "Mild", "P1")], r"labels\.csv line 11: there is no image x"),
        (lambda rows: [*rows, ("../e", "Mild", "P1")], r"labels\.csv line 11: the id '\.\./e'"),
        (lambda rows: [("a", "Mild", ""), *rows[1:]], r"labels\.csv line 2: patient of a is empty"),
        (lambda rows: [("a", "", "P1"), *rows[1:]], r"labels\.csv line 2: finding of a is empty"),
        (lambda rows: [*rows[:3], ("d", "mild", "P3")],
         r"labels\.csv line 5: finding of d is 'mild', but 'Mild' in labels\.csv line 2"),
        (lambda rows: rows[:1], r"'finding' holds 1 different label; from 2 to"),
        (lambda rows: rows[:8], r"'Severe' has images of only 2 of the groups in 'patient'"),
        (lambda rows: [], r"labels\.csv has no rows"),
    ],
)  # fmt: skip
def test_a_wrong_table_writes_nothing(
    labelled: Path, change: Callable[[list[Any]], list[Any]], said: str
) -> None:
    write(change(ROWS))
    before = sorted(labelled.rglob("*"))
    with pytest.raises(SystemExit, match=f"new_task: .*{said}"):
        make()
    assert sorted(labelled.rglob("*")) == before


def test_a_column_with_too_many_labels(labelled: Path) -> None:
    rows = [(f"i{number}", f"text {number}", "P1") for number in range(MOST + 1)]
    for name, *_ in rows:
        shutil.copy("pictures/a.png", f"pictures/{name}.png")
    write(rows)
    with pytest.raises(SystemExit, match=f"holds {MOST + 1} different labels; from 2 to {MOST}"):
        make()


def test_a_missing_column_and_a_damaged_image(labelled: Path) -> None:
    with pytest.raises(SystemExit, match=r"labels\.csv has no column 'eye' \(--label\); it has na"):
        make("eyes", "--label", "eye")
    Path("pictures/c.png").write_bytes(b"no image")
    with pytest.raises(SystemExit, match=r"pictures/c\.png is no image that can be read"):
        make()
    assert not list(Path().glob("own/*"))
    assert not Path("verdict").exists()


@pytest.mark.parametrize("name", ["Eyes", "2eyes", "my-eyes", "class", "../eyes", "", "_eyes"])
def test_a_name_must_be_an_identifier(labelled: Path, name: str) -> None:
    with pytest.raises(SystemExit, match="cannot name a task"):
        main([name])


@pytest.mark.parametrize(
    "place", ["verdict/tasks/eyes/table.py", "recipes/eyes.yaml", "recipes/embedded/eyes.yaml"]
)
def test_nothing_is_overwritten(labelled: Path, place: str) -> None:
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    Path(place).write_text("mine")
    with pytest.raises(SystemExit, match="is there already"):
        make()
    assert Path(place).read_text() == "mine"
    assert not Path("own").exists()


def test_a_former_archive_is_not_overwritten(labelled: Path) -> None:
    make()
    with pytest.raises(SystemExit, match=r"own/images\.zip is there already; name another folder"):
        make("teeth")


def test_all_options_or_none(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["eyes", "--images", "pictures", "--label", "finding"])
    assert "--images is given, then --table, --id, --group, --out must be" in (
        capsys.readouterr().err
    )
    with pytest.raises(SystemExit):
        main(["eyes", "--file", "path"])
    assert "--file is given, then --images, " in capsys.readouterr().err
