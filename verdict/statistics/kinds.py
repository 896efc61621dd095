"""What is measured of a task with two labels, with more labels, and of free text."""

from dataclasses import dataclass
from typing import Literal

from verdict.predictions import Predictions

#: Metrics of the generated answer; ``agreement`` is the share that says the likeliest label.
GENERATION = ("invalid_rate", "generated_accuracy", "generated_balanced_accuracy", "agreement")


#: Metrics of the probabilities; the smaller, the better.
_CALIBRATION = ("brier", "expected_calibration_error")


@dataclass(frozen=True)
class Kind:
    """The metrics of one kind of task, and what each of them is for."""

    name: Literal["binary", "multiclass", "text"]
    #: All metrics, in the order of a metrics file.
    metrics: tuple[str, ...]
    #: The metric that p values and the verdict are about.
    decisive: str
    #: The share of right records, whose paired counts McNemar's test takes.
    right: str
    #: The metric in which the candidate has to stand up to always answering the same.
    against_majority: str
    #: Metrics whose paired differences are reported, the decisive one first.
    differences: tuple[str, ...]
    #: Metrics that are reported for each part of the records, the decisive one first.
    parts: tuple[str, ...]


BINARY = Kind(
    name="binary",
    metrics=(
        "accuracy",
        "group_accuracy",
        "balanced_accuracy",
        "precision",
        "recall",
        "specificity",
        "f1",
        "macro_f1",
        "weighted_f1",
        "mcc",
        "auroc",
        "average_precision",
        *_CALIBRATION,
        *GENERATION,
    ),
    decisive="balanced_accuracy",
    right="accuracy",
    against_majority="accuracy",
    differences=("balanced_accuracy", "accuracy", "group_accuracy", "recall", "specificity"),
    parts=("balanced_accuracy", "accuracy", "group_accuracy"),
)

MULTICLASS = Kind(
    name="multiclass",
    metrics=(
        "accuracy",
        "group_accuracy",
        "balanced_accuracy",
        "top_2_accuracy",
        "macro_f1",
        "weighted_f1",
        "mcc",
        "macro_auroc",
        "macro_average_precision",
        *_CALIBRATION,
        *GENERATION,
    ),
    decisive="balanced_accuracy",
    right="accuracy",
    against_majority="accuracy",
    differences=("balanced_accuracy", "accuracy", "group_accuracy", "macro_f1"),
    parts=("balanced_accuracy", "accuracy", "group_accuracy"),
)

TEXT = Kind(
    name="text",
    metrics=("token_f1", "exact_match", "rouge_l", "bleu", "closed_accuracy", "invalid_rate"),
    decisive="token_f1",
    right="exact_match",
    against_majority="token_f1",
    differences=("token_f1", "exact_match", "rouge_l", "bleu", "closed_accuracy"),
    parts=("token_f1", "exact_match"),
)

#: The kinds by their names.
KINDS = {kind.name: kind for kind in (BINARY, MULTICLASS, TEXT)}

#: What people call the metrics; ``{groups}`` is what the groups are called, in the plural.
METRIC_TITLES = {
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "group_accuracy": "accuracy over {groups}",
    "recall": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "f1": "F1",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "mcc": "MCC",
    "top_2_accuracy": "top-2 accuracy",
    "auroc": "AUROC",
    "macro_auroc": "macro AUROC",
    "average_precision": "average precision",
    "macro_average_precision": "macro average precision",
    "brier": "Brier score",
    "expected_calibration_error": "expected calibration error",
    "generated_accuracy": "accuracy of generated answers",
    "generated_balanced_accuracy": "balanced accuracy of generated answers",
    "agreement": "agreement of both answers",
    "token_f1": "token F1",
    "exact_match": "exact match",
    "rouge_l": "ROUGE-L",
    "bleu": "BLEU",
    "closed_accuracy": "closed questions",
    "invalid_rate": "invalid",
}


def kind_of(predictions: Predictions) -> Kind:
    """Return what is measured of these predictions."""
    if predictions.free_text:
        return TEXT
    return BINARY if predictions.binary else MULTICLASS
