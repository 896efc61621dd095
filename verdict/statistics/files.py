"""What the evaluation of one model leaves beside its predictions: metrics, and curves for DVC."""

from pathlib import Path

from verdict.core.files import write_csv, write_json
from verdict.predictions import Predictions
from verdict.statistics.curves import roc_curves
from verdict.statistics.measurement import measure


def write_measurement(metrics: Path, name: str, predictions: Predictions) -> None:
    """Write ``NAME.json``, ``plots/confusion_NAME.csv`` and ``plots/roc_NAME.csv``.

    With more than two labels there is a curve for each of them, which one plot a model cannot show;
    then, and where a curve is undefined, its file has no rows.

    Args:
        metrics: the folder.
        name: of the model.
        predictions: on the test split.
    """
    measured, plots = measure(predictions), metrics / "plots"
    write_json(metrics / f"{name}.json", measured.values())
    write_csv(plots / f"confusion_{name}.csv", ("actual", "predicted"), measured.confusion_rows())
    positive = predictions.positive
    curve = roc_curves(predictions)[positive] if positive is not None else None
    write_csv(
        plots / f"roc_{name}.csv",
        ("false_positive_rate", "true_positive_rate"),
        zip(curve.x.tolist(), curve.y.tolist(), strict=True) if curve else (),
    )
