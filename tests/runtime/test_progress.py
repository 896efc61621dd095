import pytest

from verdict.runtime import progress as module
from verdict.runtime.progress import progress


def test_plain_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PLAIN_INTERVAL", 0.0)
    with progress("train", unit="steps") as bar:
        bar.begin(2)
        bar.advance(1, "loss 0.5")
        bar.advance(1, "loss 0.4")
    first, second, last = capsys.readouterr().err.splitlines()
    assert first.startswith("train: 1/2 steps, ")
    assert "s left, loss 0.5" in first
    assert second.startswith("train: 2/2 steps, ")
    assert last.endswith("done")


@pytest.mark.parametrize(
    ("total", "said"),
    [(0.034, "0.034/0.034 MB"), (2.5, "2.5/2.5 MB"), (1234.5, "1,234/1,234 MB"), (3, "3/3 MB")],
)
def test_a_small_amount_is_not_rounded_to_nothing(
    capsys: pytest.CaptureFixture[str], total: float, said: str
) -> None:
    with progress("fetch", total, "MB") as bar:
        bar.advance(total)
    assert capsys.readouterr().err.startswith(f"fetch: {said}, ")


def test_the_interval_keeps_lines_few(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("extract", 1000, "images") as bar:
        for _ in range(1000):
            bar.advance()
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_failure_is_not_reported_as_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), progress("extract", 2) as bar:
        bar.advance()
        raise RuntimeError
    assert "done" not in capsys.readouterr().err
