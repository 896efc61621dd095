"""Do two models say the same? Their logits for real prompts and images, and how far they lie apart.

Import this only after ``verdict.reproducibility.pin_cpu``.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from verdict.answers.batches import batches
from verdict.answers.inference import Loaded
from verdict.conversations import Conversation, read_conversations
from verdict.core.errors import VerdictError
from verdict.core.paths import RECORDS, TEST_CHAT
from verdict.records.shards import ImageStore

#: Largest difference, root mean square, as a share of the logits' own spread, where weights and
#: arithmetic are the same. Float32 rounds by 2⁻²⁴, and errors add up as the root of their number,
#: which is below 10⁶ in a row in the largest model. In bfloat16 nothing differs but on a GPU that
#: may sum in any order (``reproducibility.strict: false``).
TOLERANCES = {"float32": 1e-4, "bfloat16": 0.05}
#: What rounding to bfloat16 may cost, as a share of what the adapter does to the logits; of their
#: spread, without an adapter. At a quarter, old and new still correlate by 1/√(1 + 1/16) = 0.97. A
#: share of the spread would say nothing of a classifier: its logits may all but cancel, and then
#: rounding, which is of what is summed, is many times as large a share.
OF_THE_ADAPTER = 0.25


class Prompts:
    """Prompts of the test split with their images, spread evenly over it."""

    def __init__(self, count: int):
        """Read them.

        Raises:
            VerdictError: conversations or records are not here.
        """
        if not RECORDS.is_dir():
            raise VerdictError(
                f"{RECORDS} is not here, whose images prove the export: "
                f"`dvc pull {TEST_CHAT.parent} {RECORDS}` fetches it, `dvc repro extract` makes it"
            )
        every = read_conversations(TEST_CHAT)
        step = max(1, len(every) // count)
        self.conversations: list[Conversation] = every[::step][:count]
        self._images = ImageStore(RECORDS)

    @torch.inference_mode()
    def logits(self, loaded: Loaded, device: str) -> torch.Tensor:
        """Return float32 logits (prompts, words or labels), on the CPU.

        Of a model that writes they are those of the answer's first token.
        """
        keep = {} if loaded.labels else {"logits_to_keep": 1}
        rows = [
            loaded.model(**batch.inputs, use_cache=False, **keep).logits.float().cpu()
            for batch in batches(loaded.processor, self.conversations, self._images, 1, device)
        ]
        return torch.cat([row.reshape(1, -1) for row in rows])


@dataclass(frozen=True)
class Parity:
    """How far logits lie from those of the adapter on its base.

    Attributes:
        dtype: what the compared model computes in.
        rounded: whether its weights or its arithmetic are coarser than the evaluated model's.
        prompts: how many were asked.
        largest: the largest difference of a logit.
        relative: root mean square of the differences, as a share of the logits' spread.
        of_the_adapter: the same as a share of what the adapter does; None without an adapter.
        same_first: for how many prompts the likeliest token, or label, is the same.
    """

    dtype: str
    rounded: bool
    prompts: int
    largest: float
    relative: float
    of_the_adapter: float | None
    same_first: int

    @property
    def holds(self) -> bool:
        lost = self.relative if self.of_the_adapter is None else self.of_the_adapter
        return lost <= OF_THE_ADAPTER and (self.rounded or self.relative <= TOLERANCES[self.dtype])

    def __str__(self) -> str:
        of = f"{self.relative:.2g} of their spread"
        if not self.rounded:
            of += f" (tolerance {TOLERANCES[self.dtype]:g})"
        if self.of_the_adapter is not None:
            of += f", {self.of_the_adapter:.2%} of what the adapter does"
        if self.rounded or self.of_the_adapter is not None:
            of += f" (tolerance {OF_THE_ADAPTER:.0%})"
        return (
            f"{self.dtype}: logits differ by {self.largest:.2g} at most; by {of}; the first of "
            f"{self.same_first} of {self.prompts} answers is the same"
        )


def compare(
    dtype: str,
    expected: torch.Tensor,
    found: torch.Tensor,
    base: torch.Tensor | None = None,
    *,
    rounded: bool = False,
) -> Parity:
    """Compare logits (prompts, words or labels), each less its prompt's mean, which says nothing.

    Args:
        dtype: what ``found`` was computed in.
        expected: those to be reproduced.
        base: those without the adapter, if there is one.
        rounded: whether ``found`` has coarser weights or arithmetic than ``expected``.
    """
    expected, found = (logits - logits.mean(1, keepdim=True) for logits in (expected, found))
    difference = _rms(found - expected)
    effect = None
    if base is not None:
        effect = _rms(expected - (base - base.mean(1, keepdim=True)))
    return Parity(
        dtype=dtype,
        rounded=rounded,
        prompts=len(expected),
        largest=float((found - expected).abs().max()),
        relative=difference / _rms(expected),
        # Of an adapter that does nothing, any rounding is too much.
        of_the_adapter=None if effect is None else difference / effect if effect else math.inf,
        same_first=int((expected.argmax(1) == found.argmax(1)).sum()),
    )


def _rms(values: torch.Tensor) -> float:
    return float(values.double().square().mean().sqrt())


def require(parity: Parity, what: str, folder: Path) -> None:
    """Raise where the two models differ by more than rounding."""
    if not parity.holds:
        raise VerdictError(
            f"{what} is not the model that was evaluated, and {folder} was not written: {parity}. "
            "Use the adapter on its base instead"
        )
