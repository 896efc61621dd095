"""A run that ends early goes on as if it had not: same weights, same curve, same rows."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from testing.tiny import MODEL, NOT_QUANTIZED, QLORA, Tiny, train_tiny
from tests.runtime.test_signals import terminate
from tests.training.test_job import CLASSIFY, same, vary
from verdict.params.training import ModelOptions, Quantization
from verdict.runtime.signals import Stopped

torch = pytest.importorskip("torch")

#: Three steps an epoch: checkpoint 4 lies in the middle of the second, 6 at its end.
OPTIONS = vary(max_steps=8, save_steps=2, logging_steps=3)
EVERY_STEP = OPTIONS.model_copy(update={"logging_steps": 1})
FULL = {"method": "full", "freeze": ["embeddings"]}
KINDS = pytest.mark.parametrize(
    ("quantization", "model", "changes"),
    [
        (NOT_QUANTIZED, MODEL, {}),
        (QLORA, MODEL, {}),
        (QLORA, CLASSIFY, {}),
        (NOT_QUANTIZED, MODEL, FULL),
        (NOT_QUANTIZED, CLASSIFY, FULL),
    ],
    ids=["lora", "qlora", "classifier", "full", "full-classifier"],
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


@pytest.fixture(scope="module")
def uninterrupted(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Train to the end; what was trained with the same options before is returned again."""
    trained: dict[str, Any] = {}

    def train(**kind: Any) -> Any:
        key = repr(sorted(kind.items()))
        if key not in trained:
            trained[key] = train_tiny(tiny, tmp_path_factory.mktemp("whole"), **kind)
        return trained[key]

    return train


@pytest.mark.fault("kills")
@KINDS
@pytest.mark.parametrize(("last_step", "resumed_from"), [(5, 4), (7, 6)], ids=["mid", "end"])
def test_killed_and_resumed_is_the_same_to_the_bit(
    tiny: Tiny,
    tmp_path: Path,
    uninterrupted: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
    quantization: Quantization,
    model: ModelOptions,
    changes: dict[str, Any],
    last_step: int,
    resumed_from: int,
) -> None:
    kind: dict[str, Any] = {"quantization": quantization, "model": model}
    options = OPTIONS.model_copy(update=changes)
    whole = uninterrupted(options=options, **kind)
    every = options.model_copy(update={"logging_steps": 1})
    with pytest.raises(Killed):
        train_tiny(tiny, tmp_path / "cut", options=every, on_point=at(last_step, die), **kind)
    capsys.readouterr()
    resumed = train_tiny(tiny, tmp_path / "cut", options=options, **kind)
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


BY_EPOCH = vary(
    max_steps=None, num_train_epochs=3, eval_strategy="epoch", save_strategy="epoch",
    load_best_model_at_end=True, learning_rate=0.05, lr_scheduler_type="constant",
)  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [BY_EPOCH, BY_EPOCH.model_copy(update={"method": "full"})],
    ids=["lora", "full"],
)
def test_stopped_at_an_epochs_last_step_the_evaluation_still_comes(
    tiny: Tiny, tmp_path: Path, options: Any
) -> None:
    whole = train_tiny(tiny, tmp_path / "whole", options=options)
    assert len(whole.evaluations) == 3
    with pytest.raises(Stopped, match="after step 3 of 9"):
        train_tiny(tiny, tmp_path / "cut", options=options, on_point=at(2, terminate))
    expect_equal(whole, train_tiny(tiny, tmp_path / "cut", options=options))


@pytest.mark.fault("kills")
@pytest.mark.parametrize(
    "options",
    [
        vary(max_steps=4, save_steps=2),
        vary(
            learning_rate=0.3,
            lr_scheduler_type="constant",
            max_steps=12,
            save_steps=1,
            eval_strategy="steps",
            eval_steps=1,
            load_best_model_at_end=True,
            early_stopping_patience=2,
        ),
    ],
    ids=["max_steps", "early stopping"],
)
def test_a_run_killed_after_its_last_checkpoint_learns_no_more(
    tiny: Tiny, tmp_path: Path, options: Any
) -> None:
    whole = train_tiny(tiny, tmp_path, options=options)
    if options.early_stopping_patience:
        assert len(whole.evaluations) < 12
    # Nothing was published or discarded yet.
    expect_equal(whole, train_tiny(tiny, tmp_path, options=options))


#: When SIGTERM comes: as soon as so many processes prepare batches and so many steps are done.
MOMENTS = {"just started": (1, 0), "between steps": (1, 3), "evaluation": (2, 2)}
WITH_WORKERS = vary(
    max_steps=6, save_strategy="no", eval_strategy="steps", eval_steps=2, dataloader_num_workers=1
)


@pytest.mark.fault("kills")
@pytest.mark.parametrize("moment", MOMENTS)
def test_sigterm_to_the_whole_group_spares_those_who_prepare_batches(
    tiny: Tiny, tmp_path: Path, uninterrupted: Callable[..., Any], moment: str
) -> None:
    workers, steps = MOMENTS[moment]
    done = [0]
    over = threading.Event()
    ours = psutil.Process()
    others = set(ours.children())

    def signal_all() -> None:
        group: set[psutil.Process] = set()
        while len(group) < workers or done[0] < steps:
            if over.is_set():
                return
            group = set(ours.children()) - others
        # Again and again, in case one is not yet what it is going to be; and from another process,
        # since one that prepares batches leaves quietly if its parent tells it to.
        again = 'while kill -TERM "$@"; do sleep 0.005; done'
        pids = [str(process.pid) for process in group]
        with subprocess.Popen(["sh", "-c", again, "sh", *pids], stderr=subprocess.DEVNULL):
            if not over.is_set():
                terminate()

    def count(step: int, _: dict[str, float]) -> None:
        done[0] = step

    sender = threading.Thread(target=signal_all)
    sender.start()
    try:
        with pytest.raises(Stopped, match="SIGTERM after step"):
            train_tiny(tiny, tmp_path, options=WITH_WORKERS, on_point=count)
    finally:
        over.set()
        sender.join()
    resumed = train_tiny(tiny, tmp_path, options=WITH_WORKERS)
    expect_equal(uninterrupted(options=WITH_WORKERS), resumed)


@pytest.mark.fault("kills")
def test_a_truncated_newest_checkpoint_falls_back_to_the_one_before(
    tiny: Tiny,
    tmp_path: Path,
    uninterrupted: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = EVERY_STEP
    whole = uninterrupted(options=options)
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


@pytest.mark.fault("kills")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_with_a_checkpoint_at_that_step(
    tiny: Tiny, tmp_path: Path, uninterrupted: Callable[..., Any], number: signal.Signals
) -> None:
    options = EVERY_STEP.model_copy(update={"save_strategy": "no"})
    whole = uninterrupted(options=EVERY_STEP)
    before = signal.getsignal(number)
    with pytest.raises(Stopped, match=rf"{number.name} after step [34] of 8, .* `dvc repro`"):
        train_tiny(
            tiny, tmp_path / "cut", options=options,
            on_point=at(3, lambda: os.kill(os.getpid(), number)),
        )  # fmt: skip
    assert signal.getsignal(number) is before
    assert len(list((tmp_path / "cut").glob("checkpoint-*/sealed.json"))) == 1
    expect_equal(whole, train_tiny(tiny, tmp_path / "cut", options=options))


@pytest.mark.fault("kills")
def test_a_second_ctrl_c_does_not_wait(tiny: Tiny, tmp_path: Path) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_tiny(tiny, tmp_path, on_point=at(2, twice))
