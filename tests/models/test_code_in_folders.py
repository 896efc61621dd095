"""Code in a model's folder never runs: whatever is asked, and whatever is typed."""

import ast
import io
import json
import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest

from testing.places import ROOT
from testing.tiny import Tiny
from verdict.core.errors import VerdictError
from verdict.params.training import ModelOptions

pytestmark = pytest.mark.fault("supply chain")

pytest.importorskip("torch")

OPTIONS = ModelOptions(
    task="generate",
    dtype="float32",
    attn_implementation="eager",
    cache_vision_features=False,
)


def calls() -> list[tuple[str, ast.Call]]:
    """Every call of a ``from_pretrained``, with where it stands."""
    return [
        (f"{path.relative_to(ROOT)}:{node.lineno}", node)
        for folder in ("verdict", "stages", "tools", "verify", "benchmarks", "deploy")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "from_pretrained"
    ]


def refuses_code(call: ast.Call) -> bool:
    # peft's classes take no such option, and hold to the model that they are given.
    peft = ast.unparse(call.func).startswith("Peft")
    said = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    return peft or said.get("trust_remote_code") == "False"


def test_every_loading_says_that_no_code_is_trusted() -> None:
    assert len(calls()) >= 6
    assert [where for where, call in calls() if not refuses_code(call)] == []


@pytest.fixture
def armed(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model's folder with harmless code of its own, and somebody who says yes to everything."""
    folder = tmp_path / "base"
    shutil.copytree(tiny.base, folder)
    (folder / "own.py").write_text(f"open({str(tmp_path / 'LET_IN')!r}, 'w').close()\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    return folder


def arm(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def test_a_model_of_its_own_kind_is_refused(armed: Path, tmp_path: Path) -> None:
    from verdict.models.load import load_model

    arm(
        armed / "config.json", model_type="own",
        auto_map={"AutoConfig": "own.Config", "AutoModelForImageTextToText": "own.Model"},
    )  # fmt: skip
    with pytest.raises(VerdictError, match="holds Python code that would have to run"):
        load_model(armed, OPTIONS, "cpu")
    assert not (tmp_path / "LET_IN").exists()


@pytest.mark.parametrize("text_alone", [False, True])
def test_a_processor_or_tokenizer_of_its_own_is_refused_or_not_used(
    armed: Path, tmp_path: Path, text_alone: bool
) -> None:
    from verdict.models.load import load_processor

    name = "tokenizer_config.json"
    own = {"AutoTokenizer": ["own.Tokenizer", "own.Tokenizer"], "AutoProcessor": "own.Processor"}
    arm(armed / name, auto_map=own, tokenizer_class="OwnTokenizer")
    for path in armed.glob("*processor_config.json"):
        if text_alone:
            path.unlink()
        else:
            arm(path, auto_map=own, processor_class="OwnProcessor")
    # transformers knows a tokenizer for this kind of model, and takes it.
    refused = pytest.raises(VerdictError, match="holds Python code that would have to run")
    with nullcontext() if text_alone else refused:
        load_processor(armed)
    assert not (tmp_path / "LET_IN").exists()
