"""Paired differences of models as the columns of a table, and as a plot around zero."""

from collections.abc import Sequence
from dataclasses import dataclass

from verdict.report.page.numbers import Cell, Flat, heading_of, percent_of
from verdict.report.page.wording import p_text, signed, signed_interval, title_of
from verdict.statistics.formats import MERGED, MINUS
from verdict.statistics.kinds import KINDS


@dataclass(frozen=True)
class Pair:
    """One model minus another."""

    first: str
    second: str
    metrics: list[Cell]
    #: As in ``p_titles``.
    ps: list[str]


def difference_titles(flat: Flat) -> list[str]:
    """Return the titles of the metrics of a pair."""
    return [title_of(metric, flat["groups_are"]) for metric in KINDS[flat["kind"]].differences]


def p_titles(flat: Flat) -> dict[str, str]:
    """Return the titles of the p values of a pair by the ends of their keys.

    Those of tests that take records as independent are there only where records are.
    """
    decisive = KINDS[flat["kind"]].decisive
    titles = {f"{decisive}_p": "p", f"{decisive}_p_holm": "p (Holm)"}
    secondary = {"mcnemar_p": "p (McNemar)", "delong_p": "p of AUROC (DeLong)"}
    for end, title in secondary.items():
        if any(v is not None for key, v in flat.items() if key.endswith(f".{end}")):
            titles[end] = title
    return titles


def pairs(flat: Flat) -> tuple[list[Pair], tuple[str, str, str]]:
    """Return the paired differences, and the ends and middle of the scale that their plots share.

    The plots are of the decisive metric; zero is in the middle.
    """
    kind = KINDS[flat["kind"]]
    end = f".{kind.decisive}_p"
    names = [
        key.removesuffix(end)
        for key in flat
        if key.endswith(end) and MINUS in key and not key.startswith(f"{MERGED}.")
    ]
    bounds = [flat.get(f"{name}.{kind.decisive}{x}") for name in names for x in ("_low", "_high")]
    reach = scale_of([bound for bound in bounds if bound is not None])
    found = []
    for name in names:
        first, _, second = name.partition(MINUS)
        ps = [p_text(flat.get(f"{name}.{key}")) for key in p_titles(flat)]
        metrics = [difference_cell(flat, f"{name}.{metric}", reach) for metric in kind.differences]
        found.append(Pair(heading_of(flat, first), second, metrics, ps))
    return found, (f"−{reach:g}", "0", f"+{reach:g}")


def scale_of(bounds: Sequence[float]) -> float:
    """Return the end of a scale around zero that holds these: the next tenth."""
    largest = max((abs(bound) for bound in bounds), default=0)
    return min(1.0, max(1, -int(-largest * 10.0 // 1)) / 10)


def difference_cell(flat: Flat, key: str, reach: float) -> Cell:
    """Return the cell of a difference; its plot goes from -reach to reach."""
    value, low, high = (flat.get(key + end) for end in ("", "_low", "_high"))
    at, left, right = (percent_of(x, -reach, reach) for x in (value, low, high))
    return Cell(signed(value), signed_interval(low, high), at, left, right)
