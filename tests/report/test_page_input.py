"""What a page is made of: files that belong together, and cases that are chosen by a rule."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from testing.samples import from_counts, texts_from
from tests.report.projects import build, jpeg, skin, write
from tests.report.reading import numbers, page
from verdict.core.errors import VerdictError
from verdict.report.page import rendering
from verdict.report.page.cases import GROUPS, choose, group_of


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        ("data/records/shard-00000-of-00001.parquet", "dvc repro extract"),
        ("data/chat/test.jsonl", "dvc repro format"),
        ("data/predictions/tuned.parquet", "dvc pull"),
        ("metrics/report/comparison.json", "dvc repro"),
        ("metrics/split.json", "dvc repro"),
        ("metrics/plots/loss.csv", "dvc repro"),
        ("models/adapter/provenance.json", "dvc pull"),
    ],
)
def test_what_is_missing_is_named(project: Path, gone: str, expected: str) -> None:
    (project / gone).unlink()
    with pytest.raises(VerdictError, match=expected) as error:
        write(project)
    assert Path(gone).parent.name in str(error.value)


def test_files_that_do_not_belong_together_are_refused(project: Path) -> None:
    chat = project / "data/chat/test.jsonl"
    lines = chat.read_text("utf-8").splitlines(keepends=True)
    chat.write_text("".join(lines[1:]), "utf-8")
    with pytest.raises(VerdictError, match=r"different records: run `dvc repro`"):
        write(project)
    numbers_file = project / "metrics/report/comparison.json"
    numbers_file.write_text(json.dumps(numbers(project) | {"records": 5}), "utf-8")
    with pytest.raises(
        VerdictError, match=r"base.parquet has 600 records .*run `dvc repro compare`"
    ):
        write(project)


def test_a_page_has_an_end(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "LARGEST", 10_000)
    before = page(project)
    with pytest.raises(VerdictError, match=r"set report\.cases lower than 40"):
        write(project)
    assert page(project) == before


def test_large_images_are_made_to_fit(tmp_path: Path) -> None:
    models = [from_counts("base", 0, 20, 40, 60), from_counts("tuned", 50, 5, 55, 10)]
    noise = jpeg(0, 512, noise=200)
    assert 120 * len(noise) > 15_000_000
    root = build(tmp_path, models, task="noise", image=lambda i: noise)
    path = write(root, size=120)
    assert path.stat().st_size < 5_000_000
    assert path.read_text("utf-8").count("<img ") == 120


def test_all_images_of_a_case_are_shown_and_where_they_stood_in_the_prompt(tmp_path: Path) -> None:
    models = [from_counts("base", 0, 20, 40, 60), from_counts("tuned", 50, 5, 55, 10)]
    prompt = "Prior {image 1}, current {image 2}: changed?"
    root = build(tmp_path / "two", models, task="visits", prompt=prompt, further=1)
    text = write(root, size=10).read_text("utf-8")
    assert text.count("<img ") == 20
    assert len(re.findall('alt="Image 2 of ', text)) == 10
    assert "<p>Prior [image 1], current [image 2]: changed?</p>" in text
    assert ".case header { flex-wrap: wrap; }" in text
    one = build(tmp_path / "one", models, task="visits", prompt="Changed?")
    text = write(one, size=10).read_text("utf-8")
    assert "flex-wrap: wrap; }\n\n" not in text
    assert ".case header { flex-wrap: wrap; }" not in text
    assert len(re.findall('alt="Image of ', text)) == 10


def test_no_cases_and_no_records_still_make_a_page(tmp_path: Path) -> None:
    root = skin(tmp_path)
    assert '<li class="case"' not in write(root, size=0).read_text("utf-8")


def test_cases_are_chosen_evenly_and_by_nothing_but_their_ids() -> None:
    members = {"a": [f"a{i}" for i in range(50)], "b": ["b0", "b1"], "c": [], "d": ["d0"] * 0}
    chosen = choose(members, 20)
    assert len(chosen) == 20
    assert {"b0", "b1"} < set(chosen)
    assert chosen[:18] == sorted(chosen[:18])
    assert chosen[:18] != sorted(members["a"])[:18]
    assert choose({key: ids[::-1] for key, ids in members.items()}, 20) == chosen
    assert choose(members, 500) == [*sorted(members["a"]), "b0", "b1"]
    assert [len(choose({"a": ["1", "2"], "b": ["3", "4"]}, n)) for n in range(6)] == [
        0, 1, 2, 3, 4, 4,
    ]  # fmt: skip


def test_each_record_is_in_the_group_that_its_answers_say() -> None:
    right = {
        "base": np.array([0, 1, 0, 1, 0, 1], bool),
        "tuned": np.array([1, 0, 0, 1, 0, 1], bool),
        "reference": np.array([0, 0, 0, 1, 1, 0], bool),
    }
    kinds = group_of(right, "base", "tuned").tolist()
    assert kinds == ["fixed", "broken", "all-wrong", "all-right", "", ""]
    assert set(kinds) - {""} == {key for key, _, _ in GROUPS}


def test_closed_questions_are_right_by_their_own_rule(tmp_path: Path) -> None:
    """Nine closed questions are answered well at first, and not at all after tuning."""
    before = [("Yes, there is a fracture.", "yes")] * 9 + [("axial", "Axial")] * 11
    after = [("a fracture", "yes")] * 9 + [("axial", "Axial")] * 11
    models = [texts_from("base", before), texts_from("tuned", after)]
    root = build(tmp_path, models, task="medpix_vqa", text=lambda i: f"Q {i}?", prompt="{text}")
    assert "(base is right, tuned is wrong): 9 records" in page(root)
    assert "(base is wrong, tuned is right): 0 records" in page(root)
