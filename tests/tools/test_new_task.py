"""A task of one's own: what it consists of, and how labels get their words.

Which input is refused stands in tests/tools/test_new_task_tables.py, and that it runs under real
DVC in tests/pipeline/test_new_task.py.
"""

import zipfile
from pathlib import Path

import pytest

from tests.tools.own_task import COLUMNS, ROWS, loaded, make, write
from tests.tools.test_rendering import undocumented
from tools.new_task.__main__ import main
from tools.new_task.labels import word
from tools.packing import write_table
from tools.rendering import read_recipe, render
from verdict.params.file import check_section
from verdict.records.archive import ZipImages
from verdict.sources.local import NOTHING


def test_the_module_reads_what_was_packed(labelled: Path) -> None:
    make()
    task, _ = loaded("eyes")
    assert task.__doc__.startswith("The eyes data")
    assert len(Path("verdict/tasks/eyes/__init__.py").read_text("utf-8").splitlines()) < 150
    table = task.read_table(Path("own"), task.Options())
    named = {"Mild": "mild", "No finding": "no_finding", "Severe": "severe"}
    assert [(row.id, row.label, row.group, row.image) for row in table.rows] == [
        (name, named[label], group, name) for name, label, group in ROWS
    ]
    assert list(table.images.places()) == list("abcdefghi")


