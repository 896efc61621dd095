"""How numbers are rounded and written."""

import math
import textwrap

#: Decimals of every reported number, so that the last bits of two machines do not show.
DECIMALS = 6

#: Of every negative number that people read.
MINUS_SIGN = "\N{MINUS SIGN}"


def rounded(value: float | None) -> float | None:
    """Round a number for a report; NaN becomes None."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), DECIMALS) + 0.0  # + 0.0 turns -0.0 into 0.0


def shortened(answer: str) -> str:
    """Return the beginning of an answer, as much as fits into a sentence."""
    return textwrap.shorten(answer, 40, placeholder=" …")


def mean_of(trainings: int) -> str:
    """Return what the mean over a model's training seeds is called."""
    return f"mean of {trainings} training seeds"


def format_number(value: float, decimals: int) -> str:
    """Return ``0.58`` or ``−0.58``; what rounds to zero has no sign: ``0.00``."""
    return f"{value:z.{decimals}f}".replace("-", MINUS_SIGN)


def format_difference(difference: float, decimals: int) -> str:
    """Return ``+0.07`` or ``−0.07``; what rounds to zero has no sign: ``0.00``."""
    text = format_number(difference, decimals)
    return f"+{text}" if round(difference, decimals) > 0 else text


def format_p(p: float) -> str:
    """Return a p value as people write it: ``0.41``, ``0.012``, ``< 0.001``."""
    if p < 0.001:
        return "< 0.001"
    return f"{p:.{3 if p < 0.1 else 2}f}"


def format_probability(probability: float) -> str:
    """Return ``0.231``, with more decimals where it would look like 0 or 1."""
    return f"{probability:.{3 if 0.0005 <= probability < 0.9995 else DECIMALS}f}"


def format_percent(share: float) -> str:
    """Return ``95 %`` for 0.95 and ``99.5 %`` for 0.995."""
    return f"{100 * share:.6g} %"
