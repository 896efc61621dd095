"""Pairs of made-up texts and what can be told from them: the lessons of a model that reads text.

The texts look like the records of :mod:`verdict.synthetic.people`, but are no records of anybody:
every word is drawn on its own, and the second text repeats each line of the first or does not, by
chance.
"""

from dataclasses import dataclass

import numpy as np

from verdict.synthetic import people
from verdict.tiny_models.questions import ENTITY_RESOLUTION, Question

_YES_NO = ("Yes.", "No.")
#: Asked about the whole of two texts; the answer is the index of what is right.
SAME = Question("Are the two texts the same?", _YES_NO)
MOST = Question("Do most lines agree?", _YES_NO)
#: Asked about one line.
FIELD = {name: Question(f"Is the {name} the same?", _YES_NO) for name in people.FIELDS}
#: How two texts are put before a question.
FRAME = "Text A:\n{a}\n\nText B:\n{b}\n\n"
RECORDS = "Record A:\n{a}\n\nRecord B:\n{b}"

#: Chance that a text has a line.
_PRESENT = 0.9
#: Chances that a line is repeated; each pair has one of them, so that no share is the usual one.
_ALIKE = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)
#: Chance that of a line of two words only one agrees, or both do in another order.
_PARTLY = 0.15


@dataclass(frozen=True)
class Comparison:
    """Two texts as lines by field, and the questions that can be answered about them.

    Attributes:
        answers: the index of the right answer by question.
    """

    a: dict[str, str]
    b: dict[str, str]
    answers: dict[Question, int]


def draw(rng: np.random.Generator) -> Comparison:
    """Draw two texts that have no, some or all lines in common."""
    a = {field: _line(rng, field) for field in people.FIELDS if rng.random() < _PRESENT}
    b = {field: _line(rng, field) for field in people.FIELDS if rng.random() < _PRESENT}
    alike = _ALIKE[int(rng.integers(len(_ALIKE)))]
    for field in people.FIELDS:
        if field in a and rng.random() < alike:
            b[field] = a[field]
    for field, value in list(b.items()):
        if " " in value and field in a and rng.random() < _PARTLY:
            b[field] = _partly(rng, a[field], value)
    b = {field: b[field] for field in people.FIELDS if field in b}
    both = [field for field in people.FIELDS if field in a and field in b]
    agree = sum(a[field] == b[field] for field in both)
    answers = {FIELD[field]: int(a[field] != b[field]) for field in both}
    answers[SAME] = int(a != b)
    answers[MOST] = int(2 * agree <= len(a.keys() | b.keys()))
    return Comparison(a, b, answers)


def _partly(rng: np.random.Generator, line: str, other: str) -> str:
    """Return a line of two words that looks like ``line``, and by chance may be the same."""
    (first, second), (third, fourth) = line.split(), other.split()
    kinds = (f"{first} {fourth}", f"{third} {second}", f"{second} {first}")
    return kinds[int(rng.integers(len(kinds)))]


def _line(rng: np.random.Generator, field: str) -> str:
    places = people.words(field)
    return " ".join(words[int(rng.integers(len(words)))] for words in places)


def corpus() -> list[str]:
    """Return every text that the tokenizer of these lessons is trained on."""
    texts = ["user\n", "model\n", "\n\n", FRAME.format(a="", b=""), RECORDS.format(a="", b="")]
    for question in (SAME, MOST, *FIELD.values(), ENTITY_RESOLUTION):
        texts += [question.prompt, *question.answers]
    for field in people.FIELDS:
        texts.append(f"{field}:")
        texts += [f"{field}: {word}" for place in people.words(field) for word in place]
    return texts
