"""The statistics benchmark: its data are as clustered as it says, and both its ways agree."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import statistics as benchmark
from verdict.comparison.bootstrap import group_weights
from verdict.statistics.kinds import BINARY
from verdict.statistics.measurement import measure

SMALL = {"test": (1_200, 90, 80), "validation": (400, 30, 40)}


def test_the_records_are_as_many_and_as_clustered_as_said() -> None:
    records, groups, positives = benchmark.SIZES["test"]
    p = benchmark.make_up("tuned", 2.0, 1, "test", *benchmark.SIZES["test"])
    assert (len(p), len(p.group_names)) == (records, groups)
    positive = p.actual == p.positive_code
    assert positive.sum() == positives
    score = p.scores[:, p.positive_code]
    assert len(np.unique(score)) == records
    # Shuffled over patients, both the melanomas and the scores would vary less between them.
    shuffled = np.random.default_rng(0).permutation(p.cell_codes)
    for values in (positive.astype(float), score):
        held, chance = (np.bincount(g, weights=values) for g in (p.cell_codes, shuffled))
        sizes, others = np.bincount(p.cell_codes), np.bincount(shuffled)
        assert np.average((held / sizes - values.mean()) ** 2, weights=sizes) > 1.5 * np.average(
            (chance / others - values.mean()) ** 2, weights=others
        )
    metrics = measure(p).values()
    assert 0.85 < (metrics["auroc"] or 0) < 0.95
    assert 0 < (metrics["invalid_rate"] or 0) < 0.02


def test_the_loop_computes_what_the_weights_do() -> None:
    p = benchmark.make_up("tuned", 2.0, 1, "test", *SMALL["test"])
    weights = next(group_weights(SMALL["test"][1], 6, seed=0, chunk=6))
    fast = measure(p)(weights)
    for i, weight in enumerate(weights):
        slow = benchmark.by_scikit_learn(p, benchmark.drawn_rows(p, weight))
        left_out = {"group_accuracy", "expected_calibration_error"}
        assert set(slow) == set(BINARY.metrics) - left_out
        for name, value in slow.items():
            np.testing.assert_allclose(fast[name][i], value, atol=1e-9, err_msg=name)


def test_everything_is_compared_and_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "SIZES", SMALL)
    benchmark.write_all(tmp_path)
    found = benchmark.compare_files(tmp_path, 200).flat()
    for model in benchmark.MODELS:
        for name in BINARY.metrics:
            assert found[f"{model}.{name}_low"] <= found[f"{model}.{name}_high"]
        assert found[f"{model}.at_threshold.recall_low"] is not None
    cost = benchmark.measure_comparison(tmp_path, 200)
    assert min(cost.seconds, cost.cpu_seconds, cost.gigabytes) > 0
    assert benchmark.measure_loop(tmp_path, 2) > 0
