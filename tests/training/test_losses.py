"""What counts how much: label smoothing, and rare labels."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testing.tiny import LABELS, LORA, MODEL, Tiny, train_tiny
from tests.training.test_job import CLASSIFY, vary
from tests.training.test_rows import collate

torch = pytest.importorskip("torch")


def test_label_smoothing_is_the_textbook_formula(tiny: Tiny, tmp_path: Path) -> None:
    from verdict.models.load import load_model

    for model, labels in ((MODEL, None), (CLASSIFY, LABELS)):
        options = vary(label_smoothing_factor=0.2, max_steps=1, learning_rate=1e-9)
        lora = LORA.model_copy(update={"lora_dropout": 0.0})
        from verdict.reproducibility import make_deterministic

        training = train_tiny(tiny, tmp_path / model.task, options=options, lora=lora, model=model)
        make_deterministic(options.seed)  # for the same random head
        plain = load_model(tiny.base, model, "cpu", labels=labels).eval()
        chosen = [c for c in tiny.conversations if c.id in training.consumed[0]]
        _, batch = collate(replace(tiny, conversations=chosen), 4, labels)
        targets = batch.pop("labels")
        batch.pop("positions")
        with torch.no_grad():
            logits = plain(**batch).logits
        if labels is None:
            logits, targets = logits[:, :-1], targets[:, 1:]
        log_probabilities = logits.log_softmax(-1)[targets != -100]
        target = targets[targets != -100]
        nll = -log_probabilities.gather(-1, target[:, None]).mean()
        uniform = -log_probabilities.mean()
        assert training.log[0]["loss"] == pytest.approx(float(0.8 * nll + 0.2 * uniform), rel=1e-4)


def unbalanced(tiny: Tiny) -> list[Any]:
    """Six benign rows and two melanomas."""
    rows = tiny.conversations
    benign = [row for row in rows if row.label == "benign"]
    return benign + [row for row in rows if row.label == "melanoma"][:2]


def test_rare_labels_by_each_method(tiny: Tiny, tmp_path: Path) -> None:
    rows = unbalanced(tiny)
    counts = {}
    for method in ("none", "undersample", "oversample", "weighted_loss"):
        options = vary(class_imbalance=method, max_steps=None, num_train_epochs=1)
        training = train_tiny(tiny, tmp_path / method, options=options, conversations=rows)
        seen = list(itertools.chain(*training.consumed))
        labels = {row.id: row.label for row in rows}
        counts[method] = [sum(labels[id_] == label for id_ in seen) for label in LABELS]
    assert counts == {
        "none": [6, 2], "undersample": [2, 2], "oversample": [6, 6], "weighted_loss": [6, 2],
    }  # fmt: skip


def test_a_weighted_row_counts_as_often_as_it_weighs(tiny: Tiny, tmp_path: Path) -> None:
    rows = unbalanced(tiny)
    lora = LORA.model_copy(update={"lora_dropout": 0.0})
    options = vary(
        class_imbalance="weighted_loss", per_device_train_batch_size=8, max_steps=1,
        learning_rate=1e-9,
    )  # fmt: skip
    for model in (MODEL, CLASSIFY):
        weighted = train_tiny(
            tiny, tmp_path / f"w{model.task}", options=options, lora=lora, conversations=rows,
            model=model,
        )  # fmt: skip
        repeated = train_tiny(
            tiny, tmp_path / f"r{model.task}", lora=lora, conversations=rows, model=model,
            options=options.model_copy(
                update={"class_imbalance": "oversample", "per_device_train_batch_size": 12}
            ),
        )  # fmt: skip
        _, batch = collate(replace(tiny, conversations=rows), 8, None if model is MODEL else LABELS)
        learned = batch["labels"].ne(-100).reshape(8, -1).sum(1)
        # The mean is over tokens; that of six benign rows and the two melanomas, three times.
        times = torch.tensor([1 if row.label == "benign" else 3 for row in rows])
        share = 8 / 12 * (learned * times).sum() / learned.sum()
        loss = weighted.log[0]["loss"] / float(share)
        assert loss == pytest.approx(repeated.log[0]["loss"], rel=1e-4)
