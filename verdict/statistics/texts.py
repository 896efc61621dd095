"""Measure texts against their references: SQuAD's scores, ROUGE-L, BLEU, and yes or no."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from sacrebleu.metrics import BLEU

from verdict.predictions import Predictions
from verdict.statistics.counts import Confusion, Resampled, count_answers, ratio, sum_by_cell
from verdict.statistics.formats import rounded
from verdict.statistics.kinds import Kind, kind_of
from verdict.statistics.metrics import METRICS
from verdict.statistics.proportions import Proportions
from verdict.statistics.words import normalised, words_of

#: The answers of a closed question, normalised.
CLOSED = ("no", "yes")

#: What a text is called that answers a closed question with neither yes nor no, or with both.
OTHER = "other"

#: The words that say no and yes, by language: a text is read in that of its reference. English
#: comes first, as its "no" is Spanish and Italian, too.
_NO_YES = (
    (("no",), ("yes",)),
    (("否", "不", "不是", "没有"), ("是", "是的", "有")),
    (("いいえ",), ("はい",)),
    (("нет",), ("да",)),
    (("nein",), ("ja",)),
    (("non",), ("oui",)),
    (("não",), ("sim",)),
    ((), ("sí", "sì")),
)

_CLAUSE_ENDS = re.compile(r"[.,;:!?\n。，、；：！？]")


@dataclass(frozen=True)
class TextScores:
    """What each of n texts scores; arrays (n) unless they say otherwise."""

    #: Whether text and reference are the same, normalised.
    exact: np.ndarray
    #: F1 of the normalised words, 0 to 1.
    token_f1: np.ndarray
    #: F1 of the longest common subsequence of words, 0 to 1.
    rouge_l: np.ndarray
    #: Whole numbers (n, 10) that add up to those of a corpus (``bleu_of``).
    bleu: np.ndarray
    #: Codes in ``CLOSED`` of the references, in whatever language; -1 where the question is open.
    closed: np.ndarray
    #: Codes in ``CLOSED`` of the texts, -1 where they say neither or both.
    said: np.ndarray
    #: Whether nothing was written.
    empty: np.ndarray

    def part(self, chosen: np.ndarray) -> "TextScores":
        """Return the texts that a bool array (n) chooses."""
        return TextScores(**{name: values[chosen] for name, values in vars(self).items()})


def token_f1(text: str, reference: str) -> float:
    """Return the F1 of the words that text and reference share (Rajpurkar et al. 2016).

    What the words are: ``verdict.statistics.words``.
    """
    words, expected = normalised(text).split(), normalised(reference).split()
    if not words or not expected:
        return float(words == expected)
    shared = sum((Counter(words) & Counter(expected)).values())
    return 2 * shared / (len(words) + len(expected))


def yes_or_no(text: str, reference: str = "yes") -> int:
    """Return the code in ``CLOSED`` of what a text says, or -1.

    The first clause that says yes or no counts, unless it says both: "Yes, there is no fracture"
    is a yes, "yes and no" is neither. In another language than English, which is that of the
    reference, the clause has to begin with its yes or no.
    """
    language = _language(reference)
    for clause in _CLAUSE_ENDS.split(text):
        words = normalised(clause).split()
        if language == _NO_YES[0]:
            said = [code for code in (0, 1) if CLOSED[code] in words]
        else:
            said = [code for code in (0, 1) if _begins(words, language[code])]
        if said:
            return said[0] if len(said) == 1 else -1
    return -1


def _begins(words: Sequence[str], answers: Sequence[str]) -> bool:
    own = [normalised(answer).split() for answer in answers]
    return any(list(words[: len(answer)]) == answer for answer in own)


def _language(reference: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the no and the yes of the language of a closed question; else English."""
    plain = normalised(reference)
    return next(
        (pair for pair in _NO_YES if plain in (normalised(word) for side in pair for word in side)),
        _NO_YES[0],
    )


def score_texts(texts: Sequence[str], references: Sequence[str]) -> TextScores:
    """Score each text against its reference.

    Args:
        texts: what was written (n).
        references: what was to be written (n).
    """
    # Imported only here: it takes a second, and most tasks have labels.
    from rouge_score.rouge_scorer import RougeScorer

    pairs = list(zip(texts, references, strict=True))
    same = [normalised(text) == normalised(reference) for text, reference in pairs]
    rouge = RougeScorer(["rougeL"], tokenizer=_Words())
    return TextScores(
        exact=np.array(same, bool),
        token_f1=np.array([token_f1(*pair) for pair in pairs], np.float64),
        rouge_l=np.array(
            [rouge.score(reference, text)["rougeL"].fmeasure for text, reference in pairs],
            np.float64,
        ),
        bleu=np.array([_bleu_counts(*pair) for pair in pairs], np.float64).reshape(-1, 10),
        closed=np.array([_closed(reference) for reference in references], np.int64),
        said=np.array([yes_or_no(*pair) for pair in pairs], np.int64),
        empty=np.array([not text.strip() for text in texts], bool),
    )


