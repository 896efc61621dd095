"""What models really write, and what the one parser makes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verdict.conversations import Answers
from verdict.parse import (
    EMPTY,
    NO_ANSWER,
    NOT_ASSERTED,
    SEVERAL,
    misread,
    parse_answer,
)

NO = "No, this does not appear to be malignant melanoma."
YES = "Yes, this appears to be malignant melanoma."
MELANOMA = Answers({"benign": NO, "melanoma": YES}, "melanoma")
BREAKHIS = Answers({f"class {digit}": str(digit) for digit in range(8)}, None)
MATCH = Answers({"no_match": "False", "match": "True"}, "match")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        (NO, "benign"),
        (YES, "melanoma"),
        ("yes this appears to be   malignant melanoma", "melanoma"),
        (f"**{YES}**", "melanoma"),
        (f"__{YES}__", "melanoma"),
        (f"> {NO}\n", "benign"),
        (f"```\n{NO}\n```", "benign"),
        (f"'{YES}'", "melanoma"),
        (f"“{YES}”", "melanoma"),
        ("YES, THIS APPEARS TO BE MALIGNANT MELANOMA", "melanoma"),
        ("The border is irregular.\n\nYes, this appears\nto be malignant melanoma.", "melanoma"),
        (f"There is no asymmetry. {NO}", "benign"),
        (
            "Okay, let's analyze the image.\n\n**Asymmetry:** The lesion is not symmetrical.\n"
            f"**Border:** Irregular.\n\n**Conclusion:**\n\n{YES}",
            "melanoma",
        ),
        (f"I am an AI and cannot give a medical diagnosis. {YES}", "melanoma"),
        (f"{YES}\n\n**Disclaimer:** I cannot replace a dermatologist.", "melanoma"),
        (f"**Final Answer:** {NO}", "benign"),
        ("Yes.", "melanoma"),
        ("NO", "benign"),
        ("**Yes**", "melanoma"),
        ("Final answer: No.", "benign"),
        ("The answer is **Yes**.", "melanoma"),
    ],
)
def test_valid_sentences(text: str, label: str) -> None:
    assert parse_answer(text, MELANOMA).label == label


@pytest.mark.parametrize(
    ("text", "digit"),
    [
        ("3", 3),
        ("3.", 3),
        (" 3\n", 3),
        ("The class is 3.", 3),
        ("**Final answer:** 3", 3),
        ("**Final Answer: 3**", 3),
        ("Class: 3 (ductal)", 3),
        ("class_3", 3),
        ("`3`", 3),
        ('"3"', 3),
        ("[3]", 3),
        ('{"class": 3}', 3),
        ("<answer>3</answer>", 3),
        (r"$\boxed{3}$", 3),
        ("3 (confidence 0.95)", 3),
        ("3, with a probability of 5 %", 3),
        ("I'm not certain, but the class is 3.", 3),
        ("It is not obvious but I would say 3", 3),
        ("Let's think: 3. The answer: 3", 3),
        ("1. Glands are irregular.\n2. Nuclei are large.\n\n**Final answer:** 3", 3),
        ("It could be 2 or 3. The final answer is 3.", 3),
        ("The tissue shows 40X magnification. Class 0.", 0),
        ("La clase es 3.", 3),
        ("３", 3),
    ],
)
def test_valid_numbers(text: str, digit: int) -> None:
    assert parse_answer(text, BREAKHIS).label == f"class {digit}"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("True", "match"),
        ("false.", "no_match"),
        ("**False**", "no_match"),
        ("The statement is true.", "match"),
        ("You asked whether it is true. It is true.", "match"),
    ],
)
def test_valid_words(text: str, label: str) -> None:
    assert parse_answer(text, MATCH).label == label


@pytest.mark.fault("answers")
@pytest.mark.parametrize(
    ("answers", "text", "reason"),
    [
        (MELANOMA, "", EMPTY),
        (MELANOMA, "  ...  ", EMPTY),
        (MELANOMA, "**", EMPTY),
        (BREAKHIS, "\n\n", EMPTY),
        # refusals
        (MELANOMA, "I cannot give medical advice.", NO_ANSWER),
        (MELANOMA, "No, I cannot answer that.", NO_ANSWER),
        (MELANOMA, "I'm sorry, but I can't help with that.", NO_ANSWER),
        (BREAKHIS, "I cannot classify this image.", NO_ANSWER),
        (MATCH, "I don't know.", NO_ANSWER),
        # nearly an answer
        (MELANOMA, "This appears to be malignant melanoma.", NO_ANSWER),
        (MELANOMA, "Yes, this appears to be melanoma.", NO_ANSWER),
        (MELANOMA, "yesterday", NO_ANSWER),
        (MELANOMA, "Noted.", NO_ANSWER),
        (MELANOMA, "b3nign", NO_ANSWER),
        # several
        (MELANOMA, f"{YES} {NO}", SEVERAL),
        (MELANOMA, f"I would answer either '{YES}' or '{NO}'", SEVERAL),
        (MELANOMA, "Yes and no", NO_ANSWER),
        (BREAKHIS, "3 or 4", SEVERAL),
        (BREAKHIS, "0-7", SEVERAL),
        (BREAKHIS, "0 1 2 3 4 5 6 7", SEVERAL),
        (BREAKHIS, "Final answer: 3 or 4", SEVERAL),
        (BREAKHIS, "Not 3, but 4.", SEVERAL),
        (MATCH, "True or False", SEVERAL),
        (MATCH, "True False True False", SEVERAL),
        # other languages
        (MELANOMA, "Oui", NO_ANSWER),
        (MELANOMA, "Sí, esto parece ser un melanoma maligno.", NO_ANSWER),
        (MELANOMA, "No, esto no parece ser un melanoma maligno.", NO_ANSWER),
        (MELANOMA, "Nein, das scheint kein malignes Melanom zu sein.", NO_ANSWER),
        (MELANOMA, "はい", NO_ANSWER),
        (BREAKHIS, "tres", NO_ANSWER),
        (BREAKHIS, "三", NO_ANSWER),
        (MATCH, "Vrai", NO_ANSWER),
        (MATCH, "Verdadero", NO_ANSWER),
        # digits inside words and numbers
        (BREAKHIS, "B1opsy 10 needed", NO_ANSWER),
        (BREAKHIS, "class10", NO_ANSWER),
        (BREAKHIS, "class3", NO_ANSWER),
        (BREAKHIS, "the 1st", NO_ANSWER),
        (BREAKHIS, "13", NO_ANSWER),
        (BREAKHIS, "8", NO_ANSWER),
        (BREAKHIS, "3.5", NO_ANSWER),
        (BREAKHIS, "0.95", NO_ANSWER),
        (BREAKHIS, "0,95", NO_ANSWER),
        (BREAKHIS, "1/8", NO_ANSWER),
        (BREAKHIS, "5%", NO_ANSWER),
        (BREAKHIS, "-1", NO_ANSWER),
        (BREAKHIS, "Answer: −1", NO_ANSWER),
        (BREAKHIS, "ductal carcinoma", NO_ANSWER),
        # denied, or left open
        (BREAKHIS, "It is not 3.", NOT_ASSERTED),
        (BREAKHIS, "This isn't class 3", NOT_ASSERTED),
        (BREAKHIS, "This isn’t class 3", NOT_ASSERTED),
        (BREAKHIS, "I do not think that the answer is 3.", NOT_ASSERTED),
        (BREAKHIS, "I cannot tell whether this is 3", NOT_ASSERTED),
        (BREAKHIS, "If it is class 3, a biopsy is needed.", NOT_ASSERTED),
        (MATCH, "That is not true.", NOT_ASSERTED),
        (MATCH, "It is true. No: it is not true.", NOT_ASSERTED),
        (MELANOMA, f"I cannot conclude with '{YES}'", NOT_ASSERTED),
        (MELANOMA, f"You asked whether '{YES}' holds.", NOT_ASSERTED),
    ],
)
def test_invalid_answers_have_a_reason(answers: Answers, text: str, reason: str) -> None:
    parsed = parse_answer(text, answers)
    assert (parsed.label, parsed.reason) == (None, reason)


def test_the_short_form_needs_a_first_word_of_its_own() -> None:
    answers = Answers(answers={"a": "Class one", "b": "Class two"}, positive="a")
    assert parse_answer("Class", answers).reason == NO_ANSWER
    assert parse_answer("It is class two!", answers).label == "b"


def test_an_answer_inside_a_longer_one_is_not_given() -> None:
    answers = Answers(answers={"no_match": "No match", "match": "match"}, positive="match")
    assert parse_answer("No match.", answers).label == "no_match"
    assert parse_answer("It is a match.", answers).label == "match"
    assert parse_answer("No match. Match!", answers).reason == SEVERAL


STAGES = ["I", "II", "III", "IV"]
TUMOURS = ["A", "F", "PT", "TA"]
SIZES = ["< 2 cm", "> 2 cm"]


def labelled(*texts: str) -> Answers:
    return Answers({text: text for text in texts}, None)


@pytest.mark.parametrize(
    ("answers", "text", "label"),
    [
        (STAGES, "I", "I"),
        (STAGES, "**I**", "I"),
        (STAGES, "Stage: I.", "I"),
        (STAGES, "The answer is I.", "I"),
        (STAGES, "Ⅱ", "II"),
        (STAGES, "It is II.", "II"),
        (TUMOURS, "A. The margin is smooth.", "A"),
        (TUMOURS, "Answer: A", "A"),
        (TUMOURS, "This is PT.", "PT"),
        (["Yes", "No"], "No, there is no mass.", "No"),
        (["Yes", "No"], "There is no doubt left. No.", "No"),
        (["Yes", "No"], "The answer is no, clearly.", "No"),
        (["Yes", "No"], "Yes. Answer:", "Yes"),
        (["Yes", "No"], "No.", "No"),
        (SIZES, "< 2 cm", "< 2 cm"),
        (SIZES, "> 2 cm", "> 2 cm"),
        (SIZES, "It is >2 cm.", "> 2 cm"),
        (["< 3", ">= 3"], "≥ 3", ">= 3"),
        (["< 3", "≥ 3"], ">= 3", "≥ 3"),
        (["HER2+", "HER2-"], "The tumour is HER2−.", "HER2-"),
        (["HER2+", "HER2-"], "HER2 +", "HER2+"),
        (["C", "C++"], "C++", "C++"),
        (["C", "C++"], "C", "C"),
        (["+", "-"], "-", "-"),
        (["+", "-"], "The answer is **+**.", "+"),
        (["0", "1+", "2+", "3+"], "The score is 3+.", "3+"),
        (["3.5 cm", "35 cm"], "3.5 cm", "3.5 cm"),
        (["5 %", "50 %"], "about 5%", "5 %"),
        (["Hepatitis", "Hepatitis A"], "Hepatitis A", "Hepatitis A"),
        (["是", "否"], "是。", "是"),
        (["0", "1"], "Class -> 1", "1"),
        (["0", "1"], "> 1", "1"),
        (["0", "1"], "<1>", "1"),
    ],
)
def test_what_tells_answers_apart_in_medicine_is_kept(
    answers: list[str], text: str, label: str
) -> None:
    assert parse_answer(text, labelled(*answers)).label == label


@pytest.mark.fault("answers")
@pytest.mark.parametrize(
    ("answers", "text"),
    [
        (STAGES, "I cannot tell."),
        (STAGES, "I, as an AI, cannot tell."),
        (STAGES, "Well, I think so."),
        (TUMOURS, "This is a phyllodes tumour."),
        (TUMOURS, "A phyllodes tumour."),
        (["Yes", "No"], "There is no way to tell."),
        (["Yes", "No"], "It is no."),
        (["other", "melanoma"], "The other lesion is smaller."),
        (SIZES, "2 cm"),
        (["HER2+", "HER2-"], "HER2"),
        (["HER2+", "HER2-"], "The HER2-pathway."),
        (["+", "-"], "- The border is irregular"),
        (["3", "4"], "The nuclei are < 3 µm"),
        (["3", "4"], "3.5cm"),
    ],
)
def test_no_label_is_read_out_of_prose(answers: list[str], text: str) -> None:
    assert parse_answer(text, labelled(*answers)).reason == NO_ANSWER


@pytest.mark.parametrize(
    "answers", [STAGES, TUMOURS, SIZES, ["C", "C++"], ["+", "-"], ["< 3", "≥ 3"]]
)
def test_answers_that_are_told_apart(answers: list[str]) -> None:
    assert misread(labelled(*answers).answers) == {}


def test_answers_that_are_not_told_apart() -> None:
    assert misread({"Yes.": "Yes.", "yes": "yes"}) == {"yes": "Yes."}
    assert misread({"♀": "♀", "♂": "♂"}) == {"♀": None, "♂": None}


texts = st.text() | st.lists(
    st.sampled_from([*"+-<>≤≥.,;!?()\n—–*_`'\"%/ \ud800", "answer", "is", "not", "3", "I", "²"])
).map("".join)


@pytest.mark.fault("answers")
@given(texts, st.lists(texts, min_size=2, max_size=5, unique=True))
def test_any_text_has_a_result_under_any_answers(text: str, answers: list[str]) -> None:
    parsed = parse_answer(text, labelled(*answers))
    assert (parsed.label is None) == (parsed.reason is not None)
    assert parsed.label is None or parsed.label in answers


@given(texts)
def test_any_text_has_a_result_under_the_recipes_answers(text: str) -> None:
    for answers in (MELANOMA, BREAKHIS, MATCH):
        parsed = parse_answer(text, answers)
        assert parsed.label in (None, *answers.labels)
