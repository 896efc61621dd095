"""Send events to MLflow: a local SQLite store by default, or any server."""

import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import mlflow
from filelock import FileLock
from mlflow.entities import LoggedModelStatus, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from verdict.core.errors import VerdictError
from verdict.tracking.spool import Event, Spool, without_secrets

#: What one request may carry.
MAX_METRICS, MAX_PARAMS = 1000, 100
#: Names the spool that a run came from, so that a run is found again after a lost answer.
SPOOL_TAG = "verdict.spool"
SQLITE = "sqlite:///"
#: Where ``mlflow`` itself shows the commit.
COMMIT_TAGS = {"git.commit": "mlflow.source.git.commit"}

_CODE = Path(__file__).resolve().parents[1]
_MODEL_CODE = Path(__file__).with_name("mlflow_model.py")


class MlflowTracker:
    """One MLflow run."""

    def __init__(self, spool: Spool, root: Path, address: str | None):
        self._spool, self._root = spool, root
        given = os.environ.get("MLFLOW_TRACKING_URI") or address
        database = root / "mlflow.db"
        # Seen from here, since a percent sign in an address means another character.
        self._address = given or f"{SQLITE}{os.path.relpath(database)}"
        #: Where artefacts go is a server's own affair.
        self._artifacts = None if given else root / "mlruns"
        self.title = f"MLflow at {without_secrets(given or f'{SQLITE}{database}')}"
        self._run_id = ""
        self._keeps_status = False

    def open(self, start: Event, run: str | None) -> str:
        _require_writable(self._address)
        mlflow.set_tracking_uri(self._address)
        with self._alone():
            self._client = mlflow.MlflowClient(self._address)
            self._experiment = self._experiment_id(start["experiment"])
        found = self._find(start, run)
        # Whoever started a run says how it ended.
        self._keeps_status = found is not None and found.data.tags.get(SPOOL_TAG) != self._spool.id
        tags = _tags(start["tags"])
        if found is None:
            found = self._client.create_run(
                self._experiment,
                start_time=start["time"],
                tags={**tags, SPOOL_TAG: self._spool.id},
                run_name=start["name"],
            )
        self._run_id = found.info.run_id
        params = [Param(key, _text(value)) for key, value in start["parameters"].items()]
        for some in _chunks(params, MAX_PARAMS):
            self._client.log_batch(self._run_id, params=some)
        return self._run_id

    def send(self, events: Sequence[Event]) -> None:
        match events[0]["event"]:
            case "figures":
                for path in events[0]["paths"]:
                    self._client.log_artifact(self._run_id, self._spool.files / path, "figures")
            case "adapter":
                self._send_adapter(self._spool.files / events[0]["paths"][0], events[0]["base"])
            case "finish":
                if not self._keeps_status:
                    self._client.set_terminated(
                        self._run_id, events[0]["status"], events[0]["time"]
                    )
            case _:
                self._send_light(events)

    def _send_light(self, events: Sequence[Event]) -> None:
        metrics = [
            Metric(key, value, event["time"], event.get("step", 0))
            for event in events
            for key, value in event.get("values", {}).items()
        ]
        tags = {key: value for event in events for key, value in event.get("tags", {}).items()}
        if tags:
            pairs = [RunTag(key, value) for key, value in _tags(tags).items()]
            self._client.log_batch(self._run_id, tags=pairs)
        for some in _chunks(metrics, MAX_METRICS):
            self._client.log_batch(self._run_id, metrics=some)

    def _send_adapter(self, adapter: Path, base: str) -> None:
        if self._has_model():
            return
        origin = _origin(adapter)
        with mlflow.start_run(run_id=self._run_id):
            mlflow.pyfunc.log_model(
                name="adapter",
                python_model=_MODEL_CODE,
                artifacts={"adapter": str(adapter)},
                # A stranger needs no checkout of this project to load it.
                code_paths=[str(_CODE)],
                # Given, so that mlflow does not load the model to find out.
                pip_requirements=_requirements(),
                # The base stays where it is: it is too large to be copied for every run.
                model_config={"base": base, "device": "auto", "max_new_tokens": 64},
                metadata={"base": {"path": base, **origin.get("base", {})}},
            )

    def _has_model(self) -> bool:
        """Tell whether the adapter has arrived already; remove what is left of a broken try."""
        models = self._client.search_logged_models(
            [self._experiment], f"source_run_id = '{self._run_id}'"
        )
        for model in models:
            if model.status == LoggedModelStatus.READY:
                return True
            self._client.delete_logged_model(model.model_id)
        return False

    def _alone(self) -> AbstractContextManager[object]:
        """Two processes that create one SQLite store at the same time break it."""
        if not self._address.startswith(SQLITE):
            return nullcontext()
        return FileLock(self._spool.path.parent / ".mlflow.lock")

    def _experiment_id(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return found.experiment_id
        place = (self._artifacts / name).as_uri() if self._artifacts else None
        try:
            return self._client.create_experiment(name, artifact_location=place)
        except MlflowException:
            # Another process was quicker.
            found = self._client.get_experiment_by_name(name)
            if found is None:
                raise
            return found.experiment_id

    def _find(self, start: Event, run: str | None) -> Run | None:
        if run is not None:
            try:
                return self._client.get_run(run)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
        tags = [(SPOOL_TAG, self._spool.id)]
        if start["resume"]:
            tags.append(tuple(start["resume"]))
        for key, value in tags:
            runs = self._client.search_runs(
                [self._experiment],
                f"tags.`{key}` = '{value}'",
                order_by=["attributes.start_time DESC"],
                max_results=1,
            )
            if runs:
                return runs[0]
        return None


def _require_writable(address: str) -> None:
    """Look at a SQLite file first: mlflow tries for minutes to open one that it cannot.

    Raises:
        VerdictError: it cannot be written.
    """
    if not address.startswith(SQLITE):
        return
    path = address.removeprefix(SQLITE)
    try:
        database = sqlite3.connect(path, timeout=10)
        try:
            database.execute("BEGIN IMMEDIATE")
        finally:
            database.close()
    except sqlite3.Error as error:
        raise VerdictError(f"{error}: {path}") from None


def _tags(tags: dict[str, str]) -> dict[str, str]:
    return tags | {new: tags[old] for old, new in COMMIT_TAGS.items() if old in tags}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _origin(adapter: Path) -> dict[str, Any]:
    path = adapter / "provenance.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _requirements() -> list[str]:
    text = _CODE.with_name("requirements.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _chunks(items: Sequence[Any], size: int) -> list[list[Any]]:
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
