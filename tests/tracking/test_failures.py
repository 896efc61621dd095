"""Trackers that are down, die, hang, refuse or cannot write: the work does not notice."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.tracking.conftest import Server, kept, spools, tracking
from verdict.tracking.run import Run, start_run

pytestmark = pytest.mark.fault("trackers")

mlflow = pytest.importorskip("mlflow")

DEAD = "http://127.0.0.1:9"


def start(trackers: tuple[str, ...] = ("mlflow",)) -> Run:
    return start_run(
        trackers, "melanoma", name="tuned", parameters={"lora": {"r": 16}}, tags={"a": "b"}
    )


def wait_for(condition: Callable[[], Any]) -> Any:
    while not (found := condition()):
        time.sleep(0.1)
    return found


@contextmanager
def without_network() -> Iterator[None]:
    """Let this process connect to nobody: no server can hold up what it does."""

    def refuse(*_: Any) -> None:
        raise AssertionError("the work itself speaks to a server")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        yield


def only_run(address: str) -> Any:
    client = mlflow.MlflowClient(address)
    experiment = client.get_experiment_by_name("melanoma")
    if experiment is None:
        return None
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) <= 1
    return runs[0] if runs else None


def steps(address: str, run: Any) -> list[int]:
    history = mlflow.MlflowClient(address).get_metric_history(run.info.run_id, "loss")
    return [point.step for point in history]


def test_a_server_killed_in_mid_run_costs_no_time_and_nothing_is_lost(
    project: Path,
    mortal_server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mortal_server.address)
    mortal_server.start()
    run = start()
    for step in range(5):
        run.log(step, {"loss": 1.0})
    wait_for(lambda: (found := only_run(mortal_server.address)) and found.data.metrics)
    mortal_server.kill()
    with without_network():
        for step in range(5, 105):
            run.log(step, {"loss": 1.0, "learning_rate": 0.1})
    (project / "loss.csv").write_text("step,loss\n")
    run.log_figures([project / "loss.csv"])
    run.log_metrics({"accuracy": 0.9})
    # The next run overwrites it before anybody uploads.
    (project / "loss.csv").write_text("another run's\n")
    run.finish(wait=300)
    [spool] = spools(project)
    warning = capfd.readouterr().err
    assert warning.count("tracking:") == 1
    assert f"MLflow at {mortal_server.address}: does not answer. The work goes on." in warning
    assert "Not sent: the curves from step 5 on, and all that follows" in warning
    assert f"python -m verdict.tracking upload .tracking/{spool.name}" in warning

    mortal_server.start()
    upload = tracking("upload", f".tracking/{spool.name}")
    assert upload.returncode == 0, upload.stderr
    check_complete(mortal_server.address, project)


def check_complete(address: str, project: Path) -> None:
    found = only_run(address)
    assert steps(address, found) == list(range(105))
    assert found.data.params == {"lora.r": "16"}
    assert found.data.tags["a"] == "b"
    assert found.data.metrics["accuracy"] == 0.9
    assert found.info.status == "FINISHED"
    figure = mlflow.MlflowClient(address).download_artifacts(found.info.run_id, "figures/loss.csv")
    assert Path(figure).read_text() == "step,loss\n"
    assert kept(project) == []


def test_without_a_server_the_work_starts_and_ends_at_once(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hunter22@127.0.0.1:9")
    with without_network():
        run = start()
        run.log(1, {"loss": 1.0})
    run.finish(wait=300)
    warning = capfd.readouterr().err
    assert warning.count("tracking:") == 1
    assert f"MLflow at {DEAD}: does not answer" in warning
    assert "Not sent: the whole run" in warning
    assert "hunter22" not in warning
    again = tracking("upload", str(spools(project)[0]))
    assert again.returncode == 1
    assert "does not answer" in again.stderr
    assert "hunter22" not in again.stderr
    assert spools(project), "still there for the next try"


def test_a_server_that_never_answers_is_given_up_in_bounded_time(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        run = start()
        # A wait without bounds would not end.
        began = time.monotonic()
        run.finish(wait=2)
        assert time.monotonic() - began >= 2
    assert run._sender is None
    warning = capfd.readouterr().err
    assert "not everything was sent within 2 s" in warning
    assert f"python -m verdict.tracking upload .tracking/{spools(project)[0].name}" in warning


@pytest.fixture
def refusing() -> Iterator[str]:
    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(401)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Refuse)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_wrong_credentials_are_told_apart(
    project: Path,
    refusing: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", refusing)
    start().finish(wait=300)
    assert "refuses the credentials" in capfd.readouterr().err
    assert spools(project)


def test_a_store_that_cannot_be_written_keeps_the_events(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "mlflow.db").mkdir()
    start().finish(wait=300)
    warning = capfd.readouterr().err
    assert warning.count("tracking:") == 1
    assert "unable to open database file" in warning
    (project / "mlflow.db").rmdir()
    assert tracking("upload", str(spools(project)[0])).returncode == 0
    assert only_run(f"sqlite:///{project / 'mlflow.db'}").info.status == "FINISHED"


def test_a_folder_that_cannot_be_written_turns_tracking_off(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / ".tracking").write_text("in the way")
    run = start()
    run.log(1, {"loss": 1.0})
    run.finish(wait=300)
    warning = capfd.readouterr().err
    assert warning.count("tracking:") == 1
    assert "cannot be written" in warning
    assert "mlflow will know nothing of this run" in warning


def test_a_figure_that_is_missing_is_told_and_the_rest_arrives(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = start(("tensorboard",))
    run.log_figures([project / "missing.png"])
    run.finish(wait=300)
    assert "missing.png cannot be recorded (No such file" in capfd.readouterr().err
    assert not spools(project)


def test_one_tracker_that_fails_does_not_stop_another(
    project: Path,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", DEAD)
    run = start(("mlflow", "tensorboard"))
    run.log(1, {"loss": 1.0})
    run.finish(wait=300)
    assert capfd.readouterr().err.count("tracking:") == 1
    [events] = (project / ".tracking/tensorboard/melanoma/tuned").iterdir()
    size = events.stat().st_size
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    assert tracking("upload", str(spools(project)[0])).returncode == 0
    [same] = (project / ".tracking/tensorboard/melanoma/tuned").iterdir()
    assert same.stat().st_size == size, "TensorBoard had it already"
    assert only_run(server.address)


WORK = """
import sys, time
from verdict.tracking.run import start_run
run = start_run(("mlflow",), "melanoma", name="tuned", parameters={}, tags={})
run.log(1, {"loss": 1.0})
print("logged", flush=True)
time.sleep(float(sys.argv[1]))
"""


def test_work_that_ends_without_a_word_ends_at_once(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", DEAD)
    work = subprocess.Popen(
        [sys.executable, "-c", WORK, "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert work.stdout is not None
    assert work.stdout.readline() == b"logged\n"
    # ``finish`` would wait for 20 seconds.
    assert work.wait(timeout=15) == 0


def test_work_that_is_killed_is_recorded_as_killed(project: Path) -> None:
    work = subprocess.Popen([sys.executable, "-c", WORK, "60"], stdout=subprocess.PIPE)
    assert work.stdout is not None
    assert work.stdout.readline() == b"logged\n"
    work.send_signal(signal.SIGKILL)
    work.communicate()
    wait_for(lambda: not spools(project))
    address = f"sqlite:///{project / 'mlflow.db'}"
    assert only_run(address).info.status == "KILLED"
    assert steps(address, only_run(address)) == [1]
