"""One parser for every model: what did it answer, or why can it not be told?"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

#: Why an answer is invalid.
EMPTY, NO_ANSWER, SEVERAL, NOT_ASSERTED, UNFINISHED = (
    "empty",
    "no answer",
    "several answers",
    "not asserted",
    "unfinished thought",
)

#: Between them a model thinks before it answers: Gemma 4, and MedGemma 1.5.
THOUGHT_MARKS = (("<|channel>", "<channel|>"), ("<unused94>", "<unused95>"))

#: Numbers that are more than their digits (3.5, 3.5cm, 1/8, 95 %, -1, < 3), words, and what ends
#: a clause. Of a number inside a word (b3nign, class10, 1st) nothing is left; an underscore is
#: markup.
_PATTERN = r"""
    (?<![-=<>]) [<>≤≥] [ \t]* -? \d+ (?: [.,/]\d+ )* (?: \s? % | [^\W_]* )
    | (?<![^\W_]) -? \d+ (?: [.,/]\d+ )* \s? %
    | (?<![^\W_]) -? \d+ (?: [.,/]\d+ )+ [^\W_]*
    | (?<!\S) - \d+ (?![^\W_])
    | [^\W_]+ (?: '[^\W_]+ )* SIGN
    | (?P<end> [.,;!?()\n—–] )
    """
_TOKEN = re.compile(_PATTERN.replace("SIGN", ""), re.VERBOSE)

#: The same for answers with a sign: at a word's end (HER2+, C++), or alone.
_TOKEN_WITH_SIGN = re.compile(
    _PATTERN.replace(
        "SIGN", r"""(?: [+-]+ (?![^\W_+-]) )? | (?<![^\s*_`"']) [+-]+ (?![^\s*_`"'.;!?])"""
    ),
    re.VERBOSE,
)
_SIGN = re.compile(r"[<>≤≥]|(?<=\w)[+-]+(?![^\W_+-])|^\s*[+-]+\s*$")

#: One sign for each meaning.
_ALIKE = str.maketrans({"’": "'", "−": "-", "﹣": "-", "⩽": "≤", "≦": "≤", "⩾": "≥", "≧": "≥"})
#: <answer>3</answer>, <3> and > at a line's beginning are markup.
_TAG = re.compile(r"<(/?[^\W\d_][^<>\n]*|\d+)>")
_QUOTATION = re.compile(r"^(?:[ \t]*>)+", re.MULTILINE)
#: Before the end of a clause a sign belongs to the word before it: HER2 +.
_SIGN_APART = re.compile(r"(?<=\w)[ \t]+(?=[+-]+[ \t]*(?:[.,;!?)\n]|$))")

#: Words of which prose is full. As an answer they count alone, with a stop on both sides ("No, …",
#: "A.", "Answer: I"): of "I cannot tell." and "This is a cyst." neither I nor A is the answer.
_COMMON = {
    "a", "about", "after", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be",
    "been", "before", "being", "both", "but", "by", "can", "could", "did", "do", "does", "each",
    "either", "few", "for", "from", "had", "has", "have", "he", "her", "here", "his", "how",
    "i", "if", "in", "into", "is", "it", "its", "just", "many", "may", "me", "might", "more",
    "most", "much", "must", "my", "no", "none", "nor", "not", "of", "off", "on", "one", "only",
    "or", "other", "our", "out", "over", "same", "she", "should", "so", "some", "such", "than",
    "that", "the", "their", "them", "then", "there", "these", "they", "this", "those", "to",
    "too", "under", "up", "us", "very", "was", "we", "were", "what", "when", "where", "which",
    "who", "will", "with", "without", "would", "you", "your",
}  # fmt: skip

#: What stops there, and what else may stand between. No comma stops a single letter: "I, as an AI,
#: cannot tell" and "A, B or C" are no answers.
_STOPS, _COMMA = ".;!?():\n—–", ","
_MARKUP = " \t*_`\"'“”{}[]$\\#"

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
    #: Whether a stop, or nothing, stands on both sides; and whether after it.
    alone: bool
    ends: bool


class Candidates(Protocol):
    """What a parser needs to know of ``Answers``."""

    @property
    def answers(self) -> Mapping[str, str]:
        """The answer of each label."""


def parse_answer(text: str, answers: Candidates) -> Parsed:
    """Find which candidate answer a text gives; any text at all has a result.

    Valid are: a text that contains exactly one of the candidate answers (reasoning around it is
    welcome), or one that consists of nothing but a candidate's first word, where that is its own
    ("Yes."). After "answer:" or "answer is", only what follows counts, if there is an answer in it.
    An answer that is a common word ("a", "I", "no", "other") counts only with a stop on both sides.
    Case, markup, punctuation and spacing do not count; decimals, a minus, a comparison sign before
    a number do, and so does a plus or minus at a word's end where one of the answers has any such
    sign (HER2+).

    Everything else is invalid: a refusal, two answers at once, another language, a digit that is
    part of a word or of another number, and an answer that its clause denies or leaves open ("it is
    not 3", "whether it is 3").
    """
    return _read(text, answers.answers)


@dataclass(frozen=True)
class Written:
    """What a model wrote: its thought, if it had one, and its answer.

    Attributes:
        finished: whether the thought came to an end; if not, there is no answer.
    """

    thought: str | None
    answer: str
    finished: bool = True


def separate(text: str) -> Written:
    """Set a model's thought apart from its answer, by its own marks.

    The answer stands behind the last thought. A mark of the end alone ends one, too: the prompt may
    have begun it.
    """
    for begin, end in THOUGHT_MARKS:
        before, ended, answer = text.rpartition(end)
        if begin in answer:
            return Written(_bare(text, begin), "", finished=False)
        if ended:
            return Written(_bare(before, begin), answer.strip())
    return Written(None, text)


def _bare(thought: str, begin: str) -> str:
    """Return a thought without its mark and the channel's name, which both models call so."""
    return thought.strip().removeprefix(begin).removeprefix("thought").strip()


def misread(answers: Mapping[str, str]) -> dict[str, str | None]:
    """Return the labels whose own answer is not read as theirs, and as what it is read instead.

    Such are "Yes." and "yes", which are the same words, and an answer without words.
    """
    read = {label: _read(text, answers).label for label, text in answers.items()}
    return {label: found for label, found in read.items() if found != label}


def _read(text: str, answers: Mapping[str, str]) -> Parsed:
    signs = any(_SIGN.search(_normal(answer)) for answer in answers.values())
    text = _normal(text)
    if not signs:
        text = _QUOTATION.sub("", text)
    words = _words(text, signs)
    if not words:
        return Parsed(None, EMPTY)
    candidates = {
        label: [word.text for word in _words(_normal(answer), signs)]
        for label, answer in answers.items()
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
        # An answer without words occurs nowhere.
        for place in range(first, len(words) - width + 1) if candidate else ():
            span = range(place, place + width)
            if texts[place : place + width] != candidate or not taken.isdisjoint(span):
                continue
            if width == 1 and not _counts(words[place], first=place == first):
                continue
            taken.update(span)
            found[label] = place
    return found


def _counts(word: _Word, *, first: bool) -> bool:
    """Say whether a word can be an answer: a common one, or a sign, stands alone."""
    if word.text not in _COMMON and word.text.strip("+-"):
        return True
    return word.alone or (first and word.ends)


def _short_form(words: list[_Word], first: int, candidates: dict[str, list[str]]) -> dict[str, int]:
    rest = [word.text for word in words[first:]]
    if not rest:
        return {}
    labels = [label for label, candidate in candidates.items() if rest == candidate[:1]]
    return {labels[0]: first} if len(labels) == 1 else {}


def _asserted(words: list[_Word], place: int) -> bool:
    before = [word.text for word in words[:place] if word.clause == words[place].clause]
    return not any(word in _NOT_ASSERTING or word.endswith("n't") for word in before)


def _normal(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold().translate(_ALIKE)
    text = _TAG.sub(r" \1 ", text.replace("<=", "≤").replace(">=", "≥"))
    return _SIGN_APART.sub("", text)


def _words(text: str, signs: bool) -> list[_Word]:
    words, clause = [], 0
    for token in (_TOKEN_WITH_SIGN if signs else _TOKEN).finditer(text):
        if token["end"]:
            clause += 1
            continue
        # "It is not obvious but …"
        clause += token[0] == "but"
        ends = _stops(text, range(token.end(), len(text)), token[0])
        alone = ends and _stops(text, range(token.start() - 1, -1, -1), token[0])
        word = re.sub(r"\s", "", token[0])
        words.append(_Word(word, clause, token.start(), alone, ends))
    return words


def _stops(text: str, places: range, word: str) -> bool:
    """Say whether the first character beside markup is a stop, or there is none."""
    beside = next((text[place] for place in places if text[place] not in _MARKUP), None)
    return beside is None or beside in _STOPS or (beside == _COMMA and len(word) > 1)
