"""The section on decisions: net benefit, risk against coverage, reliability before and after."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from verdict.comparison.decision_results import Band, Decisions, Points
from verdict.comparison.model import Comparison
from verdict.report.page.charts import Axis, Chart, Line, axis_around, unit_axis
from verdict.statistics.recalibration import STATED
from verdict.summary.decisions import TITLES, DecisionPart, decision_parts, decisions_note
from verdict.summary.wording import shown

#: How far below calling none a decision curve is drawn, in shares of the highest net benefit.
BELOW = 0.35


@dataclass(frozen=True)
class DecisionSection:
    """What is shown of one comparison's decisions."""

    #: Of the charts' ids, which are unlike in one page.
    id: str
    note: str
    parts: list[DecisionPart]
    #: By the key of their part.
    charts: dict[str, list[Chart]]


def decision_sections(comparison: Comparison, slots: Mapping[str, int]) -> list[DecisionSection]:
    """Return the section of a comparison, and that on merged labels; none of free text."""
    found = [("", comparison), ("merged-", comparison.merged)]
    return [
        DecisionSection(
            prefix,
            decisions_note(one),
            decision_parts(one),
            _charts(one, one.decisions, slots, prefix),
        )
        for prefix, one in found
        if one is not None and one.decisions is not None
    ]  # fmt: skip


def _charts(
    comparison: Comparison, found: Decisions, slots: Mapping[str, int], prefix: str
) -> dict[str, list[Chart]]:
    return {
        "recalibration": list(_reliability(comparison, found, slots, prefix)),
        "benefit": list(_benefit(comparison, found, slots, prefix)),
        "abstention": [_risk(comparison.candidate, found, slots, prefix)],
    }


def _reliability(
    comparison: Comparison, found: Decisions, slots: Mapping[str, int], prefix: str
) -> Iterator[Chart]:
    """Yield a chart of the probabilities as stated, and one as validation chose to mend them."""
    if not found.recalibration:
        return
    about = shown(comparison.positive) if comparison.positive else "the likeliest label"
    for title, chosen in (("As stated", False), ("Recalibrated", True)):
        lines = []
        for model, own in found.recalibration.items():
            method = own.chosen if chosen else STATED
            points = own.methods[method].points
            error = f"calibration error {own.methods[method].expected_calibration_error:.3f}"
            note = f"{TITLES[method]}, {error}" if chosen else error
            lines.append(_dots(model, slots[model], points, note))
        told = "; ".join(f"{line.name}: {line.note}" for line in lines)
        yield Chart(
            id=f"{prefix}recalibration-{'after' if chosen else 'before'}",
            title=title,
            description=f"{title}: observed share against stated probability of {about}. {told}",
            x=unit_axis(f"probability of {about}"),
            y=unit_axis("share that came true"),
            lines=lines,
            reference=[(0, 0), (1, 1)],
            reference_name="perfectly calibrated",
        )


def _dots(model: str, slot: int, points: Points, note: str) -> Line:
    places = list(zip(points.stated, points.observed, strict=True))
    return Line(model, slot, places, "dots", note, points.records)


def _benefit(
    comparison: Comparison, found: Decisions, slots: Mapping[str, int], prefix: str
) -> Iterator[Chart]:
    curves = found.curves
    if curves is None:
        return
    positive = shown(comparison.positive or "")
    every = list(zip(curves.probabilities, curves.treat_all, strict=True))
    highest = max([0.01, *(x for x in curves.treat_all), *_ends(curves.stated)])
    around = axis_around("net benefit", [-BELOW * highest, highest])
    for title, bands in (("As stated", curves.stated), ("Recalibrated", curves.recalibrated)):
        if not bands:
            continue
        yield Chart(
            id=f"{prefix}benefit-{title.split()[0].lower()}",
            title=title,
            description=f"{title}: net benefit of each model by the probability of {positive} from "
            "which somebody would act; some of the numbers stand in the table",
            x=unit_axis(f"acting from a probability of {positive}"),
            y=around,
            lines=[
                Line(
                    model, slots[model], _points(curves.probabilities, band),
                    band=_band(curves.probabilities, band) if model == comparison.candidate else (),
                )
                for model, band in bands.items()
            ],
            reference=every,
            reference_name=f"call all {positive}",
            level=0.0,
            level_name="call none",
            clipped=True,
        )  # fmt: skip


def _ends(bands: Mapping[str, Band]) -> Iterator[float]:
    yield from (value for band in bands.values() for value in band.high[:60] if value is not None)


def _risk(candidate: str, found: Decisions, slots: Mapping[str, int], prefix: str) -> Chart:
    curve, lines = found.risk_coverage, []
    for model, band in curve.risk.items():
        answered, note = curve.answered[model], ""
        if one := found.abstention.get(model):
            risk = "–" if one.risk.value is None else f"{100 * one.risk.value:.1f} %"
            coverage = "–" if one.coverage.value is None else f"{100 * one.coverage.value:.0f} %"
            note = f"at its threshold {risk} of {coverage}"
        lines.append(
            Line(
                model,
                slots[model],
                _points(answered, band),
                note=note,
                band=_band(answered, band) if model == candidate else (),
            )
        )
    values = [value for line in lines for _, value in line.points]
    y: Axis = axis_around("share of wrong answers", values, zero=True)
    return Chart(
        id=f"{prefix}risk",
        title="Risk against coverage",
        description="Share of wrong answers among the records that a model answers, by their share",
        x=unit_axis("share of records answered"),
        y=y,
        lines=lines,
        clipped=True,
    )


def _points(x: list[float], band: Band) -> list[tuple[float, float]]:
    return [(at, value) for at, value in zip(x, band.values, strict=True) if value is not None]


def _band(x: list[float], band: Band) -> list[tuple[float, float]]:
    """Return the outline of a band: its lower ends, and its upper ones back."""
    known = [
        (at, low, high)
        for at, low, high in zip(x, band.low, band.high, strict=True)
        if low is not None and high is not None
    ]
    return [(at, low) for at, low, _ in known] + [(at, high) for at, _, high in reversed(known)]
