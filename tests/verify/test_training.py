"""What another processor may change of what a training writes, and what nothing may."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testing.places import ROOT
from tests.verify.test_remake import task, work
from verify.equivalence import of_training
from verify.findings import Status, different
from verify.outputs import compare

CURVE = "step,loss,learning_rate,grad_norm\n5,{0},{1},0.04\n10,0.07,{1},0.03\n"
PROVENANCE = {"parameters": {"train": {"learning_rate": 0.002}, "lora": {"lora_dropout": 0.05}}}
TRAINED = {"steps": 186, "last_loss": 0.05, "trainable_parameters": 9, "trainable_share": 0.174041}
PREFLIGHT = {"gradient": {"loss": 0.1}, "batch": {"largest_difference": 0.0, "tolerance": 0.001}}


def compared(folder: Path, name: str, before: str, after: str, dtype: str = "float32") -> Any:
    """What is found of two folders that hold a file of this name, as a training writes it."""
    for place, text in (("published", before), ("remade", after)):
        (folder / place).mkdir(exist_ok=True)
        (folder / place / name).write_text(text)
    return compare(folder / "published", folder / "remade", of_training(dtype))


@pytest.mark.parametrize(
    ("published", "dtype", "status"),
    [
        (CURVE.format("0.0501", "0.002"), "float32", Status.EQUIVALENT),
        (CURVE.format("0.0520", "0.002"), "float32", Status.DIFFERENT),
        (CURVE.format("0.0520", "0.002"), "bfloat16", Status.EQUIVALENT),
        (CURVE.format("0.0800", "0.002"), "bfloat16", Status.DIFFERENT),
        (CURVE.format("0.0500", "0.05"), "float32", Status.DIFFERENT),
        (CURVE.format("0.0500", "0.002001"), "float32", Status.DIFFERENT),
        (CURVE.format("0.0500", "0.0020000000000000005"), "float32", Status.EQUIVALENT),
        (CURVE.format("0.0500", "0.002").replace("10,", "11,"), "float32", Status.DIFFERENT),
        (CURVE.format("0.0500", "0.002").replace("0.04", "0.09"), "float32", Status.DIFFERENT),
    ],
    ids=[
        "loss", "another loss", "loss in bfloat16", "another loss in bfloat16", "rate",
        "a rate a little off", "a cosine's last digit", "step", "norm",
    ],
)  # fmt: skip
def test_a_curve_may_differ_in_what_was_measured_alone(
    tmp_path: Path, published: str, dtype: str, status: Status
) -> None:
    remade = CURVE.format("0.0500", "0.002")
    assert compared(tmp_path, "loss.csv", published, remade, dtype).status == status


def test_a_difference_is_said_in_parts(tmp_path: Path) -> None:
    curve = CURVE.format("0.0500", "0.002")
    near = compared(tmp_path, "loss.csv", CURVE.format("0.0501", "0.002"), curve)
    assert near.detail == (
        "loss.csv: difference 0.2 %, tolerance 2 %: training amplifies rounding of another "
        "processor"
    )
    far = compared(tmp_path, "loss.csv", CURVE.format("0.1", "0.002"), curve)
    assert far == different("loss.csv: line 2: loss differs by 50 %, tolerance 2 %")


def set_rate(values: dict[str, Any]) -> None:
    values["parameters"]["train"]["learning_rate"] = 0.05


def set_dropout(values: dict[str, Any]) -> None:
    values["parameters"]["lora"]["lora_dropout"] = 0.0


@pytest.mark.parametrize(
    ("name", "true", "plant"),
    [
        ("provenance.json", PROVENANCE, set_rate),
        ("provenance.json", PROVENANCE, set_dropout),
        ("adapter_config.json", {"lora_dropout": 0.05}, lambda v: v.update(lora_dropout=0.06)),
        ("train.json", TRAINED, lambda v: v.update(trainable_share=0.174042)),
        ("train.json", TRAINED, lambda v: v.update(steps=187)),
        ("train.json", TRAINED, lambda v: v.update(last_loss=0.01)),
        ("preflight.json", PREFLIGHT, lambda v: v["gradient"].update(loss=0.2)),
        ("preflight.json", PREFLIGHT, lambda v: v["batch"].update(tolerance=0.002)),
        ("preflight.json", PREFLIGHT, lambda v: v["batch"].update(largest_difference=0.5)),
    ],
)
def test_what_was_chosen_or_counted_must_be_equal(
    tmp_path: Path, name: str, true: dict[str, Any], plant: Callable[[dict[str, Any]], None]
) -> None:
    published = json.loads(json.dumps(true))
    plant(published)
    found = compared(tmp_path, name, json.dumps(published), json.dumps(true))
    assert found.status == Status.DIFFERENT


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("train.json", {**TRAINED, "last_loss": 0.0505}),
        ("preflight.json", {**PREFLIGHT, "gradient": {"loss": 0.1001}}),
        (
            "preflight.json",
            {**PREFLIGHT, "batch": {"largest_difference": 3e-7, "tolerance": 0.001}},
        ),
    ],
)
def test_what_was_measured_may_differ_by_rounding(
    tmp_path: Path, name: str, near: dict[str, Any]
) -> None:
    true = TRAINED if name == "train.json" else PREFLIGHT
    found = compared(tmp_path, name, json.dumps(near), json.dumps(true))
    assert found.status == Status.EQUIVALENT


def test_every_number_of_the_committed_training_is_known_as_measured_or_chosen() -> None:
    """A loss of another name would count as chosen, and be called different on other processors."""
    measured = of_training("float32").named
    (header, *_) = (ROOT / "metrics/plots/loss.csv").read_text().splitlines()
    assert {*header.split(",")} - measured.keys() == {"step", "learning_rate"}
    values = json.loads((ROOT / "metrics/train.json").read_text())
    numbers = {name for name, value in values.items() if isinstance(value, float)}
    assert numbers - measured.keys() == {"trainable_share"}


@pytest.mark.parametrize(
    ("weights", "status"), [("same", Status.DIFFERENT), ("other", Status.EQUIVALENT)]
)
def test_numbers_beside_identical_weights_must_be_identical(
    tmp_path: Path, weights: str, status: Status
) -> None:
    (tmp_path / "project/models").mkdir(parents=True)
    clone = tmp_path / "project"
    (clone / "models/adapter").write_text("same")
    (clone / "loss.csv").write_text("step,loss\n1,0.5001\n")
    train = replace(
        task(
            "train", f"printf {weights} > models/adapter; printf 'step,loss\\n1,0.5\\n' > loss.csv",
            {"models/adapter": "same", "loss.csv": "step,loss\n1,0.5001\n"},
        ),
        tolerance=of_training("float32"),
    )  # fmt: skip
    found = work(clone, [train]).findings["loss.csv"]
    assert found.status == status
    if weights == "same":
        assert found.detail.startswith("models/adapter came out identical, and this did not: diff")
