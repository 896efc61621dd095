"""tools.export: one model out of base and adapter, proved before it is published."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from testing.tiny import COMMITTED, Tiny
from tests.report.terms import GEMMA
from tests.tools.tried import LABELS, make_project
from tools.predict.answering import Predictor, chosen
from tools.predict.questions import Question
from verdict.core.errors import VerdictError
from verdict.core.files import sha256_of_tree, write_json
from verdict.params.data import Gguf, Model, SourceFile, Use
from verdict.params.file import read_params

torch = pytest.importorskip("torch")

#: As the tests of the pipeline: the other process must find the project's modules.
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load what was stored in this process, which saves seconds."""
    from tools.export import DTYPE, merging
    from tools.export.parity import Prompts
    from verdict.answers.inference import load_for_inference

    def logits(folder: Path, prompts: int) -> dict[str, Any]:
        options = read_params().model
        return {
            dtype: Prompts(prompts).logits(
                load_for_inference(
                    folder, folder, options.model_copy(update={"dtype": dtype}), "cpu"
                ),
                "cpu",
            )
            for dtype in {options.dtype, DTYPE}
        }

    monkeypatch.setattr(merging, "_logits_of", logits)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def make(tiny: Tiny, **kind: Any) -> Path:
        root = make_project(tmp_path / "project", tiny, **kind)
        monkeypatch.chdir(root)
        return root

    return make


def run(prompts: int = 4) -> tuple[Any, list[str]]:
    from tools.export.merging import export

    said: list[str] = []
    params = read_params()
    parity = export(params, chosen(params, None, None), Path("exported"), prompts, said.append)
    return parity, said


def answers(root: Path, adapter: Path | None, tiny: Tiny) -> list[dict[str, float]]:
    params = read_params()
    predictor = Predictor(params, chosen(params, None, adapter))
    path = root / "square.jpg"
    path.write_bytes(tiny.images[tiny.conversations[0].id])
    return [answered.probabilities for answered in predictor.answers([Question("one", path)])]


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [({}, "bfloat16"), ({"labels": LABELS}, "float32")],
    ids=["writes", "classifies"],
)
def test_what_is_exported_answers_without_base_and_adapter(
    tiny: Tiny, project: Any, request: pytest.FixtureRequest, kind: dict[str, Any], dtype: str
) -> None:
    if kind:
        request.getfixturevalue("here")
    task = "classify" if kind else "generate"
    root = project(
        tiny, **kind, sections={"model": {**COMMITTED["model"], "dtype": dtype, "task": task}}
    )
    before = answers(root, None, tiny)
    parity, said = run()
    assert parity.dtype == "bfloat16"
    assert parity.holds
    assert f"merged, {dtype}: " in "".join(said)
    assert parity.relative > 1e-5, "bfloat16 rounds"
    assert f"stored, {dtype}: logits differ by " in "".join(said)
    if kind:  # in this process, so by the same kernels
        assert f"stored, {dtype}: logits differ by 0 at most" in "".join(said)
    with safe_open(root / "exported/model.safetensors", "pt") as file:
        names = list(file.keys())
        assert {file.get_tensor(name).dtype for name in names} == {torch.bfloat16}
    assert not [name for name in names if "lora" in name]
    assert ("score.weight" in names) == bool(kind)
    kept = {path.name for path in (root / "exported").iterdir()}
    assert {"tokenizer.json", "chat_template.jinja", "processor_config.json"} <= kept
    assert not [name for name in kept if "adapter" in name or "partial" in name]
    told = json.loads((root / "exported/provenance.json").read_text())
    assert told["exported_from"]["sha256"] == sha256_of_tree(root / "models/adapter")
    assert told["parity"]["relative"] == parity.relative
    (root / "models/base").unlink()
    after = answers(root, Path("exported"), tiny)
    # As p(1 - p) is at most ¼, this is 0.2 or more in log-odds.
    for one, other in zip(before, after, strict=True):
        assert one == pytest.approx(other, abs=0.05)


@pytest.mark.usefixtures("here")
def test_what_the_terms_of_the_base_ask_for_goes_along(tiny: Tiny, project: Any) -> None:
    from tools.export.merging import export

    root = project(tiny)
    base = (root / "models/base").resolve()
    (root / "models/base").unlink()
    shutil.copytree(base, root / "models/base")
    (root / "models/base/TERMS.html").write_text("Use it well.")
    file = root / "models/adapter/provenance.json"
    told = json.loads(file.read_text())
    told["base"]["sha256"] = sha256_of_tree(root / "models/base")
    write_json(file, told)
    params = read_params()
    gguf = Gguf(
        addresses=["a.gguf"],
        sha256="0" * 64,
        chat_template=None,
        terms=[SourceFile(address="https://a.org/TERMS.html", sha256=None)],
    )
    models = {"base": Model(name="google/gemma-3-270m", revision=None, gguf=gguf)}
    use = Use(data=None, models={"google/gemma-3-270m": GEMMA})
    params = params.model_copy(update={"models": models, "terms": use})
    export(params, chosen(params, None, None), Path("exported"), 2, print)
    assert (root / "exported/terms/TERMS.html").read_text() == "Use it well."
    assert GEMMA.notice in (root / "exported/NOTICE").read_text()


