"""SECURITY.md names every fault that is tried."""

from tests.faults.__main__ import SECURITY, faults, table, written


def test_the_table_is_that_of_the_tests() -> None:
    text = SECURITY.read_text("utf-8")
    assert table() in text, "run `python -m tests.faults`"
    assert written(text) == text


def test_every_kind_is_tried() -> None:
    assert {kind for kind, _, _ in faults()} >= {
        "archives", "images", "tables", "network", "storage", "kills", "several at once",
        "supply chain", "secrets",
    }  # fmt: skip
