import numpy as np
import pytest
from rapidfuzz import fuzz
from rapidfuzz.distance import JaroWinkler

from verdict.baselines.pairs import (
    MEASURES,
    agreements,
    attributes_of,
    names_of,
    similarities,
    vectors,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: Ann Smith\nborn: 1963", {"name": "ann smith", "born": "1963"}),
        ("COL name VAL art's deli COL phone VAL COL city VAL studio", {"name": "art's deli",
         "city": "studio"}),
        ("**Name:** Ann\n- Allergy: Iodine.\n  severe",
         {"name": "ann", "allergy": "iodine. severe"}),
        ("a text of one attribute", {"": "a text of one attribute"}),
        ("Seen.\nname: Ann\nName: Smith", {"": "seen", "name": "ann smith"}),
        ("", {}),
    ],
)  # fmt: skip
def test_attributes_are_found_by_name(text: str, expected: dict[str, str]) -> None:
    assert attributes_of(text) == expected


def test_a_colon_in_running_text_makes_no_attribute() -> None:
    pairs = [(attributes_of(f"name: {i}"), attributes_of(f"name: {i}")) for i in range(99)]
    pairs.append((attributes_of("name: 1\nat 10: pain"), attributes_of("name: 1")))
    assert names_of(pairs) == ["name"]


def test_similarities_are_those_of_rapidfuzz() -> None:
    left = {"name": "martha smith", "born": "1963", "town": "york"}
    right = {"name": "smith marhta", "born": "1965"}
    pairs = [(left, right), (right, right)]
    names = names_of(pairs)
    assert names == ["born", "name", "town"]
    found = similarities(pairs, names)
    assert found.shape == (2, 3, len(MEASURES))
    words = fuzz.token_set_ratio("martha smith", "smith marhta") / 100
    jaro = JaroWinkler.similarity("martha smith", "smith marhta")
    assert found[0, 1] == pytest.approx([jaro, words, 0, np.nan], nan_ok=True)
    assert found[0, 0, -2:].tolist() == [0, 1 / 3]
    assert np.isnan(found[0, 2]).all()
    assert found[1, 1, :3].tolist() == [1, 1, 1]


def test_dates_are_near_by_years() -> None:
    found = similarities([({"born": "1963-01-01"}, {"born": "19640101"})], ["born"])
    assert found[0, 0, -1] == pytest.approx(1 / (1 + 365 / 365.25))


def test_what_is_missing_is_told_to_both_classifiers() -> None:
    found = similarities([({"a": "x", "b": "y"}, {"a": "x"}), ({"a": "x"}, {"a": "q"})], ["a", "b"])
    rows = vectors(found)
    assert np.isfinite(rows).all()
    assert rows.shape == (2, 2 * len(MEASURES) + 2 * 2)
    # Of each attribute: whether it is missing, and whether it is no number.
    assert rows[:, -4:].tolist() == [[0, 1, 1, 1], [0, 1, 1, 1]]
    assert agreements(found, 0.9).tolist() == [[1, 2], [0, 2]]