@pytest.mark.usefixtures("here")
def test_a_wholly_trained_model_has_nothing_to_merge(tiny: Tiny, project: Any) -> None:
    root = project(
        tiny, method="full", sections={"quantization": {**COMMITTED["quantization"],
                                                        "load_in_4bit": False}},
    )  # fmt: skip
    parity, said = run()
    assert "there is nothing to merge" in "".join(said)
    assert parity.of_the_adapter is None
    assert (root / "exported/model.safetensors").is_file()


def test_nothing_is_overwritten(tiny: Tiny, project: Any) -> None:
    root = project(tiny)
    (root / "exported").mkdir()
    with pytest.raises(VerdictError, match="exported exists; name another folder"):
        run()


@pytest.mark.parametrize("output", ["models/adapter/ex", "data/ex", "metrics", "linked/ex"])
def test_what_stages_write_gets_no_other_files(tiny: Tiny, project: Any, output: str) -> None:
    from tools.export.merging import export

    root = project(tiny)
    (root / "linked").symlink_to("models")
    params = read_params()
    with pytest.raises(VerdictError, match=rf"{output} is in (data|models|metrics)/, which holds"):
        export(params, chosen(params, None, None), Path(output), 4, print)


@pytest.mark.fault("kills")
@pytest.mark.usefixtures("here", "in_a_terminal")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ended_from_outside_it_leaves_nothing(
    tiny: Tiny, project: Any, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    from tools.export import __main__, merging

    def ended(folder: Path, prompts: int) -> None:
        assert folder.is_dir()
        os.kill(os.getpid(), number)

    root = project(tiny)
    monkeypatch.setattr(merging, "_logits_of", ended)
    monkeypatch.setattr(__main__, "pinned_params", read_params)
    before = signal.getsignal(number)
    with pytest.raises(SystemExit, match=r"^export: interrupted; nothing was written$"):
        __main__.main(["--output", "exported", "--prompts", "2"])
    assert not [path for path in root.iterdir() if "exported" in path.name]
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("prompts", ["0", "-3", "many"])
def test_no_prompts_prove_nothing(prompts: str, capsys: pytest.CaptureFixture[str]) -> None:
    from tools.export.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main(["--output", "exported", f"--prompts={prompts}"])
    assert ended.value.code == 2
    assert f"{prompts} prompts prove nothing" in capsys.readouterr().err


@pytest.mark.fault("storage")
def test_a_place_that_cannot_be_written_is_told_before_the_work(tiny: Tiny, project: Any) -> None:
    from tools.export.merging import export

    project(tiny)
    params = read_params()
    said: list[str] = []
    with pytest.raises(VerdictError, match="/proc/no/exported cannot be written"):
        export(params, chosen(params, None, None), Path("/proc/no/exported"), 4, said.append)
    assert said == []


def test_an_adapter_that_does_nothing_has_no_share_to_lose() -> None:
    from tools.export.parity import compare

    logits = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    assert not compare("bfloat16", logits, logits, logits).holds


def test_rounding_is_judged_by_what_it_leaves_of_the_adapter() -> None:
    """A classifier's logits may all but cancel: then rounding has any share of their spread."""
    from tools.export.parity import compare

    base = torch.tensor([[0.2, 0.5], [0.2, 0.4]])
    expected = torch.tensor([[0.3, 0.31], [0.3, 0.29]])
    found = expected + torch.tensor([[0.0, 0.004], [0.0, 0.004]])
    costs = compare("bfloat16", expected, found, base, rounded=True)
    assert costs.holds
    assert 0.3 < costs.relative < 0.5
    # The same weights in the same arithmetic have no such excuse, nor has a model without adapter.
    assert not compare("bfloat16", expected, found).holds
    assert not compare("float32", expected, expected * 1.001).holds
    assert not compare("bfloat16", expected, found, rounded=True).holds
    assert not compare("bfloat16", expected, expected + (found - base), base, rounded=True).holds


def test_a_model_as_it_comes_has_no_adapter(tiny: Tiny, project: Any) -> None:
    from tools.export.merging import export

    project(tiny)
    params = read_params()
    with pytest.raises(VerdictError, match="base is models/base as it comes: there is no adapter"):
        export(params, chosen(params, "base", None), Path("exported"), 4, print)


@pytest.mark.fault("forgeries")
def test_a_wrong_merge_is_not_published(
    tiny: Tiny, project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft.tuners.lora import Linear

    root = project(tiny)
    delta = Linear.get_delta_weight
    monkeypatch.setattr(Linear, "get_delta_weight", lambda *args: 1.1 * delta(*args))
    with pytest.raises(VerdictError, match="What was merged is not the model that was evaluated"):
        run()
    assert not [path for path in root.iterdir() if "exported" in path.name]


@pytest.mark.fault("forgeries")
@pytest.mark.usefixtures("here")
def test_a_wrong_file_is_not_published(
    tiny: Tiny, project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tools.export import merging

    root = project(tiny)
    save = merging.save_adapter

    def damaged(folder: Path, model: Any, *others: Any, **options: Any) -> None:
        with torch.no_grad():
            model.get_output_embeddings().weight *= 1.01
        save(folder, model, *others, **options)

    monkeypatch.setattr(merging, "save_adapter", damaged)
    with pytest.raises(VerdictError, match="What was stored is not the model that was evaluated"):
        run()
    assert not [path for path in root.iterdir() if "exported" in path.name]
