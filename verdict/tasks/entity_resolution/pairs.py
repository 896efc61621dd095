"""The two records of a pair: out of a table's columns or a conversation, with or without label."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from verdict.core.errors import VerdictError
from verdict.tasks.entity_resolution.archive.layout import END, FIRST, MESSAGES, SECOND, as_pair
from verdict.tasks.entity_resolution.cells import SUFFIXES, read_rows
from verdict.tasks.entity_resolution.options import Options
from verdict.tasks.entity_resolution.records import read_tables

#: What messages call the two records of a conversation.
IN_MESSAGES = (f"{MESSAGES} (Record A)", f"{MESSAGES} (Record B)")
#: Tables whose cells are text, which cannot hold a conversation.
_OF_TEXT = {".csv", ".tsv", ".txt"}


def read_pairs(path: Path, options: Options) -> Iterator[tuple[str, str]]:
    """Yield the place (``line 3``) and the text of each pair in a file; labels are not read.

    A CSV or TSV file has a column a record whatever ``layout`` says: ``left`` and ``right``;
    without a header they come first, and a label may follow. For the layout ``tables`` these are
    ids, and the tables lie beside the file. In other files a conversation may lack its answer.

    Raises:
        VerdictError: no such file, another kind of file, a missing column or an empty record.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise VerdictError(f"{path} is no file of pairs; it ends in {', '.join(sorted(SUFFIXES))}")
    if not os.path.isfile(path):
        raise VerdictError(f"{path} is not here, or is no file; correct the path")
    in_messages = options.layout == "messages" and suffix not in _OF_TEXT
    names = IN_MESSAGES if in_messages else (options.left, options.right)
    columns = (MESSAGES,) if in_messages else (*names, options.label)
    tables = read_tables(path.parent, None) if options.layout == "tables" else None
    header = options.header or in_messages
    for place, cells in read_rows(path, columns, header=header, needed=1 if in_messages else 2):
        where = f"{path} {place}"
        given = (
            out_of_messages(where, cells[MESSAGES], answered=False)[:2]
            if in_messages
            else tuple(cells[name] for name in names)
        )
        if tables:
            given = tuple(
                tables.find(where, names[side], side, cell).text for side, cell in enumerate(given)
            )
        left, right = (text_of(where, *pair) for pair in zip(names, given, strict=True))
        yield place, as_pair(left, right)


def text_of(where: str, column: str, value: Any) -> str:
    """Return a record's text.

    Raises:
        VerdictError: it is none, or empty.
    """
    if value is not None and not isinstance(value, str):
        raise VerdictError(f"{where}: {column} is {value!r}; expected text")
    text = (value or "").strip()
    if not text:
        raise VerdictError(f"{where}: {column} is empty; take the pair out, or give the record")
    return text


def out_of_messages(where: str, messages: Any, *, answered: bool = True) -> tuple[str, str, Any]:
    """Return both records and the answer of a published conversation.

    Args:
        answered: there has to be an answer; otherwise there may be one, and it is None if not.

    Raises:
        VerdictError: it is no such conversation.
    """
    try:
        question, *answers = (message["content"] for message in messages)
        (answer,) = answers or ([] if answered else [None])
        _, begun, after = question.partition(FIRST)
        left, parted, after = after.partition(SECOND)
        right, ended, _ = after.rpartition(END)
    except (TypeError, KeyError, ValueError, AttributeError):
        begun = parted = ended = ""
    if not (begun and parted and ended):
        raise VerdictError(
            f"{where}: {MESSAGES} is no question with {FIRST.strip()!r}, {SECOND.strip()!r} and "
            f"{END.strip()!r} followed by an answer; for tables with a column a record set "
            "dataset.layout to columns"
        )
    return left, right, answer
