"""How numbers are rounded and written, and the names that keys are built from."""

import math
import textwrap

#: Decimals of every reported number, so that the last bits of two machines do not show.
DECIMALS = 6

#: Joins two models' names in the keys of their difference.
MINUS = "_minus_"

#: Baselines that need no model, in the order of a table.
BASELINES = ("majority", "prior")

#: Precedes the keys of the comparison on merged labels.
MERGED = "merged"


def rounded(value: float | None) -> float | None:
    """Round a number for a report; NaN becomes None."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), DECIMALS) + 0.0  # + 0.0 turns -0.0 into 0.0


def shortened(answer: str) -> str:
    """Return the beginning of an answer, as much as fits into a sentence."""
    return textwrap.shorten(answer, 40, placeholder=" …")


def format_p(p: float) -> str:
    """Return a p value as people write it: ``0.41``, ``0.012``, ``< 0.001``."""
    if p < 0.001:
        return "< 0.001"
    return f"{p:.{3 if p < 0.1 else 2}f}"


def format_percent(share: float) -> str:
    """Return ``95 %`` for 0.95 and ``99.5 %`` for 0.995."""
    return f"{100 * share:.6g} %"
