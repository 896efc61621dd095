"""The sentences below the tables: what the numbers are, and what they are not."""

from verdict.report.names import UNDEFINED
from verdict.statistics.comparison import Comparison
from verdict.statistics.formats import format_percent
from verdict.statistics.kinds import METRIC_TITLES
from verdict.statistics.texts import bleu_signature
from verdict.statistics.verdict import MIN_GROUPS


def models_note(comparison: Comparison) -> str:
    """Return the note on the table of models."""
    rated = _texts_note() if comparison.kind.name == "text" else _labels_note(comparison)
    return (
        f"{comparison.records:,} records of {comparison.groups:,} {comparison.noun}. {rated} "
        f"{UNDEFINED} is undefined. Intervals of all metrics are in `comparison.json`: percentiles "
        f"of {comparison.resamples:,} bootstrap resamples of whole {comparison.noun}"
        f"{_left_out(comparison)}."
    )


def differences_note(comparison: Comparison) -> str:
    """Return the note on the table of paired differences."""
    several = len(comparison.differences)
    correction = (
        f" *p (Holm)* is corrected for the {several} comparisons; the verdict rests on the first "
        "one alone, which was fixed beforehand."
        if several > 1
        else ""
    )
    decisive, right = (METRIC_TITLES[m] for m in (comparison.kind.decisive, comparison.kind.right))
    return (
        f"In brackets {format_percent(comparison.confidence)} intervals. Both models of a "
        f"comparison are resampled together, by {comparison.noun}; *p* is of {decisive}."
        f"{correction} McNemar's test is of {right} and takes records as independent, so where "
        f"several records belong together its p is too small."
    )


def subgroups_note(comparison: Comparison) -> str:
    """Return the note on the tables of subgroups."""
    decisive = METRIC_TITLES[comparison.kind.decisive].capitalize()
    absent = f" {decisive} is undefined where a label is absent." if comparison.labels else ""
    return (
        f"In brackets {format_percent(comparison.confidence)} intervals, where there are "
        f"{MIN_GROUPS} or more {comparison.noun}.{absent} An interval "
        "without width means that nothing varied among these records, not that nothing can. "
        "Nothing here is corrected for the number "
        "of parts: a difference between two of them is a question, not a finding."
    )


def _labels_note(comparison: Comparison) -> str:
    binary = comparison.kind.name == "binary"
    positive = f"Sensitivity, precision and F1 are of {comparison.positive}. " if binary else ""
    ranked = METRIC_TITLES["auroc" if binary else "macro_auroc"]
    return (
        f"{positive}All but *invalid* rate the likeliest answer; *invalid* is the share of "
        "generated answers that name no label. "
        f"*Accuracy over {comparison.noun}* is the mean over {comparison.noun} of the share of "
        "their records that are right. Majority always gives the commonest answer, prior guesses "
        "by the answers' shares in these records; neither ranks records, so "
        f"{ranked} is 0.5."
    )


def _texts_note() -> str:
    return (
        "*Exact match* and *token F1* compare texts as SQuAD does: without case, punctuation and "
        "articles. *ROUGE-L* is the F1 of the longest common subsequence of words. *BLEU* is "
        f"sacreBLEU's, over all records, from 0 to 1 (`{bleu_signature()}`). *Closed questions* is "
        "the share of right answers where the reference is yes or no. *Invalid* is the share of "
        "empty answers. Majority always gives the commonest reference answer."
    )


def _left_out(comparison: Comparison) -> str:
    """Say how many resamples had no value of the decisive metric."""
    decisive = comparison.kind.decisive
    undefined = comparison.models[comparison.candidate][decisive].undefined
    if not undefined:
        return ""
    return f"; {undefined:,} of them lacked a label and are left out of {METRIC_TITLES[decisive]}"