def test_both_recipes_are_short_and_render_complete(
    labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make()
    task, archive = loaded("eyes")
    for name, source in (("eyes", "files"), ("embedded/eyes", "embedded")):
        path = Path(f"recipes/{name}.yaml")
        assert len(path.read_text("utf-8").splitlines()) < 70
        params = read_recipe(path)
        check_section(archive.Embedded, params.fetch.embedded, "fetch.embedded")
        check_section(task.Options, params.dataset, "dataset")
        assert undocumented(render(path), Path("params.yaml")) == []
        assert (params.task, params.fetch.source) == ("eyes", source)
        assert {key: file.address for key, file in params.fetch.files.items()} == {
            "images": "own/images.zip", "table": "own/table.csv",
        }  # fmt: skip
        assert params.fetch.local == (str(Path("own").absolute()) if name == "eyes" else NOTHING)
        assert params.format.answers == {
            "mild": "Mild", "no_finding": "No finding", "severe": "Severe",
        }  # fmt: skip
        assert params.format.prompt.endswith("one of these: Mild; No finding; Severe.")
        assert params.format.system == ""
        assert params.format.positive is None
        # So few groups cannot be divided by twentieths.
        shares = (params.split.train, params.split.validation, params.split.test)
        assert shares == ((0.5, 0.25, 0.25) if source == "files" else (0.65, 0.1, 0.25))
        # As the recipe that it is derived from, but for what is the melanoma data's own.
        base = read_recipe(Path("recipes/embedded/melanoma.yaml"))
        for section in ("models", "extract", "model", "quantization", "lora", "train"):
            assert getattr(params, section) == getattr(base, section)
        assert params.evaluate.models == base.evaluate.models
        assert (params.evaluate.validation, params.compare.sensitivity) == (False, None)
        assert (params.compare.groups_are, params.compare.subgroups) == ("groups", [])
        assert params.tracking.experiment == "eyes"
        text = render(path)
        assert "isic" not in text.lower()
        assert "lesion" not in text.lower()
    said = capsys.readouterr().out
    assert "Packed 9 images of 4 groups into own: 3 Mild, 3 No finding, 3 Severe" in said
    assert "put /own/ into .gitignore" in said


def test_the_stand_in_is_read_by_the_same_reader(labelled: Path) -> None:
    make()
    task, archive = loaded("eyes")
    options = archive.Embedded(seed=3, images=40, images_per_group=4)
    for folder in ("one", "two"):
        archive.write_archive(Path(folder), options)
    for name in archive.FILES.values():
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()
    rows = task.read_table(Path("one"), task.Options()).rows
    assert {row.label for row in rows} == {"mild", "no_finding", "severe"}
    assert len({row.group for row in rows}) == 10
    assert ZipImages(Path("one/images.zip")).places().keys() == {row.id for row in rows}
    other = archive.Embedded(seed=4, images=40, images_per_group=4)
    archive.write_archive(Path("three"), other)
    assert Path("one/images.zip").read_bytes() != Path("three/images.zip").read_bytes()


def test_further_columns_become_attributes(labelled: Path) -> None:
    make()
    task, _ = loaded("eyes")
    Path("own/table.csv").write_text("id,label,group,sex,age\na,Mild,P1,female,\n")
    (row,) = task.read_table(Path("own"), task.Options()).rows
    assert row.attributes == {"sex": "female"}


def test_an_example_without_images(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["eyes"])
    _, archive = loaded("eyes")
    params = read_recipe(Path("recipes/eyes.yaml"))
    assert params.format.answers is not None
    assert set(archive.LABELS.values()) == set(params.format.answers)
    assert params.fetch.files["table"].address == "data/eyes/table.csv"
    said = capsys.readouterr().out
    assert "edit recipes/tasks/eyes.yaml: fetch.files" in said
    assert "edit recipes/eyes.yaml: fetch.local" in said


def test_images_named_by_a_column(labelled: Path) -> None:
    Path("pictures/deep").mkdir()
    for name, *_ in ROWS:
        Path(f"pictures/{name}.png").rename(f"pictures/deep/picture-{name}.png")
    rows = [
        {"name": name, "finding": label, "patient": group, "path": f"deep/picture-{name}.png"}
        for name, label, group in ROWS
    ]
    write_table(Path("labels.csv"), rows[0], rows)
    make("eyes", "--file", "path")
    assert set(ZipImages(Path("own/images.zip")).places()) == set("abcdefghi")


def test_several_images_a_record_named_by_columns(
    labelled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"name": f"visit-{n}", "finding": label, "patient": group, "prior": f"{name}.png",
         "current": f"{ROWS[n - 3][0]}.png"}
        for n, (name, label, group) in enumerate(ROWS)
    ]  # fmt: skip
    write_table(Path("labels.csv"), rows[0], rows)
    make("eyes", "--file", "prior", "--file", "current")
    assert "Packed 18 images of 4 groups" in capsys.readouterr().out
    task, archive = loaded("eyes")
    assert archive.IMAGES == 2
    table = task.read_table(Path("own"), task.Options())
    assert table.rows[0].images == ("visit-0-1", "visit-0-2")
    assert table.rows[0].attributes == {}
    places = table.images.places()
    assert {image for row in table.rows for image in row.images} == places.keys()
    with table.images.open() as reader:
        read = [reader.read(places[name]) for name in ("visit-0-1", "visit-0-2", "visit-3-2")]
    assert read[0] == read[2] != read[1]
    prompt = read_recipe(Path("recipes/eyes.yaml")).format.prompt
    assert prompt.startswith("Image 1: {image 1}\nImage 2: {image 2}\nWhat do these images show?")
    archive.write_archive(Path("one"), archive.Embedded(seed=3, images=40, images_per_group=4))
    rows_of_stand_in = task.read_table(Path("one"), task.Options()).rows
    assert {len(row.images) for row in rows_of_stand_in} == {2}


@pytest.mark.fault("own data")
def test_a_row_without_one_of_its_images_is_named(labelled: Path) -> None:
    rows = [
        {"name": name, "finding": label, "patient": group, "prior": f"{name}.png",
         "current": "" if name == "c" else f"{name}.png"}
        for name, label, group in ROWS
    ]  # fmt: skip
    write_table(Path("labels.csv"), rows[0], rows)
    with pytest.raises(
        SystemExit, match=r"labels\.csv line 4: there is no image \(an empty cell\)"
    ):
        make("eyes", "--file", "prior", "--file", "current")
    with pytest.raises(SystemExit, match=r"no column 'later' \(--file\)"):
        make("eyes", "--file", "prior", "--file", "later")


