"""One parser for every model: what did it answer, or why can it not be told?"""

import re
import unicodedata
from dataclasses import dataclass

from verdict.records.conversations import Answers

#: Why an answer is invalid.
EMPTY, NO_ANSWER, SEVERAL, NOT_ASSERTED = (
    "empty",
    "no answer",
    "several answers",
    "not asserted",
)

#: Numbers that are more than their digits (3.5, 1/8, 95 %, -1), words, and what ends a clause. Of
#: a number inside a word (b3nign, class10, 1st) nothing is left; an underscore is markup.
_TOKEN = re.compile(
    r"""
    (?<![^\W_]) -? \d+ (?: [.,/]\d+ )* \s? %
    | (?<![^\W_]) -? \d+ (?: [.,/]\d+ )+ (?![^\W_])
    | (?<!\S) - \d+ (?![^\W_])
    | [^\W_]+ (?: '[^\W_]+ )*
    | (?P<end> [.,;!?()\n—–] )
    """,
    re.VERBOSE,
)

#: Before an answer in its clause, they make it something other than what the model says.
_NOT_ASSERTING = {
    "no", "not", "non", "never", "neither", "nor", "cannot", "without", "whether", "if", "unless",
}  # fmt: skip

#: What comes after it is the conclusion, whatever was weighed before.
_CONCLUSION = re.compile(r"\banswer\b[\s*_`\"']*(?::|is\b)")


@dataclass(frozen=True)
class Parsed:
    """A label, or None with the reason why the answer is invalid."""

    label: str | None
    reason: str | None


@dataclass(frozen=True)
class _Word:
    text: str
    clause: int
    #: Where it begins in the text.
    start: int


def parse_answer(text: str, answers: Answers) -> Parsed:
    """Find which candidate answer a text gives.

    Valid are: a text that contains exactly one of the candidate answers (reasoning around it is
    welcome), or one that consists of nothing but a candidate's first word, where that is its own
    ("Yes."). After "answer:" or "answer is", only what follows counts, if there is an answer in it.
    Case, markup, punctuation and spacing do not count.

    Everything else is invalid: a refusal, two answers at once, another language, a digit that is
    part of a word or of another number, and an answer that its clause denies or leaves open ("it is
    not 3", "whether it is 3").
    """
    text = _normal(text)
    words = _words(text)
    if not words:
        return Parsed(None, EMPTY)
    candidates = {
        label: [word.text for word in _words(_normal(answer))]
        for label, answer in answers.answers.items()
    }
    concluding = [found.end() for found in _CONCLUSION.finditer(text)]
    for start in (*concluding[-1:], 0):
        first = sum(word.start < start for word in words)
        parsed = _parse(words, first, candidates)
        if parsed.reason != NO_ANSWER:
            break
    return parsed


def _parse(words: list[_Word], first: int, candidates: dict[str, list[str]]) -> Parsed:
    """Parse the words from ``first`` on."""
    found = _occurrences(words, first, candidates)
    if not found:
        found = _short_form(words, first, candidates)
    if len(found) > 1:
        return Parsed(None, SEVERAL)
    for label, place in found.items():
        asserted = _asserted(words, place)
        return Parsed(label, None) if asserted else Parsed(None, NOT_ASSERTED)
    return Parsed(None, NO_ANSWER)


def _occurrences(
    words: list[_Word], first: int, candidates: dict[str, list[str]]
) -> dict[str, int]:
    """Return where each candidate that occurs does so last; one inside another does not count."""
    texts = [word.text for word in words]
    taken: set[int] = set()
    found: dict[str, int] = {}
    for label, candidate in sorted(candidates.items(), key=lambda item: -len(item[1])):
        width = len(candidate)
        for place in range(first, len(words) - width + 1):
            span = range(place, place + width)
            if texts[place : place + width] == candidate and taken.isdisjoint(span):
                taken.update(span)
                found[label] = place
    return found


def _short_form(words: list[_Word], first: int, candidates: dict[str, list[str]]) -> dict[str, int]:
    rest = [word.text for word in words[first:]]
    labels = [label for label, candidate in candidates.items() if rest == candidate[:1]]
    return {labels[0]: first} if len(labels) == 1 else {}


def _asserted(words: list[_Word], place: int) -> bool:
    before = [word.text for word in words[:place] if word.clause == words[place].clause]
    return not any(word in _NOT_ASSERTING or word.endswith("n't") for word in before)


def _normal(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold()
    return text.replace("’", "'").replace("−", "-")


def _words(text: str) -> list[_Word]:
    words, clause = [], 0
    for token in _TOKEN.finditer(text):
        if token["end"]:
            clause += 1
            continue
        # "It is not obvious but …"
        clause += token[0] == "but"
        words.append(_Word(token[0], clause, token.start()))
    return words
