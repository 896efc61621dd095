"""Scores with random effects of patients: how often intervals on decisions hold the truth.

A record's log-odds are normal: the mean of its label and site, its patient's part, and its own. So
what is true of all patients is a sum over the quantiles of that distribution (``population``), for
whatever map or threshold a validation split decided: intervals hold these fixed, and so does the
truth they are held against.
"""

from collections.abc import Iterator
from functools import cache
from itertools import combinations

import numpy as np
import pyarrow as pa
from scipy.special import logit
from scipy.stats import norm

from verdict.comparison.bootstrap import bootstrap
from verdict.comparison.decisions import find_decisions
from verdict.comparison.gaps import SubgroupShares, pair_intervals
from verdict.comparison.results import Estimate
from verdict.params import Compare
from verdict.predictions import SCHEMA, Predictions
from verdict.statistics.decisions import certainty_of
from verdict.statistics.measurement import measure
from verdict.statistics.recalibration import recalibrate

PATIENTS, LESIONS, RESAMPLES = 120, 8, 1000

#: The share of the positive label over patients is Beta's: its mean, and the sum of its parameters.
SHARE, CONCENTRATION = 0.3, 1.0

#: Log-odds: the means of negative and positive records, the standard deviations of the patient's
#: and the record's part. As stated they are too sure of the positive label.
MEANS, OF_PATIENT, OF_RECORD = (-1.2, 1.8), 0.9, 1.1

#: By how much the sites move the log-odds of positive records.
SITES = {"arm": 0.5, "leg": 0.0, "torso": -0.5}

#: Points of a curve that are looked at: probabilities, coverages.
PROBABILITIES, COVERAGE, COST = (0.1, 0.3, 0.6), 0.8, 5.0

CONFIDENCE, NODES = 0.95, 1000

OPTIONS = {
    "baseline": "m",
    "groups_are": "patients",
    "resamples": RESAMPLES,
    "confidence": CONFIDENCE,
    "merge": {},
    "merge_positive": None,
    "subgroups": [],
    "sensitivity": None,
    "cost": COST,
    "coverage": COVERAGE,
    "tries": 1,
}


def count_decisions(data_sets: int, seed: int) -> dict[str, float]:
    """Return how often intervals hold the truth, in percent, by what they are of."""
    rng, held = np.random.default_rng(seed), dict[str, list[bool]]()
    for i in range(data_sets):
        validation, test = (draw(rng, PATIENTS, name) for name in ("validation", "test"))
        for what, holds in check(test, validation, seed=i):
            held.setdefault(what, []).append(holds)
    return {what: 100 * float(np.mean(found)) for what, found in held.items()}


def check(test: Predictions, validation: Predictions, seed: int) -> Iterator[tuple[str, bool]]:
    """Yield what an interval is of, and whether it holds the truth."""
    options = Compare.model_validate(OPTIONS | {"seed": seed})
    found = find_decisions({"m": measure(test)}, {"m": validation}, {}, options)
    assert found is not None
    assert found.curves is not None
    everyone, weights = population()
    positive, code = everyone.actual == 1, everyone.positive_code

    def net_benefit(probabilities: np.ndarray, p: float) -> float:
        called = probabilities[:, code] >= p
        return float(weights @ (called & positive) - p / (1 - p) * weights @ (called & ~positive))

    chosen = found.recalibration["m"].chosen
    for method, curves in (
        ("stated", found.curves.stated),
        (chosen, found.curves.recalibrated),
    ):
        mended, band = recalibrate(validation, method).probabilities(everyone), curves["m"]
        for p in PROBABILITIES:
            i = found.curves.probabilities.index(p)
            yield (
                "net benefit",
                _holds(Estimate(0, band.low[i], band.high[i]), net_benefit(mended, p)),
            )
    stated = _brier(everyone.probabilities[:, code], positive) @ weights
    for method, own in found.recalibration["m"].methods.items():
        if method == "stated":
            continue
        mended = recalibrate(validation, method).probabilities(everyone)[:, code]
        brier = float(_brier(mended, positive) @ weights)
        yield "recalibrated Brier score", _holds(own.brier, brier)
        yield "change of the Brier score", _holds(own.change, brier - stated)
        yield "recalibrated bias", _holds(own.bias, float((positive - mended) @ weights))
    kept = certainty_of(everyone) >= logit(found.abstention["m"].probability)
    wrong = everyone.predicted != everyone.actual
    risk = float(weights @ (kept & wrong) / (weights @ kept))
    yield "share answered", _holds(found.abstention["m"].coverage, float(weights @ kept))
    yield "risk among the answered", _holds(found.abstention["m"].risk, risk)
    yield "risk spared", _holds(found.abstention["m"].spared, float(weights @ wrong) - risk)
    priced = found.thresholds["m"]
    assert priced.probability is not None
    called = everyone.probabilities[:, code] >= priced.probability
    cost = weights @ (COST * (positive & ~called) + (~positive & called))
    yield "cost of errors", _holds(priced.metrics["cost"], float(cost))
    found_share = weights @ (positive & called)
    screen, evaluate = 1 / found_share, weights @ called / found_share
    yield "numbers needed", _holds(priced.needed_to_screen, float(screen))
    yield "numbers needed", _holds(priced.needed_to_evaluate, float(evaluate))
    yield from _gaps(test, seed)


