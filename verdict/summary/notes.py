"""The sentences below the tables: what the numbers are, and what they are not."""

from verdict.comparison.model import Comparison
from verdict.comparison.results import REPLICATED, Thresholds
from verdict.comparison.verdict import MIN_GROUPS
from verdict.statistics.formats import format_percent
from verdict.statistics.metrics import METRICS
from verdict.statistics.probabilities import CALIBRATION_BINS
from verdict.statistics.texts import bleu_signature
from verdict.summary.wording import (
    AT_EDGES,
    UNDEFINED,
    trained_note,
    units_title,
    whole_groups,
)


def models_note(comparison: Comparison) -> str:
    """Return the note on the table of models."""
    drawn = whole_groups(comparison.noun, linked=comparison.linked)
    rated = _texts_note() if comparison.kind.name == "text" else _labels_note(comparison)
    if comparison.kind.thinking:
        rated += " A thought that did not end has no answer behind it, and is *invalid*, too."
    if comparison.trained:
        rated += f" {trained_note(comparison)}"
    return (
        f"{comparison.records:,} records of {comparison.groups:,} {comparison.noun}. {rated} "
        f"{UNDEFINED} is undefined. Intervals of all metrics are in `comparison.json`: percentiles "
        f"of {comparison.resamples:,} bootstrap resamples of {drawn}"
        f"{_left_out(comparison)}. {AT_EDGES}{_seeds(comparison)}"
    )


def threshold_note(comparison: Comparison, thresholds: Thresholds) -> str:
    """Return the note on the table of thresholds."""
    return (
        f"Each model's threshold is the largest probability of {comparison.positive} from which a "
        f"sensitivity of {thresholds.sensitivity:g} is reached on the validation split "
        f"({thresholds.records:,} records, {thresholds.positives:,} of {comparison.positive}); it "
        "is applied to the test records as it is. The intervals hold it fixed: another validation "
        "split would have given another one, and that is not in them. *If likeliest* is the table "
        "above."
    )


def differences_note(comparison: Comparison) -> str:
    """Return the note on the table of paired differences."""
    family = sum(difference.first != REPLICATED for difference in comparison.differences)
    which = "" if comparison.replicated is None else "other "
    correction = ""
    if family > 1:
        correction = f" *p (Holm)* is corrected for the {family} {which}comparisons."
    if len(comparison.differences) > 1:
        correction += " The verdict rests on the first line alone, which was fixed beforehand."
    decisive = METRICS[comparison.kind.decisive].title
    return (
        f"In brackets {format_percent(comparison.confidence)} intervals. Both models of a "
        f"comparison are resampled together, by {comparison.noun}; *p* is of {decisive}. "
        "The verdict's sentence has two decimals, and its difference is that of the two numbers "
        "as they stand there."
        f"{correction} {_secondary(comparison)}"
    )


def outside_note(comparison: Comparison, name: str) -> str:
    """Return the note on the table of a test set from elsewhere against the test split."""
    there = comparison.outside[name].comparison
    return (
        f"{there.records:,} records of {there.groups:,} {there.noun} there, {comparison.records:,} "
        f"of {comparison.groups:,} {comparison.noun} on the test split. In brackets "
        f"{format_percent(comparison.confidence)} intervals. The two are different samples: each "
        "is resampled by itself, and a difference has the percentiles of what the resamples differ "
        "by. Nothing was trained or chosen on this set; thresholds come from the validation split."
    )


def subgroups_note(comparison: Comparison) -> str:
    """Return the note on the tables of subgroups."""
    decisive = METRICS[comparison.kind.decisive].title.capitalize()
    absent = f" {decisive} is undefined where a label is absent." if comparison.labels else ""
    return (
        f"In brackets {format_percent(comparison.confidence)} intervals, where there are "
        f"{MIN_GROUPS} or more {comparison.noun}.{absent} {AT_EDGES} "
        "Nothing here is corrected for the number "
        "of parts: a difference between two of them is a question, not a finding."
    )


def _labels_note(comparison: Comparison) -> str:
    binary = comparison.kind.name == "binary"
    positive = f"Sensitivity, precision and F1 are of {comparison.positive}. " if binary else ""
    ranked = METRICS["auroc" if binary else "macro_auroc"].title
    units = units_title(comparison.noun, linked=comparison.linked)
    return (
        f"{positive}All but *invalid* rate the likeliest answer; *invalid* is the share of "
        "generated answers that name no label. "
        f"*Accuracy over {comparison.noun}* is the mean over {units} of the share of "
        "their records that are right. Majority always gives the commonest answer, prior guesses "
        "by the answers' shares in these records; neither ranks records, so "
        f"{ranked} is 0.5. The probabilities are rated, too, in `comparison.json`: by the *Brier "
        f"score* and the *expected calibration error* over {CALIBRATION_BINS} bins; less is better."
    )


def _texts_note() -> str:
    return (
        "*Exact match* and *token F1* compare texts as SQuAD does, without case, punctuation and "
        "articles, but for what would make two medical answers one: decimals, ranges, signs, "
        "<, ≥, +, % and single letters stay (`verdict/statistics/words.py`). *ROUGE-L* is the F1 "
        "of the longest common subsequence of words. *BLEU* is "
        f"sacreBLEU's, over all records, from 0 to 1 (`{bleu_signature()}`). *Closed questions* is "
        "the share of right answers where the reference is yes or no. *Invalid* is the share of "
        "empty answers. Majority always gives the commonest reference answer."
    )


def _secondary(comparison: Comparison) -> str:
    """Say what the tests that take records as independent are, or why they are left out."""
    right, ranked = METRICS[comparison.kind.right].title, comparison.kind.name == "binary"
    if not comparison.labels:
        right = "right answers (to closed questions the same yes or no, to others exact match)"
    if comparison.independent:
        delong = ", DeLong's of AUROC" if ranked else ""
        return (
            f"McNemar's exact test is of {right}{delong}; these p are for comparison with what "
            "others report, and the verdict does not rest on them."
        )
    tests = "McNemar's and DeLong's tests take" if ranked else "McNemar's test takes"
    return (
        f"{tests} records as independent. Those that share one of the {comparison.noun} are not, "
        "so such a p would be too small, and is left out."
    )


def _seeds(comparison: Comparison) -> str:
    """Say how far apart the trainings with other seeds are."""
    if comparison.replicated is None:
        return ""
    decisive = comparison.kind.decisive
    deviation = comparison.replicated.deviations[decisive]
    apart = "undefined" if deviation is None else f"{deviation:.3f}"
    names = ", ".join((comparison.candidate, *comparison.replicates))
    return (
        f" {names} are one training with {comparison.trainings} seeds; the standard deviation of "
        f"{METRICS[decisive].title} between them is {apart}. The interval of their mean draws "
        f"seeds again as well as {comparison.noun}; with few seeds it is rather too narrow."
    )


def _left_out(comparison: Comparison) -> str:
    """Say how many resamples had no value of the decisive metric."""
    decisive = comparison.kind.decisive
    undefined = comparison.models[comparison.candidate][decisive].undefined
    if not undefined:
        return ""
    return f"; {undefined:,} of them lacked a label and are left out of {METRICS[decisive].title}"
