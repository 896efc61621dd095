"""Workers that are processes of this machine, and what is said where Ray is not installed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest

from testing.places import ROOT
from verdict.core.errors import VerdictError
from verdict.engine import LOCAL, open_pool
from verdict.params import Compute


def double(number: int) -> int:
    return 2 * number


def end(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def returns(work: Callable[[int], int]) -> Callable[[int], int]:
    return work


def test_every_result_comes_with_its_number() -> None:
    with open_pool(partial(returns, double), LOCAL.model_copy(update={"workers": 2})) as pool:
        assert pool.workers == 2
        assert sorted(pool.run([5, 6, 7])) == [(0, 10), (1, 12), (2, 14)]


@pytest.mark.fault("kills")
def test_a_killed_worker_ends_with_advice() -> None:
    with (
        open_pool(partial(returns, end), LOCAL, most=1) as pool,
        pytest.raises(VerdictError, match="a worker process was killed, mostly for want of"),
    ):
        list(pool.run([1]))


def begin(name: str) -> None:
    """Say that work has begun, and work for longer than anybody waits."""
    Path(name).touch()
    time.sleep(600)


@pytest.mark.fault("kills")
def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    script = (
        "from functools import partial\n"
        "from tests.engine.test_processes import begin, returns\n"
        "from verdict.engine import LOCAL, open_pool\n"
        "if __name__ == '__main__':\n"
        "    with open_pool(partial(returns, begin), LOCAL, most=1) as pool:\n"
        "        list(pool.run(['begun']))\n"
    )
    (tmp_path / "script.py").write_text(script)
    process = subprocess.Popen(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    while not (tmp_path / "begun").exists():
        assert process.poll() is None
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(VerdictError, match=r"pip install -r requirements-ray\.txt"),
        open_pool(partial(returns, double), Compute(engine="ray", workers=None)),
    ):
        pass
