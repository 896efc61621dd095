"""Weights and answers that another processor computes otherwise: the rule decides, or nothing does.

By hand, verify.equivalence is tested in test_compare.py.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

from tests.verify.test_remake import work
from verdict.core import paths
from verdict.core.files import write_json
from verdict.params import Reproducibility
from verify.claims import excuse
from verify.findings import Finding, Status, different
from verify.outputs import only_computed_differs
from verify.pipeline import Digester, Stage
from verify.plan import Cost, Job
from verify.remake import FOUND

COMPARISON = str(paths.COMPARISON)
NUMBERS = {
    "verdict": "Tuning raised accuracy from 0.50 to 0.90.", "kind": "binary", "candidate": "tuned",
    "baseline": "base", "models": ["base", "tuned"], "replicates": [], "records": 9, "groups": 9,
}  # fmt: skip
WHY = "reproducibility.cpu_isa is native"


def numbers(**changes: object) -> dict[str, object]:
    """What comparison.json says: metrics with intervals of 0.1."""
    run = dict(NUMBERS)
    for key, value in (
        ("base.balanced_accuracy", 0.5),
        ("tuned.balanced_accuracy", changes.pop("tuned", 0.9)),
        ("tuned_minus_base.balanced_accuracy", 0.4),
    ):
        assert isinstance(value, float)
        run |= {key: value, f"{key}_low": value - 0.05, f"{key}_high": value + 0.05}
    return run | changes


def recorded(clone: Path, *paths: str) -> dict[str, str]:
    found = {path: Digester()(clone / path) for path in paths}
    return {path: digest.md5 for path, digest in found.items() if digest is not None}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A project with an adapter, an answer to two records, and the comparison of its models."""
    clone = tmp_path / "project"
    for path, value in (("models/adapter/weights.safetensors", 0.0), ("new.safetensors", 1.0)):
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        save_file({"lora_A": np.array([value], np.float32)}, clone / path)
    write_json(clone / COMPARISON, numbers())
    write_json(clone / "metrics/tuned.json", {})
    (clone / "data/predictions").mkdir(parents=True)
    pq.write_table(answers("a"), clone / "data/predictions/tuned.parquet")
    return clone


def answers(first: str, label: str = "x") -> pa.Table:
    table = pa.table({"id": ["1", "2"], "label": [label, "y"], "generated": [first, "b"]})
    for column in ("parsed", "invalid_reason", "predicted"):
        table = table.append_column(column, [["", ""]])
    table = table.append_column("log_probabilities", [[[-1.0], [-2.0]]])
    return table.replace_schema_metadata({"verdict": "{}"})


def compares(clone: Path, here: Mapping[str, object]) -> Stage:
    """A stage that compares, with this result."""
    write_json(clone / "here.json", here)
    outs = recorded(clone, COMPARISON)
    command = f"cp here.json {COMPARISON}"
    return Stage("compare", command, {}, {}, outs, frozenset(), frozenset())


def trained(clone: Path, *leads_to: Stage, excuse: str = WHY) -> Finding:
    """What is found of the adapter when a training gives other weights."""
    outs = recorded(clone, "models/adapter")
    command = "mkdir models/adapter && cp new.safetensors models/adapter/weights.safetensors"
    stage = Stage("train", command, {}, {}, outs, frozenset(), frozenset())
    task = Job("train", stage, Cost.TRAINING, {}, outs, command, leads_to=leads_to)
    before = recorded(clone, "models/adapter", COMPARISON, "metrics/tuned.json")
    found = work(clone, [task], excuse=excuse).findings["models/adapter"]
    # What was published is back.
    assert recorded(clone, "models/adapter", COMPARISON, "metrics/tuned.json") == before
    return found


