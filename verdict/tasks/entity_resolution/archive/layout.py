"""The published files of pairs, and the conversation that ``entity-resolution-pairs`` puts them in.

``abicyclerider/entity-resolution-pairs`` has one Parquet file a split, under ``data/``, with one
column ``messages``: what a user asks about two records, and the answer ``True`` or ``False``.
"""

#: A folder with the published files, in folders of their own or not.
FILES = {"pairs": "pairs/"}

#: The split that a file holds, by the first word of its name.
SPLITS = {
    "train": "train",
    "training": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "eval": "validation",
    "dev": "validation",
    "test": "test",
}

#: The column of conversations.
MESSAGES = "messages"
#: What stands before, between and after the two records in the question.
FIRST, SECOND, END = "Record A:\n", "\n\nRecord B:\n", "\n\nAre these the same patient?"
#: The question as it was published; the records stand in the middle.
QUESTION = (
    "You are a medical record matching expert. Compare these two patient medical records and "
    "determine if they belong to the same patient based only on their clinical history.\n\n"
    f"{FIRST}{{left}}{SECOND}{{right}}{END} Answer only 'True' or 'False'."
)


def as_pair(left: str, right: str) -> str:
    """Return two records as the question holds them."""
    return f"{FIRST}{left}{SECOND}{right}"


def out_of_pair(text: str) -> tuple[str, str]:
    """Return the two records that ``as_pair`` put together."""
    left, _, right = text.removeprefix(FIRST).partition(SECOND)
    return left, right
