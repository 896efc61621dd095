"""Pre-train on two cores: each step's gradient is the sum of those of its batch's halves.

Where there are two cores a second process computes the second half; elsewhere this one computes
both. The sums are the same, and so are the bytes that come of them.
"""

import mmap
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection

import torch
from torch import Tensor, nn

from verdict.core.errors import VerdictError

HALVES = (0, 1)


class _Ended(Exception):
    """The other process is gone."""


class Halves:
    """Which halves of every batch this process computes; adds up the gradients of both.

    Attributes:
        mine: their numbers; half ``n`` has the rows n, n + 2, n + 4 …
    """

    def __init__(self, mine: Sequence[int], other: Connection | None, memory: Tensor):
        self.mine, self._other = mine, other
        # Two sets in turns: one is written while the other process may still read the other set.
        self._gradients, self._step = memory.view(2, len(HALVES), -1), 0

    def add_up(
        self, parameters: Sequence[nn.Parameter], loss_of: Callable[..., Tensor], batch: Sequence
    ) -> float:
        """Leave the gradient of the halves' mean loss in the parameters that the loss depends on.

        Args:
            loss_of: takes the batch's values, of the rows of one half.
            batch: values with as many rows each.

        Returns:
            The loss of the first half that this process computed.
        """
        losses = []
        for half in self.mine:
            for parameter in parameters:
                parameter.grad = None
            loss = loss_of(*(values[half :: len(HALVES)] for values in batch))
            (loss / len(HALVES)).backward()
            losses.append(loss.item())
            learned = [parameter for parameter in parameters if parameter.grad is not None]
            flat = torch.cat([p.grad.flatten() for p in learned if p.grad is not None])
            self._gradients[self._step % 2, half, : len(flat)] = flat
        self._meet()
        first, second = self._gradients[self._step % 2, :, : len(flat)]
        sizes = [parameter.numel() for parameter in learned]
        for parameter, gradient in zip(learned, (first + second).split(sizes), strict=True):
            parameter.grad = gradient.view_as(parameter)
        self._step += 1
        return losses[0]

    def _meet(self) -> None:
        """Wait until the other process has come as far."""
        if not self._other:
            return
        try:
            self._other.send_bytes(b".")
            self._other.recv_bytes()
        except (EOFError, OSError) as error:
            raise _Ended from error


def in_halves(work: Callable[[Halves], None], model: nn.Module, *heads: nn.Module) -> None:
    """Let ``work`` train the models, in this process and maybe in a second one beside it.

    Both do the same but for :meth:`Halves.add_up`, so that their weights stay the same.

    Raises:
        VerdictError: the second process ended early.
    """
    count = sum(p.numel() for module in (model, *heads) for p in module.parameters())
    # Shared with a forked process, without a file.
    memory = torch.frombuffer(mmap.mmap(-1, 2 * len(HALVES) * count * 4), dtype=torch.float32)
    if not _two_cores():
        work(Halves(HALVES, None, memory))
        return
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its threads would not be there either
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()

    def second() -> None:
        here.close()
        os.environ["RANK"] = "1"  # the first alone reports
        with suppress(_Ended, KeyboardInterrupt):
            work(Halves(HALVES[1:], there, memory))

    process = context.Process(target=second, daemon=True)
    process.start()
    there.close()
    try:
        work(Halves(HALVES[:1], here, memory))
    except _Ended as error:
        process.join()
        raise VerdictError(
            f"the second process of the pre-training ended with code {process.exitcode}; if memory "
            "was short, free some, and run the stage again"
        ) from error
    finally:
        here.close()
    process.join()


def _two_cores() -> bool:
    """Say whether a second process has a core, and can be forked from this one.

    With several threads torch's own are already there, and a forked process has none of them.
    """
    return (
        sys.platform == "linux"
        and len(os.sched_getaffinity(0)) > 1
        and torch.get_num_threads() == 1
    )
