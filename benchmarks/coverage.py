"""Whether a 95 % interval holds the truth 95 times in 100, on data that come in clusters.

``make bench name=coverage`` makes up many data sets of patients with several lesions each, compares
two models on each of them as the compare stage does, and counts how often the interval of their
difference in balanced accuracy holds the true one. It does so twice: drawing whole patients again,
as the project does, and drawing single records, as if they were independent.

The data follow a logistic model with random effects. Most lesions of a patient have one label.
Whether a model is right about a lesion depends on the patient, in part for both models alike and in
part for each model in its own way; that second part is what makes records tell less than their
number, even of a difference. The true difference is an integral over the patients (Gauss-Hermite).

Then training itself is left to chance: seeds move the tuned model's log-odds. What is asked for is
the difference that this training makes on average, and what counts is how often it is found from
one training, and from several whose seeds are drawn again, too.

Last come pairs of entries: matches within one entity, and pairs of two. The parts of both entities
move a pair, so that both are drawn again, as the project does, or the first alone. Drawing both is
known to hold the truth rather too often (``verdict.comparison.bootstrap.cell_weights``).

Beside them stands the difference of one model on two samples of patients, one of them small: a test
set from elsewhere against the test split. Both come from the same patients, so its truth is zero.

What probabilities are worth is counted on scores of their own (``benchmarks.parts.scored``), each
data set with a validation split that fits its maps and chooses its thresholds.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from scipy.special import expit

from benchmarks.parts import scored
from benchmarks.parts.table import Figure, conclude
from verdict.comparison.bootstrap import bootstrap
from verdict.comparison.differences import paired_difference
from verdict.comparison.intervals import Measured
from verdict.comparison.outside import changes_of, seed_of
from verdict.comparison.replicates import average
from verdict.predictions import SCHEMA, Predictions
from verdict.statistics.labels import LabelMeasurement

DATA_SETS, RESAMPLES, CONFIDENCE, SEED = 1000, 1000, 0.95, 0
PATIENTS, LESIONS = 120, 8

#: Of the part with several trainings: data sets, trainings, and the standard deviation of log-odds
#: between them, which is one of about 0.05 in balanced accuracy.
SEED_DATA_SETS, TRAININGS, SPREAD = 250, 5, 0.3

#: Of the part with pairs: data sets, entities, matches within one, and pairs of two.
PAIR_DATA_SETS, ENTITIES, MATCHES, PAIRS = 200, 120, 160, 320

#: Of the part with a set from elsewhere: data sets, and its patients.
OUTSIDE_DATA_SETS, OUTSIDE_PATIENTS = 1000, 40
#: Of the part with decisions: data sets; and what has to hold the truth as often as it says.
DECISION_DATA_SETS = 400
DECIDED = (
    "net benefit",
    "recalibrated Brier score",
    "change of the Brier score",
    "all gaps in sensitivity at once",
    "all gaps in specificity at once",
)

LABELS, METRIC = ("benign", "melanoma"), "balanced_accuracy"

#: The share of lesions that are melanoma; over patients it has a Beta distribution, whose two
#: parameters sum to the second number.
MELANOMA, CONCENTRATION = 0.3, 1.0

#: Log-odds of being right about an average patient's benign lesion and melanoma.
BASE, TUNED = (0.9, 0.2), (1.6, 1.0)

#: Standard deviations of the patient's part of the log-odds: of both models, and of each.
COMMON, OWN = 0.8, 1.2


def main() -> None:
    patients, records, widths = count_clusters()
    one, several = count_trainings()
    both, first = count_pairs()
    outside = count_outside()
    decided = scored.count_decisions(DECISION_DATA_SETS, SEED)
    error = 100 * np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / DATA_SETS)
    conclude(
        f"{DATA_SETS} data sets, {PATIENTS} patients with {LESIONS} lesions on average, "
        f"{RESAMPLES} resamples",
        [
            Figure("true difference in balanced accuracy", true_difference(), beside=True),
            Figure("95 % intervals that hold it, patients drawn", patients, "%", ">=", 93),
            Figure("the same", patients, "%", "<=", 97),
            Figure("records drawn as if they were independent", records, "%", "<=", 90),
            Figure("standard error of a coverage of 95 %", float(error), "%"),
            Figure("mean width of an interval, patients drawn", widths[0]),
            Figure("records drawn", widths[1]),
            Figure(f"{SEED_DATA_SETS} data sets by other seeds: one training alone", one, "%"),
            Figure(f"{TRAININGS} trainings, drawn as well as patients", several, "%"),
            Figure(
                f"{PAIR_DATA_SETS} data sets of pairs: both entities drawn", both, "%", ">=", 93
            ),
            Figure("the first entity alone drawn", first, "%", beside=True),
            Figure(
                f"{PATIENTS} patients against {OUTSIDE_PATIENTS} from elsewhere",
                outside,
                "%",
                ">=",
                93,
            ),
            Figure("the same", outside, "%", "<=", 97),
            *decision_figures(decided),
        ],
    )


def decision_figures(decided: dict[str, float]) -> list[Figure]:
    """Return the coverage of what ``count_decisions`` counts; those of ``DECIDED`` have targets."""
    figures = []
    for what, percent in decided.items():
        if what in DECIDED:
            title = f"{DECISION_DATA_SETS} data sets of scores: {what}"
            figures += [
                Figure(title, percent, "%", ">=", 93), Figure("the same", percent, "%", "<=", 97)
            ]  # fmt: skip
        else:
            figures.append(Figure(what, percent, "%"))
    return figures


def count_clusters() -> tuple[float, float, list[float]]:
    """Return the coverage of drawing patients and of drawing records, in percent, and widths."""
    rng, truth = np.random.default_rng(SEED), true_difference()
    held, widths = np.zeros((DATA_SETS, 2), bool), np.zeros((DATA_SETS, 2))
    for i in range(DATA_SETS):
        data = draw(rng, trainings=1, spread=0.0)
        for unit, models in enumerate((data, [alone(p) for p in data])):
            low, high = interval(resampled(models, seed=i), seed=i)
            held[i, unit], widths[i, unit] = low <= truth <= high, high - low
    patients, records = 100 * held.mean(axis=0)
    return float(patients), float(records), widths.mean(axis=0).tolist()


def count_trainings() -> tuple[float, float]:
    """Return the coverage of one training and of several, in percent."""
    rng, truth = np.random.default_rng(SEED), true_difference(SPREAD)
    held = np.zeros((SEED_DATA_SETS, 2), bool)
    for i in range(SEED_DATA_SETS):
        models = resampled(draw(rng, trainings=TRAININGS, spread=SPREAD), seed=i)
        for j, chosen in enumerate((models[:2], models)):
            low, high = interval(chosen, seed=i)
            held[i, j] = low <= truth <= high
    one, several = 100 * held.mean(axis=0)
    return float(one), float(several)


def count_pairs() -> tuple[float, float]:
    """Return the coverage of drawing both entities of a pair, and the first alone, in percent."""
    rng, truth = np.random.default_rng(SEED), true_difference()
    held = np.zeros((PAIR_DATA_SETS, 2), bool)
    for i in range(PAIR_DATA_SETS):
        data = draw_pairs(rng)
        nobody = pa.nulls(len(data[0]), pa.string())
        for unit, models in enumerate((data, [regrouped(p, "other_group", nobody) for p in data])):
            low, high = interval(resampled(models, seed=i), seed=i)
            held[i, unit] = low <= truth <= high
    both, first = 100 * held.mean(axis=0)
    return float(both), float(first)


def count_outside() -> float:
    """Return the coverage of the difference between two samples of patients, in percent."""
    rng, held = np.random.default_rng(SEED), []
    for i in range(OUTSIDE_DATA_SETS):
        here = resampled(draw(rng, 1, 0.0), seed=i)[1]
        there = resampled(draw(rng, 1, 0.0, OUTSIDE_PATIENTS), seed_of("far", i))[1]
        pair = {"tuned": there}, {"tuned": here}
        change = changes_of(*pair, [METRIC], CONFIDENCE, enough=True)["tuned"][METRIC]
        assert change.low is not None
        assert change.high is not None
        held.append(change.low <= 0 <= change.high)
    return 100 * float(np.mean(held))


def draw(
    rng: np.random.Generator, trainings: int, spread: float, patients: int | None = None
) -> list[Predictions]:
    """Make up a data set: the base model's predictions, then those of each training."""
    patients = PATIENTS if patients is None else patients
    size = 1 + rng.poisson(LESIONS - 1, patients)
    patient = np.repeat(np.arange(patients), size)
    shares = rng.beta(MELANOMA * CONCENTRATION, (1 - MELANOMA) * CONCENTRATION, patients)
    actual = (rng.random(len(patient)) < shares[patient]).astype(int)
    common = rng.normal(0, COMMON, patients)
    models = []
    for log_odds, times, moved in ((BASE, 1, 0.0), (TUNED, trainings, spread)):
        ease = np.array(log_odds)[actual] + (common + rng.normal(0, OWN, patients))[patient]
        for _ in range(times):
            right = rng.random(len(patient)) < expit(ease + rng.normal(0, moved))
            models.append(predicted(patient, actual, np.where(right, actual, 1 - actual)))
    return models