def test_each_image_may_be_its_own_group(labelled: Path) -> None:
    main(["eyes", "--images", "pictures", "--table", "labels.csv", "--out", "own",
          "--id", "name", "--label", "finding", "--group", "name"])  # fmt: skip
    task, _ = loaded("eyes")
    assert [row.group for row in task.read_table(Path("own"), task.Options()).rows] == list(
        "abcdefghi"
    )


@pytest.mark.parametrize(
    ("counts", "names", "answers"),
    [
        ({"Oak": 1, "Ash": 1, "Fir": 1}, ["ash", "fir", "oak"], ["Ash", "Fir", "Oak"]),
        ({"0": 5, "1": 9}, ["label_0", "label_1"], ["0", "1"]),
        # One contains the other: the parser takes the longer one where it stands.
        ({"benign": 5, "not benign": 9}, ["benign", "not_benign"], ["benign", "not benign"]),
        ({"+": 1, "-": 1}, ["label", "label_2"], ["0: +", "1: -"]),  # no words at all
        ({"A+": 1, "A-": 1, "B": 1}, ["a", "a_2", "b"], ["A+", "A-", "B"]),
        ({"C#": 1, "C": 1}, ["c", "c_2"], ["0: C", "1: C#"]),  # the parser reads C in both
        ({"Ödem": 1, "no": 2}, ["no", "odem"], ["no", "Ödem"]),
    ],
)  # fmt: skip
def test_words_for_labels(counts: dict[str, int], names: list[str], answers: list[str]) -> None:
    wording = word(counts)
    assert list(wording.answers.items()) == list(zip(names, answers, strict=True))
    assert list(wording.names) == sorted(counts)
    assert all(answer in wording.prompt for answer in answers)


@pytest.mark.parametrize(
    ("labels", "normalization"),
    [
        (["no", "yes"], "none"),
        (["benign", "malignant"], "none"),
        (["naevus", "basal cell carcinoma"], "tokens"),
    ],
)
def test_answers_of_very_different_length_are_compared_by_token(
    labels: list[str], normalization: str
) -> None:
    assert word(dict.fromkeys(labels, 1)).length_normalization == normalization


def test_the_rarer_of_two_labels_is_the_positive_one() -> None:
    assert word({"0": 90, "1": 10}).positive == "label_1"
    assert word({"no": 10, "yes": 90}).positive == "no"


def test_labels_that_yaml_and_python_would_misread(labelled: Path) -> None:
    labels = ['say "no"', "null: #1", "yes"]
    write([(name, labels[i % 3], group) for i, (name, _, group) in enumerate(ROWS)])
    make()
    _, archive = loaded("eyes")
    assert sorted(archive.LABELS) == sorted(labels)
    answers = read_recipe(Path("recipes/eyes.yaml")).format.answers
    assert answers is not None
    assert sorted(answers.values()) == sorted(labels)


def test_the_same_input_gives_the_same_archive(labelled: Path) -> None:
    make()
    first = Path("own/images.zip").read_bytes()
    with zipfile.ZipFile("own/images.zip") as archive:
        assert archive.namelist() == [f"images/{name}.jpg" for name in "abcdefghi"]
    write(list(reversed(ROWS)))
    main(["teeth", "--images", "pictures", "--table", "labels.csv", "--out", "again", *COLUMNS])
    assert Path("again/images.zip").read_bytes() == first
    assert Path("again/table.csv").read_bytes() == Path("own/table.csv").read_bytes()


@pytest.mark.parametrize(
    ("counts", "positive"),
    [
        ({"no": 5, "yes": 5}, "yes"),
        ({"benign": 5, "malignant": 5}, "malignant"),
        ({"no": 4, "yes": 5}, "no"),
        ({"0": 5, "1": 5}, "label_1"),
    ],
)
def test_the_positive_label_is_the_rarer_one_or_what_is_looked_for(
    counts: dict[str, int], positive: str
) -> None:
    assert word(counts).positive == positive
