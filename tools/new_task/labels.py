"""Words for the labels of a table: their names in params.yaml, the question, and the answers."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tools.packing import Row, refuse
from verdict.core.errors import VerdictError
from verdict.parse import misread

#: More different cells than this are hardly labels, and their list would not fit a prompt.
MOST = 40
#: First words of labels that stand for nothing found.
_ABSENT = {"0", "absent", "benign", "control", "false", "healthy", "negative", "no", "non", "none"}
_ABSENT |= {"normal", "not", "without"}


@dataclass(frozen=True)
class Wording:
    """How a task speaks of its labels.

    Attributes:
        names: the name in params.yaml by the cell of the table.
        answers: the answer by that name.
        prompt: the question, with all answers listed.
        images: how many a record has.
        positive: the rarer one of two labels, and where both are equally frequent the one that is
            no word for the absence of something (yes, not no); None for more.
    """

    names: dict[str, str]
    answers: dict[str, str]
    prompt: str
    positive: str | None
    images: int = 1

    @property
    def length_normalization(self) -> str:
        """How to compare the answers: by token where one is over twice as long as another.

        The log-likelihood of an answer falls with each token, so that a model which is not sure
        would always give the shortest.
        """
        lengths = [len(answer) for answer in self.answers.values()]
        return "tokens" if max(lengths) > 2 * min(lengths) else "none"


def count_labels(rows: Sequence[Row], column: str) -> Counter[str]:
    """Count the rows of each label.

    Raises:
        VerdictError: empty labels, some that differ in upper and lower case alone (all are named),
            or fewer than 2 or more than ``MOST`` different ones.
    """
    counts: Counter[str] = Counter()
    first: dict[str, tuple[str, str]] = {}  # spelling and place, by the label in lower case
    faults = []
    for row in rows:
        label = row.cells[column]
        if not label:
            faults.append(
                f"{row.where}: {column} of {row.id} is empty. Give it a label, or remove the row."
            )
            continue
        spelling, place = first.setdefault(label.casefold(), (label, row.where))
        if spelling != label:
            faults.append(
                f"{row.where}: {column} of {row.id} is {label!r}, but {spelling!r} in {place}. "
                "Write a label in one way."
            )
        counts[label] += 1
    refuse(faults)
    if not 2 <= len(counts) <= MOST:
        raise VerdictError(
            f"The column {column!r} holds {len(counts)} different label"
            f"{'' if len(counts) == 1 else 's'}; from 2 to {MOST} are expected. "
            "Does --label name the right column?"
        )
    return counts


def fewest_groups(rows: Sequence[Row], label: str, group: str) -> int:
    """Return how many groups the label has that has the fewest; ``label``, ``group``: columns.

    Raises:
        VerdictError: fewer than one for each of training, validation and test; it names all labels
            of which that is true.
    """
    groups: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        groups[row.cells[label]].add(row.cells[group])
    refuse(
        [
            f"The label {name!r} has images of only {len(its)} of the groups in {group!r}; "
            "training, validation and test need one each. Add images, or merge labels."
            for name, its in sorted(groups.items())
            if len(its) < 3
        ]
    )
    return min(len(its) for its in groups.values())


def word(counts: Mapping[str, int], images: int = 1) -> Wording:
    """Find the words for labels, given how many rows each has.

    Args:
        images: how many a row has.
    """
    labels = sorted(counts)
    names = _names(labels)
    answers = {name: label for label, name in names.items()}
    if not _can_be_told_apart(answers):
        # Such as "benign" and "not benign": a number before each makes it unlike the others.
        answers = {name: f"{i}: {label}" for i, (name, label) in enumerate(answers.items())}
    # Of two that are equally frequent the one that says no is not what is looked for.
    rarest_first = sorted(labels, key=lambda label: (counts[label], _denies(label)))
    positive = rarest_first[0] if len(labels) == 2 else None
    return Wording(
        names,
        answers,
        f"{_shown(images)} show? Answer with one of these: {'; '.join(answers.values())}.",
        names[positive] if positive else None,
        images,
    )


def _shown(images: int) -> str:
    if images == 1:
        return "What does this image"
    marks = [f"Image {number}: {{image {number}}}\n" for number in range(1, images + 1)]
    return f"{''.join(marks)}What do these images"


def _denies(label: str) -> bool:
    """Say whether a label begins with a word for the absence of something."""
    first = re.match(r"\w*", label.casefold())
    return first is not None and first.group() in _ABSENT


def _names(labels: Iterable[str]) -> dict[str, str]:
    """Return a name for each label: lower-case letters, digits and underscores."""
    names: dict[str, str] = {}
    for label in labels:
        ascii_ = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
        name = re.sub(r"[^a-z0-9]+", "_", ascii_.lower()).strip("_")
        if not name or not name[0].isalpha():
            name = f"label_{name}".rstrip("_")
        base, number = name, 1
        while name in names.values():
            number += 1
            name = f"{base}_{number}"
        names[label] = name
    return names


def _can_be_told_apart(answers: dict[str, str]) -> bool:
    """Say whether the parser finds each answer, and no other, in the answer itself."""
    if not all(re.search(r"\w", answer) for answer in answers.values()):
        return False
    return not misread(answers)
