"""What the lock and the work tree say of themselves, and where they contradict what is there."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from testing.places import ROOT
from tests.verify.miniature import git
from verify.__main__ import main
from verify.claims import check_code, check_origin, check_pipeline, check_work_tree
from verify.findings import IDENTICAL, Status, different
from verify.pipeline import Digester, Pipeline, Stage, digest_of_listing

CHAIN = """\
stages:
  format:
    cmd: "true"
    outs: [data/chat]
  evaluate:
    cmd: "true"
    deps: [data/chat/test.jsonl]
    outs: [data/predictions/base.parquet, data/predictions/validation/base.parquet]
  compare:
    cmd: "true"
    deps: [data/predictions]
    outs: [metrics/compare.json]
"""

LOCK = """\
schema: '2.0'
stages:
  format:
    cmd: "true"
    outs: [{{path: data/chat, md5: {chat}}}]
  evaluate:
    cmd: "true"
    deps: [{{path: data/chat/test.jsonl, md5: {part}}}]
    outs:
    - {{path: data/predictions/base.parquet, md5: {one}}}
    - {{path: data/predictions/validation/base.parquet, md5: {two}}}
  compare:
    cmd: "true"
    deps: [{{path: data/predictions, md5: {folder}}}]
    outs: [{{path: metrics/compare.json, md5: {one}}}]
"""


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@pytest.fixture
def chain(miniature: Path) -> dict[str, str]:
    """A project whose stages read a part of an output and a folder of two; the MD5 of each."""
    for path, text in (
        ("data/chat/test.jsonl", "{}"),
        ("data/predictions/base.parquet", "1"),
        ("data/predictions/validation/base.parquet", "2"),
        ("metrics/compare.json", "1"),
        ("dvc.yaml", CHAIN),
    ):
        (miniature / path).parent.mkdir(parents=True, exist_ok=True)
        (miniature / path).write_text(text)
    folder = {"base.parquet": md5("1"), "validation/base.parquet": md5("2")}
    return {
        "part": md5("{}"),
        "chat": digest_of_listing({"test.jsonl": md5("{}")}),
        "one": md5("1"),
        "two": md5("2"),
        "folder": digest_of_listing(folder),
    }


def said(root: Path, hashes: dict[str, str]) -> object:
    (root / "dvc.lock").write_text(LOCK.format(**hashes))
    return check_pipeline(Pipeline(root), root, Digester())


def test_what_was_read_of_an_output_is_what_was_written(
    miniature: Path, chain: dict[str, str]
) -> None:
    assert said(miniature, chain) == IDENTICAL
    assert said(miniature, chain | {"folder": "f" * 32 + ".dir"}) == different(
        "compare read another data/predictions than dvc.lock has as written"
    )
    assert said(miniature, chain | {"part": "f" * 32}) == different(
        "evaluate read another data/chat/test.jsonl than dvc.lock has as written"
    )
    # Of what is not here nothing can be said.
    (miniature / "data/predictions/base.parquet").unlink()
    assert said(miniature, chain | {"folder": "f" * 32 + ".dir"}) == IDENTICAL


@pytest.mark.parametrize("key", ["fetch.local", "outside.far.fetch.local"])
def test_local_data_need_not_be_where_a_judge_is(tmp_path: Path, key: str) -> None:
    local = tmp_path / "mine.csv"
    deps, params = {str(local): md5("1")}, {key: str(local)}
    stage = Stage("fetch", "", deps, params, {}, frozenset(deps), frozenset())
    assert check_code([stage], tmp_path, Digester()) == IDENTICAL
    local.write_text("1")
    assert check_code([stage], tmp_path, Digester()) == IDENTICAL
    local.write_text("2")
    assert check_code([stage], tmp_path, Digester()).status is Status.DIFFERENT


@pytest.mark.fault("forgeries")
@pytest.mark.parametrize(
    "lock",
    [
        "",
        "schema: '2.0'\n",
        "stages: {train: [cmd]}",
        "stages: {train: {cmd: [a, b]}}",
        "stages: {train: {cmd: a, params: {params.yaml: [b]}}}",
        "stages: {train: {cmd: a, params: {params.yaml: {7: b}}}}",
        "stages: {train: {cmd: a, outs: [{path: b}]}}",
        "stages: {train: {cmd: a, outs: [{path: b, md5: ../../c}]}}",
        "stages: {train: {cmd: a, outs: [{path: b, md5: 7}]}}",
    ],
)
def test_a_lock_that_dvc_did_not_write_is_named(
    miniature: Path, lock: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (miniature / "dvc.lock").write_text(lock)
    git(miniature, "commit", "--quiet", "--all", "-m", "Damaged")
    assert main(["--minutes", "0"]) == 2
    assert "Could not verify: dvc.lock is not as DVC writes it" in capsys.readouterr().err


@pytest.mark.fault("forgeries")
def test_a_lock_names_nothing_outside_the_project(
    miniature: Path, chain: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = LOCK.format(**chain).replace("data/predictions/base", "../base")
    (miniature / "dvc.lock").write_text(text)
    git(miniature, "add", "dvc.yaml", "dvc.lock")
    git(miniature, "commit", "--quiet", "-m", "Elsewhere")
    assert main(["--minutes", "0"]) == 2
    assert "dvc.lock: '../base.parquet' is no path in the project" in capsys.readouterr().err


@pytest.mark.fault("forgeries")
def test_what_is_edited_or_removed_since_the_commit_is_named(miniature: Path) -> None:
    (miniature / "verify").mkdir(parents=True)
    (miniature / "verify/claims.py").write_text("")
    git(miniature, "add", "--all")
    git(miniature, "commit", "--quiet", "-m", "With the command")
    stages = Pipeline(miniature).stages
    assert check_work_tree(miniature, stages) == IDENTICAL
    (miniature / "verify/claims.py").write_text("print('Holds')")
    (miniature / "metrics/report/comparison.json").unlink()
    assert check_work_tree(miniature, stages) == different(
        "metrics/report/comparison.json is removed; verify/claims.py is edited"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", " and is no valid YAML with keys: it holds None"),
        ("lora\n", " and is no valid YAML with keys: it holds 'lora'"),
        ("train: [1\nseed: 0\n", ": params.yaml, line 2, is not valid YAML: expected ',' or ']'"),
        ("train: \x00\n", ": params.yaml, line 1, is not valid YAML: unacceptable character"),
    ],
)
def test_edited_parameters_that_cannot_be_read_are_named(
    miniature: Path, text: str, said: str
) -> None:
    stages = Pipeline(miniature).stages
    (miniature / "params.yaml").write_text(text)
    found = check_work_tree(miniature, stages)
    assert found.status == Status.DIFFERENT
    assert found.detail.startswith(f"params.yaml is edited{said}")
    assert "\n" not in found.detail


@pytest.mark.fault("forgeries")
def test_what_is_committed_among_results_and_nobody_makes_is_named(miniature: Path) -> None:
    git(miniature, "rm", "--quiet", "metrics/note.txt")
    assert check_origin(miniature, Pipeline(miniature).stages) == IDENTICAL
    planted = (
        ".checkpoints/evaluate/0123/test/0.json", "data/predictions/better.parquet",
        "metrics/report/summary.md", "verdict/__pycache__/files.cpython-311.pyc",
    )  # fmt: skip
    for path in planted:
        (miniature / path).parent.mkdir(parents=True, exist_ok=True)
        (miniature / path).write_text("Accuracy 0.999")
    (miniature / "metrics/.gitignore").write_text("/environment.json\n")
    git(miniature, "add", "--force", *planted, "metrics/.gitignore")
    assert check_origin(miniature, Pipeline(miniature).stages) == different(
        "; ".join(f"{path} is committed, and no stage makes it" for path in planted)
    )


def test_an_output_that_was_never_made_is_named_and_looked_for_nowhere(miniature: Path) -> None:
    text = (miniature / "dvc.yaml").read_text()
    (miniature / "dvc.yaml").write_text(text.replace("- models/adapter", "- data\n      - a"))
    pipeline = Pipeline(miniature)
    assert pipeline.disagreements() == [
        "train: other outputs in dvc.yaml than ran (a, data, models/adapter)"
    ]
    assert pipeline.stages[0].cached == {"data/splits", "metrics/train.json"}


def test_descriptions_elsewhere_are_named(miniature: Path) -> None:
    for path in ("tools/dvc.yaml", "data/more.dvc"):
        (miniature / path).parent.mkdir(exist_ok=True)
        (miniature / path).write_text("stages: {}")
    git(miniature, "add", "--force", "tools/dvc.yaml", "data/more.dvc")
    assert check_pipeline(Pipeline(miniature), miniature, Digester()) == different(
        "data/more.dvc describes what dvc.lock has not; "
        "tools/dvc.yaml describes what dvc.lock has not"
    )


SLOW = """\
import runpy, sys
from verify import verification
from verify.clone import run, temporary_clone

