"""tools.demo in a real browser: headless Chromium from the system's packages."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from testing.places import ROOT
from testing.tiny import Tiny
from tests.tools.tried import make_project
from tools.demo import __main__ as demo
from tools.predict import DISCLAIMER

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def address(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of the tiny project, served by the command itself; ended, it leaves nothing."""
    pytest.importorskip("gradio", reason="gradio is not installed: make install-tools")
    root = make_project(tmp_path_factory.mktemp("demo") / "project", tiny)
    temporary = tmp_path_factory.mktemp("temporary")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    served = subprocess.Popen(
        [sys.executable, "-m", "tools.demo", "--port", str(port)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert served.stdout is not None
    line = served.stdout.readline()
    assert line == f"Open http://127.0.0.1:{port} in a browser; Ctrl-C ends the page.\n"
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        uploads = list(temporary.glob("verdict-demo-*"))
        served.terminate()
        assert served.wait(20) == 0
    assert uploads
    assert not uploads[0].exists()


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    """The page; it fails the test where its console has an error, or it asks another host."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    problems: list[str] = []
    with sync_playwright() as playwright:
        # As root, in a container, Chromium starts only without its own sandbox.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page()
        page.on(
            "console",
            lambda message: problems.append(message.text) if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((address, "data:", "blob:"))
                else problems.append(f"request: {request.url}")
            ),
        )
        page.goto(address)
        page.get_by_role("button", name="Ask").wait_for()
        yield page
        browser.close()
    assert problems == []


def uploaded(page: Page) -> None:
    """Wait until the server has the picture: before, the page shows what the browser has."""
    page.wait_for_function("document.querySelector('#image img')?.src.includes('/file=')")


def ask(page: Page, image: Path) -> str:
    page.locator("#image input[type=file]").set_input_files(image)
    uploaded(page)
    page.get_by_role("button", name="Ask").click()
    page.locator("#answer .kicker, #answer .problem").first.wait_for()
    return page.locator("#answer").inner_text()


def test_an_uploaded_picture_is_answered(page: Page, tmp_path: Path) -> None:
    assert page.get_by_text(DISCLAIMER).is_visible()
    image = tmp_path / "lesion.png"
    Image.new("RGB", (90, 60), (200, 90, 60)).save(image)
    shown = ask(page, image)
    assert page.locator("#answer .big").inner_text() in ("benign", "melanoma")
    assert shown.count("%") == 2
    assert "Yes, this appears to be malignant melanoma." in shown
    assert "In the model’s own words" in shown
    page.get_by_role("button", name="Remove Image").or_(
        page.get_by_role("button", name="Clear")
    ).first.click()
    # An answer never stands beside another picture, or none.
    page.get_by_text("The answer will stand here.").wait_for()
    page.get_by_role("button", name="Ask").click()
    page.get_by_text("Choose an image.").wait_for()


def test_a_slow_browser_gets_its_answer(page: Page, tmp_path: Path) -> None:
    """Whoever asks at once, before the browser is done with the picture, is answered, too."""
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 8})
    for number in range(3):
        image = tmp_path / f"lesion-{number}.png"
        Image.new("RGB", (90, 60 + number), (200, 90, 60)).save(image)
        ask(page, image)
        page.get_by_role("button", name="Remove Image").click()
        page.get_by_text("The answer will stand here.").wait_for()


def test_an_answer_that_comes_too_late_is_not_shown(page: Page, tmp_path: Path) -> None:
    """The picture is removed when the question is on its way."""
    image = tmp_path / "lesion.png"
    Image.new("RGB", (90, 60), (200, 90, 60)).save(image)
    page.locator("#image input[type=file]").set_input_files(image)
    uploaded(page)
    page.evaluate(
        """() => {
          const shown = (what) => document.querySelector(what) !== null;
          const look = () => (window.beside ||= shown("#answer .big") && !shown("#image img"));
          new MutationObserver(look)
            .observe(document.querySelector("#answer"), {childList: true, subtree: true});
          const fetched = window.fetch;
          window.fetch = (...request) => {
            const answer = fetched(...request);
            if (String(request[0]).includes("/queue/join"))
              document.querySelector('[aria-label="Remove Image"]')?.click();
            return answer;
          };
          document.querySelector("#ask").click();
        }"""
    )
    # A click is taken again once the first question is answered.
    page.wait_for_function(
        """() => {
          document.querySelector("#ask").click();
          return document.querySelector("#answer .problem");
        }""",
        polling=200,
    )
    assert page.locator("#answer .problem").inner_text() == "Choose an image."
    assert page.evaluate("window.beside") is False


def test_a_case_of_the_test_split_has_its_right_answer_beside(page: Page, tiny: Tiny) -> None:
    page.locator(".gallery-item").first.click()
    page.locator("#image img").wait_for()
    page.get_by_role("button", name="Ask").click()
    page.locator("#answer .big").wait_for()
    right = page.locator("#answer b").inner_text()
    assert right in tiny.answers.labels


def test_what_is_no_picture_is_told(page: Page, tmp_path: Path) -> None:
    image = tmp_path / "lesion.png"
    Image.new("RGB", (90, 60)).save(image)
    image.write_bytes(image.read_bytes()[:70])
    page.locator("#image input[type=file]").set_input_files(image)
    uploaded(page)
    page.get_by_role("button", name="Ask").click()
    page.get_by_text("No answer: it does not decode").wait_for()


def test_only_this_machine_may_ask(address: str) -> None:
    with urlopen(address, timeout=10) as answer:
        assert answer.status == 200
    port = int(address.rpartition(":")[2])
    others = {
        found[4][0]
        for found in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)
        if not str(found[4][0]).startswith("127.")
    }
    for other in others:
        with socket.socket() as tried:
            tried.settimeout(2)
            assert tried.connect_ex((other, port)) != 0


@pytest.mark.parametrize("port", ["0", "65536", "-1"])
def test_no_port(port: str) -> None:
    with pytest.raises(SystemExit, match=rf"demo: port {port} is none: --port takes 1 to 65535"):
        demo.main([f"--port={port}"])


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a..b", "", "192.0.2.1"])
def test_no_address_of_this_machine(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: True)
    with pytest.raises(SystemExit) as ended:
        demo.main([f"--host={host}"])
    assert str(ended.value.code).startswith(f"demo: --host {host!r} is no address ")


def test_a_port_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: True)
    with socket.socket() as other:
        other.bind((demo.LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            demo.main([f"--port={port}"])
    assert str(ended.value.code) == (
        f"demo: port {port} cannot be had (Address already in use); name another one: --port N."
    )


def test_without_gradio_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"gradio is not installed, .* make install-tools"):
        demo.main([])
