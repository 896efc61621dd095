"""Servers that a test starts on this machine and ends."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def started(
    command: list[str], log: Path, ready: Callable[[], object], **options: Any
) -> Iterator[None]:
    """Run a server until the block ends; it is ready when ``ready`` raises nothing."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True, **options
        )
        try:
            end = time.monotonic() + 90
            while True:
                try:
                    ready()
                    break
                except (ConnectionError, urllib.error.URLError, subprocess.CalledProcessError):
                    assert process.poll() is None, log.read_text()
                    assert time.monotonic() < end, log.read_text()
                    time.sleep(0.2)
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


def answers(address: str) -> Callable[[], object]:
    return lambda: urllib.request.urlopen(address, timeout=5).close()


def status_of(address: str, host: str) -> int:
    """Return the status of MLflow's answer to a request that names this host."""
    request = urllib.request.Request(
        f"{address}/api/2.0/mlflow/experiments/get?experiment_id=0", headers={"Host": host}
    )
    try:
        return urllib.request.urlopen(request, timeout=30).status
    except urllib.error.HTTPError as error:
        return error.code
