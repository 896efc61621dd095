"""How far numbers that were computed again may lie from those published, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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
