"""When do two runs of one experiment, on two machines, have the same result? One rule.

Two runs of the same code, parameters and inputs are **equivalent**, though bytes differ, where all
of this holds:

1. The outputs of fetch, extract, split and format, and of what does the same with test sets from
   elsewhere, are byte-identical. They are made by whole
   numbers alone, so that no processor excuses a difference; and equal test records are what makes
   the following a comparison of models and not of samples.
2. Both verdicts have the same form and direction: the sentences are equal but for their numbers,
   and the interval of the decisive difference lies on the same side of zero in both, or includes
   zero in both. The decisive difference is that of the verdict: candidate (or the mean over its
   trainings) minus baseline.
3. Each headline number lies inside the other run's interval, both ways: the decisive metric of
   each model and of the mean over trainings, the decisive difference, the candidate's AUROC, and
   its sensitivity and specificity at the threshold; its decisive metric on each test set from
   elsewhere. A number without an interval, or without a
   value in one run, has to be equal.

`make repro` applies it to a whole run that differs from the commit. `make verify` makes each output
again from the published inputs: numbers may differ there by rounding (the tolerances below), and
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

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verdict.statistics.kinds import KINDS
from verify.findings import Finding, different, equivalent

_EXACT_STAGES = frozenset({"fetch", "extract", "split", "format", "fetch_outside", "outside"})

_NUMBER = re.compile(r"[<=]? ?[-+]?\d+(?:\.\d+)?")

Numbers = Mapping[str, Any]


def is_exact(stage: str) -> bool:
    """Say whether the outputs of a stage have to be byte-identical on every processor (point 1)."""
    return stage.partition("@")[0] in _EXACT_STAGES


def differences(committed: Numbers, here: Numbers) -> list[str]:
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


def decisive_difference(run: Numbers) -> str:
    """Return the key of the difference that the verdict rests on."""
    judged = "replicated" if run["replicates"] else run["candidate"]
    return f"{judged}_minus_{run['baseline']}.{KINDS[run['kind']].decisive}"


def headline_numbers(run: Numbers) -> Iterator[str]:
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
    yield from (f"outside.{name}.{candidate}.{decisive}" for name in run.get("outside", ()))


def decisive_numbers(committed: Numbers, here: Numbers) -> str:
    """Say what decides in two runs, such as `tuned_minus_base.auroc: committed …, here …`."""
    key = decisive_difference(committed)
    return f"{key}: committed {number(committed, key)}, here {number(here, key)}"


def number(run: Numbers, key: str) -> str:
    """Return a number with its interval, such as `0.93 (0.91 to 0.96)`."""
    value, low, high = (run.get(name) for name in (key, f"{key}_low", f"{key}_high"))
    if value is None:
        return "undefined"
    return f"{value:.3f}" + ("" if None in (low, high) else f" ({low:.3f} to {high:.3f})")


def _form(run: Numbers) -> tuple[Any, ...]:
    """Return what must be equal: who is compared, on what, and the sentence without its numbers."""
    same = ("kind", "candidate", "baseline", "models", "replicates", "records", "groups")
    return _NUMBER.sub("#", run["verdict"]), *(run[key] for key in same)


def _side(run: Numbers, key: str) -> str:
    low, high = run.get(f"{key}_low"), run.get(f"{key}_high")
    if low is None or high is None:
        return "undefined"
    return "above zero" if low > 0 else "below zero" if high < 0 else "around zero"


def _admits(run: Numbers, other: Numbers, key: str) -> bool:
    """Say whether the interval of one run holds the number of the other."""
    value, low, high = other.get(key), run.get(f"{key}_low"), run.get(f"{key}_high")
    if value is None or low is None or high is None:
        return bool(value == run.get(key))
    return bool(low <= value <= high)


def judge_comparisons(published: Path, remade: Path) -> Finding:
    """Judge what a model computed otherwise by the comparison.json that followed from it."""
    try:
        committed, here = (json.loads(path.read_bytes()) for path in (published, remade))
        broken = differences(committed, here)
        stands = "" if broken else decisive_numbers(committed, here)
    except (AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        return different(f"no comparison can be read: {type(error).__name__}: {error}")
    return different("; ".join(broken)) if broken else equivalent(f"the verdict stands: {stands}")


@dataclass(frozen=True)
class Bound:
    """The largest difference of two numbers.

    Attributes:
        relative: in parts of the larger of the two, not in absolute terms.
    """

    value: float
    relative: bool = False

    def apart(self, old: float, new: float) -> float:
        """Return how far two numbers lie apart, in the terms of this bound; NaN fits no bound."""
        difference = abs(old - new)
        if self.relative and difference:
            return difference / max(abs(old), abs(new))
        return difference

    def allows(self, apart: float) -> bool:
        # Not the other way round: a number that is none is within no bound.
        return apart <= self.value

    def said(self, apart: float) -> str:
        """Return a difference and this bound, for a message."""
        if self.relative:
            return f"{100 * apart:.2g} %, tolerance {100 * self.value:g} %"
        return f"{apart:.2g}, tolerance {self.value:g}"


@dataclass(frozen=True)
class Tolerance:
    """The bounds of a file's numbers.

    Attributes:
        why: there may be a difference at all.
        any: the bound of a number.
        named: that of numbers by these names: keys of JSON, columns of CSV.
    """

    any: Bound
    why: str
    named: Mapping[str, Bound] = field(default_factory=dict)

    def of(self, name: str) -> Bound:
        """Return the bound of a number by its name."""
        return self.named.get(name, self.any)


#: Of numbers computed from the same predictions; they are published with six decimals.
STATISTICS = Tolerance(Bound(2e-6), "sums in another order on another processor")

#: What a training measures; all else that it writes are its parameters and counts.
_MEASURED = (
    "loss", "eval_loss", "grad_norm", "first_loss", "last_loss", "best_eval_loss", "largest_change",
)  # fmt: skip
#: With AVX-512, with AVX2 and with neither, the losses of the committed default's 186 steps lay
#: 6e-6 of themselves apart at most, the norms 2e-5. A longer training, another processor or library
#: may make more of it: hence a thousand times as much. bfloat16, of which nothing has been measured
#: yet, rounds far more coarsely.
_AMPLIFIED = {"float32": 0.02, "bfloat16": 0.1}
#: How far the pre-flight lets a row's loss alone and in a batch lie apart, which it measures.
_BATCH = {"float32": 1e-3, "bfloat16": 0.1}
#: A schedule's learning rate comes from a cosine, whose last digit a C library may round its way.
_LAST_DIGIT = Bound(1e-12)


def of_training(dtype: str) -> Tolerance:
    """Return the tolerance of what a training in this arithmetic writes beside its weights."""
    measured = dict.fromkeys(_MEASURED, Bound(_AMPLIFIED[dtype], relative=True))
    return Tolerance(
        _LAST_DIGIT,
        "training amplifies rounding of another processor",
        measured | {"largest_difference": Bound(_BATCH[dtype])},
    )
