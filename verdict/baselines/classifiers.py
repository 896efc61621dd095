"""Classifiers by scikit-learn, each in several strengths, of which validation decides one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import CategoricalNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from verdict.baselines.pairs import agreements, vectors

#: Trees of a boosting.
TREES = (20, 40, 80, 160, 320)
#: Inverse strengths of a logistic regression's penalty.
PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
#: Similarities from which two values agree.
THRESHOLDS = (0.7, 0.8, 0.85, 0.9, 0.95, 1.0)

#: With fewer attributes two latent classes are not determined.
FEWEST_ATTRIBUTES = 3

#: Decimals of log-probabilities: what the last bits of a matrix product may move is not kept.
DECIMALS = 6


def boosting() -> list[Any]:
    """Return gradient boosting with more and more trees; each label counts the same."""
    return [
        HistGradientBoostingClassifier(
            learning_rate=0.05,
            max_leaf_nodes=7,
            max_bins=63,
            max_iter=trees,
            class_weight="balanced",
            early_stopping=False,
            random_state=0,
        )
        for trees in TREES
    ]


def regression_on_similarities() -> list[Any]:
    """Return logistic regressions on ``pairs.similarities``; each label counts the same."""
    return [
        make_pipeline(FunctionTransformer(vectors), StandardScaler(), _regression(penalty))
        for penalty in PENALTIES
    ]


def regression_on_words() -> list[Any]:
    """Return logistic regressions on the weights of words and pairs of words in texts."""
    return [
        make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            _regression(penalty, solver="lbfgs"),
        )
        for penalty in PENALTIES
    ]


def regression_on_features() -> list[Any]:
    """Return logistic regressions on features of a model; each label counts the same."""
    return [
        make_pipeline(StandardScaler(), _regression(penalty, solver="lbfgs"))
        for penalty in PENALTIES
    ]


def fellegi_sunter(match: int) -> list[Any]:
    """Return Fellegi and Sunter's model; ``match`` is the code of that label."""
    return [FellegiSunter(threshold, match) for threshold in THRESHOLDS]


def choose(candidates: Sequence[Any], train: "Rows", validation: "Rows") -> Any:
    """Return the candidate, trained, that is likeliest on validation, each label counting the same.

    Of equals it is the first.
    """
    trained = [candidate.fit(*train) for candidate in candidates]
    losses = [_loss(one, *validation) for one in trained]
    return trained[int(np.argmin(losses))]


#: What a classifier reads, and the codes (n) of the true labels.
Rows = tuple[Any, np.ndarray]


def log_probabilities(trained: Any, rows: Any, labels: int) -> np.ndarray:
    """Return log-probabilities (n, labels), in nats, rounded.

    A label that training lacked is as unlikely as one that was seen less than once there.
    """
    decision = trained.decision_function(rows)
    if decision.ndim == 1:
        decision = np.stack([np.zeros(len(decision)), decision], axis=1)
    found = np.full((len(decision), labels), -np.log(1e6))
    found[:, trained.classes_] = log_softmax(decision, axis=1)
    return np.round(log_softmax(found, axis=1), DECIMALS) + 0.0


class FellegiSunter(ClassifierMixin, BaseEstimator):
    """Record linkage without labels: attributes agree oftener in matches than by chance.

    Fellegi & Sunter 1969, J. Am. Stat. Assoc. 64:1183: a pair's weight is the sum over its
    attributes of the logarithm of how much likelier what is seen is in a match. How likely that is,
    the EM algorithm finds from pairs without labels, as Jaro (1989, J. Am. Stat. Assoc. 84:414)
    did: two latent classes, in which attributes are independent, which is naive Bayes. An attribute
    agrees, differs or is missing.

    Args:
        threshold: the similarity from which two values agree.
        match: the code, 0 or 1, of the label of matches.
    """

    #: Rounds of the algorithm at most, and the change of any pair's probability that ends it.
    ROUNDS, CHANGE = 1000, 1e-9
    #: The chance at first that an attribute agrees in a match.
    AGREES = 0.9

    def __init__(self, threshold: float, match: int):
        self.threshold = threshold
        self.match = match

    def fit(self, found: np.ndarray, labels: np.ndarray) -> "FellegiSunter":
        """Find both classes in ``pairs.similarities``; ``labels`` are not looked at."""
        patterns, counts = np.unique(agreements(found, self.threshold), axis=0, return_counts=True)
        agreeing = (patterns == 1).sum(axis=1) - (patterns == 0).sum(axis=1)
        matches = 1 / (1 + (self.AGREES / (1 - self.AGREES)) ** -agreeing.astype(float))
        both = np.concatenate([patterns, patterns])
        classes = np.repeat([0, 1], len(patterns))
        for _ in range(self.ROUNDS):
            weights = np.concatenate([(1 - matches) * counts, matches * counts])
            self.model_ = CategoricalNB(min_categories=3).fit(both, classes, sample_weight=weights)
            before, matches = matches, self.model_.predict_proba(patterns)[:, 1]
            if np.abs(matches - before).max() < self.CHANGE:
                break
        self.classes_ = np.array([0, 1])
        return self

    def decision_function(self, found: np.ndarray) -> np.ndarray:
        """Return the log-odds (n) of the label with the code 1."""
        joint = self.model_.predict_joint_log_proba(agreements(found, self.threshold))
        weights = joint[:, 1] - joint[:, 0]
        return weights if self.match == 1 else -weights


def _regression(penalty: float, solver: str = "newton-cholesky") -> LogisticRegression:
    return LogisticRegression(
        C=penalty, class_weight="balanced", solver=solver, tol=1e-8, max_iter=1000
    )


def _loss(trained: Any, rows: Any, labels: np.ndarray) -> float:
    """Return the mean negative log-probability of the true labels, each label counting the same."""
    count = int(max(labels.max(), trained.classes_.max())) + 1
    found = log_probabilities(trained, rows, count)[np.arange(len(labels)), labels]
    return -float(np.average(found, weights=compute_sample_weight("balanced", labels)))
