"""Switching recipes says what changes, and loses nothing."""

import shutil
from pathlib import Path

import pytest

from testing.places import ROOT
from tests.tools.switching import edit, git
from tools.recipe import differences, in_use, listing, main, use, validate_recipe
from tools.rendering import recipe_values, render
from verdict.core.errors import VerdictError
from verdict.core.yaml12 import dump_yaml
from verdict.pipeline.validation import validate


def test_the_list_shows_task_models_and_method(project: Path) -> None:
    header, full, embedded = (line.split("  ") for line in listing().splitlines())
    assert header[0] == "recipe"
    assert [cell.strip() for cell in full if cell] == [
        "melanoma", "melanoma", "gemma-3-4b-it, medgemma-4b-it, medgemma-1.5-4b-it",
        "QLoRA, rank 32",
    ]  # fmt: skip
    assert [cell.strip() for cell in embedded if cell] == [
        "embedded/melanoma", "melanoma", "tiny gemma3", "QLoRA, rank 16",
    ]  # fmt: skip
    (project / "recipes" / "broken.yaml").write_text("lora: {r: many}\n")
    assert "not valid: python -m tools.recipe use broken says why" in listing()


def test_the_list_says_what_is_in_use(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    assert capsys.readouterr().out.endswith("\n\nparams.yaml is embedded/melanoma.\n")
    edit(project / "params.yaml", "  r: 16\n", "  r: 24  # more\n")
    said = in_use()
    assert said.startswith("params.yaml is edited; it differs from embedded/melanoma in\n")
    assert said.splitlines()[1].split() == ["lora", "r:", "16", "→", "24"]
    (project / "params.yaml").unlink()
    assert "There is no params.yaml" in in_use()


def test_a_kind_of_baseline_that_does_not_fit_the_task_is_refused(project: Path) -> None:
    for name, prompt in (("similarities", "Which?\n{text}"), ("fellegi_sunter", "{text}")):
        (project / "recipes" / "wrong.yaml").write_text(
            f"baselines: {{rival: {{kind: {name}}}}}\nformat: {{prompt: {prompt!r}}}\n", "utf-8"
        )
        with pytest.raises(VerdictError, match=rf"rival\.kind is {name}, .*melanoma task has no"):
            validate_recipe(project / "recipes" / "wrong.yaml")


def test_switching_says_what_changes_and_how_to_return(project: Path) -> None:
    before = (project / "params.yaml").read_bytes()
    said = use("melanoma")
    assert said.startswith("params.yaml is now melanoma.\n")
    assert "learning_rate: 0.002 → 2e-05;" in said
    assert "source: embedded → files" in said
    assert "weight_decay" not in said, "what stays is not listed"
    assert said.endswith("Back: python -m tools.recipe use embedded/melanoma")
    written = (project / "params.yaml").read_text("utf-8")
    assert written == render(project / "recipes/melanoma.yaml")
    assert len(written.splitlines()) > 5 * len(
        (project / "recipes/melanoma.yaml").read_text("utf-8").splitlines()
    )
    use("recipes/embedded/melanoma.yaml")
    assert (project / "params.yaml").read_bytes() == before
    assert use("embedded/melanoma") == "params.yaml is embedded/melanoma already."
    assert not (project / "recipes" / "mine").exists(), "nothing was edited, nothing to keep"


def test_an_edited_file_is_kept_and_comes_back(project: Path) -> None:
    kept = []
    for rank in ("24", "48"):
        edit(project / "params.yaml", "  r: 16\n", f"  r: {rank}\n")
        kept.append((project / "params.yaml").read_bytes())
        said = use("melanoma")
        assert f"recipes/mine/params-{len(kept)}.yaml" in said
        assert f"Back: python -m tools.recipe use mine/params-{len(kept)}" in said
        use("embedded/melanoma")
    for number, content in enumerate(kept, start=1):
        use(f"mine/params-{number}")
        assert (project / "params.yaml").read_bytes() == content
    use("melanoma")  # kept already: no third copy
    assert len(list((project / "recipes" / "mine").iterdir())) == 2
    assert "mine/params-2" in listing()


def test_a_comment_alone_is_kept_too(project: Path) -> None:
    edit(project / "params.yaml", "  r: 16\n", "  r: 16  # do not forget\n")
    use("melanoma")
    assert "do not forget" in (project / "recipes/mine/params-1.yaml").read_text("utf-8")


def test_even_a_broken_edit_is_kept(project: Path) -> None:
    (project / "params.yaml").write_text("lora: [unclosed", "utf-8")
    use("melanoma")
    assert (project / "recipes/mine/params-1.yaml").read_text("utf-8") == "lora: [unclosed"


def test_a_committed_edit_needs_no_copy(project: Path) -> None:
    edit(project / "params.yaml", "  r: 16\n", "  r: 24\n")
    git("commit", "--quiet", "--all", "-m", "Another rank")
    assert use("melanoma").endswith("Back: git checkout HEAD -- params.yaml")
    assert not (project / "recipes" / "mine").exists()


def test_it_works_without_git_and_without_a_params_file(project: Path) -> None:
    shutil.rmtree(project / ".git")
    edit(project / "params.yaml", "  r: 16\n", "  r: 24\n")
    assert "recipes/mine/params-1.yaml" in use("melanoma")
    (project / "params.yaml").unlink()
    assert use("embedded/melanoma") == "params.yaml is now embedded/melanoma."
    assert in_use() == "params.yaml is embedded/melanoma."


def test_an_unknown_name_gets_a_suggestion(project: Path) -> None:
    with pytest.raises(VerdictError, match=r"no recipe 'melanom' in recipes/; did you mean mel"):
        use("melanom")
    with pytest.raises(VerdictError, match=r"it has melanoma, embedded/melanoma"):
        use("../../x")


@pytest.mark.fault("parameters")
@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("  r: 32", "  r: many", r"recipes/melanoma\.yaml has 1 problem:\n  lora\.r: 'many'"),
        ("    images: 1500\n", "    pictures: 1500\n",
         r"recipes/melanoma\.yaml has 1 problem:\n  fetch\.embedded\.pictures: unknown key"),
        ("  r: 32", "  rank: 32", r"  lora\.rank: unknown key; lora has r, lora_alpha, "),
        ("extract:\n", "dataset: {fold: 1}\nextract:\n",
         r"recipes/melanoma\.yaml has 1 problem:\n  dataset\.fold: unknown key"),
        ("task: melanoma\n", "task: lesions\n", r"recipes/melanoma\.yaml: task is 'lesions'"),
        ("  source: files\n", "  source: files\n  files: {doubles: {address: a, sha256: null}}\n",
         r"recipes/melanoma\.yaml: fetch\.files has .*doubles, but .* exactly .*duplicates"),
    ],
)  # fmt: skip
def test_an_invalid_recipe_changes_nothing(
    project: Path, before: str, after: str, said: str
) -> None:
    edit(project / "recipes/melanoma.yaml", before, after)
    edit(project / "params.yaml", "  r: 16\n", "  r: 24\n")
    content = (project / "params.yaml").read_bytes()
    with pytest.raises(VerdictError, match=said):
        use("melanoma")
    assert (project / "params.yaml").read_bytes() == content
    assert not (project / "recipes" / "mine").exists()


