"""Write events for TensorBoard: ``tensorboard --logdir .tracking/tensorboard``."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from verdict.tracking.spool import Event, Spool


class TensorboardTracker:
    """One folder of event files: ``.tracking/tensorboard/EXPERIMENT/NAME``."""

    def __init__(self, spool: Spool):
        self._spool = spool
        self._folder = spool.path.parent / "tensorboard"
        self.title = f"TensorBoard in {self._folder}"

    def open(self, start: Event, run: str | None) -> str:
        name = f"{_safe(start['experiment'])}/{_safe(start['name'])}"
        if run is None and (self._folder / name).exists():
            # Another run of that name: two in one folder would be drawn as one curve.
            name += f"-{self._spool.id}"
        self._writer = SummaryWriter(str(self._folder / (run or name)))
        rows = {**start["parameters"], **start["tags"]}
        if rows and run is None:
            self._table("parameters", rows, start["time"])
        return run or name

    def send(self, events: Sequence[Event]) -> None:
        for event in events:
            seconds = event["time"] / 1000
            match event["event"]:
                case "log" | "metrics":
                    for key, value in event["values"].items():
                        self._writer.add_scalar(key, value, event.get("step", 0), seconds)
                case "tags":
                    self._table("tags", event["tags"], event["time"])
                case "figures":
                    for path in event["paths"]:
                        self._image(self._spool.files / path, seconds)
                case "finish":
                    self._writer.close()
        self._writer.flush()

    def _table(self, title: str, rows: dict[str, object], time: int) -> None:
        lines = [f"| {key} | {value} |" for key, value in rows.items()]
        text = "\n".join(["| name | value |", "|---|---|", *lines])
        self._writer.add_text(title, text, walltime=time / 1000)

    def _image(self, path: Path, seconds: float) -> None:
        if path.suffix.lower() == ".png":
            with Image.open(path, formats=["PNG"]) as image:
                pixels = np.asarray(image.convert("RGB"))
            self._writer.add_image(path.stem, pixels, 0, seconds, dataformats="HWC")


def _safe(name: str) -> str:
    return re.sub(r"[^\w.=-]+", "_", name)
