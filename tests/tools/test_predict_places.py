"""tools.predict: what it may read, where it may write, and what it leaves when it is ended."""

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
from PIL import Image

from testing.places import ROOT
from testing.tiny import Tiny
from tests.extraction.test_images import DAMAGED
from tests.sources.servers import FileServer, serving
from tests.tools.tried import Run, lines, make_project, runner

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def project(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("predict") / "project", tiny)


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    return runner(project, monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    root.mkdir()
    for number in range(2):
        Image.new("RGB", (90, 50), (90 * number, 90, 60)).save(root / f"{number}.png")
    return root


@pytest.mark.fault("images")
def test_files_that_a_decoder_stumbles_over_have_no_answer_and_the_others_have(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, kind in enumerate(kind for kind in DAMAGED if "AVIF" not in kind):
        (folder / f"damaged-{number}.jpg").write_bytes(DAMAGED[kind]())
    assert run("--image", folder, "--json") == 1
    rows = lines(capsys.readouterr().out)
    assert len(rows) == 2 + 6
    for row in rows:
        damaged = "damaged" in row["input"]
        assert (row["answer"] is None) == damaged
        assert (row["error"] or "").startswith("does not decode: ") == damaged


@pytest.mark.fault("images")
@pytest.mark.parametrize("kind", [".jsonl", ".csv", ".parquet"])
def test_pipes_devices_and_names_that_are_no_text_leave_the_others_their_answers(
    run: Run, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    os.mkfifo(folder / "pipe.jpg")
    (folder / "device.jpg").symlink_to("/dev/zero")
    shutil.copy(folder / "0.png", folder / os.fsdecode(b"na\xefve.png"))
    output = tmp_path / f"answers{kind}"
    assert run("--image", folder, "--output", output) == 1
    said = capfd.readouterr().err
    assert "3 of 5 answered" in said
    for name in ("pipe", "device"):
        assert f"{folder}/{name}.jpg: is no regular file" in said
    if kind == ".parquet":
        assert f"{folder}/na\\xefve.png" in pq.read_table(output)["input"].to_pylist()
    else:
        assert rb"na\xefve.png" in output.read_bytes().replace(rb"\\", b"\\")


def test_a_folder_is_no_image_whatever_its_name(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "more.jpg").mkdir()
    (folder / "1.png").rename(folder / "more.jpg/1.png")
    (folder / "gone.png").symlink_to("nowhere.png")
    assert run("--image", folder, "--json") == 1
    rows = lines(capsys.readouterr().out)
    assert [(Path(row["input"]).name, row["error"]) for row in rows] == [
        ("0.png", None),
        ("gone.png", "cannot be read: No such file or directory"),
        ("1.png", None),
    ]


@pytest.mark.parametrize("name", ["OUT.CSV", "out.Jsonl", "out.PARQUET"])
def test_a_suffix_may_be_in_capitals(run: Run, folder: Path, tmp_path: Path, name: str) -> None:
    assert run("--image", folder / "0.png", "--output", tmp_path / name) == 0
    lower = tmp_path / f"lower{Path(name).suffix.lower()}"
    assert run("--image", folder / "0.png", "--output", lower) == 0
    assert (tmp_path / name).read_bytes() == lower.read_bytes()


@pytest.mark.parametrize("given", ["--image", "--pairs"])
@pytest.mark.parametrize("link", [None, os.link, os.symlink])
def test_what_is_asked_about_is_not_replaced(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str, link: Any
) -> None:
    asked = tmp_path / "x.csv"
    asked.write_text("left,right\na,b\n")
    output = tmp_path / "y.csv" if link else asked
    if link:
        link(asked, output)
    assert run(given, asked, "--output", output) == 1
    assert f"{output} holds what is asked about, and would be" in capsys.readouterr().err
    assert asked.read_text() == "left,right\na,b\n"


def test_a_result_that_no_file_can_be_named(
    run: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--image", folder, "--output", tmp_path / ("a" * 300 + ".csv")) == 1
    assert "a.csv cannot be written: File name too long" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["--image", "--pairs"])
def test_a_path_that_no_file_can_have(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: str
) -> None:
    name = tmp_path / ("a" * 300 + ".csv")
    assert run(given, name, "--output", tmp_path / "answers.csv") == 1
    assert re.search(r"predict: .*(a\.csv is not here|is not about pairs)", capsys.readouterr().err)


@pytest.mark.parametrize("content", ["{", "[]", "\udcff"])
def test_an_origin_that_cannot_be_read_is_told(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (folder / "config.json").write_text("{}")
    (folder / "provenance.json").write_text(content, "utf-8", "surrogateescape")
    assert run("--image", folder / "0.png", "--adapter", folder) == 1
    said = capsys.readouterr().err
    assert f"predict: {folder}/provenance.json is damaged (" in said
    assert "copy the whole folder again" in said


@pytest.mark.parametrize(
    ("server", "says"),
    [
        (FileServer(b"", statuses=[403]), "refused access (HTTP 403)"),
        (FileServer(b"", statuses=[404]), "does not exist (HTTP 404)"),
        (FileServer(b"", statuses=[418]), "answered HTTP 418, where 200 or 206 was expected"),
    ],
)
def test_an_address_that_cannot_be_had_is_named_once(
    run: Run, capsys: pytest.CaptureFixture[str], server: FileServer, says: str
) -> None:
    with serving(server) as server:
        address = f"{server.address}/lesion.png"
        assert run("--image", address) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        f"{address}: cannot be had ({says}): correct the address, or download the image by other "
    )
    assert said.count("http") == 1
    assert "licence" not in said


def test_an_address_where_nobody_answers_is_named_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("verdict.sources.download.ATTEMPTS", 1)
    with serving(FileServer(b"")) as server:
        address = f"{server.address}/lesion.png"
    assert run("--image", address, "--image", "ftp://x/lesion.png") == 1
    refused, unknown, _ = capsys.readouterr().err.splitlines()
    assert refused.startswith(f"{address}: cannot be had (Connection refused (after 1 attempts)):")
    assert unknown.startswith("ftp://x/lesion.png: cannot be had (ftp:// is not supported):")


def processes_of_ray() -> list[str]:
    names = [process.name() for process in psutil.Process().children(recursive=True)]
    return [name for name in names if name.startswith(("ray", "gcs_server"))]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary folders are made; none may be left there."""
    root = tmp_path / "temporary"
    root.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(root))
    of_ray = set(Path("/tmp").glob("verdict-ray-*"))
    yield root
    assert list(root.iterdir()) == []
    assert set(Path("/tmp").glob("verdict-ray-*")) <= of_ray


@pytest.mark.fault("kills")
@pytest.mark.usefixtures("in_a_terminal")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_ended_from_outside_it_leaves_nothing(
    tiny: Tiny,
    folder: Path,
    tmp_path: Path,
    places: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    engine: str,
) -> None:
    from tools.predict import answering

    begun = []

    def ended(self: Any, records: Path, workers: Any) -> None:
        begun.append((records.is_dir(), bool(processes_of_ray())))
        os.kill(os.getpid(), number)

    if engine == "ray":
        pytest.importorskip("ray", reason="pip install -r requirements-ray.txt")
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
    root = make_project(
        tmp_path / "project", tiny, sections={"compute": {"engine": engine, "workers": 1}}
    )
    monkeypatch.setattr(answering.Predictor, "_ask", ended)
    out = tmp_path / "out.csv"
    out.write_text("old")
    before = signal.getsignal(number)
    assert runner(root, monkeypatch)("--image", folder, "--output", out) == 1
    assert capsys.readouterr().err == "predict: interrupted; nothing was written\n"
    assert begun == [(True, engine == "ray")]
    assert processes_of_ray() == []
    assert out.read_text() == "old"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert signal.getsignal(number) == before
