"""What the use of data and models is bound to: of what is used, and of nothing else."""

from pathlib import Path

from tests.report.projects import skin
from tests.report.reading import page
from tests.report.terms import DATA, GEMMA, HAI_DEF, USE
from verdict.params.data import Model, Use
from verdict.report.terms import OWN, base_terms, notice_text, terms_of

REVISION = "0" * 40


def model(name: str) -> Model:
    built = {"architecture": "gemma3", "lessons": "shapes", "seed": 1, "steps": 1}
    if name == "embedded":
        return Model.model_validate({"name": name, "revision": None, "embedded": built})
    return Model(name=name, revision=REVISION)


def test_the_base_comes_first_and_each_model_once() -> None:
    models = {
        "reference": model("google/medgemma-4b-it"),
        "base": model("google/gemma-3-4b-it"),
        "another": model("google/medgemma-4b-it"),
    }
    used = terms_of(USE, models, synthetic=False)
    assert [one.terms for one in used] == [DATA, GEMMA, HAI_DEF]
    assert base_terms(used) == GEMMA
    assert notice_text(used) == (
        "Model google/gemma-3-4b-it:\nGemma is provided under and subject to the Gemma Terms of "
        "Use.\n\nModel google/medgemma-4b-it:\nHAI-DEF is provided under its terms.\n"
    )


def test_what_is_made_here_is_not_bound_to_the_terms_of_what_it_stands_for() -> None:
    used = terms_of(USE, {"base": model("embedded")}, synthetic=True)
    assert [one.terms for one in used] == [OWN, OWN]
    assert notice_text(used) == ""


def test_another_model_has_not_the_terms_of_the_one_before() -> None:
    used = terms_of(USE, {"base": model("google/gemma-3-1b-it")}, synthetic=False)
    assert base_terms(used) is None
    assert used[1].key == "terms.models.google/gemma-3-1b-it"


def test_the_page_has_them(tmp_path: Path) -> None:
    html = page(skin(tmp_path))
    said = html.partition('<h3 id="terms">')[2]
    assert "<dt>Data set Skin of 2020</dt><dd>CC BY-NC 4.0 (https://creativecommons.org" in said
    assert "Gemma is provided under and subject to the Gemma Terms of Use." in said


def test_of_what_a_name_begins_with_the_longest_counts() -> None:
    use = Use(data=None, models={"google/": HAI_DEF, "google/gemma-3": GEMMA})
    assert use.of_model("google/gemma-3n-E4B-it") == GEMMA
    assert use.of_model("google/medgemma-4b-it") == HAI_DEF
    assert use.of_model("else/gemma-3") is None
