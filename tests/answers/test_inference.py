"""What training saves is what evaluation loads: adapters and whole models, words and classes."""

import copy
import dataclasses
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from testing.places import ROOT
from testing.tiny import MODEL, Tiny
from tests.answers.saved import LABELS, edit, load, logits, predict, save, trained
from verdict.core.errors import VerdictError
from verdict.core.files import sha256_of_tree
from verdict.params.training import ModelOptions

torch = pytest.importorskip("torch")

#: What starting takes seconds for, and who needs no such thing.
STARTED = """
import sys
from pathlib import Path
from verdict.models.folder import load_tokenizer
from verdict.models.chat import check_control_tokens

base = Path(sys.argv[1])
check_control_tokens([], load_tokenizer(base))
assert not {"transformers.modeling_utils", "transformers.processing_utils"} & sys.modules.keys()
from testing.tiny import MODEL
import verdict.answers.evaluation, verdict.answers.workers
from verdict.answers.inference import load_for_inference

load_for_inference(base, base / "config.json", MODEL, "cpu")
assert not {"peft", "trl", "datasets", "bitsandbytes"} & sys.modules.keys()
"""

BFLOAT16 = MODEL.model_copy(update={"dtype": "bfloat16"})


def test_a_classifier_gives_the_same_logits_after_loading(
    tiny: Tiny, classifier: tuple[Any, Path]
) -> None:
    model, adapter = classifier
    loaded = load(tiny, adapter)
    assert loaded.labels == LABELS
    assert not loaded.model.training
    expected = logits(tiny, model, loaded.processor)
    assert expected.shape == (4, 2)
    assert torch.equal(logits(tiny, loaded.model, loaded.processor), expected)


def test_what_is_not_needed_is_not_imported(tiny: Tiny) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTED, str(tiny.base)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_adapters_are_called_as_peft_calls_them() -> None:
    from peft.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME

    from verdict.answers.adapter import ADAPTER_CONFIG, ADAPTER_WEIGHTS

    assert (ADAPTER_CONFIG, ADAPTER_WEIGHTS) == (CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME)


@pytest.mark.parametrize("batch_size", [1, 8])
def test_a_classifier_predicts_in_the_order_of_the_answers(
    tiny: Tiny, classifier: tuple[Any, Path], batch_size: int
) -> None:
    model, adapter = classifier
    loaded = load(tiny, adapter)
    predictions = predict(tiny, loaded, batch_size)
    assert predictions.labels == ("benign", "melanoma")
    expected = logits(tiny, model, loaded.processor).log_softmax(-1)[:, [1, 0]]
    np.testing.assert_allclose(predictions.log_probabilities[:4], expected, atol=1e-5)
    np.testing.assert_allclose(np.exp(predictions.log_probabilities).sum(1), 1)


def test_a_classifier_writes_nothing_and_its_metrics_say_so(
    tiny: Tiny, classifier: tuple[Any, Path], tmp_path: Path
) -> None:
    from verdict.predictions import read_predictions, write_predictions
    from verdict.statistics.measurement import measure

    write_predictions(tmp_path / "tuned.parquet", predict(tiny, load(tiny, classifier[1])))
    predictions = read_predictions(tmp_path / "tuned.parquet")
    assert set(predictions.table["generated"].to_pylist()) == {""}
    assert (predictions.parsed == predictions.predicted).all()
    metrics = measure(predictions).values()
    assert metrics["generated_accuracy"] == metrics["accuracy"]
    assert (metrics["invalid_rate"], metrics["agreement"]) == (0, 1)
    # No answers were scored, so none could be divided by its length.
    assert predictions.length_normalization is None


def test_the_batch_size_changes_no_class(tiny: Tiny, classifier: tuple[Any, Path]) -> None:
    from verdict.predictions import SCHEMA
    from verdict.statistics.measurement import measure

    one, many = (predict(tiny, load(tiny, classifier[1]), size) for size in (1, 32))
    rest = [name for name in SCHEMA.names if name != "log_probabilities"]
    assert one.table.select(rest) == many.table.select(rest)
    np.testing.assert_allclose(one.log_probabilities, many.log_probabilities, atol=1e-4, rtol=0)
    assert measure(one).values() == pytest.approx(measure(many).values(), abs=2e-6)


def test_outputs_of_a_bfloat16_classifier_are_fine_enough_to_rank(
    tiny: Tiny, tmp_path: Path
) -> None:
    model = trained(tiny.base, labels=LABELS, options=BFLOAT16)
    adapter = save(tiny, tmp_path / "adapter", model, LABELS)
    loaded = load(tiny, adapter, BFLOAT16)
    head = loaded.model.base_model.model.score.modules_to_save["default"]
    assert head.weight.dtype == torch.float32
    assert torch.equal(head.weight, model.base_model.model.score.modules_to_save["default"].weight)
    found = logits(tiny, loaded.model, loaded.processor)
    assert not torch.equal(found, found.bfloat16().float())


