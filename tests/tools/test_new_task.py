"""A task of one's own: what it consists of, how labels get their words, and which input is refused.

That it runs under real DVC stands in tests/pipeline/test_new_task.py.
"""

import importlib.util
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from PIL import Image

from tests import test_params
from tests.conftest import ROOT
from tools.new_task.__main__ import main
from tools.new_task.labels import MOST, word
from tools.new_task.params_text import with_entry, with_header
from tools.packing import write_table
from verdict.errors import VerdictError
from verdict.params_file import check_section, read_params
from verdict.records.archive import image_members

COLUMNS = ("--id", "name", "--label", "finding", "--group", "patient")
ROWS = [
    ("a", "Mild", "P1"),
    ("b", "No finding", "P1"),
    ("c", "Severe", "P2"),
    ("d", "Mild", "P3"),
    ("e", "No finding", "P2"),
    ("f", "Severe", "P4"),
    ("g", "Mild", "P4"),
    ("h", "No finding", "P3"),
    ("i", "Severe", "P3"),
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The recipe that others are derived from, and nine images with ``labels.csv``."""
    (tmp_path / "recipes" / "embedded").mkdir(parents=True)
    shutil.copy(ROOT / "recipes/embedded/melanoma.yaml", tmp_path / "recipes/embedded")
    (tmp_path / "pictures").mkdir()
    for shade, (name, *_) in enumerate(ROWS):
        Image.new("RGB", (40, 30), (25 * shade, 90, 90)).save(tmp_path / f"pictures/{name}.png")
    monkeypatch.chdir(tmp_path)
    write(ROWS)
    return tmp_path


def write(rows: list[tuple[str, str, str]]) -> None:
    header = ("name", "finding", "patient")
    write_table(Path("labels.csv"), header, [dict(zip(header, row, strict=True)) for row in rows])


def make(name: str = "eyes", *more: str) -> None:
    main([name, "--images", "pictures", "--table", "labels.csv", "--out", "own", *COLUMNS, *more])


def loaded(name: str) -> Any:
    """Import the module that was written."""
    path = Path("verdict/tasks") / name / "__init__.py"
    spec = importlib.util.spec_from_file_location(f"new_{name}", path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_module_reads_what_was_packed(project: Path) -> None:
    make()
    task = loaded("eyes")
    assert task.__doc__.startswith("The eyes data")
    assert len(Path("verdict/tasks/eyes/__init__.py").read_text("utf-8").splitlines()) < 150
    table = task.read_table(Path("own"), task.Options())
    named = {"Mild": "mild", "No finding": "no_finding", "Severe": "severe"}
    assert [(row.id, row.label, row.group, row.image) for row in table.rows] == [
        (name, named[label], group, name) for name, label, group in ROWS
    ]
    assert table.images.image_keys() == list("abcdefghi")


def test_both_recipes_are_complete_and_commented(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make()
    task = loaded("eyes")
    base = Path("recipes/embedded/melanoma.yaml").read_text("utf-8")
    for name, source in (("eyes", "files"), ("embedded/eyes", "embedded")):
        path = Path(f"recipes/{name}.yaml")
        params = read_params(path)
        check_section(task.Embedded, params.fetch.embedded, "fetch.embedded")
        check_section(task.Options, params.dataset, "dataset")
        test_params.test_every_key_has_a_comment_with_type_and_default(path)
        assert (params.task, params.fetch.source) == ("eyes", source)
        assert {key: file.address for key, file in params.fetch.files.items()} == {
            "images": "own/images.zip", "table": "own/table.csv",
        }  # fmt: skip
        assert params.format.answers == {
            "mild": "Mild", "no_finding": "No finding", "severe": "Severe",
        }  # fmt: skip
        assert params.format.prompt.endswith("one of these: Mild; No finding; Severe.")
        assert params.format.positive is None
        # So few groups cannot be divided by twentieths.
        shares = (params.split.train, params.split.validation, params.split.test)
        assert shares == ((0.5, 0.25, 0.25) if source == "files" else (0.65, 0.1, 0.25))
        text = path.read_text("utf-8")
        new = set(text.splitlines()) - set(base.splitlines())
        assert max(map(len, new)) <= 100
        assert "isic" not in text.lower()
        assert "lesion" not in text.lower()
    said = capsys.readouterr().out
    assert "Packed 9 images of 4 groups into own: 3 Mild, 3 No finding, 3 Severe" in said
    assert "put /own/ into .gitignore" in said


def test_the_stand_in_is_read_by_the_same_reader(project: Path) -> None:
    make()
    task = loaded("eyes")
    options = task.Embedded(seed=3, images=40, images_per_group=4)
    for folder in ("one", "two"):
        task.write_archive(Path(folder), options)
    for name in task.FILES.values():
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()
    rows = task.read_table(Path("one"), task.Options()).rows
    assert {row.label for row in rows} == {"mild", "no_finding", "severe"}
    assert len({row.group for row in rows}) == 10
    assert image_members(Path("one/images.zip")).keys() == {row.id for row in rows}
    other = task.Embedded(seed=4, images=40, images_per_group=4)
    task.write_archive(Path("three"), other)
    assert Path("one/images.zip").read_bytes() != Path("three/images.zip").read_bytes()


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
def test_the_module_checks_the_table(project: Path, line: str, said: str) -> None:
    make()
    task = loaded("eyes")
    Path("own/table.csv").write_text(f"id,label,group\n{line}\n")
    with pytest.raises(VerdictError, match=said):
        task.read_table(Path("own"), task.Options())


def test_further_columns_become_attributes(project: Path) -> None:
    make()
    task = loaded("eyes")
    Path("own/table.csv").write_text("id,label,group,sex,age\na,Mild,P1,female,\n")
    (row,) = task.read_table(Path("own"), task.Options()).rows
    assert row.attributes == {"sex": "female"}


def test_an_example_without_images(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["eyes"])
    task = loaded("eyes")
    params = read_params(Path("recipes/eyes.yaml"))
    assert params.format.answers is not None
    assert set(task.LABELS.values()) == set(params.format.answers)
    assert params.fetch.files["table"].address == "data/eyes/table.csv"
    assert "edit both recipes: fetch.files" in capsys.readouterr().out


def test_images_named_by_a_column(project: Path) -> None:
    Path("pictures/deep").mkdir()
    for name, *_ in ROWS:
        Path(f"pictures/{name}.png").rename(f"pictures/deep/picture-{name}.png")
    rows = [
        {"name": name, "finding": label, "patient": group, "path": f"deep/picture-{name}.png"}
        for name, label, group in ROWS
    ]
    write_table(Path("labels.csv"), rows[0], rows)
    make("eyes", "--file", "path")
    assert set(image_members(Path("own/images.zip"))) == set("abcdefghi")


def test_each_image_may_be_its_own_group(project: Path) -> None:
    main(["eyes", "--images", "pictures", "--table", "labels.csv", "--out", "own",
          "--id", "name", "--label", "finding", "--group", "name"])  # fmt: skip
    task = loaded("eyes")
    assert [row.group for row in task.read_table(Path("own"), task.Options()).rows] == list(
        "abcdefghi"
    )


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
    project: Path, change: Callable[[list[Any]], list[Any]], said: str
) -> None:
    write(change(ROWS))
    before = sorted(project.rglob("*"))
    with pytest.raises(SystemExit, match=f"new_task: .*{said}"):
        make()
    assert sorted(project.rglob("*")) == before


def test_a_column_with_too_many_labels(project: Path) -> None:
    rows = [(f"i{number}", f"text {number}", "P1") for number in range(MOST + 1)]
    for name, *_ in rows:
        shutil.copy("pictures/a.png", f"pictures/{name}.png")
    write(rows)
    with pytest.raises(SystemExit, match=f"holds {MOST + 1} different labels; from 2 to {MOST}"):
        make()


def test_a_missing_column_and_a_damaged_image(project: Path) -> None:
    with pytest.raises(SystemExit, match=r"labels\.csv has no column 'eye' \(--label\); it has na"):
        make("eyes", "--label", "eye")
    Path("pictures/c.png").write_bytes(b"no image")
    with pytest.raises(SystemExit, match=r"pictures/c\.png is no image that can be read"):
        make()
    assert not list(Path().glob("own/*"))
    assert not Path("verdict").exists()


@pytest.mark.parametrize("name", ["Eyes", "2eyes", "my-eyes", "class", "../eyes", "", "_eyes"])
def test_a_name_must_be_an_identifier(project: Path, name: str) -> None:
    with pytest.raises(SystemExit, match="cannot name a task"):
        main([name])


@pytest.mark.parametrize(
    "place", ["verdict/tasks/eyes/table.py", "recipes/eyes.yaml", "recipes/embedded/eyes.yaml"]
)
def test_nothing_is_overwritten(project: Path, place: str) -> None:
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    Path(place).write_text("mine")
    with pytest.raises(SystemExit, match="is there already"):
        make()
    assert Path(place).read_text() == "mine"
    assert not Path("own").exists()


def test_a_former_archive_is_not_overwritten(project: Path) -> None:
    make()
    with pytest.raises(SystemExit, match=r"own/images\.zip is there already; name another folder"):
        make("teeth")


def test_all_options_or_none(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["eyes", "--images", "pictures", "--label", "finding"])
    assert "--images is given, then --table, --id, --group, --out must be" in (
        capsys.readouterr().err
    )
    with pytest.raises(SystemExit):
        main(["eyes", "--file", "path"])
    assert "--file is given, then --images, " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("counts", "names", "answers"),
    [
        ({"Oak": 1, "Ash": 1, "Fir": 1}, ["ash", "fir", "oak"], ["Ash", "Fir", "Oak"]),
        ({"0": 5, "1": 9}, ["label_0", "label_1"], ["0", "1"]),
        # One contains the other: the parser takes the longer one where it stands.
        ({"benign": 5, "not benign": 9}, ["benign", "not_benign"], ["benign", "not benign"]),
        ({"+": 1, "-": 1}, ["label", "label_2"], ["0: +", "1: -"]),  # no words at all
        ({"A+": 1, "A-": 1, "B": 1}, ["a", "a_2", "b"], ["0: A+", "1: A-", "2: B"]),
        ({"Ödem": 1, "no": 2}, ["no", "odem"], ["no", "Ödem"]),
    ],
)  # fmt: skip
def test_words_for_labels(counts: dict[str, int], names: list[str], answers: list[str]) -> None:
    wording = word(counts)
    assert list(wording.answers.items()) == list(zip(names, answers, strict=True))
    assert list(wording.names) == sorted(counts)
    assert all(answer in wording.prompt for answer in answers)


def test_the_rarer_of_two_labels_is_the_positive_one() -> None:
    assert word({"0": 90, "1": 10}).positive == "label_1"
    assert word({"no": 10, "yes": 90}).positive == "no"


def test_labels_that_yaml_and_python_would_misread(project: Path) -> None:
    labels = ['say "no"', "null: #1", "yes"]
    write([(name, labels[i % 3], group) for i, (name, _, group) in enumerate(ROWS)])
    make()
    task = loaded("eyes")
    assert sorted(task.LABELS) == sorted(labels)
    answers = read_params(Path("recipes/eyes.yaml")).format.answers
    assert answers is not None
    assert sorted(answers.values()) == sorted(labels)


def leaves(values: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for key, value in values.items():
        inner = leaves(value, (*path, key)) if isinstance(value, dict) and value else []
        found += [*inner, ((*path, key), value)]
    return found


@pytest.mark.parametrize("recipe", ["melanoma", "embedded/melanoma"])
def test_an_entry_is_replaced_and_nothing_else(recipe: str) -> None:
    text = (ROOT / "recipes" / f"{recipe}.yaml").read_text("utf-8")
    values = yaml.safe_load(text)
    for path, value in leaves(values):
        if path[0] not in ("fetch", "dataset", "format", "lora", "train", "reproducibility"):
            continue  # the others hold nothing that is written in another way
        entry = yaml.safe_dump({path[-1]: value}, sort_keys=False, width=90)
        changed = with_entry(text, ".".join(path), entry)
        assert yaml.safe_load(changed) == values, path
        if not isinstance(value, dict):
            assert comments(changed) == comments(text), path
        inside = "\n".join(f"{line}" for line in ("# Another. (default)", *entry.splitlines()))
        assert "# Another. (default)" in with_entry(text, ".".join(path), inside)


def comments(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.lstrip().startswith("#")]


def test_the_header_is_replaced() -> None:
    assert with_header("# old\n# text\n\n# The data.\ntask: x\n", "# new\n") == (
        "# new\n\n# The data.\ntask: x\n"
    )


def test_the_same_input_gives_the_same_archive(project: Path) -> None:
    make()
    first = Path("own/images.zip").read_bytes()
    with zipfile.ZipFile("own/images.zip") as archive:
        assert archive.namelist() == [f"images/{name}.jpg" for name in "abcdefghi"]
    write(list(reversed(ROWS)))
    main(["teeth", "--images", "pictures", "--table", "labels.csv", "--out", "again", *COLUMNS])
    assert Path("again/images.zip").read_bytes() == first
    assert Path("again/table.csv").read_bytes() == Path("own/table.csv").read_bytes()
