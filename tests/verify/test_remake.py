"""Making again: what comes out as recorded stays, anything else is put back, and time is kept."""

import hashlib
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from verdict.core.errors import VerdictError
from verdict.core.files import write_json
from verdict.params import Params
from verify.findings import IDENTICAL, Status, different, unchecked
from verify.pipeline import Digester, Stage
from verify.plan import Cost, Job, is_statistics, merged, plan
from verify.remake import FOUND, Workshop


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def task(name: str, command: str, outputs: dict[str, str], **others: object) -> Job:
    """A task whose inputs and outputs have the given contents."""
    stage = Stage(name, command, {}, {}, {}, frozenset(), frozenset())
    values = {"cost": Cost.TABLES, "inputs": {}} | others
    values["inputs"] = {path: md5(text) for path, text in values["inputs"].items()}  # type: ignore[attr-defined]
    recorded = {path: md5(text) for path, text in outputs.items()}
    return Job(name, stage, outputs=recorded, command=command, **values)  # type: ignore[arg-type]


def work(
    clone: Path, tasks: list[Job], minutes: float = 1, excuse: str = "", **refused: str
) -> Workshop:
    workshop = Workshop(clone, Digester(), minutes, lambda _: None, lambda: excuse)
    workshop.work(tasks, refused)
    return workshop


def test_each_task_starts_from_published_inputs_and_leaves_them(clone: Path) -> None:
    (clone / "a").write_text("1.000000\n")
    (clone / "b").write_text("from 1.000000\n")
    tasks = [
        task("first", "echo 1.000001 > a", {"a": "1.000000\n"}),
        task(
            "second",
            "echo from $(cat a) > b",
            {"b": "from 1.000000\n"},
            inputs={"a": "1.000000\n"},
        ),
    ]
    done = work(clone, tasks)
    assert done.findings["a"].status == Status.EQUIVALENT
    assert done.findings["b"] == IDENTICAL
    assert (clone / "a").read_text() == "1.000000\n"
    assert done.seconds.keys() == {"first", "second"}


def test_what_is_absent_or_damaged_is_replaced_by_what_comes_out_as_recorded(clone: Path) -> None:
    (clone / "a").write_text("damaged")
    tasks = [
        task("last", "cat a b > c", {"c": "ab"}, inputs={"a": "a", "b": "b"}),
        task("first", "printf a > a", {"a": "a"}),
        task("second", "printf b > b", {"b": "b"}),
        task("never", "true", {"e": "e"}, inputs={"d": "d"}),
        task("neither", "printf f > f", {"f": "other"}),
    ]
    found = work(clone, tasks).findings
    assert [found[path] for path in "abc"] == [IDENTICAL] * 3
    assert (clone / "c").read_text() == "ab"
    assert found["e"] == unchecked("needs d: `dvc pull`")
    assert found["f"].status == Status.DIFFERENT
    assert not (clone / "f").exists()


