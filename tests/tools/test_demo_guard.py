"""What the demo's page refuses: foreign names, files that a browser would run, endless uploads."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from testing.places import ROOT
from testing.tiny import TWO, Tiny, build_several
from tests.tools.tried import make_project
from tools.demo.samples import samples
from verdict.params.file import read_params

pytestmark = pytest.mark.fault("visitors")

pytest.importorskip("gradio", reason="gradio is not installed: make install-tools")


@pytest.fixture(scope="module")
def address(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = make_project(tmp_path_factory.mktemp("guarded") / "project", tiny)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = subprocess.Popen(
        [sys.executable, "-m", "tools.demo", "--port", str(port)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert served.stdout is not None
        assert served.stdout.readline().startswith("Open ")
        yield f"http://127.0.0.1:{port}"
    finally:
        served.terminate()
        served.wait(20)


def upload(address: str, name: str, content: bytes) -> requests.Response:
    files = {"files": (name, content)}
    return requests.post(f"{address}/gradio_api/upload", files=files, timeout=20)


@pytest.mark.parametrize("name", ["page.html", "drawing.svg"])
def test_an_upload_that_a_browser_would_run_is_not_shown(address: str, name: str) -> None:
    script = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    (path,) = upload(address, name, script).json()
    answer = requests.get(f"{address}/gradio_api/file={path}", timeout=20)
    shown = answer.status_code == 200 and "attachment" not in answer.headers.get(
        "Content-Disposition", ""
    )
    assert not shown, answer.headers


def test_a_foreign_host_is_not_answered(address: str) -> None:
    assert requests.get(address, timeout=20).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example"):
        answer = requests.get(address, headers={"Host": host}, timeout=20)
        assert answer.status_code == 400, host


def test_uploads_end_at_their_total(monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from starlette.testclient import TestClient

    from tools.demo.page import UploadLimit

    taken = Route("/gradio_api/upload", lambda _: PlainTextResponse("taken"), methods=["POST"])
    app = Starlette(routes=[taken], middleware=[Middleware(UploadLimit, limit=100)])
    client = TestClient(app)
    sent = [client.post("/gradio_api/upload", content=b"a" * 40).status_code for _ in range(3)]
    assert sent == [200, 200, 413]
    chunked = client.post("/gradio_api/upload", content=iter([b"a"]))
    assert chunked.status_code == 411


def test_a_record_named_like_a_path_is_written_nowhere_else(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.demo.samples.RECORDS", tiny.records)
    monkeypatch.setattr("tools.demo.samples.TEST_CHAT", tiny.chat / "test.jsonl")
    cases = tmp_path / "a" / "cases"
    cases.mkdir(parents=True)
    found = samples(cases)
    assert found
    images = [image for case in found for image in case.images]
    assert len(images) == len(found)
    assert {image.parent for image in images} == {cases}
    # By its place in the list alone: an id such as ../../x has no part in it.
    assert all(image.stem.replace("-", "").isdigit() for image in images)


def test_several_images_have_a_field_each_and_are_asked_about_together(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tools.demo.page import _Answering, _inputs
    from tools.predict.answering import Predictor, chosen

    two = build_several(tmp_path / "two", tiny.base)
    project = make_project(tmp_path / "project", two, sections={"format": TWO.model_dump()})
    (tmp_path / "cases").mkdir()
    monkeypatch.chdir(project)
    params = read_params()
    predictor, cases = Predictor(params, chosen(params, None, None)), samples(tmp_path / "cases")
    assert [field.label for field in _inputs(predictor, None, cases)] == ["Image 1", "Image 2"]
    answering = _Answering(predictor, None, cases)
    given = answering.fields(cases[0])
    assert len(given) == 2
    assert f"Right in the test split: <b>{cases[0].right}</b>" in answering(*given)["shown"]
    turned = answering(*given[::-1])["shown"]
    assert "Probability of each answer" in turned
    # The images of a case the other way round are another question.
    assert "Right in the test split" not in turned
    assert "Fill in every field first." in answering(given[0], None)["shown"]