def draw_pairs(rng: np.random.Generator) -> list[Predictions]:
    """Make up a data set of pairs: the base model's predictions, then the tuned model's.

    A pair of two entities has the mean of their parts, scaled so that it varies as much as that of
    a match: then the true difference is that of patients.
    """
    first = rng.integers(0, ENTITIES, MATCHES + PAIRS)
    match = np.arange(MATCHES + PAIRS) < MATCHES
    second = np.where(match, first, (first + rng.integers(1, ENTITIES, len(first))) % ENTITIES)
    actual = match.astype(int)
    common = rng.normal(0, COMMON, ENTITIES)
    models = []
    for log_odds in (BASE, TUNED):
        part = common + rng.normal(0, OWN, ENTITIES)
        of_pair = np.where(match, part[first], (part[first] + part[second]) / np.sqrt(2))
        right = rng.random(len(first)) < expit(np.array(log_odds)[actual] + of_pair)
        models.append(predicted(first, actual, np.where(right, actual, 1 - actual), second))
    return models


def predicted(
    group: np.ndarray, actual: np.ndarray, likeliest: np.ndarray, other: np.ndarray | None = None
) -> Predictions:
    """Return predictions from codes (n)."""
    records = len(group)
    label, answer = (np.array(LABELS)[codes] for codes in (actual, likeliest))
    columns = {
        "id": [f"{i:06d}" for i in range(records)],
        "group": [f"{g:04d}" for g in group],
        "other_group": [None] * records if other is None else [f"{g:04d}" for g in other],
        "label": label,
        "answer": label,
        "predicted": answer,
        "generated": answer,
        "parsed": answer,
        "invalid_reason": [None] * records,
        "log_probabilities": np.where(np.eye(2)[likeliest] > 0, -0.1, -2.4).tolist(),
        "attributes": [[]] * records,
        "prompt_sha256": [""] * records,
    }
    return Predictions("", LABELS, LABELS[1], pa.table(columns, schema=SCHEMA))


