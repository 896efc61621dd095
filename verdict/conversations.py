"""From records to conversations: the one prompt that training and evaluation share."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from verdict.core.errors import VerdictError
from verdict.core.files import as_written, replacing, write_json
from verdict.params.data import IMAGE_MARK, Form, Format, image_places
from verdict.records.shards import Record

#: Lists the possible answers beside the conversations.
ANSWERS_FILE = "answers.json"
#: Where a prompt takes the record's text.
TEXT = "{text}"

Message = dict[str, Any]


@dataclass(frozen=True)
class Conversation:
    """One record as a conversation in the messages format; its images are those of the record.

    Attributes:
        prompt: system message and the user's turn; its n-th image is the record's n-th.
        completion: the model's turn, what training learns and evaluation scores.
        other_group: a second group, of a record that links two (a pair of entries).
    """

    id: str
    group: str
    label: str | None
    attributes: dict[str, str]
    prompt: list[Message]
    completion: list[Message]
    other_group: str | None = None

    @property
    def prompt_sha256(self) -> str:
        """Hash of the prompt's messages, to prove that two models were asked the same."""
        text = json.dumps(self.prompt, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Answers:
    """The candidate answers by label, in the order of the labels, and the positive label.

    A free-text task has none of either.

    Attributes:
        form: how the conversations are written for a model.
    """

    answers: dict[str, str]
    positive: str | None
    form: Form = "turns"

    @classmethod
    def of(cls, options: Format) -> Self:
        """Take them from the section of params.yaml."""
        return cls(options.answers or {}, options.positive, options.form)

    @property
    def labels(self) -> list[str]:
        return list(self.answers)


def converse(record: Record, options: Format) -> Conversation:
    """Make the conversation of one record.

    Its text stands where the prompt says ``{text}``, its images where it says ``{image 1}`` and so
    on, or else before the text; the answer is that of its label, or its own where the task is free
    text (``format.answers: null``).

    Raises:
        VerdictError: the record's label has no answer in ``format.answers``, or the prompt has a
            place for a text and the record none, or the other way round; or it has places for
            another number of images.
    """
    if (record.text is not None) != (TEXT in options.prompt):
        raise VerdictError(
            f"record {record.id} has {'a' if record.text is not None else 'no'} text, but "
            f"format.prompt has {'no' if record.text is not None else 'a'} place for it: "
            f"{'write' if record.text is not None else 'take out'} {TEXT}"
        )
    system = [{"role": "system", "content": [_text(options.system)]}] if options.system else []
    where, text = f"record {record.id}", record.text or ""
    content = question_parts(where, options.prompt, record.images, text)
    user = {"role": "user", "content": content}
    answer = {"role": "assistant", "content": [_text(_answer(record, options))]}
    return Conversation(
        id=record.id,
        group=record.group,
        label=record.label,
        attributes=record.attributes,
        prompt=[*system, user],
        completion=[answer],
        other_group=record.other_group,
    )


def write_chat(
    folder: Path, records: Sequence[Record], assignment: dict[str, str], options: Format
) -> None:
    """Write one JSON-lines file of conversations a split, and the candidate answers.

    Records without a split are left out.

    Raises:
        VerdictError: a label without an answer, or splits that do not belong to these records.
    """
    if not assignment.keys() <= {record.id for record in records}:
        raise VerdictError("the splits do not belong to these records; run `dvc repro split`")
    with replacing(folder) as partial:
        partial.mkdir()
        for split in sorted(set(assignment.values())):
            with (partial / f"{split}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
                for record in records:
                    if assignment.get(record.id) == split:
                        line = json.dumps(asdict(converse(record, options)), ensure_ascii=False)
                        file.write(line + "\n")
        answers = asdict(Answers.of(options))
        if options.form == "turns":
            # As it was before there was another form, so that nothing is trained again.
            del answers["form"]
        write_json(partial / ANSWERS_FILE, answers)


def read_conversations(path: Path) -> list[Conversation]:
    """Read what ``write_conversations`` wrote, in the same order.

    Raises:
        VerdictError: the file is missing, empty or damaged.
    """
    with as_written(path, "format"), path.open(encoding="utf-8") as file:
        conversations = [Conversation(**json.loads(line)) for line in file]
    if not conversations:
        raise VerdictError(f"{path} is empty; run `dvc repro --force format`")
    return conversations


def read_answers(folder: Path) -> Answers:
    """Read the candidate answers that ``format`` wrote beside the conversations.

    Raises:
        VerdictError: the file is missing or damaged.
    """
    path = folder / ANSWERS_FILE
    with as_written(path, "format"):
        return Answers(**json.loads(path.read_text(encoding="utf-8")))


def question_parts(where: str, prompt: str, images: int, text: str = "") -> list[dict[str, str]]:
    """Return the parts of the user's turn: images and texts in their order.

    Args:
        where: the record, for messages.
        images: how many it has.
        text: what stands where the prompt says ``{text}``.

    Raises:
        VerdictError: the prompt's marks are not in order, or for another number of images.
    """
    try:
        places = image_places(prompt)
    except ValueError as error:
        raise VerdictError(f"{where} cannot be asked about: {error}") from None
    if not places:
        return [*({"type": "image"} for _ in range(images)), _text(prompt.replace(TEXT, text))]
    if images != places:
        raise VerdictError(
            f"{where} has {images} image{'' if images == 1 else 's'}, but format.prompt has marks "
            f"for {places}, {{image 1}} to {{image {places}}}: each record needs so many. Mend the "
            "record or the marks; without marks all images come first, however many"
        )
    # Between the texts stand the numbers of the images.
    texts = [between.replace(TEXT, text) for between in IMAGE_MARK.split(prompt)[::2]]
    parts = [part for one in texts for part in (_text(one), {"type": "image"})][:-1]
    return [part for part in parts if part["type"] == "image" or part["text"].strip()]


def _answer(record: Record, options: Format) -> str:
    if options.answers is None:
        if not (record.answer or "").strip():
            raise VerdictError(
                f"record {record.id} has no answer of its own, but format.answers is null; give "
                "an answer for each label there"
            )
        return str(record.answer)
    if record.label not in options.answers:
        raise VerdictError(
            f"record {record.id} has label {record.label!r}, for which format.answers has no "
            f"answer; it has {', '.join(options.answers)}"
        )
    return options.answers[record.label]


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}
