"""The kinds of task: two labels, more labels, free text; and what each has its metrics for."""

from dataclasses import dataclass, replace

from verdict.predictions import Predictions
from verdict.statistics.metric import KindName, View
from verdict.statistics.metrics import METRICS


@dataclass(frozen=True)
class Kind:
    """What a kind of task has its metrics for."""

    name: KindName
    #: The metric that p values and the verdict are about.
    decisive: str
    #: The share of right records, whose paired counts McNemar's test takes.
    right: str
    #: The metric in which the candidate has to stand up to always answering the same.
    against_majority: str
    #: What stands first where metrics are shown, in this order; the others come as in ``METRICS``.
    leading: tuple[str, ...]
    #: Whether models thought before they answered.
    thinking: bool = False

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics, in the order of a metrics file."""
        return tuple(
            name
            for name, metric in METRICS.items()
            if self.name in metric.shown and (self.thinking or not metric.of_thoughts)
        )

    def shown(self, view: View) -> tuple[str, ...]:
        """Return the metrics of a view in its order."""
        chosen = [name for name in self.metrics if view in METRICS[name].shown[self.name].split()]
        order = {name: place for place, name in enumerate(self.leading)}
        chosen.sort(key=lambda name: order.get(name, len(order)))
        if view == "threshold":
            chosen.sort(key=lambda name: not METRICS[name].of_positive)
        return tuple(chosen)


BINARY = Kind(
    "binary",
    decisive="balanced_accuracy",
    right="accuracy",
    against_majority="accuracy",
    leading=("balanced_accuracy", "accuracy", "group_accuracy", "recall", "specificity"),
)
MULTICLASS = Kind(
    "multiclass",
    decisive="balanced_accuracy",
    right="accuracy",
    against_majority="accuracy",
    leading=("balanced_accuracy",),
)
TEXT = Kind(
    "text",
    decisive="token_f1",
    right="exact_match",
    against_majority="token_f1",
    leading=("token_f1",),
)

#: The kinds by their names.
KINDS: dict[str, Kind] = {kind.name: kind for kind in (BINARY, MULTICLASS, TEXT)}


def kind_of(predictions: Predictions) -> Kind:
    """Return what is measured of these predictions."""
    several = BINARY if predictions.binary else MULTICLASS
    return replace(TEXT if predictions.free_text else several, thinking=predictions.thinking)
