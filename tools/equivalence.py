"""When do two runs of one experiment, on two machines, have the same result? One rule.

Two runs of the same code, parameters and inputs are **equivalent**, though bytes differ, where all
of this holds:

1. The outputs of fetch, extract, split and format are byte-identical. They are made by whole
   numbers alone, so that no processor excuses a difference; and equal test records are what makes
   the following a comparison of models and not of samples.
2. Both verdicts have the same form and direction: the sentences are equal but for their numbers,
   and the interval of the decisive difference lies on the same side of zero in both, or includes
   zero in both. The decisive difference is that of the verdict: candidate (or the mean over its
   trainings) minus baseline.
3. Each headline number lies inside the other run's interval, both ways: the decisive metric of
   each model and of the mean over trainings, the decisive difference, the candidate's AUROC, and
   its sensitivity and specificity at the threshold. A number without an interval, or without a
   value in one run, has to be equal.

`make repro` applies it to a whole run that differs from the commit. `make verify` makes each output
again from the published inputs: numbers may differ there by rounding (tools.verify.tolerance), and
where a model's weights or answers differ by more, what follows from them is made as well, up to the
comparison, to which points 2 and 3 are applied. It does so only where other packages, another kind
of processor or parameters that leave the arithmetic open excuse a difference; where nothing does,
other weights or answers are DIFFERENT: with the pinned packages, ``cpu_isa: avx2`` and a number of
threads, every x86-64 processor with AVX2 gives the same bytes.

What the rule claims and what it does not: the intervals are bootstrap intervals over groups of test
records. Both runs ask about the *same* records, so that most of their sampling error is shared, and
two runs whose only difference is rounding lie far inside. An interval is here a bound on what a
reader would conclude, not a test that two trainings agree; its width falls with the number of
records, not with the variance of training. So DIFFERENT proves no error, and `equivalent` means
that a reader of either run is told the same, within what its own intervals admit. About eight
numbers must all pass, both ways, with no allowance for how many they are, which errs towards
DIFFERENT.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from verdict.statistics.kinds import KINDS

_EXACT_STAGES = frozenset({"fetch", "extract", "split", "format"})

_NUMBER = re.compile(r"[<=]? ?[-+]?\d+(?:\.\d+)?")

Comparison = Mapping[str, Any]


def is_exact(stage: str) -> bool:
    """Say whether the outputs of a stage have to be byte-identical on every processor (point 1)."""
    return stage.partition("@")[0] in _EXACT_STAGES


def differences(committed: Comparison, here: Comparison) -> list[str]:
    """Say in what two runs' results break points 2 and 3 of the rule; nothing where they hold.

    Args:
        committed, here: what is in their ``comparison.json``.
    """
    if _form(committed) != _form(here):
        return [f"another verdict: committed “{committed['verdict']}”, here “{here['verdict']}”"]
    decisive = decisive_difference(committed)
    sides = [_side(run, decisive) for run in (committed, here)]
    if sides[0] != sides[1]:
        return [f"{decisive}: its interval is {sides[0]} as committed, {sides[1]} here"]
    return [
        f"{key}: committed {number(committed, key)}, here {number(here, key)}"
        for key in headline_numbers(committed)
        if not (_admits(committed, here, key) and _admits(here, committed, key))
    ]


def decisive_difference(run: Comparison) -> str:
    """Return the key of the difference that the verdict rests on."""
    judged = "replicated" if run["replicates"] else run["candidate"]
    return f"{judged}_minus_{run['baseline']}.{KINDS[run['kind']].decisive}"


def headline_numbers(run: Comparison) -> Iterator[str]:
    """Yield the keys of the headline numbers that a run has."""
    decisive, candidate = KINDS[run["kind"]].decisive, run["candidate"]
    yield from (f"{model}.{decisive}" for model in run["models"])
    others = (
        f"replicated.{decisive}",
        decisive_difference(run),
        *(f"{candidate}.{metric}" for metric in ("auroc", "macro_auroc")),
        *(f"{candidate}.at_threshold.{metric}" for metric in ("recall", "specificity")),
    )
    yield from (key for key in others if key in run)


def decisive_numbers(committed: Comparison, here: Comparison) -> str:
    """Say what decides in two runs, such as `tuned_minus_base.auroc: committed …, here …`."""
    key = decisive_difference(committed)
    return f"{key}: committed {number(committed, key)}, here {number(here, key)}"


def number(run: Comparison, key: str) -> str:
    """Return a number with its interval, such as `0.93 (0.91 to 0.96)`."""
    value, low, high = (run.get(name) for name in (key, f"{key}_low", f"{key}_high"))
    if value is None:
        return "undefined"
    return f"{value:.3f}" + ("" if None in (low, high) else f" ({low:.3f} to {high:.3f})")


def _form(run: Comparison) -> tuple[Any, ...]:
    """Return what must be equal: who is compared, on what, and the sentence without its numbers."""
    same = ("kind", "candidate", "baseline", "models", "replicates", "records", "groups")
    return _NUMBER.sub("#", run["verdict"]), *(run[key] for key in same)


def _side(run: Comparison, key: str) -> str:
    low, high = run.get(f"{key}_low"), run.get(f"{key}_high")
    if low is None or high is None:
        return "undefined"
    return "above zero" if low > 0 else "below zero" if high < 0 else "around zero"


def _admits(run: Comparison, other: Comparison, key: str) -> bool:
    """Say whether the interval of one run holds the number of the other."""
    value, low, high = other.get(key), run.get(f"{key}_low"), run.get(f"{key}_high")
    if value is None or low is None or high is None:
        return bool(value == run.get(key))
    return bool(low <= value <= high)
