"""Evaluation refuses what was trained for something else, and what is damaged or missing."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testing.tiny import MODEL, Tiny
from tests.answers.saved import edit, load, predict, save, trained
from verdict.core.errors import VerdictError

pytestmark = pytest.mark.fault("models")


def test_a_classifier_for_other_labels_is_refused(tiny: Tiny, copied: Path) -> None:
    edit(copied / "provenance.json", lambda content: content.update(labels=["nevus", "melanoma"]))
    with pytest.raises(VerdictError, match="tuned is a classifier for nevus, melanoma, but"):
        predict(tiny, load(tiny, copied))


def test_a_classifier_without_labels_is_refused(tiny: Tiny, copied: Path) -> None:
    edit(copied / "provenance.json", lambda content: content.update(labels=None))
    with pytest.raises(VerdictError, match="does not say which labels its outputs stand for"):
        load(tiny, copied)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_what_was_trained_from_another_base_is_refused(
    tiny: Tiny, tmp_path: Path, method: str
) -> None:
    adapter = save(tiny, tmp_path / "adapter", trained(tiny.base, method), None)
    edit(adapter / "provenance.json", lambda content: content["base"].update(sha256="0" * 64))
    with pytest.raises(VerdictError) as refused:
        load(tiny, adapter)
    for part in (str(adapter), "owner/model at revision 0123abcd", "evaluate.models.*.model"):
        assert part in str(refused.value)


def narrow(weights: dict[str, Any]) -> None:
    name = next(name for name in weights if "q_proj.lora_A" in name)
    weights[name] = weights[name][:, :-1].contiguous()


def lose_a_layer(weights: dict[str, Any]) -> None:
    del weights[next(name for name in weights if "q_proj.lora_A" in name)]


@pytest.mark.parametrize("change", [narrow, lose_a_layer])
def test_weights_that_do_not_fit_are_refused(
    tiny: Tiny, copied: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    from safetensors.torch import load_file, save_file

    edit(copied / "provenance.json", lambda content: content.pop("base"))
    weights = load_file(copied / "adapter_model.safetensors")
    change(weights)
    save_file(weights, copied / "adapter_model.safetensors")
    with pytest.raises(VerdictError, match=r"adapter does not load over .*: it is damaged, or"):
        load(tiny, copied)


def test_weights_that_the_config_does_not_name_are_refused(tiny: Tiny, copied: Path) -> None:
    narrower = {"target_modules": ["k_proj"]}
    edit(copied / "adapter_config.json", lambda content: content.update(narrower))
    with pytest.raises(VerdictError, match=r"adapter_config\.json does not name, .*lora_A"):
        load(tiny, copied)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("adapter_config.json", "adapter does not load over"),
        ("provenance.json", r"provenance\.json is damaged"),
        ("tokenizer.json", "adapter does not load over"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"{", b"[]"])
def test_damaged_files_are_told(
    tiny: Tiny, copied: Path, name: str, message: str, content: bytes
) -> None:
    (copied / name).write_bytes(content)
    with pytest.raises(VerdictError, match=rf"{message} .* `dvc repro train`"):
        load(tiny, copied)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_cut_and_missing_weights_are_told(tiny: Tiny, tmp_path: Path, method: str) -> None:
    adapter = save(tiny, tmp_path / "adapter", trained(tiny.base, method), None)
    weights = next(adapter.glob("*model.safetensors"))
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(VerdictError, match=r"adapter does not load over .*: it is damaged"):
        load(tiny, adapter)
    weights.unlink()
    with pytest.raises(VerdictError, match=r"adapter does not load over .*: it is damaged"):
        load(tiny, adapter)


def test_an_adapter_that_is_not_there_is_named(tiny: Tiny) -> None:
    from verdict.answers.inference import load_for_inference

    for nothing in (tiny.records, tiny.records / "missing"):
        with pytest.raises(VerdictError, match="holds no adapter; run `dvc repro train`"):
            load(tiny, nothing)
    with pytest.raises(VerdictError, match="missing-model is not here"):
        load_for_inference(tiny.base.with_name("missing-model"), tiny.records, MODEL, "cpu")


def test_an_adapter_over_a_cut_base_names_the_base(
    tiny: Tiny, copied: Path, tmp_path: Path
) -> None:
    from verdict.answers.inference import load_for_inference

    base = Path(shutil.copytree(tiny.base, tmp_path / "base"))
    edit(copied / "provenance.json", lambda content: content.pop("base"))
    (base / "model.safetensors").write_bytes(b"")
    with pytest.raises(VerdictError, match=r"base does not load: model\.safetensors is damaged"):
        load_for_inference(base, copied, MODEL, "cpu")
