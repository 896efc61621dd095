"""A run that ends early goes on as if it had not: same weights, same curve, same rows."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.models.test_train import CLASSIFY, same, vary
from tests.tiny import MODEL, NOT_QUANTIZED, QLORA, Tiny, train_tiny
from verdict.models import watch
from verdict.models.watch import Stopped
from verdict.params import ModelOptions, Quantization

torch = pytest.importorskip("torch")

#: Three steps an epoch: checkpoint 4 lies in the middle of the second, 6 at its end.
OPTIONS = vary(max_steps=8, save_steps=2, logging_steps=3)
KINDS = pytest.mark.parametrize(
    ("quantization", "model"),
    [(NOT_QUANTIZED, MODEL), (QLORA, MODEL), (QLORA, CLASSIFY)],
    ids=["lora", "qlora", "classifier"],
)


class Killed(BaseException):
    """Ends a run wherever it is, as nothing in it expects."""


def at(step: int, do: Callable[[], None]) -> Callable[[int, dict[str, float]], None]:
    return lambda now, _: do() if now == step else None


def die() -> None:
    raise Killed


def expect_equal(first: Any, second: Any) -> None:
    assert same(first, second)
    assert first.log == second.log
    assert first.consumed == second.consumed
    assert first.evaluations == second.evaluations


@KINDS
@pytest.mark.parametrize(("last_step", "resumed_from"), [(5, 4), (7, 6)], ids=["mid", "end"])
def test_killed_and_resumed_is_the_same_to_the_bit(
    tiny: Tiny,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    quantization: Quantization,
    model: ModelOptions,
    last_step: int,
    resumed_from: int,
) -> None:
    kind: dict[str, Any] = {"quantization": quantization, "model": model}
    whole = train_tiny(tiny, tmp_path / "whole", options=OPTIONS, **kind)
    every = OPTIONS.model_copy(update={"logging_steps": 1})
    with pytest.raises(Killed):
        train_tiny(tiny, tmp_path / "cut", options=every, on_point=at(last_step, die), **kind)
    capsys.readouterr()
    resumed = train_tiny(tiny, tmp_path / "cut", options=OPTIONS, **kind)
    assert f"resuming from {tmp_path}/cut/checkpoint-{resumed_from}" in capsys.readouterr().out
    expect_equal(whole, resumed)


def test_everything_at_once_resumes_exactly(tiny: Tiny, tmp_path: Path) -> None:
    options = vary(
        max_steps=10, save_steps=2, eval_strategy="steps", eval_steps=2, weight_decay=0.1,
        load_best_model_at_end=True, early_stopping_patience=4, class_imbalance="weighted_loss",
        per_device_train_batch_size=2, gradient_accumulation_steps=2, label_smoothing_factor=0.1,
        dataloader_num_workers=1, gradient_checkpointing=True,
    )  # fmt: skip
    whole = train_tiny(tiny, tmp_path / "whole", options=options)
    with pytest.raises(Killed):
        train_tiny(tiny, tmp_path / "cut", options=options, on_point=at(5, die))
    expect_equal(whole, train_tiny(tiny, tmp_path / "cut", options=options))


def test_a_truncated_newest_checkpoint_falls_back_to_the_one_before(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = OPTIONS.model_copy(update={"logging_steps": 1})
    whole = train_tiny(tiny, tmp_path / "whole", options=options)
    with pytest.raises(Killed):
        train_tiny(tiny, tmp_path / "cut", options=options, on_point=at(5, die))
    optimizer = tmp_path / "cut/checkpoint-4/optimizer.pt"
    os.truncate(optimizer, optimizer.stat().st_size // 2)
    capsys.readouterr()
    resumed = train_tiny(tiny, tmp_path / "cut", options=options)
    out = capsys.readouterr().out
    assert "checkpoint-4 is not complete (optimizer.pt has" in out
    assert "cut/checkpoint-2" in out
    expect_equal(whole, resumed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_with_a_checkpoint_at_that_step(
    tiny: Tiny, tmp_path: Path, number: signal.Signals
) -> None:
    options = vary(max_steps=8, save_strategy="no")
    whole = train_tiny(tiny, tmp_path / "whole", options=options)
    before = signal.getsignal(number)
    with pytest.raises(Stopped, match=rf"{number.name} after step [34] of 8, .* `dvc repro`"):
        train_tiny(
            tiny, tmp_path / "cut", options=options,
            on_point=at(3, lambda: os.kill(os.getpid(), number)),
        )  # fmt: skip
    assert signal.getsignal(number) is before
    assert len(list((tmp_path / "cut").glob("checkpoint-*/sealed.json"))) == 1
    expect_equal(whole, train_tiny(tiny, tmp_path / "cut", options=options))


def test_a_second_ctrl_c_does_not_wait(tiny: Tiny, tmp_path: Path) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_tiny(tiny, tmp_path, on_point=at(2, twice))


def test_a_step_that_takes_too_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = threading.Event()
    monkeypatch.setattr(watch, "GRACE", 0.05)
    monkeypatch.setattr(watch, "_give_up", given_up.set)
    with watch.heed_signals() as wish:
        os.kill(os.getpid(), signal.SIGTERM)
        assert wish.signal == "SIGTERM"
        assert given_up.wait(5)
    given_up.clear()
    with watch.heed_signals():
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)
    assert not given_up.is_set()  # the run ended in time, and the timer with it
