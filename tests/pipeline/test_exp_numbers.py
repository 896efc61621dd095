"""``dvc exp run -S``, for every number that params.yaml may hold.

DVC parses what a user writes, and writes it in another form: 0.00005 as 5e-05, 1_000 as 1000.
"""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from testing.project import Project, ran
from verdict.params import Params
from verdict.tasks import load_archive, load_task

#: A stage that reads all parameters, as every stage does, and keeps what it got.
READ = """
import json
from pathlib import Path
from pydantic_core import to_jsonable_python
from verdict.params import Params
from verdict.params.file import check_section
from verdict.pipeline.stage import run
from verdict.tasks import load_archive, load_task

def work(params):
    check_section(load_task(params.task).Options, params.dataset, "dataset")
    embedded = load_archive(params.task).Embedded
    check_section(embedded, params.fetch.embedded, "fetch.embedded")
    read = {name: getattr(params, name) for name in Params.model_fields}
    Path("read.json").write_text(json.dumps(to_jsonable_python(read)))

run("read", work)
"""
#: What a user writes; a field gets the first that it accepts.
WRITTEN = {
    "small": ["0.00005", "5.0E-1", "9.9999e-1", "2.5E-1", "+1", "+2", "+16", "+40", "+100",
              "+2_000"],
    "large": ["1E22", "1_000_000_000_000_000.", "1_000_000_000_000_000", "4_294_967_295",
              "1_000_000", "+4096", "+2_000", "+100", "+64", "+20", "9.9999E-1", "2.5e-1", "+5"],
}  # fmt: skip
#: What fields together have to be.
TOGETHER = {
    "split.train": "9.999E-1",
    "split.validation": "0.00005",
    "split.test": "5E-5",
    "replicates.again": "+1_000",
}
#: What some numbers need beside them.
BESIDE = {
    "train.load_best_model_at_end": "true",
    "train.eval_strategy": "steps",
    "train.save_strategy": "steps",
    "train.launcher": "torchrun",
}
AGAIN = {"model": "models/base", "adapter": "models/replicates/again"}


@pytest.fixture(scope="module")
def project(clone: Callable[[str], Project]) -> Project:
    project = clone("numbers")
    (project.root / "read.py").write_text(READ, "utf-8")
    stage = ("stage", "add", "--quiet", "--name", "read", "--outs", "read.json")
    sections = [part for name in Params.model_fields for part in ("--params", name)]
    project.dvc(*stage, *sections, "python read.py")
    project.commit("Add a stage that reads everything")
    return project


def leaves(values: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name)


def at(values: dict[str, Any], key: tuple[str, ...]) -> Any:
    for name in key:
        values = values[name]
    return values


def accepts(schema: type[BaseModel], values: dict[str, Any], key: tuple[str, ...], x: Any) -> bool:
    """Say whether a schema takes this number there; what other keys make of it does not count."""
    changed = copy.deepcopy(values)
    at(changed, key[:-1])[key[-1]] = x
    try:
        schema(**changed)
    except ValidationError as error:
        return not any(problem["loc"][: len(key)] == key for problem in error.errors())
    return True


def number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def numbers(values: dict[str, Any], written: list[str]) -> dict[str, str]:
    """Return what to write at each key of params.yaml where the schema takes a number."""
    of_the_task = {
        ("dataset",): load_task(values["task"]).Options,
        ("fetch", "embedded"): load_archive(values["task"]).Embedded,
    }
    found = {}
    for key in leaves(values):
        part = next((part for part in of_the_task if key[: len(part)] == part), ())
        schema, here, rest = of_the_task.get(part, Params), at(values, part), key[len(part) :]
        fitting = (text for text in written if accepts(schema, here, rest, number(text)))
        if text := next(fitting, None):
            found[".".join(key)] = text
    return found


@pytest.mark.parametrize(
    ("recipe", "size"),
    [
        ("melanoma", "small"),
        ("breakhis", "large"),
        ("entity-resolution-generative", "small"),
        ("medpix-vqa", "large"),
    ],
)
def test_a_stage_gets_every_number_that_was_asked_for(
    project: Project, recipe: str, size: str
) -> None:
    project.run("python", "-m", "tools.recipe", "use", f"embedded/{recipe}")
    project.edit({("replicates",): {"again": 1}, ("evaluate", "models", "again"): AGAIN})
    values = project.read("params.yaml")
    asked = numbers(values, WRITTEN[size]) | TOGETHER
    if values["compare"]["sensitivity"] is None:
        del asked["compare.sensitivity"], asked["compare.cost"]  # which need two labels
    there = {".".join(key) for key in leaves(values) if type(at(values, key)) in (int, float)}
    # … and those that are null.
    assert there | {"train.max_steps", "train.early_stopping_patience", "compute.workers"} <= set(
        asked
    )
    changes = [f"{key}={text}" for key, text in (BESIDE | asked).items()]
    output = project.dvc("exp", "run", *(p for change in changes for p in ("-S", change)), "read")
    assert ran(output) == ["read"]
    written = (project.root / "params.yaml").read_text("utf-8")
    if size == "small":
        assert "learning_rate: 5e-05\n" in written
    else:
        assert "max_grad_norm: 1e+22\n" in written
    got = json.loads((project.root / "read.json").read_text("utf-8"))
    recorded = project.read("dvc.lock")["stages"]["read"]["params"]["params.yaml"]
    for key, text in asked.items():
        wanted = number(text), number(text)
        assert (at(got, key.split(".")), at(recorded, key.split("."))) == wanted, (key, text)
    project.run("git", "checkout", "--quiet", ".")


def test_labels_that_older_yaml_takes_for_truth_values_survive(project: Project) -> None:
    answers = {"yes": "Yes", "no": "No"}
    project.edit({("format", "answers"): answers, ("format", "positive"): "yes"})
    output = project.dvc("exp", "run", "-S", "train.seed=7", "read")
    assert ran(output) == ["read"]
    assert "no: No\n" in (project.root / "params.yaml").read_text("utf-8")
    got = json.loads((project.root / "read.json").read_text("utf-8"))
    assert (got["train"]["seed"], got["format"]["answers"]) == (7, answers)
    assert "up to date" in project.dvc("repro", "read")
    project.run("git", "checkout", "--quiet", ".")