def test_links_into_a_cache_are_never_written_through(clone: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (cache / "folder").mkdir(parents=True)
    (cache / "folder" / "x").write_text("x")
    (cache / "file").write_text("y")
    (clone / "folder").symlink_to(cache / "folder")
    (clone / "file").hardlink_to(cache / "file")
    command = "mkdir folder; echo new | tee folder/x > file"
    listing = Digester()(cache / "folder")
    assert listing is not None
    writes = task("t", command, {"file": "y"})
    found = work(clone, [replace(writes, outputs=writes.outputs | {"folder": listing.md5})])
    assert found.findings["file"].status == Status.DIFFERENT
    assert found.findings["folder"] == different("x: 1 lines, made again 2")
    assert (cache / "folder" / "x").read_text() == (clone / "folder" / "x").read_text() == "x"
    assert (cache / "file").read_text() == (clone / "file").read_text() == "y"


def test_a_task_that_fails_or_writes_nothing_is_different(clone: Path) -> None:
    (clone / "a").write_text("a")
    tasks = [
        task("fails", "echo reason >&2; rm -f a; exit 3", {"a": "a"}),
        task("idle", "true", {"b": "b"}),
    ]
    found = work(clone, tasks).findings
    assert found["a"].status == Status.DIFFERENT
    assert found["a"].detail.endswith("failed: reason")
    assert found["b"] == different("was not made")
    assert (clone / "a").read_text() == "a"


def test_time_is_kept_but_statistics_are_always_computed(clone: Path) -> None:
    (clone / "a").write_text("a")
    slow = task("slow", "sleep 60; printf a > a", {"a": "a"})
    done = work(clone, [slow], minutes=1 / 60)
    assert done.findings["a"].detail.startswith("not done within")
    assert done.seconds["slow"] < 10
    assert (clone / "a").read_text() == "a"
    free = replace(task("free", "printf b > b", {"b": "b"}), cost=Cost.STATISTICS)
    done = work(clone, [slow, free], minutes=0)
    assert done.findings == {"a": unchecked("no time left: --minutes"), "b": IDENTICAL}


def test_what_is_refused_says_why(clone: Path) -> None:
    tasks = [
        task("a", "printf a > a", {"a": "a"}, refused="training: --train"),
        task("b", "printf b > b", {"b": "b"}),
    ]
    found = work(clone, tasks, b="its parameters differ").findings
    assert found["a"] == unchecked("training: --train")
    assert found["b"] == unchecked("its parameters differ")


def test_tasks_that_one_command_can_do_are_done_together(clone: Path) -> None:
    tasks = [
        task(f"of {name}", f"echo {name}", {name: name}, together="echo", inputs=needs)
        for name, needs in (("a", {}), ("b", {"absent": "x"}), ("c", {}))
    ]
    assert merged([tasks[0], tasks[2]]).command == "echo a c"
    done = work(clone, tasks)
    assert done.seconds.keys() == {"of a, c"}
    assert done.findings["b"] == unchecked("needs absent: `dvc pull`")


def test_each_time_other_records_are_drawn(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []

    def ask_again(name: str, seconds: float, out: Path, params: object, seed: int) -> None:
        seeds.append(seed)
        found = {"records": 1, "of": 2, "seed": seed, "difference": 0, "wrong": [], "tolerance": 1}
        write_json(out / FOUND, found)

    def run(_: Path, command: list[str], *__: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr("sys.argv", command[2:])
        runpy.run_module(command[2], run_name="__main__")
        return subprocess.CompletedProcess(command, 0)

    asking, params = SimpleNamespace(ask_again=ask_again), SimpleNamespace(reproducibility=None)
    monkeypatch.setitem(sys.modules, "verify.answers", asking)
    monkeypatch.setattr("verdict.pipeline.command.pinned_params", lambda: params)
    monkeypatch.setattr("verify.remake.run", run)
    path = "data/predictions/tuned.parquet"
    (clone / path).parent.mkdir(parents=True)
    (clone / path).write_text("a")
    ask = replace(task("evaluate@tuned", "", {path: "a"}), model="tuned")
    said = [work(clone, [ask]).findings[path].detail for _ in range(2)]
    assert len(set(seeds)) == 2
    assert all(f"drawn with seed {seed}:" in text for seed, text in zip(seeds, said, strict=True))


def entry(name: str, outs: tuple[str, ...], deps: tuple[str, ...] = ()) -> Stage:
    return Stage(
        name, f"run {name}", dict.fromkeys(deps, "0"), {}, dict.fromkeys(outs, "1"),
        frozenset(), frozenset(),
    )  # fmt: skip


STAGES = [
    entry("fetch", ("data/raw",)),
    entry("fetch_model@base", ("models/base",)),
    entry("extract", ("data/records",), ("data/raw",)),
    entry("split", ("data/splits",), ("data/records",)),
    entry("train", ("models/adapter",), ("data/records", "models/base")),
    entry(
        "evaluate@tuned",
        ("data/predictions/tuned.parquet", "metrics/tuned.json"),
        ("models/base", "models/adapter"),
    ),
    entry(
        "baseline@boosting",
        ("data/predictions/boosting.parquet", "metrics/boosting.json"),
        ("data/records",),
    ),
    entry("compare", ("metrics/compare.json",), ("data/predictions",)),
]


def test_the_plan_is_cheapest_first_and_trains_only_when_asked(params: dict) -> None:
    chosen = Params.model_validate(params)
    tasks = plan(STAGES, chosen, train=False, gpu=False)
    assert [task.name for task in tasks] == [
        "metrics of tuned", "metrics of boosting", "compare", "split", "fetch", "extract",
        "baseline@boosting", "evaluate@tuned", "fetch_model@base", "train",
    ]  # fmt: skip
    refused = {task.name: task.refused for task in tasks if task.refused}
    assert refused == {
        "fetch_model@base": "builds the model: --train", "train": "training: --train",
    }  # fmt: skip
    trained = {task.name: task for task in plan(STAGES, chosen, train=True, gpu=False)}
    assert not any(task.refused for task in trained.values())
    follow = {task.name: [stage.name for stage in task.leads_to] for task in trained.values()}
    assert {name: names for name, names in follow.items() if names} == {
        "train": ["evaluate@tuned", "compare"],
        "evaluate@tuned": ["compare"],
        "baseline@boosting": ["compare"],
        "fetch_model@base": ["train", "evaluate@tuned", "compare"],
    }
    assert trained["evaluate@tuned"].outputs == {"data/predictions/tuned.parquet": "1"}
    assert trained["evaluate@tuned"].writes == {"metrics/tuned.json"}
    assert trained["baseline@boosting"].outputs == {"data/predictions/boosting.parquet": "1"}
    assert trained["baseline@boosting"].model is None


def test_a_set_from_elsewhere_is_made_and_asked_about_again(params: dict) -> None:
    made = ("data/outside/far/records", "data/outside/far/chat", "metrics/outside/far.json")
    answers = ("data/predictions/outside/far",)
    stages = [
        *STAGES,
        entry("fetch_outside@far", ("data/outside/far/raw",)),
        entry("outside@far", made, ("data/outside/far/raw", "data/records", "models/base")),
        entry("evaluate_outside@far", answers, (*made[:2], "data/predictions/validation")),
    ]
    params["outside"] = {
        "far": {
            "fetch": params["fetch"],
            "dataset": {},
            "labels": {},
            "groups_are": "patients",
            "same_groups": False,
            "crossing": "fail",
            "subgroups": [],
        }
    }
    chosen = Params.model_validate(params)
    tasks = {task.name: task for task in plan(stages, chosen, train=False, gpu=False)}
    asked = tasks["evaluate_outside@far"]
    assert not any(tasks[name].refused for name in ("fetch_outside@far", "outside@far"))
    assert (asked.refused, asked.cost) == ("", Cost.MODEL)
    # All weights are needed, also where dvc.yaml sees a model by its answers alone.
    assert {"models/base", "models/adapter"} < asked.inputs.keys()
    assert [stage.name for stage in asked.leads_to] == ["compare"]
    assert not is_statistics("metrics/outside/far.json")

    params["outside"]["far"]["fetch"] = params["fetch"] | {"source": "files"}
    params["reproducibility"]["device"] = "cuda"
    chosen = Params.model_validate(params)
    refused = {task.name: task.refused for task in plan(stages, chosen, train=False, gpu=False)}
    assert "--single-item fetch_outside@far" in refused["fetch_outside@far"]
    assert refused["fetch"] == ""
    assert "needs a GPU" in refused["evaluate_outside@far"]


def test_a_circle_of_stages_is_refused(params: dict) -> None:
    circle = [*STAGES, entry("train@again", ("models/again",), ("metrics/compare.json",))]
    circle[4] = entry("train", ("models/adapter",), ("models/base", "models/again"))
    with pytest.raises(VerdictError, match="read what the others write, in a circle"):
        plan(circle, Params.model_validate(params), train=True, gpu=False)


def test_the_plan_leaves_out_what_needs_a_network_or_a_gpu(params: dict) -> None:
    params["fetch"]["source"] = "files"
    params["models"]["base"] |= {"name": "google/gemma-3-4b-it", "revision": "0" * 40}
    params["reproducibility"]["device"] = "cuda"
    chosen = Params.model_validate(params)
    refused = {task.name: task.refused for task in plan(STAGES, chosen, train=True, gpu=False)}
    assert "downloads the published archive" in refused["fetch"]
    assert "downloads google/gemma-3-4b-it" in refused["fetch_model@base"]
    assert "needs a GPU" in refused["evaluate@tuned"]
    assert "needs a GPU" in refused["train"]
    with_gpu = {task.name: task.refused for task in plan(STAGES, chosen, train=True, gpu=True)}
    assert with_gpu["evaluate@tuned"] == with_gpu["train"] == ""
