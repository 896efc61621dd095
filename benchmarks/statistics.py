"""Metrics and bootstrap at the size of SIIM-ISIC: 33,126 predictions of four models.

``make bench name=statistics`` makes up predictions as clustered and as unbalanced as those would
be (2,056 patients, 584 melanomas), writes them to Parquet files, and in a process of its own reads
them and calls ``compare`` as the compare stage does: all metrics, intervals and differences by
10,000 resamples of patients, thresholds, tests, decisions. The baseline is the usual way to most of
these intervals: write out the rows of every resample and let scikit-learn rate them, one metric at
a time. A few resamples of it are measured and scaled up; what scikit-learn has no function for
(group accuracy, calibration error, thresholds) is left out, in its favour. The ratio is of CPU
time, which other work on the machine changes little.
"""

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sklearn.metrics as sk

from benchmarks.parts.table import Figure, conclude
from verdict.comparison.bootstrap import group_weights
from verdict.comparison.model import Comparison
from verdict.comparison.steps import compare
from verdict.params import Compare
from verdict.params.file import read_params
from verdict.predictions import (
    Predictions,
    make_predictions,
    read_predictions,
    write_predictions,
)
from verdict.reproducibility import pin_cpu

#: Records, patients and melanomas.
SIZES = {"test": (33_126, 2_056, 584), "validation": (6_000, 400, 110)}
RESAMPLES, LOOPED = 10_000, 5
#: The models, and by how much their log-odds tell melanomas from the rest.
MODELS = {"base": 0.4, "tuned": 2.0, "reference": 1.2, "classifier": 1.8}
LABELS, POSITIVE = ("benign", "melanoma"), "melanoma"


@dataclass(frozen=True)
class Cost:
    """What a comparison took: wall time, CPU time, and its process's peak memory."""

    seconds: float
    cpu_seconds: float
    gigabytes: float


