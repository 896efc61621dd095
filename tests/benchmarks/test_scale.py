"""The benchmark of scale reads from what extract says how long it took and would take."""

import contextlib
import io

import pytest

from benchmarks.parts.scale_large import times
from verdict.runtime import progress
from verdict.runtime.progress import Bar


def test_times_are_read_from_the_lines_of_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    bar = Bar("extract", 1200, "records", None)
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        for done, seconds in ((300, 20.0), (500, 15.0), (400, 5.0)):
            now[0] += seconds
            bar.advance(done)
        bar.close()
    assert times(said.getvalue()) == (40.0, 80.0)


@pytest.mark.parametrize("said", ["", "extract: 600/600 records, 60.0/s, done\n"])
def test_an_extraction_that_said_nothing_of_its_end_is_an_error(said: str) -> None:
    with pytest.raises(SystemExit, match="showed no time left"):
        times(said)