def test_check_is_quiet_or_says_the_problem(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["check"])
    assert capsys.readouterr().out == ""
    edit(project / "params.yaml", "    images: 1000\n", "    images: 15\n")
    with pytest.raises(SystemExit, match=r"params\.yaml has 1 problem:\n  fetch\.embedded\.im"):
        main(["check"])


@pytest.mark.fault("own data")
def test_check_names_local_data_that_are_not_here(project: Path) -> None:
    edit(project / "params.yaml", "  source: embedded\n", "  source: files\n")
    edit(project / "params.yaml", "  local: stages/fetch.py\n", "  local: data/mine\n")
    with pytest.raises(SystemExit, match=r"fetch\.local is data/mine, where nothing lies\. Put"):
        main(["check"])
    (project / "data/mine").mkdir(parents=True)
    main(["check"])


@pytest.mark.fault("kills")
def test_check_also_frees_a_dvc_that_was_killed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = project / ".dvc/tmp/rwlock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    main(["check"])
    assert not lock.exists()
    assert capsys.readouterr().out.startswith("Removed .dvc/tmp/rwlock, ")


def test_differences_name_new_and_gone_keys() -> None:
    old = {"a": {"b": 1, "c": [1]}, "gone": {"x": True}, "same": {}}
    new = {"a": {"b": 1.0e-5, "c": [1]}, "same": {}, "fresh": {"y": "t" * 50}}
    assert differences(old, new) == [
        ("a.b", "1", "1e-05"),
        ("fresh.y", "(none)", "t" * 39 + "…"),
        ("gone.x", "true", "(none)"),
    ]


def test_the_committed_params_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    validate(Path("params.yaml"))


def test_what_a_task_calls_optional_may_be_left_out(project: Path) -> None:
    values = recipe_values(ROOT / "recipes/melanoma.yaml")
    for key in ("ground_truth_v2", "duplicates"):
        del values["fetch"]["files"][key]
    path = Path("recipes/own.yaml")
    path.write_text(dump_yaml(values), "utf-8")
    validate_recipe(path)
    del values["fetch"]["files"]["images"]
    path.write_text(dump_yaml(values), "utf-8")
    with pytest.raises(VerdictError, match=r"own.yaml: fetch.files has ground_truth, but"):
        validate_recipe(path)
