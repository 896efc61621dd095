"""The gallery: which records are shown, and what each model made of them."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import softmax

from verdict.core.errors import VerdictError
from verdict.core.paths import RECORDS, TEST_CHAT
from verdict.predictions import Predictions
from verdict.report.page.sources import Picture, Sources
from verdict.statistics.measurement import measure
from verdict.statistics.texts import token_f1
from verdict.statistics.words import normalised
from verdict.summary.wording import shown

#: The groups of cases: key, name, and what they have in common.
GROUPS = (
    ("fixed", "Fixed by tuning", "{baseline} is wrong, {candidate} is right"),
    ("broken", "Broken by tuning", "{baseline} is right, {candidate} is wrong"),
    ("all-wrong", "All wrong", "no model is right"),
    ("all-right", "All right", "every model is right"),
)

#: Longest text of a model or a record that is shown, in characters.
LONGEST = 1500

#: Labels shown with a bar: the likeliest, and the true one.
BARS = 3

#: Stands in the shared prompt where each record has a text of its own.
ITS_TEXT = "[the text of the case]"

#: What the answer filter calls words that name no label.
INVALID = "invalid words"

#: What it calls a text that is right: the same yes or no of a closed question, else the same words.
RIGHT = "right"


@dataclass(frozen=True)
class Bar:
    """The probability of one label."""

    label: str
    probability: float
    true: bool


@dataclass(frozen=True)
class Answer:
    """What one model made of a record."""

    model: str
    slot: int
    right: bool
    #: The likeliest label; None of free text.
    label: str | None
    bars: list[Bar]
    #: What the model wrote; None where it writes nothing.
    words: str | None
    #: What it thought before.
    thought: str | None
    #: Why no label could be read from the words.
    invalid: str | None
    #: Of free text.
    token_f1: float | None


@dataclass(frozen=True)
class Case:
    """One record of the gallery."""

    id: str
    #: Its group, or both where it links two.
    group: str
    #: One of the keys of ``GROUPS``.
    kind: str
    label: str | None
    #: The reference text of a free-text task.
    reference: str | None
    attributes: list[tuple[str, str]]
    #: In their order.
    pictures: list[Picture]
    #: What the prompt holds of this record alone.
    text: str | None
    answers: list[Answer]
    #: JSON: for each model the answers that the filter finds it by.
    filters: str


@dataclass(frozen=True)
class Gallery:
    """The cases, how many records each group has in all, and the prompt that they share."""

    cases: list[Case]
    counts: dict[str, int]
    #: Records that are in no group: the models but baseline and candidate differ.
    others: int
    system: str
    prompt: str
    #: The choices of the answer filter, by model.
    choices: list[tuple[str, list[str]]]


def make_gallery(sources: Sources, size: int, slots: Mapping[str, int]) -> Gallery:
    """Choose ``size`` cases evenly from the groups, and describe them.

    Args:
        size: most cases; groups that have fewer leave room for the others.
        slots: the colour of each model.

    Raises:
        VerdictError: a record or its image is missing.
    """
    models = sources.singles
    right = {name: measure(found).right for name, found in models.items()}
    kinds = group_of(right, sources.comparison.baseline, sources.comparison.candidate)
    ids = sources.asked.ids
    members = {key: ids[kinds == key].tolist() for key, _, _ in GROUPS}
    chosen = choose(members, size)
    rows = {id_: row for row, id_ in enumerate(ids)}
    pictures = sources.pictures(chosen)
    describe = partial(_answers, models, right, slots)
    cases = [
        _case(sources, id_, str(kinds[rows[id_]]), describe(rows[id_]), pictures[id_])
        for id_ in chosen
    ]
    system, prompt = shared_prompt(sources)
    return Gallery(
        cases,
        {key: len(found) for key, found in members.items()},
        int((kinds == "").sum()),
        system,
        prompt,
        [(name, _choices(found)) for name, found in models.items()],
    )


def group_of(right: Mapping[str, np.ndarray], baseline: str, candidate: str) -> np.ndarray:
    """Return the key in ``GROUPS`` of each record (n); empty where the other models differ.

    Args:
        right: for each model whether it is right, bool (n).
    """
    before, after = right[baseline], right[candidate]
    every, none = np.all([*right.values()], axis=0), ~np.any([*right.values()], axis=0)
    kinds = np.full(len(before), "", dtype=object)
    kinds[~before & after], kinds[before & ~after] = "fixed", "broken"
    kinds[none], kinds[every] = "all-wrong", "all-right"
    return kinds


def choose(members: Mapping[str, Sequence[str]], size: int) -> list[str]:
    """Return up to ``size`` ids, from every group the same number as far as it has them.

    Which ones is decided by the hash of the id: as good as chance, and the same every time. They
    come group by group, sorted by id.
    """
    ranked = {
        key: sorted(ids, key=lambda id_: hashlib.sha256(id_.encode()).digest())
        for key, ids in members.items()
    }
    taken = dict.fromkeys(ranked, 0)
    while size > 0 and (open_ := [key for key in ranked if taken[key] < len(ranked[key])]):
        for key in open_[:size]:
            taken[key] += 1
        size -= len(open_)
    return [id_ for key, ids in ranked.items() for id_ in sorted(ids[: taken[key]])]


def shared_prompt(sources: Sources) -> tuple[str, str]:
    """Return the system message and the question, with ``ITS_TEXT`` for what differs by record.

    Raises:
        VerdictError: the first record of the test split is not among the records.
    """
    if not sources.conversations:
        return "", ""
    first = sources.conversations[0]
    texts = {message["role"]: _words_of(message) for message in first.prompt}
    text = _record_text(sources, first.id)
    return texts.get("system", ""), texts["user"].replace(text, ITS_TEXT) if text else texts["user"]


def _case(
    sources: Sources, id_: str, kind: str, answers: list[Answer], pictures: list[Picture]
) -> Case:
    table = sources.asked
    row = int(np.searchsorted(table.ids, id_))
    text = _record_text(sources, id_)
    label = None if table.free_text else table.labels[table.actual[row]]
    return Case(
        id=id_,
        group=_groups(table, row),
        kind=kind,
        label=label,
        reference=clipped(table.answers[row]) if table.free_text else None,
        attributes=[
            (shown(name), value)
            for name, value in table.attributes[row].items()
            if value != text  # a question that is shown anyway
        ],
        pictures=pictures,
        text=None if text is None else clipped(text),
        answers=answers,
        filters=json.dumps([_found_by(answer) for answer in answers], ensure_ascii=False),
    )


def _groups(table: Predictions, row: int) -> str:
    return " and ".join(table.group_names[np.unique(table.cell_groups[table.cell_codes[row]])])


def _answers(
    models: Mapping[str, Predictions],
    right: Mapping[str, np.ndarray],
    slots: Mapping[str, int],
    row: int,
) -> list[Answer]:
    return [
        Answer(
            model=name,
            slot=slots[name],
            right=bool(right[name][row]),
            label=None if found.free_text else found.labels[found.predicted[row]],
            bars=list(_bars(found, row)),
            words=clipped(found.generated[row]) if writes(found) else None,
            thought=(thought := found.thought(row)) and clipped(thought),
            invalid=found.table["invalid_reason"][row].as_py(),
            token_f1=token_f1(found.generated[row], found.answers[row])
            if found.free_text
            else None,
        )
        for name, found in models.items()
    ]


def writes(predictions: Predictions) -> bool:
    """Return whether the model writes answers; a classifier does not."""
    return predictions.free_text or bool(predictions.generated.any())


def clipped(text: str) -> str:
    """Return a text, cut where it is longer than anybody reads here."""
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}… [{len(text) - LONGEST:,} more characters in the predictions file]"


def _bars(found: Predictions, row: int) -> Iterator[Bar]:
    if found.free_text:
        return
    probabilities = softmax(found.log_probabilities[row])
    true = int(found.actual[row])
    likeliest = np.argsort(-probabilities, kind="stable").tolist()
    chosen = likeliest[:BARS] if len(likeliest) > BARS else range(len(likeliest))
    for code in [*chosen, *([] if true in chosen else [true])]:
        yield Bar(found.labels[code], round(float(probabilities[code]), 4), code == true)


def _found_by(answer: Answer) -> list[str]:
    if answer.label is None:
        return [_text_choice(answer.right, answer.words or "")]
    return [answer.label, *([INVALID] if answer.invalid else [])]


def _text_choice(right: bool, text: str) -> str:
    return RIGHT if right else "another text" if normalised(text) else "nothing"


def _choices(found: Predictions) -> list[str]:
    if found.free_text:
        return [RIGHT, "another text", "nothing"]
    return [*found.labels, *([INVALID] if (found.parsed < 0).any() else [])]


def _words_of(message: Mapping[str, list[Mapping[str, str]]]) -> str:
    """Return a message as one text; images that do not all come first by their numbers."""
    parts = [*message["content"]]
    images = [index for index, part in enumerate(parts) if part["type"] == "image"]
    apart = images != list(range(len(images)))
    numbers = {index: f"[image {n}]" if apart else "" for n, index in enumerate(images, 1)}
    return "".join(numbers[i] if i in numbers else part["text"] for i, part in enumerate(parts))


def _record_text(sources: Sources, id_: str) -> str | None:
    try:
        return sources.records[id_].text
    except KeyError:
        raise VerdictError(
            f"{TEST_CHAT} asks about {id_}, which {RECORDS} does not hold: run `dvc repro`"
        ) from None
