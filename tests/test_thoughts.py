"""A thought is set apart from the answer, and never read for it."""

import pytest

from tests.test_parse import MELANOMA, NO, YES
from verdict.parse import SEVERAL, Written, parse_answer, separate


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (YES, Written(None, YES)),
        ("", Written(None, "")),
        (f"<|channel>thought\nHm. {YES} Wait", Written(f"Hm. {YES} Wait", "", False)),
        (f"<|channel>thought\nIs it: {NO}\n<channel|>{YES}", Written(f"Is it: {NO}", YES)),
        (f"<unused94>thought\nIs it: {NO}<unused95>{YES}", Written(f"Is it: {NO}", YES)),
        (f"<|channel>thought\n<channel|>{YES}", Written("", YES)),
        # The prompt had begun the thought.
        (f"Is it: {NO}<channel|>\n{YES}", Written(f"Is it: {NO}", YES)),
        (f"<|channel>thought\none<channel|>{NO}<|channel>thought\ntwo", None),
    ],
)  # fmt: skip
def test_a_thought_is_set_apart_by_the_models_own_marks(text: str, written: Written | None) -> None:
    found = separate(text)
    if written is None:
        assert (found.answer, found.finished) == ("", False)
    else:
        assert found == written


def test_a_finished_thought_that_names_the_other_answer_is_no_second_answer() -> None:
    text = f"<|channel>thought\n{NO} Or rather not?<channel|>{YES}"
    assert parse_answer(text, MELANOMA).reason == SEVERAL
    assert parse_answer(separate(text).answer, MELANOMA).label == "melanoma"
