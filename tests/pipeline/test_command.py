"""How commands end: with one message and a code, and with nothing left behind."""

import os
import signal
import subprocess
import sys

import pytest

from verdict.core.errors import VerdictError
from verdict.pipeline.command import command, ending_as_interrupted


@pytest.mark.usefixtures("in_a_terminal")
def test_an_error_or_an_interruption_ends_in_one_message() -> None:
    with pytest.raises(SystemExit, match=r"^name: no such file; name another\.$"), command("name"):
        raise VerdictError("no such file; name another")
    with pytest.raises(SystemExit, match=r"^name: which one\?$"), command("name"):
        raise VerdictError("which one?")
    interrupted = r"^name: interrupted; nothing was written$"
    with pytest.raises(SystemExit, match=interrupted), command("name"):
        os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(ZeroDivisionError), command("name"):
        raise ZeroDivisionError


@pytest.mark.parametrize("length", [1, 100_000])
def test_a_reader_that_has_enough_ends_it_without_a_message(length: int) -> None:
    code = f"from verdict.pipeline.command import command\nwith command('x'): print('y' * {length})"
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as closed:
        ended = subprocess.run(
            [sys.executable, "-c", code], stdout=closed, stderr=subprocess.PIPE, text=True
        )
    assert (ended.returncode, ended.stderr) == (1, "")


def test_another_broken_pipe_is_no_reader() -> None:
    with pytest.raises(BrokenPipeError), command("name"):
        raise BrokenPipeError


@pytest.mark.usefixtures("in_a_terminal")
def test_a_second_signal_does_not_disturb_what_the_first_began() -> None:
    cleared = []
    with pytest.raises(KeyboardInterrupt), ending_as_interrupted():
        try:
            os.kill(os.getpid(), signal.SIGHUP)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleared.append(True)
    assert cleared


def test_nohup_still_holds() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_as_interrupted():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("code", [1, 2, 3])
def test_another_exit_stays_what_it_is(code: int) -> None:
    with pytest.raises(SystemExit, match=f"^{code}$"), ending_as_interrupted():
        raise SystemExit(code)


def test_an_exit_with_the_number_of_sigterm_is_an_interruption() -> None:
    with pytest.raises(KeyboardInterrupt), ending_as_interrupted():
        raise SystemExit(int(signal.SIGTERM))
