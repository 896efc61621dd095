"""tools.predict on DICOM files: answered as extract reads them, and nothing of their headers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from testing.dicom import CANARY, ct, encoded, with_canary
from testing.tiny import TWO, Tiny, build_several
from tests.extraction.test_dicom_privacy import FAILING, SIGN
from tests.extraction.test_dicom_series import write as write_slices
from tests.tools.tried import Run, lines, make_project, runner

pytest.importorskip("torch")


@pytest.fixture
def run(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(make_project(tmp_path / "project", tiny), monkeypatch)


@pytest.mark.fault("images")
def test_dicom_is_answered_and_nothing_of_its_header_is_said(
    run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "scans", tmp_path / "out.jsonl"
    (folder / "more").mkdir(parents=True)
    pixels = np.random.default_rng(1).integers(900, 1200, (60, 60)).astype(np.uint16)
    (folder / "more" / "IM00001").write_bytes(with_canary(ct(pixels)))
    (folder / "plain.dcm").write_bytes(encoded(ct(pixels)))
    shades = np.clip(((pixels - 1024.0 - 39.5) / 399 + 0.5) * 255, 0, 255)
    Image.fromarray(np.rint(shades).astype(np.uint8)).save(folder / "same.png")
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + CANARY.encode())
    for number, make in enumerate(FAILING.values()):
        (folder / f"x{number:02d}.dcm").write_bytes(make())
    assert run("--image", folder, "--output", out) == 1
    said = "".join(capfd.readouterr())
    assert f"3 of {3 + len(FAILING)} answered" in said
    assert "no images, and not asked about: 1 DICOMDIR" in said.replace("dicomdir", "DICOMDIR")
    assert "x00.dcm: holds no pixels" in said
    rows = {Path(row["input"]).name: row for row in lines(out.read_text())}
    assert sum(row["error"] is None for row in rows.values()) == 3
    for name in ("IM00001", "plain.dcm"):
        assert rows[name]["log_probabilities"] == pytest.approx(
            rows["same.png"]["log_probabilities"], abs=1e-5
        )
    assert SIGN not in said + out.read_text()


def test_a_series_is_asked_about_as_the_images_of_one_record(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    two = build_several(tmp_path / "two", tiny.base)
    root = make_project(tmp_path / "project", two, sections={"format": TWO.model_dump()})
    run, out = runner(root, monkeypatch), tmp_path / "out.jsonl"
    folder = write_slices(tmp_path / "ct", {f"IM{n}": 2.0 * n for n in range(8)})
    named = ("--images", folder / "IM2", folder / "IM6")
    assert run("--images", folder, *named, "--output", out) == 0
    series, slices = lines(out.read_text())
    assert series["input"] == str(folder)
    assert series["log_probabilities"] == pytest.approx(slices["log_probabilities"], abs=1e-6)
    (folder / "IM4").unlink()
    assert run("--images", folder) == 1
    assert f"{folder}: lacks slices between IM3 and IM5" in capsys.readouterr().err
    assert run("--images", folder, "--prompt", "Is it symmetric?") == 1
    assert "has no marks for images that say how many slices" in capsys.readouterr().err
