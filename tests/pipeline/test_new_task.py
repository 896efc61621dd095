"""A newcomer's fifth data set, from a folder of images and a CSV file to the comparison."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from testing.project import SMALL, Project, Small, ran

COLOURS = {"Oak": (90, 140, 60), "Beech": (190, 120, 40), "White fir": (40, 80, 110)}


@pytest.fixture(scope="module")
def leaves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 images of 20 trees in ``images``, and ``leaves.csv``."""
    folder = tmp_path_factory.mktemp("leaves")
    (folder / "images").mkdir()
    rows = []
    for index in range(60):
        tree, label = index // 3, list(COLOURS)[index // 3 % 3]
        image = Image.new("RGB", (80, 64), (220, 220, 210))
        box = (10 + index % 7, 8, 60 + index % 5, 50 + index % 11)
        ImageDraw.Draw(image).ellipse(box, fill=COLOURS[label])
        suffix = "png" if index % 2 else "jpg"
        image.save(folder / "images" / f"leaf-{index:02d}.{suffix}")
        rows.append((f"leaf-{index:02d}", label, f"tree {tree}", "2026"))
    with (folder / "leaves.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("name", "species", "tree", "year"), *rows])
    return folder


@pytest.fixture(scope="module")
def project(clone: Callable[[str], Project], small: Small, leaves: Path) -> Project:
    """A clone with the new task ``leaves``; the base comes from the small recipe's cache."""
    project = small.share_cache(clone("new-task"))
    said = project.run(
        "python", "-m", "tools.new_task", "leaves", "--images", f"{leaves}/images",
        "--table", f"{leaves}/leaves.csv", "--out", f"{leaves}/packed",
        "--id", "name", "--label", "species", "--group", "tree",
    ).stdout  # fmt: skip
    assert "Packed 60 images of 20 groups" in said
    assert "21 Beech, 21 Oak, 18 White fir" in said
    assert "make repro recipe=leaves " in said
    return project


def test_the_images_run_to_the_comparison(project: Project) -> None:
    project.run("python", "-m", "tools.recipe", "use", "leaves")
    project.run("python", "-m", "tools.recipe", "check")
    values = project.read("params.yaml")
    models = {name: values["evaluate"]["models"][name] for name in ("base", "tuned")}
    project.edit(
        {
            # One model fewer to make and to ask.
            ("models",): {"base": values["models"]["base"]},
            ("evaluate", "models"): models,
            **{key: value for key, value in SMALL.items() if "reference" not in key},
        }
    )
    stages = ran(project.dvc("repro"))
    assert stages[-1] == "report"
    assert "fetch" in stages
    compared = json.loads((project.root / "metrics/compare.json").read_text("utf-8"))
    assert {"base", "tuned", "gain"} <= compared.keys()
    answers = json.loads((project.root / "data/chat/answers.json").read_text("utf-8"))
    assert list(answers["answers"].items()) == [
        ("beech", "Beech"), ("oak", "Oak"), ("white_fir", "White fir"),
    ]  # fmt: skip
    confusion = project.root / "metrics/plots/confusion_tuned.csv"
    with confusion.open(encoding="utf-8", newline="") as file:
        assert {row["actual"] for row in csv.DictReader(file)} == {"beech", "oak", "white_fir"}
    assert json.loads((project.root / "metrics/extract.json").read_text())["groups"] == 20
    project.commit("Run the new task")


def test_the_stand_in_runs_as_well(project: Project) -> None:
    project.run("python", "-m", "tools.recipe", "use", "embedded/leaves")
    project.edit({("fetch", "embedded", "images"): 90})
    assert ran(project.dvc("repro", "split")) == ["check", "fetch", "extract", "split"]
    extracted = json.loads((project.root / "metrics/extract.json").read_text("utf-8"))
    assert (extracted["records"], extracted["groups"]) == (90, 30)


def test_a_new_task_needs_no_change_of_dvc_yaml(project: Project) -> None:
    assert "lists exactly" in project.run("python", "-m", "tools.dependencies").stdout
    params = project.read("recipes/tasks/leaves.yaml")
    assert params["fetch"]["files"].keys() == {"images", "table"}