@pytest.mark.parametrize(
    ("here", "status", "said"),
    [
        ({"tuned": 0.91}, Status.EQUIVALENT, "committed 0.400 (0.350 to 0.450), here 0.400"),
        ({"tuned": 0.96}, Status.DIFFERENT, "tuned.balanced_accuracy: committed 0.900 (0.850"),
        ({"verdict": "Tuning lowered accuracy."}, Status.DIFFERENT, "another verdict"),
        ({"kind": "none"}, Status.DIFFERENT, "another verdict"),
    ],
)
def test_other_weights_are_judged_by_the_verdict_that_follows(
    clone: Path, here: dict[str, object], status: Status, said: str
) -> None:
    evaluate = Stage(
        "evaluate@tuned", "test -d models/adapter && echo 1 > metrics/tuned.json",
        {}, {}, recorded(clone, "metrics/tuned.json"), frozenset(), frozenset(),
    )  # fmt: skip
    found = trained(clone, evaluate, compares(clone, numbers(**here)))
    assert found.status == status
    start = f"weights.safetensors: 1 weights, lora_A by 1 at most; {WHY}; "
    assert found.detail.startswith(start)
    assert said in found.detail


def test_other_weights_that_nothing_excuses_are_different(clone: Path) -> None:
    found = trained(clone, compares(clone, numbers()), excuse="")
    assert found.status == Status.DIFFERENT
    assert "lora_A by 1 at most; nothing excuses it: with these packages" in found.detail


@pytest.mark.parametrize(
    ("name", "command", "said"),
    [
        (
            "evaluate@tuned",
            "echo of memory >&2; exit 3",
            "evaluate@tuned with it failed: of memory",
        ),
        ("format", "mkdir -p data; echo > data/chat", "with it data/chat is another, which no"),
        ("format", "true", "with it data/chat is another, which no processor excuses"),
        ("compare", "true", "no comparison can be read: FileNotFoundError"),
        ("compare", f"echo '{{}}' > {COMPARISON}", "no comparison can be read: KeyError"),
        ("compare", f"echo '[' > {COMPARISON}", "no comparison can be read: JSONDecodeError"),
    ],
)
def test_what_follows_has_to_be_made_and_data_identical(
    clone: Path, name: str, command: str, said: str
) -> None:
    outs = {"data/chat": "0" * 32} if name == "format" else recorded(clone, COMPARISON)
    found = trained(clone, Stage(name, command, {}, {}, outs, frozenset(), frozenset()))
    assert found.status == Status.DIFFERENT
    assert said in found.detail


@pytest.mark.parametrize("command", ["echo {} > models/adapter/more.json", "true"])
def test_only_weights_are_excused(clone: Path, command: str) -> None:
    (clone / "models/adapter/provenance.json").write_text("{}")
    outs = recorded(clone, "models/adapter")
    copied = "cp new.safetensors models/adapter/weights.safetensors"
    stage = Stage("train", "", {}, {}, outs, frozenset(), frozenset())
    task = Job(
        "train", stage, Cost.TRAINING, {}, outs, f"mkdir models/adapter && {copied}; {command}",
        leads_to=(compares(clone, numbers()),),
    )  # fmt: skip
    found = work(clone, [task], excuse=WHY).findings["models/adapter"]
    assert found.status == Status.DIFFERENT
    assert WHY not in found.detail


