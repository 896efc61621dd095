"""JSON of somebody else: what is no text, or too much for Python, is one message with its place."""

import pytest

from verdict.core.errors import VerdictError
from verdict.records.raw import parse_json

pytestmark = pytest.mark.fault("tables")

ABYSS = 100_000


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1', r"Expecting ',' delimiter: line 1 column 8 \(char 7\)"),
        ("[" * ABYSS, "it is nested too deeply"),
        ("[" * ABYSS + "]" * ABYSS, "it is nested too deeply"),
        ('{"a":' * ABYSS + "1" + "}" * ABYSS, "it is nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", r"Exceeds the limit \(4300 digits\) for integer string"),
        (r'{"a": "b\ud800"}', r"'\\ud800' is no character"),
        (r'{"a": {"\udfff": 1}}', r"'\\udfff' is no character"),
        (r'["\ude00\ud83d"]', r"'\\ude00' is no character"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, problem: str) -> None:
    with pytest.raises(VerdictError, match=rf"^a\.jsonl line 3 is no JSON that can .* \({problem}"):
        parse_json(text, "a.jsonl line 3")


def test_text_in_any_notation_is_read() -> None:
    assert parse_json(r'{"a": ["\ud83d\ude00", "\u00e4", "ä", "\\ud800"]}', "here") == {
        "a": ["😀", "ä", "ä", r"\ud800"]
    }


def test_a_key_that_stands_twice_is_refused_at_any_depth() -> None:
    with pytest.raises(VerdictError, match=r"^here has the key 'b' 2 times"):
        parse_json('[{"a": {"b": 1, "b": 2}}]', "here")