def main() -> None:
    records, groups, _ = SIZES["test"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _apart(write_all, folder)
        cost = _apart(measure_comparison, folder, RESAMPLES)
        looped = _apart(measure_loop, folder, LOOPED) * RESAMPLES / LOOPED
    conclude(
        f"{records:,} predictions of {groups:,} patients, {len(MODELS)} models, "
        f"{RESAMPLES:,} resamples",
        [
            Figure("read, measured and compared", cost.seconds, "s", "<=", 60),
            Figure("peak memory of that process", cost.gigabytes, "GB", "<=", 1.5),
            Figure("CPU time of that process", cost.cpu_seconds, "s"),
            Figure(f"scikit-learn in a loop, scaled from {LOOPED}, CPU time", looped, "s"),
            Figure("loop over ours", looped / cost.cpu_seconds, "times"),
        ],
    )


def write_all(folder: Path) -> None:
    """Write every model's predictions of the test and of the validation split."""
    for seed, (model, signal) in enumerate(MODELS.items()):
        for split, sizes in SIZES.items():
            predictions = make_up(model, signal, seed, split, *sizes)
            write_predictions(folder / split / f"{model}.parquet", predictions)


def make_up(
    model: str, signal: float, seed: int, split: str, records: int, groups: int, positives: int
) -> Predictions:
    """Make up a model's predictions of records that are the same for every model.

    Patients have from one record to many; some have more melanomas than others, and a model's
    errors are partly the patient's. No two scores are equal, which costs most.
    """
    world, own = np.random.default_rng(0), np.random.default_rng(seed)
    sizes = 1 + world.multinomial(records - groups, world.dirichlet(np.full(groups, 0.8)))
    group = np.repeat(np.arange(groups), sizes)
    risk = np.exp(world.normal(0, 1.5, groups))[group]
    positive = np.isin(
        np.arange(records), world.choice(records, positives, replace=False, p=risk / risk.sum())
    )
    log_odds = own.normal(-2.5, 0.8, groups)[group] + own.normal(0, 1, records) + signal * positive
    log_probabilities = -np.logaddexp(0, np.stack([log_odds, -log_odds], axis=1))
    invalid = own.random(records) < 0.01
    says = np.where(invalid, "", np.array(LABELS)[(log_odds > 0).astype(int)])
    rows = [
        {
            "id": f"{split}_{i:07d}",
            "group": f"{split}_patient_{group[i]:07d}",
            "other_group": None,
            "label": LABELS[int(positive[i])],
            "answer": LABELS[int(positive[i])],
            "generated": str(says[i]),
            "parsed": str(says[i]) or None,
            "invalid_reason": "no label in the answer" if invalid[i] else None,
            "log_probabilities": log_probabilities[i].tolist(),
            "attributes": {"sex": ("female", "male")[group[i] % 2]},
            "prompt_sha256": "0" * 64,
        }
        for i in range(records)
    ]
    return make_predictions(model, LABELS, POSITIVE, rows)


def read_split(folder: Path, split: str) -> list[Predictions]:
    return [read_predictions(folder / split / f"{model}.parquet") for model in MODELS]


def compare_files(folder: Path, resamples: int) -> Comparison:
    """Read the predictions and compare the models."""
    options = Compare(
        baseline="base",
        groups_are="patients",
        resamples=resamples,
        confidence=0.95,
        seed=0,
        merge={},
        merge_positive=None,
        subgroups=["sex"],
        sensitivity=0.9,
        tries=1,
        cost=10,
        coverage=0.8,
    )
    validation = read_split(folder, "validation")
    return compare(read_split(folder, "test"), options, validation=validation, synthetic=True)


def by_scikit_learn(predictions: Predictions, rows: np.ndarray) -> dict[str, float]:
    """Rate the chosen rows (n, with repeats), each metric by a call of its own."""
    code = predictions.positive_code
    actual = predictions.actual[rows] == code
    called = predictions.predicted[rows] == code
    score = predictions.scores[rows, code]
    answer, parsed = predictions.actual[rows], predictions.parsed[rows]
    return {
        "accuracy": sk.accuracy_score(actual, called),
        "balanced_accuracy": sk.balanced_accuracy_score(actual, called),
        "precision": sk.precision_score(actual, called),
        "recall": sk.recall_score(actual, called),
        "specificity": sk.recall_score(actual, called, pos_label=False),
        "f1": sk.f1_score(actual, called),
        "macro_f1": sk.f1_score(actual, called, average="macro"),
        "weighted_f1": sk.f1_score(actual, called, average="weighted"),
        "mcc": sk.matthews_corrcoef(actual, called),
        "auroc": sk.roc_auc_score(actual, score),
        "average_precision": sk.average_precision_score(actual, score),
        "brier": sk.brier_score_loss(actual, predictions.probabilities[rows, code]),
        "invalid_rate": np.mean(parsed < 0),
        "generated_accuracy": sk.accuracy_score(answer, parsed),
        "generated_balanced_accuracy": sk.recall_score(
            answer, parsed, labels=[0, 1], average="macro"
        ),
        "agreement": sk.accuracy_score(predictions.predicted[rows], parsed),
    }


def drawn_rows(predictions: Predictions, weights: np.ndarray) -> np.ndarray:
    """Return the rows of a resample, of which each group (groups) was drawn so often."""
    return np.repeat(np.arange(len(predictions)), weights.astype(int)[predictions.cell_codes])


def measure_comparison(folder: Path, resamples: int) -> Cost:
    """Measure ``compare_files``, in a process that did nothing else."""
    started, cpu_started = time.monotonic(), time.process_time()
    compare_files(folder, resamples)
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu_started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Kibibytes on Linux.
    return Cost(seconds, cpu_seconds, peak / 1e9)


def measure_loop(folder: Path, resamples: int) -> float:
    """Return the CPU time in seconds of some resamples of every model by scikit-learn."""
    models = read_split(folder, "test")
    for model in models:
        by_scikit_learn(model, np.arange(len(model)))  # What is computed once, is by now.
    groups = len(models[0].group_names)
    started = time.process_time()
    for weights in next(group_weights(groups, resamples, seed=0, chunk=resamples)):
        for model in models:
            by_scikit_learn(model, drawn_rows(model, weights))
    return time.process_time() - started


def _apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a fresh process, pinned as a stage's, so that its memory is its own."""
    options = read_params().reproducibility
    pin_cpu(options)  # Here, too: numpy reads the environment when it is imported.
    with multiprocessing.get_context("spawn").Pool(1, pin_cpu, (options,)) as pool:
        return pool.apply(function, arguments)


if __name__ == "__main__":
    main()
