"""Record how the models did, in the run that trained the adapter."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verdict.files import sha256_of_tree
from verdict.params import Tracking
from verdict.tracking.run import resume_run


def record_evaluation(
    tracking: Tracking, adapter: Path, values: Mapping[str, Any], report: Path
) -> None:
    """Record every number of ``values`` and the files of ``report`` with the trackers.

    The run is found by the adapter's hash, wherever it was trained. Without an adapter here (only
    predictions were pulled) there is no run to add to, and nothing is recorded.
    """
    if not adapter.is_dir():
        return
    tag = ("adapter.sha256", sha256_of_tree(adapter))
    with resume_run(tracking.trackers, tracking.experiment, tag=tag, name="evaluate") as run:
        run.log_metrics(
            {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
        )
        run.set_tags({"verdict": str(values["verdict"])})
        run.log_figures(sorted(path for path in report.iterdir() if path.is_file()))
