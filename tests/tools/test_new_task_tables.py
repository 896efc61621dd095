"""A task of one's own: which tables, names and options are refused, and that nothing is written."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testing.places import ROOT
from tests.tools.own_task import ROWS, loaded, make, write
from tools.new_task.__main__ import main
from tools.new_task.labels import MOST
from verdict.core.errors import VerdictError


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a,Mild,", r"table\.csv line 2: id or group is empty"),
        (",Mild,P1", r"table\.csv line 2: id or group is empty"),
        ("a,mild,P1", r"table\.csv line 2: label of a is 'mild', not Mild, No finding, Severe; "
                      r"mend it, or add it to LABELS in eyes/archive/__init__\.py and to "
                      r"format\.answers"),
        ("", r"table\.csv has no rows"),
    ],
)  # fmt: skip
def test_the_module_checks_the_table(labelled: Path, line: str, said: str) -> None:
    make()
    task, _ = loaded("eyes")
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
        (lambda rows: [("a", "n/A", "P1"), *rows[1:]], r"line 2: finding of a is empty"),
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
    "place",
    [
        "verdict/tasks/eyes/table.py",
        "recipes/eyes.yaml",
        "recipes/embedded/eyes.yaml",
        "recipes/tasks/eyes.yaml",
    ],
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


def test_all_faults_are_named_at_once(labelled: Path) -> None:
    write([("a", "nan", "P1"), ("b", "", "P1"), ("c", "rare", "P1"), ("d", "rarer", "P2")])
    with pytest.raises(SystemExit, match=r"2 faults:\n.*line 2: finding of a .*\n.*line 3: .* b "):
        make()
    write([("a", "rare", ""), ("x", "rare", "P1"), ("a", "rare", "P1")])
    with pytest.raises(SystemExit, match=r"3 faults:\n.*line 2: .*\n.*line 3: .*\n.*line 4: a sta"):
        make()
    write([*ROWS, ("j", "rare", "P1"), ("k", "rarer", "P2")])
    for name in "jk":
        shutil.copy("pictures/a.png", f"pictures/{name}.png")
    with pytest.raises(SystemExit, match=r"2 faults:\n.*'rare' .* only 1 .*\n.*'rarer' has"):
        make()


def test_a_label_written_in_two_forms_is_one(labelled: Path) -> None:
    forms = {"Mild": ["N\u00e4vus  cell", "Na\u0308vus cell", " N\u00e4vus cell "]}
    rows = [
        (name, forms.get(label, [label] * 3)[i // 3], p) for i, (name, label, p) in enumerate(ROWS)
    ]
    write(rows)
    make()
    assert list(loaded("eyes")[1].LABELS) == ["No finding", "N\u00e4vus cell", "Severe"]


def test_other_columns_are_attributes(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = "name,finding,patient,sex,site\n"
    rows = [f"{','.join(row)},f,{'' if row[0] == 'a' else 'left eye'}\n" for row in ROWS]
    Path("labels.csv").write_text(header + "".join(rows))
    make()
    assert "Kept as attributes, shown beside the cases: sex, site." in capsys.readouterr().out
    task, _ = loaded("eyes")
    table = task.read_table(Path("own"), task.Options())
    assert table.rows[0].attributes == {"sex": "f"}
    assert table.rows[1].attributes == {"sex": "f", "site": "left eye"}
    Path("labels.csv").write_text(header.replace("site", "group") + "".join(rows))
    with pytest.raises(SystemExit, match=r"labels\.csv: the column 'group' is none of those that"):
        make("teeth", "--out", "other")


def test_one_picture_under_two_labels_is_named(
    labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy("pictures/a.png", "pictures/b.png")
    shutil.copy("pictures/c.png", "pictures/f.png")
    make()
    said = capsys.readouterr().out
    assert "Byte-identical to another image: 4." in said
    assert "has different labels, 1 time: a (Mild) = b (No finding). At most one" in said


def test_a_file_that_is_no_rows_image_is_counted(
    labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("x.dcm", "y.gif", "deep/z.gif"):
        Path("pictures", name).parent.mkdir(exist_ok=True)
        Path("pictures", name).write_bytes(b"")
    make()
    said = capsys.readouterr().out
    assert "Files in pictures that are no row's image and were not packed: 1 .dcm, 2 .gif." in said
    Path("pictures/a.png").rename("pictures/a.svg")
    with pytest.raises(SystemExit, match=r"there is no image a\.\* .* a\.svg is there; convert it"):
        make("teeth", "--out", "other")


def by_folder(*folders: str) -> None:
    for folder in folders:
        Path("classes", folder).mkdir(parents=True)
        for number, name in enumerate("abc"):
            shutil.copy(f"pictures/{name}.png", f"classes/{folder}/img {number}.png")


def test_folders_are_labels(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_folder("basal cell carcinoma", "naevus", "\u00c4rztlich unklar")
    main(["eyes", "--images", "classes", "--out", "own"])
    assert "each stands for itself; if some belong together" in capsys.readouterr().out
    task, _ = loaded("eyes")
    table = task.read_table(Path("own"), task.Options())
    assert [(row.id, row.label, row.group) for row in table.rows][::3] == [
        ("Arztlich_unklar-img_0", "arztlich_unklar", "Arztlich_unklar-img_0"),
        ("basal_cell_carcinoma-img_0", "basal_cell_carcinoma", "basal_cell_carcinoma-img_0"),
        ("naevus-img_0", "naevus", "naevus-img_0"),
    ]


def test_folders_that_are_no_labels_are_refused(labelled: Path) -> None:
    make_ = ["eyes", "--images", "classes", "--out", "own"]
    with pytest.raises(SystemExit, match="pictures has no folders in it"):
        main(["eyes", "--images", "pictures", "--out", "own"])
    by_folder("train", "test")
    with pytest.raises(SystemExit, match=r"folders test, train, which name splits .*classes/test"):
        main(make_)
    shutil.rmtree("classes")
    by_folder("a", "b/c", "c d", "c_d")
    with pytest.raises(SystemExit, match=r"4 faults:\n.*classes/b holds no images .*\n.* same id"):
        main(make_)


def test_a_terminal_without_the_labels_letters(labelled: Path) -> None:
    by_folder("naevus", "\u00c4rztlich unklar", "carcinoma")
    command = [sys.executable, "-m", "tools.new_task", "eyes", "--images", "classes"]
    ended = subprocess.run(
        [*command, "--out", "own"],
        env={"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "3 \\xc4rztlich unklar" in ended.stdout
    assert Path("recipes/eyes.yaml").is_file()
