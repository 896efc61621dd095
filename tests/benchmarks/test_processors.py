"""Single operations give the same bytes on a processor of another maker, played by QEMU."""

import platform
import shutil
from pathlib import Path

import pytest

from benchmarks import processors


@pytest.mark.skipif(
    shutil.which(processors.EMULATOR) is None, reason="qemu-user is not installed: `make system`"
)
@pytest.mark.skipif(platform.machine() != "x86_64", reason="QEMU plays x86-64 processors on one")
def test_operations_are_the_same_on_another_processor(tmp_path: Path) -> None:
    kinds = ["operations"]
    here = processors.played(kinds, tmp_path)["operations"]
    assert len(here) > 90
    there = processors.played(kinds, tmp_path, "EPYC")["operations"]
    assert processors.differences(here, there) == []


def test_what_differs_or_is_missing_is_named() -> None:
    assert processors.differences({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}) == [
        "b",
        "c",
    ]


def test_a_play_that_fails_ends_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"(?s)ended with 1:.*train\.jsonl"):
        processors.played(["LoRA"], tmp_path)