def asked(
    clone: Path, monkeypatch: pytest.MonkeyPatch, remade: pa.Table, excuse: str = WHY, of: int = 2
) -> Finding:
    """What is found of predictions when a model answers two of so many records otherwise."""
    path = "data/predictions/tuned.parquet"
    found = {
        "records": 2, "of": of, "seed": 7, "difference": 0.0, "tolerance": 0.001,
        "wrong": ["1: generated is 'a', asked again 'c'"],
    }  # fmt: skip

    def run(
        root: Path, command: Any, limit: float | None = None, *, stage: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        if isinstance(command, str):
            return subprocess.run(command, shell=True, cwd=root, capture_output=True, text=True)
        pq.write_table(remade, Path(command[-1]) / "tuned.parquet")
        write_json(Path(command[-1]) / FOUND, found)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr("verify.remake.run", run)
    outs = recorded(clone, path)
    stage = Stage("evaluate@tuned", "", {}, {}, outs, frozenset(), frozenset())
    task = Job(
        "evaluate@tuned", stage, Cost.MODEL, {}, outs, "", model="tuned",
        leads_to=(compares(clone, numbers(tuned=0.91)),),
    )  # fmt: skip
    before = recorded(clone, path, COMPARISON)
    finding = work(clone, [task], excuse=excuse).findings[path]
    assert recorded(clone, path, COMPARISON) == before
    return finding


def test_other_answers_to_all_records_are_judged_by_the_verdict_that_follows(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = asked(clone, monkeypatch, answers("c"))
    assert found.status == Status.EQUIVALENT
    assert found.detail.startswith(
        f"asked again about all records: 1: generated is 'a', asked again 'c'; {WHY}; the verdict "
        "stands: tuned_minus_base.balanced_accuracy: committed 0.400"
    )


def test_other_answers_are_different_where_nothing_or_no_rule_excuses_them(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unexcused = asked(clone, monkeypatch, answers("c"), excuse="")
    assert unexcused.status == Status.DIFFERENT
    assert "nothing excuses it" in unexcused.detail
    part = asked(clone, monkeypatch, answers("c"), of=3)
    assert part == different(
        "asked again about 2 of 3 records, drawn with seed 7: 1: generated is 'a', asked again "
        f"'c'; {WHY}: to judge another processor all records have to be asked about: --minutes"
    )
    # A label comes from the records, which no processor changes.
    assert asked(clone, monkeypatch, answers("c", "z")).status == Status.DIFFERENT


def test_what_a_model_computes_is_told_from_what_it_was_asked(tmp_path: Path) -> None:
    before, after = tmp_path / "before.parquet", tmp_path / "after.parquet"
    for table, only in (
        (answers("c"), True),
        (answers("c", "z"), False),
        (answers("c").slice(0, 1), False),
        (answers("c").replace_schema_metadata({"verdict": '{"positive": "x"}'}), False),
        (answers("c").drop_columns(["label"]), False),
    ):
        pq.write_table(answers("a"), before)
        pq.write_table(table, after)
        assert only_computed_differs(before, after) == only
    folders = tmp_path / "published", tmp_path / "remade"
    for folder, text in zip(folders, ("a", "c"), strict=True):
        folder.mkdir()
        pq.write_table(answers(text), folder / "tuned.parquet")
    assert only_computed_differs(*folders)
    pq.write_table(answers("c", "z"), folders[1] / "tuned.parquet")
    assert not only_computed_differs(*folders)
    after.write_text("no table")
    assert not only_computed_differs(before, after)
    before.unlink()
    assert not only_computed_differs(before, after)


@pytest.mark.parametrize(
    ("name", "status"), [("split", Status.DIFFERENT), ("x", Status.EQUIVALENT)]
)
def test_no_rounding_is_allowed_in_data(clone: Path, name: str, status: Status) -> None:
    (clone / "a.json").write_text('{"share": 0.5000001}')
    outs = recorded(clone, "a.json")
    stage = Stage(name, "", {}, {}, outs, frozenset(), frozenset())
    command = "echo '{\"share\": 0.5}' > a.json"
    task = Job(name, stage, Cost.TABLES, {}, outs, command)
    found = work(clone, [task], excuse=WHY).findings["a.json"]
    assert found.status == status
    assert ("no processor excuses other bytes here" in found.detail) == (name == "split")


@pytest.mark.parametrize(
    ("changes", "capability", "said"),
    [
        ({}, "AVX512", ""),
        ({}, "AVX2", ""),
        ({}, "DEFAULT", "this processor has no AVX2"),
        ({"cpu_isa": "native"}, "AVX2", WHY),
        ({"threads": None}, "AVX2", "reproducibility.threads is null"),
        ({"device": "cuda"}, "AVX2", "reproducibility.device is cuda"),
    ],
)
def test_what_excuses_other_bytes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    capability: str,
    said: str,
) -> None:
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    pins = tmp_path / "requirements.txt"
    pins.write_text("# pins\n")
    pinned = {"device": "cpu", "cpu_isa": "avx2", "threads": 1, "strict": True}
    options = Reproducibility.model_validate(pinned | changes)
    assert excuse(pins, options) == said
    pins.write_text("absent-package==1.0\n")
    assert excuse(pins, options) == ("other packages than pinned: absent-package absent for 1.0")
