import pytest

from verdict.answers.parse import parse_answer
from verdict.records.conversations import Answers

MELANOMA = Answers(
    answers={
        "benign": "No, this does not appear to be malignant melanoma.",
        "melanoma": "Yes, this appears to be malignant melanoma.",
    },
    positive="melanoma",
)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("No, this does not appear to be malignant melanoma.", "benign"),
        ("Yes, this appears to be malignant melanoma.", "melanoma"),
        ("yes this appears to be   malignant melanoma", "melanoma"),
        ("**Yes, this appears to be malignant melanoma.**", "melanoma"),
        ("The border is irregular.\n\nYes, this appears\nto be malignant melanoma.", "melanoma"),
        ("There is no asymmetry. No, this does not appear to be malignant melanoma.", "benign"),
        ("Yes.", "melanoma"),
        ("NO", "benign"),
    ],
)
def test_valid_answers(text: str, label: str) -> None:
    assert parse_answer(text, MELANOMA).label == label


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("  ...  ", "empty"),
        ("I cannot give medical advice.", "no answer"),
        ("No, I cannot answer that.", "no answer"),
        ("Sí, esto parece ser un melanoma maligno.", "no answer"),
        ("Yes and no", "no answer"),
        ("yesterday", "no answer"),
        ("This appears to be malignant melanoma.", "no answer"),
        (
            "Yes, this appears to be malignant melanoma. No, this does not appear to be "
            "malignant melanoma.",
            "several answers",
        ),
    ],
)
def test_invalid_answers_have_a_reason(text: str, reason: str) -> None:
    parsed = parse_answer(text, MELANOMA)
    assert (parsed.label, parsed.reason) == (None, reason)


def test_the_short_form_needs_a_first_word_of_its_own() -> None:
    answers = Answers(answers={"a": "Class one", "b": "Class two"}, positive="a")
    assert parse_answer("Class", answers).reason == "no answer"
    assert parse_answer("It is class two!", answers).label == "b"


def test_digits_inside_words_are_no_answer() -> None:
    answers = Answers(answers={"adenosis": "0", "fibroadenoma": "1"}, positive="adenosis")
    assert parse_answer("1", answers).label == "fibroadenoma"
    assert parse_answer("B1opsy 10 needed", answers).reason == "no answer"
