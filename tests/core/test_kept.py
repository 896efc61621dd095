"""What killed work keeps belongs to one process at a time."""

from pathlib import Path

import pytest

from verdict.core.errors import VerdictError
from verdict.core.kept import discard, exclusive, folder_of


@pytest.mark.fault("several at once")
def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "key"
    with (
        exclusive(folder, "evaluation", "evaluate"),
        pytest.raises(VerdictError, match=r"another evaluation is running .*stages\.evaluate"),
        exclusive(folder, "evaluation", "evaluate"),
    ):
        pass
    with exclusive(folder, "evaluation", "evaluate"):
        discard(folder)
    assert not folder.exists()


def test_a_folder_is_named_by_kind_and_by_what_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = folder_of("extract", {"size": 64})
    assert first.parent == Path(".checkpoints/extract")
    assert folder_of("extract", {"size": 64}) == first != folder_of("extract", {"size": 65})
