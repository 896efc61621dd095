import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU

from testing.places import SHARED_DATA
from testing.samples import SETTINGS, compare, text_models, texts_from
from verdict.statistics.measurement import measure
from verdict.statistics.texts import CLOSED, score_texts, token_f1, yes_or_no
from verdict.statistics.words import normalised

WORDS = st.lists(
    st.sampled_from(["the", "a", "lesion", "of", "bone,", "No", "yes", "CT.", "axial"]), max_size=9
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The lesion, in an old bone.", "lesion in old bone"),
        ("  CT w/contrast\n(IV) ", "ct w contrast iv"),
        ("theatre", "theatre"),
        ("", ""),
        # What would vanish stays.
        ("A", "a"),
        ("The.", "the"),
        ("+", "+"),
        ("-", "-"),
        ("patient's C.T.", "patients ct"),
        ("x-ray", "x ray"),
        ("1,234 mm", "1234 mm"),
        ("هل؟ नहीं।", "هل नहीं"),
    ],
)
def test_normalised(text: str, expected: str) -> None:
    assert normalised(text) == expected


DIFFERENT = [
    ("3.5 cm", "35 cm"),
    ("3,5 cm", "35 cm"),
    ("0,125", "0125"),
    ("5-10 mm", "510 mm"),
    ("1.0", "10"),
    (".5", "5"),
    ("-2", "2"),
    ("\N{MINUS SIGN}2", "2"),
    ("5 %", "5"),
    ("5'2\"", "52"),
    ("(5)(6)", "56"),
    ("120/80", "12080"),
    ("< 3", "≥ 3"),
    ("< 3", "3"),
    ("~5", "5"),
    ("+", "-"),
    ("C", "C++"),
    ("HER2+", "HER2-"),
    ("HER2-", "HER2"),
    ("HER2 -", "HER2"),
    ("Hepatitis A", "Hepatitis"),
    ("hepatitis a virus", "hepatitis virus"),
    ("Grade I-II", "Grade III"),
    ("A/B", "AB"),
    ("10^5", "105"),
]


@pytest.mark.parametrize(("text", "reference"), DIFFERENT)
def test_what_differs_in_medicine_is_no_match(text: str, reference: str) -> None:
    scores = score_texts([text], [reference])
    assert not scores.exact[0]
    assert scores.token_f1[0] < 1
    assert scores.rouge_l[0] < 1


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("5 – 10 mm", "5-10 mm"),
        ("\N{MINUS SIGN}2", "-2"),
        ("<3", "< 3."),
        (">= 3", "≥3"),
        ("p<.05", "p < 0.05"),
        ("5%", "5 %"),
        ("HER2 -", "HER2-."),
        ("1,000", "1000"),
        ("“Yes”", "yes"),
        ("左肺炎。", "左肺炎"),
        ("Перелом.", "перелом"),
        ("e\N{COMBINING ACUTE ACCENT}", "\N{LATIN SMALL LETTER E WITH ACUTE}"),
    ],
)
def test_what_is_written_otherwise_is_the_same(text: str, reference: str) -> None:
    scores = score_texts([text], [reference])
    assert (scores.exact[0], scores.token_f1[0], scores.rouge_l[0]) == (True, 1, 1)


def test_texts_without_spaces_are_compared_by_characters() -> None:
    assert token_f1("右肺炎", "左肺炎") == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("text", "reference", "closed", "said"),
    [
        ("“Yes”", "`no`", "no", "yes"),
        ("是的，有骨折。", "是", "yes", "yes"),
        ("不是。", "是", "yes", "no"),
        ("骨折", "否", "no", None),
        ("Нет, перелома.", "да", "yes", "no"),
        ("non-contrast", "oui", "yes", "no"),
        ("A non-contrast CT", "yes", "yes", None),
    ],
)
def test_closed_questions_of_other_languages(
    text: str, reference: str, closed: str, said: str | None
) -> None:
    scores = score_texts([text], [reference])
    assert CLOSED[scores.closed[0]] == closed
    assert scores.said[0] == (-1 if said is None else CLOSED.index(said))


@pytest.mark.parametrize(
    ("text", "reference", "expected"),
    [
        ("Axial", "axial.", 1),
        ("the left femur bone", "left femur", 2 * (2 / 3) * 1 / (2 / 3 + 1)),
        ("no no no", "no", 2 * (1 / 3) * 1 / (1 / 3 + 1)),
        ("liver", "spleen", 0),
        ("", "spleen", 0),
        ("-", "+", 0),
    ],
)
def test_token_f1(text: str, reference: str, expected: float) -> None:
    assert token_f1(text, reference) == pytest.approx(expected)
    assert token_f1(reference, text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Yes", "yes"),
        ("no.", "no"),
        ("Yes, there is no fracture.", "yes"),
        ("Based on this image, the answer is no.", "no"),
        ("There is no fracture", "no"),
        ("yes and no", None),
        ("Yes or no?", None),
        ("I cannot tell", None),
        ("nodule", None),
        ("", None),
    ],
)
def test_yes_or_no(text: str, answer: str | None) -> None:
    assert yes_or_no(text) == (-1 if answer is None else CLOSED.index(answer))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS.filter(bool)), min_size=1, max_size=12))
