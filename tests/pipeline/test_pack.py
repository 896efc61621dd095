"""The reporting pack of a real run, as the formats' own libraries read it."""

import hashlib
import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from testing.places import ROOT
from testing.project import Project
from tools.publish.checklists import AUTHOR, checklists_text
from tools.publish.croissant import describe_data
from tools.publish.terms import read_used
from verdict.core.yaml12 import load_yaml
from verify.pipeline import Pipeline

#: Items of each guideline, with parts such as 15a counted apart.
ITEMS = {"STARD-AI": 48, "TRIPOD+AI": 52, "CLAIM": 44}


@pytest.fixture(scope="module")
def project(repro: Project) -> Project:
    said = repro.run("python", "-m", "tools.publish", "--pack", "../pack").stdout
    assert said.startswith("../pack: checklists.md, comparison.json")
    return repro


@pytest.fixture(scope="module")
def pack(project: Project) -> Path:
    return project.root.parent / "pack"


def test_croissant_is_valid_and_reads_the_records(project: Project, pack: Path) -> None:
    from mlcroissant import Dataset

    data = Dataset(str(pack / "croissant.json"))
    assert not data.metadata.issues.errors
    assert not data.metadata.issues.warnings
    # Read beside the files that it describes.
    (project.root / "croissant.json").write_bytes((pack / "croissant.json").read_bytes())
    found = next(iter(Dataset(str(project.root / "croissant.json")).records("records")))
    (project.root / "croissant.json").unlink()
    assert found["records/id"].startswith(b"ISIC_")
    assert found["records/image"].size == (64, 64)


def test_a_published_data_set_has_its_own_makers_and_licence(project: Project) -> None:
    terms = read_used(project.root)[0].terms.data
    assert terms is not None
    told = describe_data(
        project.root, Pipeline(project.root), terms, title="", description="x", day=""
    )
    assert told["license"] == terms.address
    assert told["creator"]["name"] == "International Skin Imaging Collaboration"
    assert (told["url"], told["citeAs"], told["datePublished"]) == (
        terms.home, terms.cite, "2020-01-01",
    )  # fmt: skip


def test_the_crate_leads_from_the_archive_to_the_report(project: Project, pack: Path) -> None:
    from rocrate.rocrate import ROCrate

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        crate = ROCrate(pack)
    lock = project.read("dvc.lock")["stages"]
    actions = {one["name"]: one for one in crate.get_by_type("CreateAction")}
    assert set(actions) == set(lock)
    # From what the last stage wrote back to what the first one did.
    written = {one.id: action for action in actions.values() for one in action["result"]}
    (card,) = (one for one in actions["report"]["result"] if one["name"] == "model_card.md")
    seen, ahead = set[str](), [card]
    while ahead:
        entity = ahead.pop()
        if entity.id not in seen:
            seen.add(entity.id)
            ahead += entity.get("hasPart", [])
            ahead += written[entity.id]["object"] if entity.id in written else []
    (raw,) = (out["md5"] for out in lock["fetch"]["outs"])
    assert f"hash://md5/{raw}/" in seen
    names = {one["name"] for one in crate.get_by_type("File")}
    assert {"data/raw/ISIC_2020_Training_JPEG.zip", "stages/train.py"} <= names
    assert actions["train"]["instrument"]["name"] == "python -m stages.train"
    for entity in crate.get_by_type("File"):
        if "sha256" in entity.properties():
            found = hashlib.sha256((pack / entity.id).read_bytes()).hexdigest()
            assert entity["sha256"] == found, entity.id


def test_no_record_is_in_the_pack(project: Project, pack: Path) -> None:
    record = json.loads((project.root / "data/chat/test.jsonl").read_text().splitlines()[0])
    for path in pack.iterdir():
        assert record["id"].encode() not in path.read_bytes(), path


def test_every_item_of_every_checklist_has_a_row(pack: Path) -> None:
    text = (pack / "checklists.md").read_text("utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert [section.split(" (")[0] for section in sections] == list(ITEMS)
    for section, count in zip(sections, ITEMS.values(), strict=True):
        rows = re.findall(r"^\| (\d+\w?) \| .+ \| (.+) \| (.*) \|$", section, re.MULTILINE)
        assert len({number for number, _, _ in rows}) == len(rows) == count
        assert all(bool(where.strip()) != (answer == AUTHOR) for _, answer, where in rows)
    answered = len(re.findall(r"^\| \d", text, re.MULTILINE)) - text.count(f" {AUTHOR} |")
    assert f"{answered} of 144 items have an answer" in " ".join(text.split())
    assert answered > 60


def test_answers_name_sections_that_the_report_has() -> None:
    known = load_yaml((ROOT / "tools/publish/checklists.yaml").read_bytes(), "checklists")
    page = (ROOT / "verdict/report/page/templates").glob("*.html")
    titles = re.findall(r"<h[23][^>]*>([^<{:]+)", "".join(one.read_text("utf-8") for one in page))
    contents = re.findall(
        r'<a href="#\w+">([^<]+)', (ROOT / "verdict/report/page/templates/page.html").read_text()
    )
    card = re.findall(r"^## (.+)$", (ROOT / "verdict/report/card.md.j2").read_text(), re.MULTILINE)
    for one in known["answers"].values():
        where = one["where"]
        for kind, names in re.findall(r"(page|card): ([^;]+)", where):
            for name in names.split(", "):
                there = {"page": [*titles, *contents], "card": card}[kind]
                assert name in there, where


def test_what_a_run_does_not_know_is_the_authors(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tools.publish import checklists

    real = checklists.collect_facts

    def unknown(*arguments: Any) -> dict[str, str]:
        return {**real(*arguments), "threshold": "", "subgroups": "", "disjoint": ""}

    params, used = read_used(project.root)
    rows = {"| 15c |", "| 21 | variability", "| 20 | level"}
    before = checklists_text(project.root, params, used, "c" * 40).splitlines()
    monkeypatch.setattr(checklists, "collect_facts", unknown)
    after = checklists_text(project.root, params, used, "c" * 40).splitlines()
    for row in rows:
        (first,), (second,) = ([x for x in text if x.startswith(row)] for text in (before, after))
        assert AUTHOR not in first
        assert AUTHOR in second


def test_a_folder_that_exists_is_left_as_it_is(project: Project, pack: Path) -> None:
    done = project.run("python", "-m", "tools.publish", "--pack", "../pack", check=False)
    assert done.returncode == 1
    assert "publish: ../pack exists; name another folder" in done.stdout