def slow(root, **options):
    with temporary_clone(root, keep=False) as clone:
        print(clone, flush=True)
        # Only after a while: by then it is waited for.
        run(clone, "sleep 2; echo $$ > pid.partial && mv pid.partial pid && exec sleep 100")

verification.verify = slow
sys.argv[1:] = []
runpy.run_module("verify", run_name="__main__")
"""


def begun(project: Path, code: str) -> "tuple[subprocess.Popen[str], Path]":
    """Start verifying; return it and its clone, once something runs there."""
    verifying = subprocess.Popen(
        [sys.executable, "-c", code], cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert verifying.stdout is not None
    clone = Path(verifying.stdout.readline().strip())
    while not (clone / "pid").exists():
        assert verifying.poll() is None
    return verifying, clone


@pytest.mark.usefixtures("in_a_terminal")
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_terminated_it_takes_along_what_it_started(miniature: Path, sent: int) -> None:
    verifying, clone = begun(miniature, SLOW)
    started = int((clone / "pid").read_text())
    verifying.send_signal(sent)
    assert "interrupted; nothing was changed" in verifying.communicate(timeout=60)[1]
    assert verifying.returncode == 2
    assert not clone.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(started, 0)


def test_a_closed_terminal_ends_nothing_that_was_told_to_go_on(miniature: Path) -> None:
    code = SLOW.replace("sleep 100", "sleep 3").replace(
        "import runpy,",
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\nimport runpy,",
    )
    verifying, _ = begun(miniature, code)
    verifying.send_signal(signal.SIGHUP)
    said = verifying.communicate(timeout=60)[1]
    # It went on to its end, which here is no verification.
    assert "interrupted" not in said
    assert verifying.returncode == 2
