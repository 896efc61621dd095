"""What a task's table reader hands to ``extract``: checked rows, still without pixels."""

import csv
import json
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from verdict.core.errors import VerdictError
from verdict.records.archive import ImageSource


@dataclass(frozen=True, slots=True)
class RawRow:
    """One record of the published tables.

    Attributes:
        id: unique name of the record.
        group: what must not be divided between splits: patient, case, lesion or cluster.
        label: the class, or None for free-text tasks.
        attributes: further cells by name (sex, age, site …); empty cells are left out.
        image: key of the image in ``RawTable.images``, or None for a record of text alone.
        text: what is asked about, or asked, in words: a question, a pair of entries; or None.
        answer: the right answer of a free-text task, or None.
        split: the split that the data set's authors put the record in, or None.
        other_group: a second group, of a record that links two (a pair of entries).
        further_images: keys of the images after the first, in their order.
    """

    id: str
    group: str
    label: str | None
    attributes: dict[str, str] = field(default_factory=dict)
    image: str | None = None
    text: str | None = None
    answer: str | None = None
    split: Literal["train", "validation", "test"] | None = None
    other_group: str | None = None
    further_images: tuple[str, ...] = ()

    @property
    def images(self) -> tuple[str, ...]:
        """Keys of all its images, in their order."""
        return () if self.image is None else (self.image, *self.further_images)

    @property
    def groups(self) -> tuple[str, ...]:
        """Its group, and the second one where it links two."""
        if self.other_group is None or self.other_group == self.group:
            return (self.group,)
        return (self.group, self.other_group)


@dataclass(frozen=True)
class RawTable:
    """All rows of a raw archive, its pairs of duplicates, and where the pixels are.

    Attributes:
        rows: in the order of the published table.
        duplicates: pairs of ids that show the same thing and so must share a split.
        images: where the rows' images are; None where no row has one.
        every_image: whether an image without a row means that table and archive do not belong
            together; False where the rows are a choice.
        findings: what the reader found and did about it (counts, names), for
            ``metrics/extract.json``.
    """

    rows: list[RawRow]
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    images: ImageSource | None = None
    every_image: bool = True
    findings: dict[str, Any] = field(default_factory=dict)


def tidy(text: str) -> str:
    """Return a cell's text in Unicode's form NFC, with single spaces and none around it.

    What looks the same then is the same: ``Nävus`` in one character or two, ``Basal  cell``.
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def refuse_repeated(place: str, names: Iterable[str], noun: str = "column") -> None:
    """See that no name of a header or an object stands twice; nameless columns may.

    Raises:
        VerdictError: naming the first that does.
    """
    counts = Counter(names)
    for name, count in counts.items():
        if name and count > 1:
            raise VerdictError(
                f"{place} has the {noun} {name!r} {count} times; which one is meant cannot be "
                "told, so rename or remove the others"
            )


def parse_json(text: str, place: str) -> Any:
    """Return what a JSON text says; in it no object has a key twice, and all text is text.

    Args:
        place: file and line, for messages.

    Raises:
        VerdictError: it is no such text, is nested too deeply for Python, has an integer of
            thousands of digits, or half of a surrogate pair (``"\\ud800"``), which no file takes.
    """

    def unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        refuse_repeated(place, (key for key, _ in pairs), "key")
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=unambiguous)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except RecursionError:
        problem = "it is nested too deeply"
    except UnicodeEncodeError as error:
        problem = f"{error.object[error.start]!a} is no character"
    except ValueError as error:
        problem = str(error)
    raise VerdictError(f"{place} is no JSON that can be read ({problem}); mend it")


def check_identifiers(rows: Iterable[RawRow]) -> None:
    """See that ids and groups are names: one line of text, the same wherever it looks the same.

    Raises:
        VerdictError: naming the first that is not.
    """
    for row in rows:
        for noun, name in (("id", row.id), *(("group", group) for group in row.groups)):
            if not name or name != tidy(name) or not name.isprintable():
                raise VerdictError(
                    f"record {row.id!r}: its {noun} is {name!r}; expected text without spaces "
                    "around it, double spaces, line breaks and invisible characters, in Unicode's "
                    "form NFC. Mend it in the table, everywhere alike"
                )


def first_word(name: str) -> str:
    """Return the letters that a file's name begins with, in lower case: ``train`` of Train-01."""
    found = re.match(r"[a-z]*", name.lower())
    return found.group() if found else ""


def not_read(
    folder: Path, readable: Callable[[Path], bool], splits: Collection[str], expected: str
) -> list[str]:
    """Return the names of files in ``folder`` that are not read, and say so.

    Args:
        splits: first words of the names of files that hold a published split.
        expected: what a file that is read is, for messages: ``that ends in .csv``.

    Raises:
        VerdictError: one of them is named as a published split is: without it the others would
            be taken for all.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    unread = [path for path in paths if path.name[0] != "." and not readable(path)]
    for path in unread:
        if first_word(path.name) in splits:
            raise VerdictError(
                f"{path} is named as a published split is, but cannot be read: expected is a file "
                f"{expected}. Rename it so, or take it out of the folder"
            )
    names = [path.relative_to(folder).as_posix() for path in unread]
    if names:
        print(f"{folder}: not read: {', '.join(names)} (read is each file {expected})", flush=True)
    return names


def read_csv(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read a CSV file (any line ends, optional byte-order mark) with the given columns at least.

    Names of columns and cells are as ``tidy`` returns them.

    Raises:
        VerdictError: the file is missing, lacks a column or has one twice, or a row has the wrong
            length.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = reader.fieldnames = [tidy(name) for name in reader.fieldnames or []]
            refuse_repeated(str(path), header)
            if missing := [name for name in columns if name not in header]:
                raise VerdictError(
                    f"{path} lacks the column{'s' if len(missing) > 1 else ''} "
                    f"{', '.join(missing)}; it has {', '.join(header) or 'none'}. "
                    "Check that fetch.files names the right file"
                )
            rows = []
            for row in reader:
                if None in row or None in row.values():
                    raise VerdictError(
                        f"{path} line {reader.line_num} has more or fewer cells than the header's "
                        f"{len(header)}; mend the line or fetch the file again"
                    )
                # Most cells stand in many rows; tables of a million rows are held whole.
                rows.append({name: sys.intern(tidy(cell)) for name, cell in row.items()})
    except FileNotFoundError:
        raise VerdictError(f"{path} is missing; run `dvc repro fetch` again") from None
    except UnicodeDecodeError as error:
        raise VerdictError(f"{path} is not UTF-8 text ({error.reason}); fetch it again") from None
    except csv.Error as error:
        raise VerdictError(
            f"{path} line {reader.line_num} cannot be read ({error}); where a cell is too large, a "
            "quotation mark before it is not closed: mend the line or fetch the file again"
        ) from None
    return rows