def alone(p: Predictions) -> Predictions:
    """Return the same predictions with every record as a group of its own."""
    return regrouped(p, "group", p.table["id"])


def regrouped(p: Predictions, column: str, groups: pa.Array | pa.ChunkedArray) -> Predictions:
    """Return the same predictions with other groups (n) in a column."""
    table = p.table.set_column(SCHEMA.get_field_index(column), SCHEMA.field(column), groups)
    return Predictions(p.model, p.labels, p.positive, table)


def resampled(models: Sequence[Predictions], seed: int) -> list[Measured]:
    """Measure the models on the records and on resamples of their groups."""
    measured = {str(i): LabelMeasurement(p, metrics=[METRIC]) for i, p in enumerate(models)}
    drawn = bootstrap(
        measured,
        cells=models[0].cell_groups,
        records=len(models[0]),
        resamples=RESAMPLES,
        seed=seed,
    )
    return [Measured(m.values(), drawn[name]) for name, m in measured.items()]


def interval(models: Sequence[Measured], seed: int) -> tuple[float, float]:
    """Return the interval of the difference of the first model and the mean of the others."""
    base, *trainings = models
    tuned = trainings[0]
    if len(trainings) > 1:
        tuned = average(trainings, [METRIC], CONFIDENCE, seed)[0]
    found = paired_difference(tuned, base, METRIC, CONFIDENCE)
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def true_difference(spread: float = 0.0) -> float:
    """Return the difference in balanced accuracy over all patients and trainings there could be."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)

    def balanced_accuracy(log_odds: Sequence[float], deviation: float) -> float:
        shares = expit(np.array(log_odds)[:, None] + deviation * nodes)
        return float((shares @ weights).mean() / weights.sum())

    of_patients = np.hypot(COMMON, OWN)
    tuned = balanced_accuracy(TUNED, np.hypot(of_patients, spread))
    return tuned - balanced_accuracy(BASE, of_patients)


if __name__ == "__main__":
    main()