def bleu_of(counts: np.ndarray) -> np.ndarray:
    """Return corpus BLEU, from 0 to 1, of summed counts (…, 10).

    The counts are those of sacreBLEU: words written, words of the references, then matching and
    all n-grams of one to four words. An order without a match counts as 1/2, 1/4 … matches, as in
    sacreBLEU's default ``exp`` smoothing; without any match, or any text of four words, BLEU is 0.

    Returns:
        Array (…).
    """
    written, expected = counts[..., 0], counts[..., 1]
    matches, total = counts[..., 2:6], counts[..., 6:10]
    missed = np.cumsum(matches == 0, axis=-1)
    smoothed = np.where(matches == 0, 0.5**missed, matches)
    defined = (matches > 0).any(axis=-1) & (total > 0).all(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.log(smoothed / total).mean(axis=-1)
        brevity = np.minimum(0, 1 - expected / written)
        return np.where(defined, np.exp(brevity + precision), 0.0)


def bleu_signature() -> str:
    """Return sacreBLEU's description of how BLEU was computed."""
    bleu = BLEU()
    bleu.corpus_score([""], [[""]])
    return bleu.get_signature().format()


def _bleu_counts(text: str, reference: str) -> list[int]:
    score = BLEU().corpus_score([text], [[reference]])
    return [score.sys_len, score.ref_len, *score.counts, *score.totals]


def _closed(reference: str) -> int:
    plain = normalised(reference)
    for code, answers in enumerate(_language(reference)):
        if plain in map(normalised, answers):
            return code
    return -1


class _Words:
    """The words that ROUGE-L is of; ``rouge_score``'s own are those of ``a-z0-9`` alone."""

    def tokenize(self, text: str) -> list[str]:
        return words_of(text)


class TextMeasurement:
    """A ``Measurement`` of written texts; the arguments are of the same n records."""

    def __init__(
        self, predictions: Predictions, scores: TextScores, metrics: Sequence[str] | None = None
    ):
        """Sum by cell what the weights will multiply; ``metrics`` are all of the kind if None."""
        self.predictions, self._scores = predictions, scores
        self.kind: Kind = kind_of(predictions)
        self.metrics = self.kind.metrics if metrics is None else tuple(metrics)
        closed = scores.closed >= 0
        columns = {
            "records": np.ones(len(predictions)),
            "exact_match": scores.exact,
            "token_f1": scores.token_f1,
            "rouge_l": scores.rouge_l,
            "invalid": scores.empty,
            "unfinished": predictions.unfinished,
            "closed": closed,
            "closed_right": closed & (scores.closed == scores.said),
            "bleu": scores.bleu,
        }
        cells = predictions.cell_codes
        self.sums = {name: sum_by_cell(cells, values) for name, values in columns.items()}

    @property
    def right(self) -> np.ndarray:
        """Bool (n): of a closed question whether it is answered so, else of an exact match."""
        scores = self._scores
        return np.where(scores.closed >= 0, scores.closed == scores.said, scores.exact)

    @property
    def proportions(self) -> Proportions:
        return Proportions(self.predictions, closed=self._scores.closed >= 0)

    def values(self) -> dict[str, float | int | None]:
        """Return how many records and closed questions there are, and the metrics."""
        sizes = {"n": len(self.predictions), "closed": int((self._scores.closed >= 0).sum())}
        whole = self(np.ones((1, len(self.sums["records"]))))
        return sizes | {name: rounded(value[0]) for name, value in whole.items()}

    def __call__(self, weights: np.ndarray) -> Resampled:
        drawn = TextDraws({name: weights @ sums for name, sums in self.sums.items()})
        return {name: METRICS[name].of(drawn) for name in self.metrics}

    def part(self, chosen: np.ndarray) -> "TextMeasurement":
        part = self.predictions.part(chosen)
        return TextMeasurement(part, self._scores.part(chosen), self.kind.shown("subgroups"))

    def confusion(self) -> Confusion:
        """Return counts of the closed questions: yes or no in rows, what was said in columns."""
        closed = self._scores.closed >= 0
        said = self._scores.said[closed]
        columns = (*CLOSED, OTHER)
        return count_answers(
            self._scores.closed[closed], np.where(said < 0, len(CLOSED), said), CLOSED, columns
        )

    def confusion_rows(self) -> Iterator[tuple[str, str]]:
        for actual, said in zip(self._scores.closed, self._scores.said, strict=True):
            if actual >= 0:
                yield CLOSED[actual], (*CLOSED, OTHER)[said]


@dataclass(frozen=True)
class TextDraws:
    """What a model's drawn texts add up to."""

    #: Arrays (draws, …) by name, as in ``TextMeasurement.sums``.
    sums: dict[str, np.ndarray]

    def mean(self, name: str) -> np.ndarray:
        """Return the mean over the drawn records of one of the sums."""
        return ratio(self.sums[name], self.sums["records"])

    @property
    def closed_accuracy(self) -> np.ndarray:
        """The share of the drawn closed questions that are answered rightly."""
        return ratio(self.sums["closed_right"], self.sums["closed"])

    @property
    def bleu(self) -> np.ndarray:
        """BLEU of the drawn records as one corpus."""
        return np.where(self.sums["records"] > 0, bleu_of(self.sums["bleu"]), np.nan)


def measure_texts(predictions: Predictions) -> TextMeasurement:
    """Return the measurement of free-text predictions."""
    scores = score_texts(predictions.generated.tolist(), predictions.answers.tolist())
    return TextMeasurement(predictions, scores)
