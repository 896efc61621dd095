"""What leaving out the records that cross published splits does to the balance of the labels."""

from collections.abc import Mapping
from typing import Any

#: From this change of a label's share of a split on it is told.
TOLD = 0.05


def balance_warning(split: Mapping[str, Any]) -> str | None:
    """Return what became of the label whose share changed most, or None where none changed much.

    Args:
        split: the counts of ``metrics/split.json``.
    """
    published: dict[str, dict[str, float]] = split.get("published_shares", {})

    def now(name: str, label: str) -> float:
        return split[name].get(f"share_{label}", 0.0)

    changes = {
        label: max(abs(now(name, label) - shares[label]) for name, shares in published.items())
        for label in next(iter(published.values()), {})
    }
    label = max(changes, key=changes.__getitem__, default="")
    if not label or changes[label] < TOLD:
        return None
    told = ", ".join(
        f"{now(name, label):.0%} of {name} (published: {shares[label]:.0%})".replace("%", " %")
        for name, shares in published.items()
    )
    return (
        f"Leaving out the records that cross the published splits (split.crossing) changed the "
        f"balance: {label} is {told}"
    )
