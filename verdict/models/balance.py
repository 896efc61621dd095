"""What to do about rare labels in the training rows: take fewer, repeat some, or weigh them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from verdict.core.errors import VerdictError

Method = Literal["none", "undersample", "oversample", "weighted_loss"]


@dataclass(frozen=True)
class Selection:
    """The rows to train on.

    Attributes:
        positions: indices of the chosen rows, ascending; a repeated row stands there repeatedly.
        weights: what each label's rows count in the loss; averages 1 over the rows.
        before, after: rows a label.
    """

    positions: list[int]
    weights: dict[str, float] | None
    before: dict[str, int]
    after: dict[str, int]

    def summary(self) -> dict[str, Any]:
        """Return what was done, for a metrics file."""
        rounded = self.weights and {label: round(w, 6) for label, w in self.weights.items()}
        return {"rows_before": self.before, "rows_after": self.after, "label_weights": rounded}


def select_rows(labels: Sequence[str | None], method: Method, seed: int) -> Selection:
    """Choose training rows, a function of the arguments alone.

    ``undersample`` draws as many rows of each label as the rarest has, without repeating any (as
    the published BreakHis run); ``oversample`` keeps all and repeats rows of rarer labels, each
    equally often but for a drawn remainder; ``weighted_loss`` keeps all and weighs label ``c`` by
    rows / (labels × rows of c).

    Raises:
        VerdictError: a method other than ``none`` for rows without labels, or with only one.
    """
    before = Counter(str(label) for label in labels)
    everything = list(range(len(labels)))
    if method == "none":
        return Selection(everything, None, _sorted(before), _sorted(before))
    if None in labels or len(before) < 2:
        seen = "rows without a label" if None in labels else f"only {', '.join(before)}"
        raise VerdictError(
            f"train.class_imbalance is {method}, which needs rows of at least two labels; the "
            f"training split has {seen}; set it to none"
        )
    if method == "weighted_loss":
        # Imported only here: it takes a second, and whoever evaluates needs no weights.
        from sklearn.utils.class_weight import compute_class_weight

        names = np.array(sorted(before))
        values = compute_class_weight("balanced", classes=names, y=np.array(labels))
        weights = dict(zip(names.tolist(), values.tolist(), strict=True))
        return Selection(everything, weights, _sorted(before), _sorted(before))
    rows = {label: [i for i in everything if labels[i] == label] for label in sorted(before)}
    size = (min if method == "undersample" else max)(before.values())
    positions = []
    for offset, own in enumerate(rows.values()):
        whole, rest = divmod(size, len(own))
        # Another draw for each label, so that labels of equal size are not drawn in step.
        generator = np.random.default_rng([seed, offset])
        positions += own * whole + generator.choice(own, rest, replace=False).tolist()
    positions.sort()
    after = Counter(str(labels[position]) for position in positions)
    return Selection(positions, None, _sorted(before), _sorted(after))


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
