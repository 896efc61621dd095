"""The benchmark of coverage: its truth is true, and it would notice intervals that are wrong."""

import numpy as np
import pytest
from scipy.stats import norm

from benchmarks import coverage
from benchmarks.parts import scored
from verdict.comparison.intervals import Measured


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_the_true_difference_is_what_many_patients_show(
    monkeypatch: pytest.MonkeyPatch, spread: float
) -> None:
    monkeypatch.setattr(coverage, "PATIENTS", 3000)
    rng = np.random.default_rng(1)
    found = []
    for _ in range(12):
        base, tuned = coverage.draw(rng, trainings=1, spread=spread)
        recalls = [
            [(p.predicted == p.actual)[p.actual == code].mean() for code in (0, 1)]
            for p in (base, tuned)
        ]
        found.append(np.mean(recalls[1]) - np.mean(recalls[0]))
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    assert abs(np.mean(found) - coverage.true_difference(spread)) < 4 * error
    assert error < 0.03


def test_records_of_a_patient_resemble_each_other() -> None:
    base, tuned = coverage.draw(np.random.default_rng(0), trainings=1, spread=0.0)
    assert len(np.unique(base.groups)) == coverage.PATIENTS
    assert len(np.unique(coverage.alone(base).groups)) == len(base)
    widths = []
    for models in ([base, tuned], [coverage.alone(p) for p in (base, tuned)]):
        low, high = coverage.interval(coverage.resampled(models, seed=0), seed=0)
        widths.append(high - low)
    assert widths[0] > 1.3 * widths[1]


def test_pairs_have_the_true_difference_of_patients(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENTITIES", "MATCHES", "PAIRS"):
        monkeypatch.setattr(coverage, name, 20_000)
    base, tuned = coverage.draw_pairs(np.random.default_rng(0))
    assert (base.other_groups == base.groups).tolist() == (base.actual == 1).tolist()
    recalls = [
        [(p.predicted == p.actual)[p.actual == code].mean() for code in (0, 1)]
        for p in (base, tuned)
    ]
    found = np.mean(recalls[1]) - np.mean(recalls[0])
    assert found == pytest.approx(coverage.true_difference(), abs=0.02)


def test_the_script_counts_and_concludes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {"DATA_SETS": 8, "SEED_DATA_SETS": 2, "PAIR_DATA_SETS": 4, "RESAMPLES": 100}
    small |= {"OUTSIDE_DATA_SETS": 4, "DECISION_DATA_SETS": 2}
    for name, value in small.items():
        monkeypatch.setattr(coverage, name, value)
    with pytest.raises(SystemExit):
        coverage.main()
    said = capsys.readouterr().out
    assert "patients drawn" in said
    assert "records drawn as if they were independent" in said
    assert "5 trainings, drawn as well as patients" in said
    assert "4 data sets of pairs: both entities drawn" in said
    assert "120 patients against 40 from elsewhere" in said
    assert "2 data sets of scores: net benefit" in said
    assert (said.count(">= 93 %"), said.count("<= 97 %")) == (8, 7)


def test_intervals_that_are_too_narrow_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = coverage.resampled

    def narrower(models: list, seed: int) -> list[Measured]:
        """Halve how far resamples are from what was measured."""
        measured = []
        for m in real(models, seed):
            value = m.values[coverage.METRIC]
            assert value is not None
            halved = value + (m.resampled[coverage.METRIC] - value) / 2
            measured.append(Measured(m.values, {coverage.METRIC: halved}))
        return measured

    monkeypatch.setattr(coverage, "resampled", narrower)
    small = {"DATA_SETS": 15, "SEED_DATA_SETS": 1, "PAIR_DATA_SETS": 1, "RESAMPLES": 100}
    small |= {"OUTSIDE_DATA_SETS": 1, "DECISION_DATA_SETS": 1}
    for name, value in small.items():
        monkeypatch.setattr(coverage, name, value)
    with pytest.raises(SystemExit) as stopped:
        coverage.main()
    assert stopped.value.code == 1


def test_everybody_is_what_many_patients_are() -> None:
    """The truth that intervals on decisions are held against, by a large draw."""
    everyone, weights = scored.population()
    assert weights.sum() == pytest.approx(1)
    many = scored.draw(np.random.default_rng(0), 6000, "many")
    for of_all, of_many in (
        (everyone.actual, many.actual),
        ((everyone.probabilities[:, 1] - everyone.actual) ** 2,
         (many.probabilities[:, 1] - many.actual) ** 2),
        (everyone.predicted * everyone.actual, many.predicted * many.actual),
    ):  # fmt: skip
        assert weights @ of_all == pytest.approx(of_many.mean(), abs=0.01)
    code = {site: np.array([a["site"] == site for a in many.attributes]) for site in scored.SITES}
    for site, moved in scored.SITES.items():
        chosen = code[site] & (many.actual == 1)
        deviation = np.hypot(scored.OF_PATIENT, scored.OF_RECORD)
        truth = norm.cdf((scored.MEANS[1] + moved) / deviation)
        assert (many.predicted[chosen] == 1).mean() == pytest.approx(truth, abs=0.02)


def test_intervals_on_decisions_that_are_too_narrow_are_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scored, "CONFIDENCE", 0.55)
    monkeypatch.setitem(scored.OPTIONS, "confidence", 0.55)
    monkeypatch.setattr(scored, "RESAMPLES", 200)
    monkeypatch.setitem(scored.OPTIONS, "resamples", 200)
    found = scored.count_decisions(12, seed=0)
    assert set(coverage.DECIDED) <= found.keys()
    assert np.mean([found[what] for what in coverage.DECIDED]) < 85
