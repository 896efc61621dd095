"""ROC, precision–recall and reliability curves of the models, one chart a label."""

from collections.abc import Callable, Iterator, Mapping

from verdict.predictions import Predictions
from verdict.report.page.charts import Chart, Line, unit_axis
from verdict.report.page.numbers import Flat
from verdict.report.page.sources import Sources
from verdict.report.page.wording import number, shown
from verdict.statistics.curves import Curve, precision_recall_curves, reliability, roc_curves


def curve_charts(sources: Sources, slots: Mapping[str, int]) -> dict[str, list[Chart]]:
    """Return the charts of curves by heading; none of free text, which has no probabilities."""
    models = sources.singles
    if sources.kind.name == "text":
        return {}
    roc = _charts("roc", models, roc_curves, slots, sources.comparison)
    precision = _charts("precision", models, precision_recall_curves, slots, sources.comparison)
    charts = {
        "ROC": list(roc),
        "Precision and recall": list(precision),
        "Reliability": list(_reliability(models, slots, sources.comparison)),
    }
    return {heading: found for heading, found in charts.items() if found}


_AXES = {
    "roc": ("1 − specificity", "sensitivity", "AUROC", "auroc"),
    "precision": ("sensitivity (recall)", "precision", "average precision", "average_precision"),
}


def _charts(
    what: str,
    models: Mapping[str, Predictions],
    curves_of: Callable[[Predictions], dict[str, Curve | None]],
    slots: Mapping[str, int],
    flat: Flat,
) -> Iterator[Chart]:
    x, y, area, metric = _AXES[what]
    curves = {model: curves_of(found) for model, found in models.items()}
    first = next(iter(models.values()))
    for label in next(iter(curves.values())):
        lines = []
        for model, found in curves.items():
            if curve := found[label]:
                points = list(zip(curve.x.tolist(), curve.y.tolist(), strict=True))
                value = flat.get(f"{model}.{metric}")
                note = f"{area} {number(metric, value)}" if value is not None else ""
                lines.append(Line(model, slots[model], points, note=note))
        if not lines:
            continue
        share = float((first.actual == first.labels.index(label)).mean())
        chance = [(0, 0), (1, 1)] if what == "roc" else [(0, share), (1, share)]
        areas = "; ".join(f"{line.name}: {line.note}" for line in lines if line.note)
        yield Chart(
            id=f"{what}-{first.labels.index(label)}",
            title=shown(label),
            description=f"{y} against {x} for {shown(label)}. {areas}",
            x=unit_axis(x),
            y=unit_axis(y),
            lines=lines,
            reference=chance,
            reference_name="chance",
            legend=len(curves[first.model]) == 1,
        )


def _reliability(
    models: Mapping[str, Predictions], slots: Mapping[str, int], flat: Flat
) -> Iterator[Chart]:
    lines = []
    for model, found in models.items():
        if curve := reliability(found):
            points = list(zip(curve.stated.tolist(), curve.observed.tolist(), strict=True))
            error = flat.get(f"{model}.expected_calibration_error")
            note = "" if error is None else f"calibration error {error:.3f}"
            lines.append(Line(model, slots[model], points, "dots", note, curve.records.tolist()))
    if not lines:
        return
    positive = next(iter(models.values())).positive
    about = shown(positive) if positive else "the likeliest label"
    errors = "; ".join(f"{line.name}: {line.note}" for line in lines if line.note)
    yield Chart(
        id="reliability",
        title=about,
        description=f"Observed share against the mean stated probability of {about}. {errors}",
        x=unit_axis(f"stated probability of {about}"),
        y=unit_axis("share that came true"),
        lines=lines,
        reference=[(0, 0), (1, 1)],
        reference_name="perfectly calibrated",
    )
