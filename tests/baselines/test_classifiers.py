import numpy as np
import pytest
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from threadpoolctl import threadpool_limits

from verdict.baselines import classifiers
from verdict.baselines.classifiers import FellegiSunter, choose, log_probabilities
from verdict.baselines.pairs import MEASURES, vectors


def records(seed: int, count: int = 300, labels: int = 2) -> classifiers.Rows:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, labels, count)
    return codes[:, None] + rng.normal(0, 1.2, (count, 4)), codes


def linked(
    seed: int, count: int, agree: tuple[list[float], list[float]], share: float
) -> classifiers.Rows:
    """Draw similarities of which each attribute agrees with its chance in (others, matches)."""
    rng = np.random.default_rng(seed)
    codes = (rng.random(count) < share).astype(int)
    agreed = rng.random((count, len(agree[0]))) < np.array(agree)[codes]
    found = np.where(agreed, 1.0, 0.3)[..., None].repeat(len(MEASURES), axis=2)
    found[rng.random(agreed.shape) < 0.05] = np.nan
    return found, codes


def test_probabilities_are_those_of_scikit_learn() -> None:
    train, test = linked(0, 200, ([0.2, 0.3], [0.8, 0.9]), 0.4), linked(1, 90, ([0.2, 0.3],) * 2, 1)
    ours = choose(classifiers.regression_on_similarities()[3:4], train, train)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", tol=1e-9))
    theirs.fit(vectors(train[0]), train[1])
    expected = theirs.predict_log_proba(vectors(test[0]))
    assert log_probabilities(ours, test[0], 2) == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("labels", [2, 3])
def test_validation_chooses_the_strength(labels: int) -> None:
    train, validation = records(0, labels=labels), records(1, 120, labels)
    weights = compute_sample_weight("balanced", validation[1])
    losses = []
    for candidate in classifiers.boosting():
        probabilities = candidate.fit(*train).predict_proba(validation[0])
        losses.append(log_loss(validation[1], probabilities, sample_weight=weights))
    chosen = choose(classifiers.boosting(), train, validation)
    assert chosen.max_iter == classifiers.TREES[int(np.argmin(losses))]
    found = log_probabilities(chosen, validation[0], labels)
    assert np.exp(found) == pytest.approx(chosen.predict_proba(validation[0]), abs=1e-5)


def test_a_label_that_training_lacks_is_hardly_likely() -> None:
    rows, codes = records(0)
    codes = np.where(codes == 1, 2, 0)
    trained = choose(classifiers.boosting()[:1], (rows, codes), (rows, codes))
    found = log_probabilities(trained, rows, 4)
    assert found.shape == (300, 4)
    assert (np.exp(found[:, [1, 3]]) < 1e-5).all()
    assert np.exp(found).sum(axis=1) == pytest.approx(1, abs=1e-5)
    # Validation may have it, too.
    assert choose(classifiers.boosting()[:2], (rows, codes), (rows, codes + 1))


def test_fellegi_and_sunter_find_the_chances_of_agreeing_without_labels() -> None:
    u, m, share = [0.1, 0.05, 0.3, 0.2], [0.9, 0.85, 0.95, 0.8], 0.3
    rows, codes = linked(0, 40_000, (u, m), share)
    model = FellegiSunter(0.9, match=1).fit(rows, np.zeros_like(codes))
    for attribute, chances in enumerate(np.array([u, m]).T):
        table = np.exp(model.model_.feature_log_prob_[attribute])
        assert table[:, 1] / table[:, :2].sum(axis=1) == pytest.approx(chances, abs=0.02)
        assert table[:, 2] == pytest.approx(0.05, abs=0.01)
    assert np.exp(model.model_.class_log_prior_) == pytest.approx([1 - share, share], abs=0.02)
    # The weight of a pair that agrees in all is the sum of the logarithms of m / u.
    weight = logit(share) + np.log(np.array(m) / u).sum()
    everything = np.ones((1, 4, len(MEASURES)))
    assert model.decision_function(everything)[0] == pytest.approx(weight, abs=0.3)
    right = (model.decision_function(rows) > 0) == (codes == 1)
    assert right.mean() > 0.96


def test_matches_may_be_either_label() -> None:
    rows, codes = linked(0, 2000, ([0.1, 0.1, 0.1], [0.9, 0.9, 0.9]), 0.4)
    chosen = choose(classifiers.fellegi_sunter(0), (rows, 1 - codes), (rows, 1 - codes))
    found = log_probabilities(chosen, rows, 2)
    assert ((found.argmax(axis=1) == 0) == (codes == 1)).mean() > 0.9


def test_two_threads_give_the_bits_of_one() -> None:
    train, test = records(0, 1200, 3), records(1, 100, 3)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            trained = choose(classifiers.boosting()[:1], train, test)
            found.append(trained.decision_function(test[0]))
    assert np.array_equal(*found)
