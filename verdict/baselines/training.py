"""Train one baseline on the records that models are fine-tuned on, and predict the others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from verdict.baselines import classifiers
from verdict.baselines.images import image_features
from verdict.baselines.pairs import Pair, attributes_of, names_of, similarities
from verdict.conversations import Answers, Conversation
from verdict.core.errors import VerdictError
from verdict.models.chat import answer_of, count_images
from verdict.predictions import Predictions, make_predictions
from verdict.records.shards import ImageStore, read_records

#: Conversations of a split.
Split = Sequence[Conversation]


@dataclass(frozen=True)
class Material:
    """What a baseline is made of."""

    #: By split: ``train``, ``validation``, and what is to be predicted.
    splits: Mapping[str, Split]
    answers: Answers
    #: By split the folder of its records.
    records: Mapping[str, Path]
    #: Takes a record's text apart into those of a pair; None where the task is about no pairs.
    out_of_pair: Callable[[str], tuple[str, str]] | None
    #: Returns by split the features of the frozen base, which only a probe asks for.
    base_features: Callable[[Mapping[str, Split]], dict[str, np.ndarray]]


def train_baseline(name: str, kind: str, material: Material) -> dict[str, Predictions]:
    """Return the predictions of each split but that of training.

    Args:
        name: what the baseline is called, where a model's name would stand.
        kind: one of ``params.evaluation.Baseline``'s, which fits the task as far as parameters tell
            (``pipeline.validation``).

    Raises:
        VerdictError: records lack what the kind reads, or training has one label alone.
    """
    splits, labels = material.splits, material.answers.labels
    codes = {part: _codes(rows, labels) for part, rows in splits.items()}
    found = np.unique(codes["train"])
    if len(found) < 2:
        raise VerdictError(
            f"baselines.{name}: all {len(codes['train']):,} records of the training split have the "
            f"label {labels[found[0]]}; {kind} needs two or more to tell apart. Enlarge "
            "split.train, or set baselines={}"
        )
    rows = _rows(name, kind, material)
    candidates = _candidates(kind, material.answers)
    trained = classifiers.choose(
        candidates,
        (rows["train"], codes["train"]),
        (rows["validation"], codes["validation"]),
    )
    return {
        part: _predictions(
            name,
            splits[part],
            material.answers,
            classifiers.log_probabilities(trained, rows[part], len(labels)),
        )
        for part in splits
        if part != "train"
    }


def _codes(split: Split, labels: Sequence[str]) -> np.ndarray:
    return np.array([labels.index(str(conversation.label)) for conversation in split])


def _candidates(kind: str, answers: Answers) -> list[Any]:
    if kind == "features":
        return classifiers.boosting()
    if kind == "similarities":
        return classifiers.regression_on_similarities()
    if kind == "fellegi_sunter":
        return classifiers.fellegi_sunter(answers.labels.index(str(answers.positive)))
    if kind == "probe":
        return classifiers.regression_on_features()
    return classifiers.regression_on_words()


def _rows(name: str, kind: str, material: Material) -> dict[str, Any]:
    """Return what the classifier reads, by split, in the order of the conversations."""
    if kind == "features":
        return _images(name, material)
    if kind == "probe":
        check_as_many(name, material.splits)
        return material.base_features(material.splits)
    folders = dict.fromkeys(material.records.values())
    known = {record.id: str(record.text) for one in folders for record in read_records(one)}
    texts = {part: [known[c.id] for c in split] for part, split in material.splits.items()}
    return texts if kind == "tfidf" else _pairs(name, kind, material, texts)


def _images(name: str, material: Material) -> dict[str, Any]:
    folders = dict.fromkeys(material.records.values())
    for record in (record for folder in folders for record in read_records(folder)):
        if not record.has_image:
            raise VerdictError(
                f"baselines.{name}: features measures images, but record {record.id} has none; for "
                "pairs of texts there are similarities and fellegi_sunter, for texts tfidf"
            )
    check_as_many(name, material.splits)
    stores = {folder: ImageStore(folder) for folder in folders}

    def measured(conversation: Conversation, store: ImageStore) -> np.ndarray:
        return np.concatenate([image_features(data) for data in store.all(conversation.id)])

    return {
        part: np.array([measured(one, stores[material.records[part]]) for one in split])
        for part, split in material.splits.items()
    }


def check_as_many(name: str, splits: Mapping[str, Split]) -> None:
    """Refuse records of different numbers of images: their features stand side by side.

    Raises:
        VerdictError: naming the first that has another number.
    """
    first, *others = (conversation for split in splits.values() for conversation in split)
    images = count_images(first.prompt)
    for other in others:
        if (count := count_images(other.prompt)) != images:
            raise VerdictError(
                f"baselines.{name}: record {other.id} has {count} images, but {first.id} has "
                f"{images}; features and probe need as many of each record. Set baselines={{}}"
            )


def _pairs(
    name: str, kind: str, material: Material, texts: Mapping[str, list[str]]
) -> dict[str, Any]:
    assert material.out_of_pair is not None  # pipeline.validation
    pairs: dict[str, list[Pair]] = {}
    for part, found in texts.items():
        both = (material.out_of_pair(text) for text in found)
        pairs[part] = [(attributes_of(left), attributes_of(right)) for left, right in both]
    names = names_of(pairs["train"])
    if kind == "fellegi_sunter" and len(names) < classifiers.FEWEST_ATTRIBUTES:
        raise VerdictError(
            f"baselines.{name}: fellegi_sunter needs records of {classifiers.FEWEST_ATTRIBUTES} or "
            "more attributes (name: value, a line each) to find matches without labels, but these "
            f"have {', '.join(filter(None, names)) or 'none'}; take similarities"
        )
    return {part: similarities(found, names) for part, found in pairs.items()}


def _predictions(
    name: str, split: Split, answers: Answers, log_probabilities: np.ndarray
) -> Predictions:
    """Return predictions as those of a classifier, which writes nothing."""
    labels = answers.labels
    rows = [
        {
            "id": conversation.id,
            "group": conversation.group,
            "other_group": conversation.other_group,
            "label": conversation.label,
            "answer": answer_of(conversation),
            "generated": "",
            "parsed": labels[int(np.argmax(scores))],
            "invalid_reason": None,
            "log_probabilities": scores.tolist(),
            "attributes": conversation.attributes,
            "prompt_sha256": conversation.prompt_sha256,
        }
        for conversation, scores in zip(split, log_probabilities, strict=True)
    ]
    return make_predictions(name, labels, answers.positive if len(labels) == 2 else None, rows)
