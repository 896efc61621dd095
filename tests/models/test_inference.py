"""What training saves is what evaluation loads: adapters and whole models, words and classes."""

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tiny import LORA, MODEL, TRAIN, Tiny
from verdict.errors import VerdictError
from verdict.files import sha256_of, sha256_of_tree, write_json
from verdict.params_training import ModelOptions

torch = pytest.importorskip("torch")

#: In another order than the answers, so that a mix-up shows.
LABELS = ["melanoma", "benign"]
BFLOAT16 = MODEL.model_copy(update={"dtype": "bfloat16"})


def trained(
    base: Path, method: str = "lora", labels: list[str] | None = None, options: ModelOptions = MODEL
) -> Any:
    """A model whose trainable weights have moved, as if it had been trained."""
    from verdict.models.adapt import make_trainable
    from verdict.models.load import load_model

    torch.manual_seed(7)
    model = make_trainable(
        load_model(base, options, "cpu", labels=labels),
        TRAIN.model_copy(update={"method": method}),
        LORA,
    )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.02 * torch.randn_like(parameter)
    return model.eval()


def origin(tiny: Tiny, labels: list[str] | None) -> dict[str, Any]:
    from verdict.models.adapter import describe_origin

    return describe_origin(
        base_name="owner/model",
        base_revision="0123abcd",
        digests={
            "models/base": sha256_of_tree(tiny.base),
            "data/chat/train.jsonl": sha256_of(tiny.chat / "train.jsonl"),
            "data/records": sha256_of_tree(tiny.records),
        },
        labels=labels,
        parameters={"lora": {"r": 16}},
    )


def save(tiny: Tiny, folder: Path, model: Any, labels: list[str] | None, dtype: Any = None) -> Path:
    from verdict.models.adapter import save_adapter
    from verdict.models.load import load_processor

    save_adapter(
        folder, model, load_processor(tiny.base), origin(tiny, labels), dtype or torch.float32
    )
    return folder


def load(tiny: Tiny, adapter: Path, options: ModelOptions = MODEL) -> Any:
    from verdict.models.inference import load_for_inference

    return load_for_inference(tiny.base, adapter, options, "cpu")


def logits(tiny: Tiny, model: Any, processor: Any) -> Any:
    from verdict.answers.prompts import batches

    batch = next(batches(processor, tiny.conversations, tiny.images, 4, "cpu"))
    with torch.no_grad():
        return model(**batch.inputs).logits


def predict(tiny: Tiny, loaded: Any, batch_size: int = 8) -> Any:
    from verdict.answers.evaluate import predict

    return predict(
        "tuned", loaded, tiny.conversations, tiny.images, tiny.answers,
        batch_size=batch_size, max_new_tokens=4, device="cpu",
    )  # fmt: skip


@pytest.fixture(scope="module")
def classifier(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A classifier under an adapter, and the folder it was saved to."""
    model = trained(tiny.base, labels=LABELS)
    return model, save(tiny, tmp_path_factory.mktemp("classifier") / "adapter", model, LABELS)


@pytest.fixture
def copied(classifier: tuple[Any, Path], tmp_path: Path) -> Path:
    """A copy of the classifier's adapter, free to be damaged."""
    return Path(shutil.copytree(classifier[1], tmp_path / "adapter"))


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads(path.read_text())
    change(content)
    write_json(path, content)


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
    from verdict.statistics.classification import classification_metrics

    write_predictions(tmp_path / "tuned.parquet", predict(tiny, load(tiny, classifier[1])))
    predictions = read_predictions(tmp_path / "tuned.parquet")
    assert set(predictions.table["generated"].to_pylist()) == {""}
    assert (predictions.parsed == predictions.predicted).all()
    metrics = classification_metrics(predictions)
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


def test_a_classifier_for_other_labels_is_refused(tiny: Tiny, copied: Path) -> None:
    edit(copied / "provenance.json", lambda content: content.update(labels=["nevus", "melanoma"]))
    with pytest.raises(VerdictError, match="tuned is a classifier for nevus, melanoma, but"):
        predict(tiny, load(tiny, copied))


def test_a_classifier_without_labels_is_refused(tiny: Tiny, copied: Path) -> None:
    edit(copied / "provenance.json", lambda content: content.update(labels=None))
    with pytest.raises(VerdictError, match="does not say which labels its outputs stand for"):
        load(tiny, copied)


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


@pytest.mark.parametrize("name", ["adapter_config.json", "provenance.json", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"{"])
def test_damaged_files_are_told(tiny: Tiny, copied: Path, name: str, content: bytes) -> None:
    (copied / name).write_bytes(content)
    with pytest.raises(VerdictError, match=r"adapter does not load over .* `dvc repro train`"):
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
    from verdict.models.inference import load_for_inference

    for nothing in (tiny.records, tiny.records / "missing"):
        with pytest.raises(VerdictError, match="holds no adapter; run `dvc repro train`"):
            load(tiny, nothing)
    with pytest.raises(VerdictError, match="missing-model is not here"):
        load_for_inference(tiny.base.with_name("missing-model"), tiny.records, MODEL, "cpu")


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
