from typing import get_args

import pytest

from verdict.statistics.kinds import KINDS, Kind
from verdict.statistics.metric import Metric, Rated, View
from verdict.statistics.metrics import METRICS

#: What ``Proportions.of`` knows.
PROPORTIONS = {
    None, "records", "groups", "each label", "positive", "negative", "called positive", "closed",
    "pairs",
}  # fmt: skip


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
def test_an_entry_says_only_what_its_readers_understand(metric: Metric) -> None:
    assert METRICS[metric.name] is metric
    assert metric.title.format(groups="patients")
    assert metric.meaning.format(units="patients", positive="melanoma")
    assert metric.rates in get_args(Rated)
    assert metric.proportion_of in PROPORTIONS
    assert metric.shown
    for kind, views in metric.shown.items():
        assert kind in KINDS
        assert set(views.split()) <= set(get_args(View))


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_view_begins_with_the_decisive_metric(kind: Kind) -> None:
    assert {kind.decisive, kind.right, kind.against_majority, *kind.leading} <= set(kind.metrics)
    for view in get_args(View):
        shown = kind.shown(view)
        if view == "threshold":
            assert bool(shown) == (kind.name == "binary")
        else:
            assert shown[0] == kind.decisive
    # Six columns, so that 80 characters hold them.
    assert len(kind.shown("terminal")) == 6


def test_the_metrics_of_two_labels_come_in_the_order_of_their_files_and_tables() -> None:
    binary = KINDS["binary"]
    assert binary.metrics[:6] == (
        "accuracy", "group_accuracy", "balanced_accuracy", "precision", "recall", "specificity",
    )  # fmt: skip
    assert binary.shown("table") == (
        "balanced_accuracy", "accuracy", "group_accuracy", "recall", "specificity", "precision",
        "f1", "auroc", "invalid_rate",
    )  # fmt: skip
    assert binary.shown("threshold") == (
        "recall", "specificity", "precision", "f1", "balanced_accuracy", "accuracy",
    )  # fmt: skip
