"""Send events to Weights & Biases, or write them for ``wandb sync``."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import wandb

from verdict.tracking.spool import Event, Spool


class WandbTracker:
    """One W&B run, named by its spool so that an upload continues it."""

    def __init__(self, spool: Spool, say: Callable[[str], None]):
        self._spool, self._say = spool, say
        self.title = "Weights & Biases"

    def open(self, start: Event, run: str | None) -> str:
        settings = wandb.Settings(
            # The sender's own command line, code and machine say nothing about the run.
            console="off",
            disable_code=True,
            disable_git=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
            init_timeout=15,
            silent=True,
        )
        id_ = run or self._spool.id
        mode = os.environ.get("WANDB_MODE") or ("online" if _logged_in() else "offline")
        self._run = wandb.init(
            project=start["experiment"],
            name=start["name"],
            id=id_,
            resume="allow" if mode == "online" else None,
            config={**start["parameters"], **start["tags"]},
            dir=self._spool.path.parent,
            mode=mode,  # type: ignore[arg-type]
            settings=settings,
        )
        self._run.define_metric("step")
        return id_

    def send(self, events: Sequence[Event]) -> None:
        for event in events:
            match event["event"]:
                case "log":
                    self._run.log({**event["values"], "step": event["step"]}, step=event["step"])
                case "metrics":
                    self._run.summary.update(event["values"])
                case "tags":
                    self._run.config.update(event["tags"], allow_val_change=True)
                case "figures":
                    for path in event["paths"]:
                        self._file(self._spool.files / path)
                case "finish":
                    self._finish(event["status"] != "FINISHED")

    def _file(self, path: Path) -> None:
        # Copied: the spool's own copy is deleted before `wandb sync` may look for it.
        copy = Path(self._run.dir) / path.name
        shutil.copyfile(path, copy)
        self._run.save(str(copy), base_path=self._run.dir, policy="now")

    def _finish(self, failed: bool) -> None:
        offline, folder = self._run.offline, Path(self._run.dir).parent
        self._run.finish(exit_code=int(failed))
        if offline:
            self._say(f"{self.title} was offline; to upload the run: wandb sync {folder}")


def _logged_in() -> bool:
    return bool(wandb.api.api_key)
