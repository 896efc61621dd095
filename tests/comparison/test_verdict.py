from dataclasses import dataclass, replace

import numpy as np
import pytest

from testing.samples import predictions_from, texts_from
from verdict.comparison import verdict
from verdict.comparison.model import Comparison
from verdict.comparison.results import Difference, Estimate, Replicated, Verdict
from verdict.comparison.verdict import find_obstacle
from verdict.statistics.formats import format_difference, format_p
from verdict.statistics.kinds import KINDS


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on."""

    candidate: str
    baseline: str
    metric: str
    trainings: int
    before: float | None
    after: float | None
    difference: Estimate
    p: float | None
    confidence: float
    groups: int
    noun: str
    majority: str
    majority_metric: str
    majority_value: float | None
    candidate_value: float | None
    over_majority: Estimate
    majority_decisive: float | None
    after_low: float | None

    def comparison(self) -> Comparison:
        after = {
            self.majority_metric: Estimate(self.candidate_value),
            self.metric: Estimate(self.after, self.after_low, self.after),
        }
        return Comparison(
            verdict=Verdict(""),
            warnings=(),
            kind=KINDS["text" if self.metric == "token_f1" else "binary"],
            candidate=self.candidate,
            baseline=self.baseline,
            replicates=tuple(f"again_{i}" for i in range(1, self.trainings)),
            labels=("benign", "melanoma"),
            positive="melanoma",
            records=self.groups,
            groups=self.groups,
            noun=self.noun,
            linked=False,
            synthetic=False,
            resamples=2000,
            confidence=self.confidence,
            models={self.baseline: {self.metric: Estimate(self.before)}, self.candidate: after},
            thresholds=None,
            replicated=Replicated(after, {}) if self.trainings > 1 else None,
            trained={},
            baselines={
                "majority": {
                    self.metric: self.majority_decisive,
                    self.majority_metric: self.majority_value,
                }
            },
            differences=[
                Difference(self.candidate, self.baseline, {self.metric: self.difference}, self.p)
            ],
            over_majority=self.over_majority,
            majority=self.majority,
        )


def decide(evidence: Evidence, obstacle: str | None) -> Verdict:
    return verdict.decide(evidence.comparison(), obstacle)


EVIDENCE = Evidence(
    candidate="tuned",
    baseline="base",
    metric="balanced_accuracy",
    trainings=1,
    before=0.51,
    after=0.58,
    difference=Estimate(0.07, 0.01, 0.14),
    p=0.02,
    confidence=0.95,
    groups=331,
    noun="patients",
    majority="benign",
    majority_metric="accuracy",
    majority_value=0.6,
    candidate_value=0.7,
    over_majority=Estimate(0.1, 0.05, 0.15),
    majority_decisive=0.5,
    after_low=0.52,
)


def changed(value: float, low: float, high: float, p: float, before: float = 0.51) -> Evidence:
    return replace(
        EVIDENCE,
        before=before,
        after=round(before + value, 6),
        difference=Estimate(value, low, high),
        p=p,
    )


def test_raised() -> None:
    verdict = decide(EVIDENCE, None)
    assert verdict.outcome == "raised"
    assert verdict.headline == "Tuning raised balanced accuracy by 0.07"
    assert verdict.sentence == (
        "Tuning raised balanced accuracy from 0.51 to 0.58 "
        "(+0.07, 95 % CI 0.01 to 0.14, p = 0.020, 331 patients)."
    )


def test_lowered() -> None:
    verdict = decide(changed(-0.07, -0.14, -0.01, 0.0004), None)
    assert verdict.outcome == "lowered"
    assert verdict.sentence == (
        "Tuning lowered balanced accuracy from 0.51 to 0.44 "
        "(−0.07, 95 % CI −0.14 to −0.01, p < 0.001, 331 patients)."
    )


def test_a_difference_that_rounds_to_zero_has_no_sign() -> None:
    sentence = decide(changed(-0.001, -0.02, 0.02, 0.9), None).sentence
    assert "(0.00, 95 % CI −0.02 to 0.02, p = 0.90, 331 patients)" in sentence
    tiny = decide(changed(-0.00001, -0.00002, 0.3, 0.9), None).sentence
    assert "(0.00, 95 % CI 0.00 to 0.30," in tiny
    shown = [format_difference(value, 3) for value in (-0.0004, 0.0004, 0.0, -0.0, -0.0006, 0.1)]
    assert shown == ["0.000", "0.000", "0.000", "0.000", "−0.001", "+0.100"]


@pytest.mark.parametrize(
    ("low", "high", "p"),
    [(-0.03, 0.07, 0.41), (0.0, 0.07, 0.05), (-0.07, 0.0, 0.05), (0.01, 0.07, 0.06)],
)
def test_nothing_is_claimed_unless_interval_and_p_carry_it(
    low: float, high: float, p: float
) -> None:
    verdict = decide(changed(0.02, low, high, p), None)
    assert verdict.outcome == "unchanged"
    assert verdict.headline == "Tuning could not be shown to change balanced accuracy"
    assert verdict.sentence.startswith(
        "Tuning could not be shown to change balanced accuracy: 0.53 after, 0.51 before (+0.02, "
    )


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ((0.07, 0.01, 0.14, 0.02), "is above that of reference: 0.58 against 0.51"),
        ((-0.07, -0.14, -0.01, 0.02), "is below that of reference: 0.44 against 0.51"),
        ((0.02, -0.03, 0.07, 0.41), "could not be shown to differ from that of reference"),
    ],
)
def test_only_a_difference_to_the_base_is_laid_to_tuning(
    difference: tuple[float, float, float, float], words: str
) -> None:
    verdict = decide(replace(changed(*difference), baseline="reference"), None)
    assert "Tuning" not in verdict.sentence + verdict.headline
    assert f"The balanced accuracy of tuned {words}" in verdict.sentence


def test_a_majority_that_is_ahead_is_named_and_only_then() -> None:
    behind = replace(
        EVIDENCE,
        majority_value=0.982,
        candidate_value=0.559,
        over_majority=Estimate(-0.4, -0.5, -0.3),
    )
    assert decide(behind, None).sentence.endswith(
        "; always answering 'benign' would be right more often (98.2 % against 55.9 %)."
    )
    unclear = replace(behind, over_majority=Estimate(-0.4, -0.5, 0.0))
    assert "always" not in decide(unclear, None).sentence


def test_a_rise_to_no_more_than_one_answer_to_all_is_called_so() -> None:
    """A model that only learned the commonest answer beats a baseline that was worse than that."""
    risen = replace(changed(0.1, 0.02, 0.19, 0.018, before=0.4), after_low=0.5)
    verdict = decide(risen, None)
    assert verdict.outcome == "raised"
    assert verdict.sentence.endswith(
        "; that is not shown to be above always answering 'benign' (0.50)."
    )
    assert verdict.headline == (
        "Tuning raised balanced accuracy by 0.10, but not above one answer to all"
    )
    assert "always" not in decide(replace(risen, after_low=0.501), None).sentence
    fallen = replace(changed(-0.1, -0.2, -0.01, 0.02), after_low=0.3)
    assert "always" not in decide(fallen, None).sentence


def test_free_text_is_judged_by_its_words() -> None:
    texts = replace(EVIDENCE, metric="token_f1", majority_metric="token_f1", noun="cases")
    assert decide(texts, None).sentence == (
        "Tuning raised token F1 from 0.51 to 0.58 "
        "(+0.07, 95 % CI 0.01 to 0.14, p = 0.020, 331 cases)."
    )
    assert decide(texts, "there are no records").headline == "No verdict on token F1 is possible"
    behind = replace(
        texts,
        majority="No acute cardiopulmonary abnormality is seen in this image.",
        majority_value=0.712,
        candidate_value=0.58,
        over_majority=Estimate(-0.13, -0.2, -0.05),
    )
    assert decide(behind, None).sentence.endswith(
        "; always answering 'No acute cardiopulmonary abnormality …' would reach a higher "
        "token F1 (0.71 against 0.58)."
    )
    close = decide(replace(behind, majority_value=0.5812), None).sentence
    assert close.endswith("(0.581 against 0.580).")


@pytest.mark.parametrize(
    ("evidence", "shown"),
    [
        # The unrounded difference would say 0.51, 0.58 and +0.08.
        (changed(0.075303, 0.0098, 0.1383, 0.024, 0.50553), "from 0.51 to 0.58 (+0.07, "),
        # The unrounded difference is 0.46667: no number of decimals would agree with it.
        (changed(0.466667, 0.3, 0.6, 0.001, 0.366667), "from 0.37 to 0.83 (+0.46, "),
        # The difference of the numbers with two decimals would lie outside the interval.
        (changed(0.4698, 0.468, 0.472, 0.001, 0.3651), "from 0.365 to 0.835 (+0.470, "),
        (replace(changed(0.07, 0.01, 0.14, 0.02), groups=2056), "2,056 patients"),
        # Two decimals would show an interval that begins at zero.
        (changed(0.07, 0.003, 0.137, 0.04), "CI 0.003 to 0.137"),
    ],
)
def test_rounding_never_contradicts(evidence: Evidence, shown: str) -> None:
    assert shown in decide(evidence, None).sentence


def test_no_verdict_says_why_and_what_was_measured() -> None:
    verdict = decide(EVIDENCE, "melanoma occurs in too few patients, 2 where 6 are needed")
    assert verdict.outcome == "none"
    assert verdict.sentence == (
        "No verdict on balanced accuracy is possible: melanoma occurs in too few patients, "
        "2 where 6 are needed (0.58 was measured for tuned and 0.51 for base)."
    )
    undefined = replace(EVIDENCE, difference=Estimate(None), p=None, after=None)
    assert decide(undefined, None).sentence == (
        "No verdict on balanced accuracy is possible: the difference is undefined."
    )


def test_the_mean_of_several_trainings_is_called_so() -> None:
    several = replace(EVIDENCE, trainings=3)
    assert decide(several, None).sentence == (
        "Tuning raised balanced accuracy from 0.51 to 0.58 "
        "(+0.07, 95 % CI 0.01 to 0.14, p = 0.020, 331 patients, mean of 3 training seeds)."
    )
    assert decide(several, "there are no records").sentence == (
        "No verdict on balanced accuracy is possible: there are no records "
        "(0.58 was measured for the mean of 3 training seeds of tuned and 0.51 for base)."
    )


@pytest.mark.parametrize(
    ("groups", "positive", "obstacle"),
    [
        ([], [], "there are no records"),
        (range(20), [], "all 20 records have the label benign"),
        ([i // 4 for i in range(36)], range(18), "too few patients, 9 where 10 are needed"),
        (range(20), range(5), "melanoma occurs in too few patients, 5 where 6 are needed"),
        (range(20), range(6), None),
    ],
)
def test_obstacles(groups: list[int], positive: list[int], obstacle: str | None) -> None:
    has = np.isin(np.arange(len(groups)), list(positive)).astype(int)
    predictions = predictions_from("m", has, np.zeros((len(has), 2)), groups=groups)
    found = find_obstacle(predictions, "patients")
    assert found is obstacle or (found is not None and obstacle is not None and obstacle in found)


def test_texts_need_groups_but_no_labels() -> None:
    assert find_obstacle(texts_from("m", [("a", "b")] * 10), "cases") is None
    few = find_obstacle(texts_from("m", [("a", "b")] * 9), "cases")
    assert few == "there are too few cases, 9 where 10 are needed"


@pytest.mark.parametrize(
    ("p", "text"), [(0.412, "0.41"), (0.0241, "0.024"), (0.001, "0.001"), (0.0009, "< 0.001")]
)
def test_format_p(p: float, text: str) -> None:
    assert format_p(p) == text
