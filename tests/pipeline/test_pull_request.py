"""A pull request's comment: made by real DVC on a branch, and what it says in other cases."""

from pathlib import Path

import pytest

from testing.places import ROOT
from testing.planted import copied
from testing.project import Project
from testing.samples import SETTINGS, compare, drawn, skin_models
from tools.pull_request import MARK, Side, comment

BEFORE, AFTER = "b" * 40, "a" * 40


def test_a_branch_that_changes_the_interval_is_shown(repro: Project, tmp_path: Path) -> None:
    project, out = copied(repro, tmp_path / "project"), tmp_path / "comment"
    project.run("git", "checkout", "--quiet", "-b", "narrower")
    project.edit({("compare", "confidence"): 0.9})
    project.commit("Ask for 90 % intervals")
    (base, head) = project.run("git", "rev-parse", "main", "HEAD").stdout.split()
    address = "https://git.example.org/o/n/raw/{commit}"
    done = project.run(
        "python", "-m", "tools.pull_request", "--base", "main", "--out", str(out),
        "--pictures", address, "--minutes", "0",
    )  # fmt: skip
    text = (out / "comment.md").read_text("utf-8")
    assert text in done.stdout
    # So little data gives no verdict, but numbers.
    assert text.startswith(f"{MARK}\n### The verdict stays the same\n")
    assert f"**Before** ({base[:12]}): No verdict" in text
    assert f"**After** ({head[:12]}): No verdict" in text
    (row,) = (line for line in text.splitlines() if line.startswith("| balanced accuracy, base "))
    before, after = row.split("|")[2:4]
    assert before.count(" to ") == after.count(" to ") == 1
    assert before != after
    assert "Ran: check, compare, report; the rest came from DVC's cache. Verified: Holds" in text
    assert "Not committed as it came out: `dvc.lock`," in text
    for commit in (base, head):
        assert f"]({address.replace('{commit}', commit)}/metrics/report/confusion.png)" in text
    pictures = [(out / f"confusion-{name}.png").read_bytes() for name in ("before", "after")]
    assert all(one.startswith(b"\x89PNG") for one in pictures)
    # The checkout is as it was.
    assert project.run("git", "status", "--porcelain").stdout == ""
    assert project.run("git", "rev-parse", "HEAD").stdout.strip() == head
    again = project.run(
        "python", "-m", "tools.pull_request", "--base", "main", "--out", str(out), check=False
    )
    assert again.returncode == 1
    assert f"pull_request: {out} exists; name another folder" in again.stdout


def test_a_pipeline_that_fails_is_told(repro: Project, tmp_path: Path) -> None:
    project, out = copied(repro, tmp_path / "project"), tmp_path / "comment"
    project.edit({("train", "learning_rate"): "fast"})
    project.commit("Learn fast")
    done = project.run(
        "python", "-m", "tools.pull_request", "--base", "HEAD~1", "--out", str(out), check=False
    )
    assert done.returncode == 1
    text = (out / "comment.md").read_text("utf-8")
    assert "### Verdict: the pipeline fails" in text
    assert "train.learning_rate: 'fast' is text, a number is expected" in text
    assert f"**Before** ({project.run('git', 'rev-parse', 'HEAD~1').stdout[:12]}): No" in text


def test_all_from_the_cache_and_a_model_more() -> None:
    before = compare(skin_models(), **SETTINGS)
    after = compare([*skin_models(), drawn("rival", seed=9, signal=1.2)], **SETTINGS)
    text = comment(
        Side(BEFORE, before, "p/b.png"), Side(AFTER, after, "p/a.png"), verified="Holds."
    )
    assert "Nothing ran: everything came from DVC's cache. Verified: Holds." in text
    (row,) = (line for line in text.splitlines() if line.startswith("| balanced accuracy, rival |"))
    assert row.split("|")[2].strip() == "–"
    assert row.split("|")[3].strip().endswith(")")
    for name in ("before", "after"):
        assert f"![Confusion of each model, {name}](p/{name[0]}.png)" in text


def test_a_picture_that_is_not_committed_has_no_address() -> None:
    numbers = compare(skin_models(), **SETTINGS)
    made = ["dvc.lock", "metrics/report/confusion.png"]
    sides = Side(BEFORE, numbers, "p/b.png"), Side(AFTER, numbers)
    text = comment(*sides, ["compare"], made)
    assert "](p/b.png)" in text
    assert "Confusion, after: `confusion-after.png` in the job's files." in text
    assert "Not committed as it came out: `dvc.lock`, `metrics/report/confusion.png`." in text


def test_the_same_twice_and_a_first_verdict() -> None:
    numbers = compare(skin_models(), **SETTINGS)
    text = comment(Side(BEFORE, numbers, "p.png"), Side(AFTER, numbers, "p.png"))
    assert "### The verdict stays the same" in text
    assert "p.png" not in text
    text = comment(Side(BEFORE, None), Side(AFTER, numbers, "p.png"))
    assert f"**Before** ({BEFORE[:12]}): there is no verdict." in text
    assert "before:" not in text


@pytest.mark.parametrize(
    ("file", "schema"), [("github.yml", "github-workflows"), ("gitlab.yml", "gitlab-ci")]
)
def test_the_jobs_fit_their_hosts_schemas(file: str, schema: str) -> None:
    path = ROOT / "deploy/ci" / file
    done = Project(ROOT).run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", str(path))
    assert "ok" in done.stdout
    text = path.read_text("utf-8")
    assert "-m tools.pull_request --base" in text
    assert "make install" in text
