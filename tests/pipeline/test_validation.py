"""What a params file says to its task is checked as well."""

import pytest

from verdict.core.errors import VerdictError
from verdict.params.section import Section
from verdict.pipeline.validation import validate


class Sized(Section):
    size: int


def test_a_tasks_key_that_dvc_does_not_see_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    validate()
    monkeypatch.setattr("verdict.tasks.melanoma.Options", Sized)
    with pytest.raises(VerdictError, match="melanoma task's Sized has a key size, of which DVC"):
        validate()
