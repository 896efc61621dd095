"""How near a text comes to its reference: SQuAD's scores, ROUGE-L, BLEU, and yes or no."""

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU

#: The answers of a closed question, normalised.
CLOSED = ("no", "yes")

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_CLAUSE_ENDS = re.compile(r"[.,;:!?\n]")


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
    #: Codes in ``CLOSED`` of the references, -1 where the question is open.
    closed: np.ndarray
    #: Codes in ``CLOSED`` of the texts, -1 where they say neither or both.
    said: np.ndarray
    #: Whether nothing was written.
    empty: np.ndarray

    def part(self, chosen: np.ndarray) -> "TextScores":
        """Return the texts that a bool array (n) chooses."""
        return TextScores(**{name: values[chosen] for name, values in vars(self).items()})


def normalised(text: str) -> str:
    """Return a text as SQuAD compares it: lower case, no punctuation, no articles, single spaces.

    What would leave nothing is left out: the answers "A" of a choice and "+" of a stain stay what
    they are, or every empty text would equal them.
    """
    plain = text.lower()
    words = plain.translate(_PUNCTUATION)
    forms = (_ARTICLES.sub(" ", words), words, plain)
    return next((" ".join(form.split()) for form in forms if form.strip()), "")


def token_f1(text: str, reference: str) -> float:
    """Return the F1 of the words that text and reference share (Rajpurkar et al. 2016)."""
    words, expected = normalised(text).split(), normalised(reference).split()
    if not words or not expected:
        return float(words == expected)
    shared = sum((Counter(words) & Counter(expected)).values())
    return 2 * shared / (len(words) + len(expected))


def yes_or_no(text: str) -> int:
    """Return the code in ``CLOSED`` of what a text says, or -1.

    The first clause that says yes or no counts, unless it says both: "Yes, there is no fracture"
    is a yes, "yes and no" is neither.
    """
    for clause in _CLAUSE_ENDS.split(text):
        said = [answer for answer in CLOSED if answer in normalised(clause).split()]
        if said:
            return CLOSED.index(said[0]) if len(said) == 1 else -1
    return -1


def score_texts(texts: Sequence[str], references: Sequence[str]) -> TextScores:
    """Score each text against its reference.

    Args:
        texts: what was written (n).
        references: what was to be written (n).
    """
    pairs = list(zip(texts, references, strict=True))
    same = [normalised(text) == normalised(reference) for text, reference in pairs]
    rouge = RougeScorer(["rougeL"])
    return TextScores(
        exact=np.array(same, bool),
        token_f1=np.array([token_f1(*pair) for pair in pairs], np.float64),
        rouge_l=np.array(
            [rouge.score(reference, text)["rougeL"].fmeasure for text, reference in pairs],
            np.float64,
        ),
        bleu=np.array([_bleu_counts(*pair) for pair in pairs], np.float64).reshape(-1, 10),
        closed=np.array([_closed(reference) for reference in references], np.int64),
        said=np.array([yes_or_no(text) for text in texts], np.int64),
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
    return CLOSED.index(plain) if plain in CLOSED else -1
