import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from verdict.statistics.probabilities import Ranking


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.sampled_from([0, 1, 8]))
def test_weights_do_what_repeated_rows_do(seed: int, n: int, decimals: int) -> None:
    """With ties (few decimals), absent labels and groups that were not drawn."""
    rng = np.random.default_rng(seed)
    groups = np.unique(rng.integers(0, 12, n), return_inverse=True)[1]
    size = int(groups.max()) + 1
    positive = rng.random(n) < rng.choice([0.02, 0.3, 0.9])
    scores = np.round(rng.normal(0, 1, n) + positive, decimals)
    weights = rng.multinomial(size, np.ones(size) / size, 6)
    fast = Ranking(groups, positive, scores).metrics(weights.astype(float))
    for i, weight in enumerate(weights):
        rows = np.repeat(np.arange(n), weight[groups])
        both = 0 < positive[rows].sum() < len(rows)
        for name, slow in (
            ("auroc", roc_auc_score),
            ("average_precision", average_precision_score),
        ):
            expected = slow(positive[rows], scores[rows]) if both else np.nan
            np.testing.assert_allclose(fast[name][i], expected, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("positive", [[False] * 3, [True] * 3])
def test_one_label_only_cannot_be_ranked(positive: list[bool]) -> None:
    ranking = Ranking(np.array([0, 0, 1]), np.array(positive), np.array([0.1, 0.2, 0.2]))
    for values in ranking.metrics(np.ones((4, 2))).values():
        assert values.shape == (4,)
        assert np.isnan(values).all()
