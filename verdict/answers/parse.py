"""One parser for every model: what did it answer, or why can it not be told?"""

import re
import unicodedata
from dataclasses import dataclass

from verdict.records.conversations import Answers


@dataclass(frozen=True)
class Parsed:
    """A label, or None with the reason why the answer is invalid."""

    label: str | None
    reason: str | None


def parse_answer(text: str, answers: Answers) -> Parsed:
    """Find which candidate answer a text gives.

    Valid are: a text that contains exactly one of the candidate answers (reasoning around it is
    welcome), or one that consists of nothing but a candidate's first word, where that is its own
    ("Yes."). Case, markup, punctuation and spacing do not count. Everything else, such as a
    refusal, two answers at once or another language, is invalid.
    """
    words = _words(text)
    if not words:
        return Parsed(None, "empty")
    candidates = {label: _words(answer) for label, answer in answers.answers.items()}
    found = [label for label, candidate in candidates.items() if _contains(words, candidate)]
    if len(found) > 1:
        return Parsed(None, "several answers")
    if found:
        return Parsed(found[0], None)
    first_words = [candidate[0] for candidate in candidates.values()]
    short = [
        label
        for label, candidate in candidates.items()
        if words == candidate[:1] and first_words.count(candidate[0]) == 1
    ]
    return Parsed(short[0], None) if short else Parsed(None, "no answer")


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())


def _contains(words: list[str], candidate: list[str]) -> bool:
    width = len(candidate)
    return any(words[i : i + width] == candidate for i in range(len(words) - width + 1))
