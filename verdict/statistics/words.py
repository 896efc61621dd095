"""The words of an answer, as texts are compared: SQuAD's rule, mended for medicine and Unicode.

SQuAD's ``normalize_answer`` (Rajpurkar et al. 2016, "SQuAD: 100,000+ Questions for Machine
Comprehension of Text", EMNLP) takes case, ASCII punctuation and articles away. That makes "3.5 cm"
and "35 cm", "I-II" and "III", "HER2+" and "HER2-", "Hepatitis A" and "Hepatitis" one answer, which
in medicine they are not. Here

- numbers keep decimals, ranges, ratios, signs and ``%``; only the commas of thousands go;
- symbols (``<``, ``≥``, ``+``, ``±``, ``°``; Unicode's category S) stay; ``<=`` is ``≤``;
- a minus stays before a number and at the end of a word, whichever dash it is written with;
- other punctuation divides words, instead of joining what stands beside it; only the apostrophe and
  the full stop between two letters vanish (patient's, C.T.);
- the articles are "an" and "the": a single letter, "a" too, may be the answer.

As in MLQA's evaluation (Lewis et al. 2020, "MLQA: Evaluating Cross-lingual Extractive Question
Answering", ACL) punctuation is Unicode's (category P), and where words are not divided by spaces,
in Chinese and Japanese, each character is a word.
"""

import functools
import re
import sys
import unicodedata
from typing import Any

_ARTICLES = frozenset({"an", "the"})

_LETTER = r"[^\W\d_]"
#: Han, Hiragana and Katakana.
_UNDIVIDED = r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"


@functools.cache
def _rules() -> list[tuple[re.Pattern[str], Any]]:
    """Return what is replaced, in this order, in text of lower case."""
    characters = (chr(code) for code in range(sys.maxunicode + 1))
    # All punctuation but ``%`` and ``‰``, as what stands in brackets of a regular expression.
    punctuation = "".join(
        re.escape(c) for c in characters if unicodedata.category(c)[0] == "P" and c not in "%‰"
    )
    return [
        (re.compile(pattern), replacement)
        for pattern, replacement in (
            # One way to write each sign. Hyphens and the en dash are a minus; longer dashes stand
            # between words. Accents and quotes that Unicode counts as symbols are punctuation.
            (r"[\u2010-\u2013\u2212\ufe63\uff0d]", "-"),
            (r"[\u2014\u2015]", " - "),
            (r"\+\s*/\s*-", "±"),
            (r"<\s*=", "≤"),
            (r">\s*=", "≥"),
            (r"[`´\u02dc¨]", '"'),
            # A number is one word, with its signs.
            (r"(?<![\w.,])([1-9]\d{0,2}(?:,\d{3})+)(?![\d,])", lambda m: m[1].replace(",", "")),
            (r"(?<=\d)\s+-\s+(?=\d)", "-"),
            (r"(?<![\w.])\.(?=\d)", "0."),
            (r"\s*([<>≤≥=±~])\s*(?=[-+]?\d)", r" \1"),
            (rf"(?<=\w)\s+(?=[-+](?:[{punctuation}]|$))", ""),
            (r"(?<=\d)\s+(?=[%‰])", ""),
            # Punctuation goes, but for a single one between digits, and a minus before a number or
            # at the end of a word.
            (rf"(?<={_LETTER})['\u2019.](?={_LETTER})", ""),
            (
                rf"(?<!\d)(?!-)[{punctuation}]|[{punctuation}](?!\d)(?<!-)"
                rf"|(?<=\d)[{punctuation}]{{2,}}(?=\d)",
                " ",
            ),
            (rf"(?<=\w)-(?={_LETTER})|(?<={_LETTER})-(?=\w)|(?<![\w+])-(?!\d)", " "),
            (rf"({_UNDIVIDED})", r" \1 "),
        )
    ]


def words_of(text: str) -> list[str]:
    """Return the words of a text, in lower case, with its articles."""
    plain = unicodedata.normalize("NFC", text).casefold()
    for pattern, replacement in _rules():
        plain = pattern.sub(replacement, plain)
    return plain.split()


def normalised(text: str) -> str:
    """Return a text as answers are compared: its words but the articles, with single spaces.

    What would leave nothing is left out: the answers "The" and "-" stay what they are, or every
    empty text would equal them.
    """
    words = words_of(text)
    without = [word for word in words if word not in _ARTICLES]
    return " ".join(without or words or text.casefold().split())