@example([(["no", "word", "is", "theirs"], ["another", "answer", "was", "right"])])
def test_corpus_metrics_are_sacrebleus_and_rouge_scores(pairs: list[tuple[list, list]]) -> None:
    texts, references = ([" ".join(words) for words in side] for side in zip(*pairs, strict=True))
    metrics = measure(texts_from("m", list(zip(texts, references, strict=True)))).values()
    expected = BLEU().corpus_score(texts, [references]).score / 100
    assert metrics["bleu"] == pytest.approx(expected, abs=1e-6)
    rouge = RougeScorer(["rougeL"])
    scores = [rouge.score(r, t)["rougeL"].fmeasure for t, r in zip(texts, references, strict=True)]
    assert metrics["rouge_l"] == pytest.approx(np.mean(scores), abs=1e-6)


def test_metrics_of_a_few_answers() -> None:
    pairs = [
        ("Axial plane", "Axial"),  # F1 2/3
        ("ct", "CT."),
        ("Yes, there is no fracture.", "Yes"),  # closed, right; F1 1/3
        ("maybe", "no"),  # closed, wrong
        ("", "Abdomen"),
    ]
    measured = measure(texts_from("m", pairs))
    metrics = measured.values()
    assert (metrics["n"], metrics["closed"]) == (5, 2)
    assert metrics["exact_match"] == 0.2
    assert metrics["token_f1"] == pytest.approx((2 / 3 + 1 + 1 / 3) / 5, abs=1e-6)
    assert metrics["closed_accuracy"] == 0.5
    assert metrics["invalid_rate"] == 0.2
    assert measured.right.tolist() == [False, True, True, False, False]
    assert list(measured.confusion_rows()) == [("yes", "yes"), ("no", "other")]
    confusion = measured.confusion()
    assert (confusion.actual, confusion.predicted) == (("no", "yes"), ("no", "yes", "other"))
    assert confusion.counts.tolist() == [[0, 0, 1], [0, 1, 0]]


def test_without_closed_questions_their_accuracy_is_undefined() -> None:
    measured = measure(texts_from("m", [("Axial", "Axial")] * 12))
    assert measured.values()["closed_accuracy"] is None
    assert list(measured.confusion_rows()) == []
    assert measured.confusion().counts.sum() == 0


def test_no_texts_leave_all_undefined() -> None:
    metrics = measure(texts_from("m", [])).values()
    assert metrics.pop("n") == metrics.pop("closed") == 0
    assert set(metrics.values()) == {None}
    sentence = compare([texts_from(m, []) for m in ("base", "tuned")], **SETTINGS).verdict.sentence
    assert sentence == "No verdict on token F1 is possible: there are no records."


def test_a_comparison_of_texts() -> None:
    comparison = compare(text_models(), **SETTINGS, noun="cases")
    assert comparison.verdict.sentence.startswith("Tuning raised token F1 from 0.42 to 0.72 (+0.30")
    assert comparison.verdict.sentence.endswith("60 cases).")
    flat = comparison.flat()
    assert json.loads(json.dumps(flat, allow_nan=False)) == flat
    for metric in ("token_f1", "exact_match", "rouge_l", "bleu", "closed_accuracy"):
        low, value, high = (flat[f"tuned.{metric}{end}"] for end in ("_low", "", "_high"))
        assert low < value < high, metric  # type: ignore[operator]
        assert flat[f"tuned_minus_base.{metric}_low"] > 0, metric  # type: ignore[operator]
    assert flat["tuned_minus_base.token_f1_p"] == flat["tuned_minus_base.token_f1_p_holm"]
    headline = comparison.headline()
    assert list(headline) == ["base", "tuned", "gain", "gain_low", "gain_high", "p"]
    assert headline["tuned"] == flat["tuned.token_f1"]
    assert headline["gain"] == flat["tuned_minus_base.token_f1"]
    assert comparison.labels == ()
    assert comparison.majority == "Axial"
    # One of seven questions has this answer.
    assert flat["majority.exact_match"] == pytest.approx(1 / 7, abs=1e-6)
    assert "prior.exact_match" not in flat


def test_the_commonest_reference_is_found_whatever_its_spelling() -> None:
    references = ["Axial", "The abdomen.", "Abdomen", "abdomen", "Axial"] * 60
    models = [
        texts_from("base", [("liver", reference) for reference in references]),
        texts_from("tuned", [("Axial", reference) for reference in references]),
    ]
    comparison = compare(models, **SETTINGS)
    assert comparison.majority == "The abdomen."
    assert comparison.baselines["majority"]["exact_match"] == 0.6
    assert comparison.verdict.sentence.endswith(
        "; always answering 'The abdomen.' would reach a higher token F1 (0.60 against 0.40)."
    )


def test_real_answers_score_one_against_themselves() -> None:
    path = SHARED_DATA / "medpix2" / "derived_vqa.jsonl"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    answers = [json.loads(line)["answer"] for line in path.read_text("utf-8").splitlines()]
    scores = score_texts(answers, answers)
    assert len(answers) == 444
    assert scores.exact.all()
    assert (scores.token_f1 == 1).all()
    assert (scores.rouge_l == 1).all()
    others = score_texts(answers[1:] + answers[:1], answers)
    assert 0 < others.token_f1.mean() < 0.5
