"""Predictions made up for tests: from counts, from log-odds, and drawn by chance."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from verdict.comparison import steps
from verdict.comparison.model import Comparison
from verdict.params import Compare
from verdict.predictions import Predictions, make_predictions

SKIN = ("benign", "melanoma")
TISSUE = (
    "adenosis",
    "fibroadenoma",
    "phyllodes_tumor",
    "tubular_adenoma",
    "ductal_carcinoma",
    "lobular_carcinoma",
    "mucinous_carcinoma",
    "papillary_carcinoma",
)


#: Of comparisons in tests.
SETTINGS: dict[str, Any] = {
    "baseline": "base",
    "resamples": 2000,
    "confidence": 0.95,
    "seed": 0,
    "synthetic": False,
}


def compare(predictions: Sequence[Predictions], **options: Any) -> Comparison:
    """Compare models by ``options``: of the section ``compare``, and of ``steps.compare``."""
    section: dict[str, Any] = {
        "groups_are": options.pop("noun", "groups"),
        "subgroups": [],
        "merge": {},
        "merge_positive": None,
        "sensitivity": None,
        "tries": 1,
        "cost": None,
        "coverage": None,
    }
    section |= {key: options.pop(key) for key in list(options) if key in Compare.model_fields}
    # Not validated: ``compare`` has to refuse what does not fit the predictions by itself.
    return steps.compare(predictions, Compare.model_construct(**section), **options)


def predictions_from(
    model: str,
    actual: Sequence[int] | np.ndarray,
    log_probabilities: np.ndarray,
    *,
    labels: tuple[str, ...] = SKIN,
    positive: str | None = "melanoma",
    groups: Sequence[int] | np.ndarray | None = None,
    others: Sequence[int] | np.ndarray | None = None,
    parsed: Sequence[int] | np.ndarray | None = None,
    attributes: Callable[[int], dict[str, str]] = lambda i: {"sex": "female", "age": "45"},
) -> Predictions:
    """Build predictions from codes; ``parsed`` has -1 for invalid and is the likeliest if None."""
    groups = range(len(actual)) if groups is None else groups
    parsed = np.argmax(log_probabilities, axis=1) if parsed is None else parsed
    rows = [
        {
            "id": f"ISIC_{i:07d}",
            "group": f"IP_{groups[i]:07d}",
            "other_group": None if others is None else f"IP_{others[i]:07d}",
            "label": labels[actual[i]],
            "answer": labels[actual[i]],
            "generated": "unsure" if parsed[i] < 0 else labels[parsed[i]],
            "parsed": None if parsed[i] < 0 else labels[parsed[i]],
            "invalid_reason": "no label in the answer" if parsed[i] < 0 else None,
            "log_probabilities": log_probabilities[i].tolist(),
            "attributes": attributes(i),
            "prompt_sha256": f"{i:064x}",
        }
        for i in range(len(actual))
    ]
    return make_predictions(model, labels, positive, rows)


def from_counts(model: str, tp: int, fp: int, tn: int, fn: int, **options: Any) -> Predictions:
    """Build binary predictions with these confusion counts: positives first, each its group."""
    actual = np.repeat([1, 0], [tp + fn, fp + tn])
    predicted = np.repeat([1, 0, 1, 0], [tp, fn, fp, tn])
    log_probabilities = np.where(np.eye(2)[predicted] > 0, -0.1, -2.4)
    return predictions_from(model, actual, log_probabilities, **options)


def drawn(
    model: str,
    *,
    seed: int,
    signal: float,
    bias: float = 0.0,
    records: int = 600,
    groups: int = 150,
    share: float = 0.2,
    labels: tuple[str, ...] = SKIN,
    invalid: float = 0.02,
) -> Predictions:
    """Draw predictions of records that are the same for every model.

    Records of a group share their label mostly, and part of the model's error. ``signal`` is the
    distance of the true label's log-odds from the others, ``bias`` is added to the last label.
    """
    world, own = np.random.default_rng(0), np.random.default_rng(seed)
    group = np.sort(world.integers(0, groups, records))
    size = len(labels)
    shares = [1 - share, share] if size == 2 else np.arange(1, size + 1) / (size * (size + 1) / 2)
    of_group = world.choice(size, groups, p=shares)
    other = world.choice(size, records, p=shares)
    actual = np.where(world.random(records) < 0.8, of_group[group], other)
    noise = own.normal(0, 0.7, (groups, size))[group] + own.normal(0, 0.7, (records, size))
    logits = noise + signal * np.eye(size)[actual]
    logits[:, -1] += bias
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)) - 0.3
    parsed = np.where(own.random(records) < invalid, -1, np.argmax(log_probabilities, axis=1))
    return predictions_from(
        model,
        actual,
        log_probabilities,
        labels=labels,
        positive=labels[-1] if size == 2 else None,
        groups=group,
        parsed=parsed,
    )


def skin_models() -> list[Predictions]:
    """Return three models on 600 synthetic records of 150 patients."""
    return [
        drawn("base", seed=1, signal=0.1, bias=1.5, invalid=0.08),
        drawn("tuned", seed=2, signal=1.2),
        drawn("reference", seed=3, signal=0.7, bias=-0.8, invalid=0.01),
    ]


def tissue_models() -> list[Predictions]:
    """Return two models on 800 synthetic records of eight labels, in 120 patients."""
    return [
        drawn("base", seed=1, signal=0.3, records=800, groups=120, labels=TISSUE),
        drawn("tuned", seed=2, signal=2.2, records=800, groups=120, labels=TISSUE),
    ]


def _pairs(rng: np.random.Generator, records: int, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the two groups of each record; of a third of them they are one."""
    first = rng.integers(0, groups - groups // 4, records)
    second = first + rng.integers(1, groups // 4, records)  # Some groups are second ones alone.
    return first, np.where(np.arange(records) % 3 == 0, first, second)


def drawn_pairs(
    model: str,
    *,
    seed: int,
    signal: float,
    records: int = 400,
    groups: int = 60,
    labels: tuple[str, ...] = SKIN,
) -> Predictions:
    """Draw predictions of records that link two groups, which both move the model's error.

    The records are the same for every model.
    """
    world, own = np.random.default_rng(0), np.random.default_rng(seed)
    first, second = _pairs(world, records, groups)
    actual = world.integers(0, len(labels), records)
    noise = own.normal(0, 1, (groups, len(labels)))
    logits = noise[first] + noise[second] + own.normal(0, 0.3, (records, len(labels)))
    logits += signal * np.eye(len(labels))[actual]
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return predictions_from(
        model,
        actual,
        log_probabilities,
        labels=labels,
        positive=labels[-1] if len(labels) == 2 else None,
        groups=first,
        others=second,
    )


def texts_from(
    model: str,
    pairs: Sequence[tuple[str, str]],
    groups: Sequence[int] | None = None,
    others: Sequence[int] | None = None,
) -> Predictions:
    """Build free-text predictions from pairs of what was written and what was to be written."""
    groups = range(len(pairs)) if groups is None else groups
    rows: list[dict[str, Any]] = [
        {
            "id": f"MPX_{i:05d}",
            "group": f"case_{groups[i]:04d}",
            "other_group": None if others is None else f"case_{others[i]:04d}",
            "label": None,
            "answer": reference,
            "generated": text,
            "parsed": None,
            "invalid_reason": None if text.strip() else "empty",
            "log_probabilities": [],
            "attributes": {"modality": "CT" if i % 3 else "MR"},
            "prompt_sha256": f"{i:064x}",
        }
        for i, (text, reference) in enumerate(pairs)
    ]
    return make_predictions(model, (), None, rows)


#: Questions of the MedPix kind: reference texts, and what a weak model writes instead.
QUESTIONS = (
    ("Axial", "The image is an axial slice."),
    ("Coronal", "Sagittal"),
    ("CT w/contrast (IV)", "CT scan of the head"),
    ("Yes", "Yes, there is a fracture."),
    ("no", "Yes"),
    ("Abdomen", "the abdomen"),
    (
        "There is a lytic lesion in the distal femur with a sclerotic margin.",
        "The image shows a lesion in the bone with no sclerotic margin seen.",
    ),
)


def written(model: str, *, seed: int, right: float, empty: float = 0.02) -> Predictions:
    """Draw 420 answers to ``QUESTIONS`` about 60 cases, some cases harder than others."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(60), 7)
    case = rng.normal(0, 0.2, 60)[groups]
    pairs = []
    for i in range(420):
        reference, weak = QUESTIONS[i % 7]
        text = reference if rng.random() < right + case[i] else weak
        pairs.append(("" if rng.random() < empty else text, reference))
    return texts_from(model, pairs, groups.tolist())


def written_pairs(
    model: str, *, seed: int, right: float, records: int = 420, groups: int = 60
) -> Predictions:
    """Draw answers to ``QUESTIONS`` about records that link two groups, some harder than others."""
    rng = np.random.default_rng(seed)
    first, second = _pairs(np.random.default_rng(0), records, groups)
    ease = rng.normal(0, 0.4, groups)
    answered = rng.random(records) < right + ease[first] + ease[second]
    pairs = []
    for i in range(records):
        reference, weak = QUESTIONS[i % 7]
        pairs.append((reference if answered[i] else weak, reference))
    return texts_from(model, pairs, first.tolist(), second.tolist())


def text_models() -> list[Predictions]:
    """Return two models that write, on 420 synthetic questions about 60 cases."""
    return [written("base", seed=1, right=0.15, empty=0.08), written("tuned", seed=2, right=0.6)]