@pytest.mark.parametrize("options", [MODEL, BFLOAT16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("labels", [None, LABELS], ids=["writes", "classifies"])
def test_a_whole_model_is_the_same_after_loading(
    tiny: Tiny, tmp_path: Path, labels: list[str] | None, options: ModelOptions
) -> None:
    model = trained(tiny.base, "full", labels, options)
    dtype = getattr(torch, options.dtype)
    adapter = save(tiny, tmp_path / "adapter", model, labels, dtype)
    names = {path.name for path in adapter.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "provenance.json"} <= names
    assert json.loads((adapter / "config.json").read_text())["dtype"] == options.dtype
    loaded = load(tiny, adapter, options)
    assert loaded.labels == labels
    found = dict(loaded.model.named_parameters())
    for name, parameter in model.named_parameters():
        assert parameter.dtype == dtype
        assert torch.equal(found[name], parameter), name
    # The head of a classifier computes in float32 after loading.
    if labels is None or options is MODEL:
        expected = logits(tiny, model, loaded.processor)
        assert torch.equal(logits(tiny, loaded.model, loaded.processor), expected)
    assert len(predict(tiny, loaded)) == len(tiny.conversations)


def test_the_labels_of_a_whole_classifier_are_in_its_configuration_too(
    tiny: Tiny, tmp_path: Path
) -> None:
    adapter = save(tiny, tmp_path / "adapter", trained(tiny.base, "full", LABELS), LABELS)
    (adapter / "provenance.json").unlink()
    assert load(tiny, adapter).labels == LABELS
    edit(adapter / "config.json", lambda content: content.pop("id2label"))
    with pytest.raises(VerdictError, match="does not say which labels"):
        load(tiny, adapter)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_model_that_writes_does_so_after_loading(tiny: Tiny, tmp_path: Path, method: str) -> None:
    model = trained(tiny.base, method)
    loaded = load(tiny, save(tiny, tmp_path / "adapter", model, None))
    assert loaded.labels is None
    expected = logits(tiny, model, loaded.processor)
    assert torch.equal(logits(tiny, loaded.model, loaded.processor), expected)
    base = load(tiny, tiny.base / "config.json")
    assert not torch.allclose(logits(tiny, base.model, base.processor), expected, atol=0.01)


def test_saving_and_loading_ask_no_network(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def refuse(*arguments: Any, **_: Any) -> Any:
        asked.append(arguments)
        raise OSError("no network in this test")

    model = trained(tiny.base)
    # As for a base whose folder is called by its hub name.
    model.peft_config["default"].base_model_name_or_path = "owner/model"
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    load(tiny, save(tiny, tmp_path / "adapter", model, None))
    assert asked == []


def test_the_folder_is_complete_and_free_of_this_run(tiny: Tiny, copied: Path) -> None:
    names = {path.name for path in copied.iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json"} <= names
    assert not {"README.md", "training_args.bin"} & names
    provenance = json.loads((copied / "provenance.json").read_text())
    assert provenance["base"]["sha256"] == sha256_of_tree(tiny.base)
    assert provenance["labels"] == LABELS
    assert provenance["versions"]["torch"] == "2.13.0"


@pytest.mark.parametrize("labels", [None, LABELS])
def test_an_adapter_without_its_processor_has_that_of_its_base(
    tiny: Tiny, tmp_path: Path, labels: list[str] | None
) -> None:
    adapter = save(tiny, tmp_path / "adapter", trained(tiny.base, labels=labels), labels)
    expected = load(tiny, adapter)
    kept = ("adapter_config.json", "adapter_model.safetensors", "provenance.json")
    for path in adapter.iterdir():
        if path.name not in kept:
            path.unlink()
    loaded = load(tiny, adapter)
    assert torch.equal(
        logits(tiny, loaded.model, loaded.processor),
        logits(tiny, expected.model, expected.processor),
    )


def test_a_record_longer_than_the_context_is_refused_by_name(tiny: Tiny) -> None:
    from verdict.answers.inference import load_for_inference

    loaded = load_for_inference(tiny.base, tiny.base / "config.json", MODEL, "cpu")
    limit = loaded.model.config.get_text_config().max_position_embeddings
    assert loaded.limit == limit
    conversations = copy.deepcopy(tiny.conversations)
    conversations[2].prompt[-1]["content"][-1]["text"] += " lesion" * limit
    wrong = dataclasses.replace(tiny, conversations=conversations)
    expected = rf"record {conversations[2].id} has \d+ .* at most {limit} .*; so have 1 rec"
    with pytest.raises(VerdictError, match=expected):
        predict(wrong, loaded)
