"""Settings that are tried in DVC's queue, and chosen by the validation split."""

from pathlib import Path
from typing import Any

import pytest

from testing.project import Small
from tools.search import Try, best, combinations, main
from verdict.core.errors import VerdictError
from verdict.core.yaml12 import dump_yaml


def test_all_combinations_are_tried() -> None:
    found = combinations(["lora.r=8,16", "train.seed=range(0,2)"])
    assert found == [
        ("lora.r=8", "train.seed=0"), ("lora.r=8", "train.seed=1"),
        ("lora.r=16", "train.seed=0"), ("lora.r=16", "train.seed=1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "expected"), [("lora.r=8", "give several"), ("lora.r=8,[", "cannot be read")]
)
def test_what_is_no_choice_is_refused(setting: str, expected: str) -> None:
    with pytest.raises(VerdictError, match=expected):
        combinations([setting])


def test_the_highest_on_validation_is_chosen_and_one_that_failed_never() -> None:
    tries = [Try("a", ()), Try("b", (), 0.0), Try("c", (), 0.7), Try("d", (), 0.7)]
    assert best(tries).name == "c"
    assert best(tries[:2]).name == "b"
    with pytest.raises(VerdictError, match="none of the 1 experiments has ended"):
        best(tries[:1])


def test_a_search_ends_with_the_best_settings_in_place(
    small: Small, tmp_path_factory: pytest.TempPathFactory
) -> None:
    project = small.copy(tmp_path_factory.mktemp("search") / "project")
    search = ("python", "-m", "tools.search", "-S")
    failed = project.run(*search, "lora.rank=4,8", check=False)
    assert failed.returncode == 1
    assert "lora.rank" in failed.stdout
    assert "Queued" not in project.dvc("queue", "status")

    # What an earlier search has chosen from counts, too.
    project.edit({("compare", "tries"): 3})
    more = (*search, "compare.resamples=150,160", "--name", "more")
    said = project.run(*more).stdout
    assert "more-1  compare.resamples=150" in said
    assert "Applied more-1." in said
    compare = project.read("params.yaml")["compare"]
    assert (compare["resamples"], compare["tries"]) == (150, 4)
    assert "up to date" in project.dvc("status")
    assert 0 <= project.read("metrics/compare.json")["validation"] <= 1
    assert "more-2" in project.dvc("exp", "show", "--csv")
    again = project.run(*more, check=False)
    assert again.returncode == 1
    assert "experiments called more-1, more-2 already" in again.stdout


def test_it_needs_the_validation_split(
    params: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params["evaluate"]["validation"] = False
    params["compare"] |= {"sensitivity": None, "cost": None}
    (tmp_path / "params.yaml").write_text(dump_yaml(params), "utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"evaluate\.validation is false in params\.yaml"):
        main(["-S", "lora.r=4,8"])