def _gaps(test: Predictions, seed: int) -> Iterator[tuple[str, bool]]:
    """Yield whether the intervals of all pairs of sites hold the truth at once."""
    sites = np.array([attributes["site"] for attributes in test.attributes])
    parts, deviation = {site: sites == site for site in SITES}, np.hypot(OF_PATIENT, OF_RECORD)
    for metric, label in (("sensitivity", 1), ("specificity", 0)):
        shares = SubgroupShares(test, test.predicted == label, test.actual == label, parts, {})
        drawn = bootstrap(
            {"m": shares},
            cells=test.cell_groups,
            records=len(test),
            resamples=RESAMPLES,
            seed=seed,
        )["m"]["shares"]
        ends = pair_intervals(shares.values, drawn, shares.sizes, CONFIDENCE)
        own = [SITES[site] if label else 0.0 for site in shares.compared]
        sign = 1 if label else -1
        truth = norm.cdf([sign * (MEANS[label] + moved) / deviation for moved in own])
        yield (
            f"all gaps in {metric} at once",
            all(
                ends[i, j][0] <= truth[i] - truth[j] <= ends[i, j][1]
                for i, j in combinations(range(len(truth)), 2)
            ),
        )


def draw(rng: np.random.Generator, patients: int, name: str) -> Predictions:
    """Make up predictions of patients whose names begin with ``name``."""
    size = 1 + rng.poisson(LESIONS - 1, patients)
    patient = np.repeat(np.arange(patients), size)
    shares = rng.beta(SHARE * CONCENTRATION, (1 - SHARE) * CONCENTRATION, patients)
    actual = (rng.random(len(patient)) < shares[patient]).astype(int)
    site = rng.integers(0, len(SITES), len(patient))
    moved = np.array(list(SITES.values()))[site] * actual
    own = rng.normal(0, OF_PATIENT, patients)[patient] + rng.normal(0, OF_RECORD, len(patient))
    return _predictions(actual, np.array(MEANS)[actual] + moved + own, patient, site, name)


@cache
def population() -> tuple[Predictions, np.ndarray]:
    """Return records that stand for everybody, and the share (n) of each."""
    quantiles = norm.ppf((np.arange(NODES) + 0.5) / NODES) * np.hypot(OF_PATIENT, OF_RECORD)
    actual = np.repeat([0, 1], NODES * len(SITES))
    site = np.tile(np.repeat(np.arange(len(SITES)), NODES), 2)
    moved = np.array(list(SITES.values()))[site] * actual
    log_odds = np.array(MEANS)[actual] + moved + np.tile(quantiles, 2 * len(SITES))
    weights = np.where(actual == 1, SHARE, 1 - SHARE) / (NODES * len(SITES))
    return _predictions(actual, log_odds, np.arange(len(actual)), site, "everybody"), weights


def _predictions(
    actual: np.ndarray, log_odds: np.ndarray, patient: np.ndarray, site: np.ndarray, name: str
) -> Predictions:
    """Return predictions from codes and log-odds (n) of the positive label."""
    labels, sites = np.array(("benign", "melanoma")), list(SITES)
    label, answer = (labels[codes] for codes in (actual, (log_odds > 0).astype(int)))
    records = len(actual)
    columns = {
        "id": [f"{name}_{i:06d}" for i in range(records)],
        "group": [f"{name}_{p:06d}" for p in patient],
        "other_group": [None] * records,
        "label": label,
        "answer": label,
        "predicted": answer,
        "generated": answer,
        "parsed": answer,
        "invalid_reason": [None] * records,
        "log_probabilities": (-np.logaddexp(0, np.stack([log_odds, -log_odds], 1))).tolist(),
        "attributes": [[("site", sites[code])] for code in site],
        "prompt_sha256": [""] * records,
    }
    return Predictions("m", tuple(labels.tolist()), "melanoma", pa.table(columns, schema=SCHEMA))


def _brier(probabilities: np.ndarray, positive: np.ndarray) -> np.ndarray:
    return (probabilities - positive) ** 2


def _holds(estimate: Estimate, truth: float) -> bool:
    assert estimate.low is not None
    assert estimate.high is not None
    return bool(estimate.low <= truth <= estimate.high)
