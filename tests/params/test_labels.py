"""What parameters say of labels: which are positive, and what needs two of them, or any."""

from typing import Any

import pytest
from pydantic import ValidationError

from verdict.params import Params


def test_answers_of_more_than_two_labels_have_no_positive_one(params: dict[str, Any]) -> None:
    params["format"]["answers"]["nevus"] = "This is a nevus."
    params["compare"] |= {"sensitivity": None, "cost": None}
    with pytest.raises(ValidationError, match="positive must be null with 3 answers"):
        Params.model_validate(params)
    params["format"]["positive"] = None
    assert Params.model_validate(params).format.positive is None


def test_record_linkage_needs_a_label_of_matches(params: dict[str, Any]) -> None:
    answers = {"no": "No.", "same": "The same.", "related": "Related."}
    params["format"] |= {"prompt": "{text}", "answers": answers, "positive": None}
    params["compare"] |= {"sensitivity": None, "cost": None}
    params["baselines"] = {"rival": {"kind": "fellegi_sunter"}}
    with pytest.raises(ValidationError, match=r"baselines\.rival\.kind .* matches, is null"):
        Params.model_validate(params)


def test_free_text_has_no_labels(params: dict[str, Any]) -> None:
    params["format"]["answers"] = None
    params["compare"] |= {"sensitivity": None, "cost": None}
    params["baselines"] = {}
    with pytest.raises(ValidationError, match="positive must be null where answers is"):
        Params.model_validate(params)
    params["format"]["positive"] = None
    assert Params.model_validate(params).format.answers is None
    params["model"]["task"] = "classify"
    with pytest.raises(ValidationError, match="a classifier needs labels"):
        Params.model_validate(params)


def test_a_threshold_needs_the_validation_split_and_two_labels(params: dict[str, Any]) -> None:
    params["evaluate"]["validation"] = False
    with pytest.raises(ValidationError, match=r"set evaluate\.validation=true"):
        Params.model_validate(params)
    params["evaluate"]["validation"] = True
    params["format"]["answers"]["nevus"] = "This is a nevus."
    params["format"]["positive"] = None
    with pytest.raises(ValidationError, match=r"set compare\.sensitivity=null"):
        Params.model_validate(params)
    params["compare"]["sensitivity"] = None
    with pytest.raises(ValidationError, match=r"set compare\.cost=null"):
        Params.model_validate(params)
    merged = {"good": ["benign", "nevus"], "bad": ["melanoma"]}
    params["compare"] |= {"merge": merged, "merge_positive": "bad"}
    assert Params.model_validate(params).compare.cost == 10
