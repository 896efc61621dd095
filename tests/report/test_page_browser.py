"""The page in a real browser: headless Chromium from the system's packages."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from tests.report.projects import KINDS

PAGE = Path("metrics/report/index.html")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        # As root, in a container, Chromium starts only without its own sandbox.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("browser")
    pages = {
        name: make(folder / name) / "metrics/report/index.html" for name, make in KINDS.items()
    }
    return {name: Path(path).as_uri() for name, path in pages.items()}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page that fails the test when anything is wrong in its console, or leaves it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (problems.append("a dialog"), dialog.dismiss()))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("file:", "data:"))
            else problems.append(f"request: {request.url}")
        ),
    )
    yield page
    context.close()
    assert problems == []


def shown(page: Page) -> list[str]:
    """Return the ids of the cases that can be seen."""
    cases = page.locator(".case:visible")
    return [case.get_attribute("id") or "" for case in cases.all()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_loads_without_errors_and_without_requests(
    page: Page, addresses: dict[str, str], kind: str
) -> None:
    page.goto(addresses[kind])
    assert page.locator("h1").is_visible()
    assert len(shown(page)) == 40
    assert page.locator("#count").inner_text() == "All 40 cases"
    loaded = "Array.from(document.images).every(image => image.complete && image.naturalWidth > 0)"
    assert page.evaluate(loaded)
    assert page.locator(".case img").count() == (0 if kind in ("pairs", "classifier") else 40)


def test_cases_are_filtered_by_real_clicks(page: Page, addresses: dict[str, str]) -> None:
    page.goto(addresses["skin"])
    page.get_by_role("radio", name="Broken by tuning").click()
    broken = shown(page)
    assert 0 < len(broken) < 40
    assert page.locator("#count").inner_text() == f"{len(broken)} of 40 cases"
    for case in page.locator(".case:visible").all():
        assert case.locator(".tag").inner_text() == "Broken by tuning"
    page.get_by_label("True label").select_option("melanoma")
    for case in page.locator(".case:visible").all():
        assert case.get_attribute("data-label") == "melanoma"
    page.get_by_label("tuned answered").select_option("melanoma")
    # What tuning broke and is melanoma, the tuned model calls benign.
    assert shown(page) == []
    assert page.locator("#count").inner_text() == "0 of 40 cases"
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("document.getElementById('count').textContent === 'All 40 cases'")


def test_search_finds_words_in_any_order(page: Page, addresses: dict[str, str]) -> None:
    page.goto(addresses["texts"])
    first = shown(page)[7].removeprefix("case-")
    page.get_by_label("Search").press_sequentially(first.lower())
    assert shown(page) == [f"case-{first}"]
    page.get_by_label("Search").fill("scan AXIAL")
    words = [case.inner_text().lower() for case in page.locator(".case:visible").all()]
    assert all("scan" in text and "axial" in text for text in words)
    page.get_by_label("Search").fill("no such words")
    assert shown(page) == []


def test_what_is_chosen_can_be_sent_as_a_link(page: Page, addresses: dict[str, str]) -> None:
    page.goto(addresses["tissue"])
    page.get_by_role("radio", name="Fixed by tuning").click()
    page.get_by_label("Search").fill("carcinoma")
    chosen, address = shown(page), page.url
    assert 0 < len(chosen) < 40
    page.goto("about:blank")
    page.goto(address)
    assert shown(page) == chosen
    assert page.get_by_label("Search").input_value() == "carcinoma"
    hidden = page.locator(".case[hidden]").first.get_attribute("id")
    page.goto(f"{addresses['tissue']}#{hidden}")
    assert page.locator(f"#{hidden}").is_visible()


def test_filters_work_with_the_keyboard_alone(page: Page, addresses: dict[str, str]) -> None:
    page.goto(addresses["skin"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the verdict"
    page.locator("#filters input[type=radio]").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#count").inner_text() != "All 40 cases"


def test_dark_comes_from_the_system_and_from_the_button(
    page: Page, addresses: dict[str, str]
) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    page.goto(addresses["skin"])
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(18, 23, 28)")
    page.get_by_role("button", name="Light colours").click()
    assert page.evaluate(ground) == light
    page.get_by_role("button", name="Dark colours").click()
    page.emulate_media(color_scheme="light")
    assert page.evaluate(ground) == dark
    page.emulate_media(media="print")
    assert page.evaluate(ground) == light


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_wider_than_the_screen(page: Page, addresses: dict[str, str], kind: str) -> None:
    page.goto(addresses[kind])
    for width in (360, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("kind", KINDS)
def test_it_prints(page: Page, addresses: dict[str, str], kind: str) -> None:
    page.goto(addresses[kind])
    # The width of A4 between its margins, in CSS pixels.
    page.set_viewport_size({"width": 695, "height": 1000})
    page.emulate_media(media="print")
    assert not page.locator("#filters").is_visible()
    assert not page.locator("nav").is_visible()
    cut = page.locator("table").evaluate_all(
        "tables => tables.filter(t => t.getBoundingClientRect().right > innerWidth + 1)"
        ".map(t => t.innerText.slice(0, 80))"
    )
    assert cut == []
    assert page.pdf(prefer_css_page_size=True, print_background=True).startswith(b"%PDF")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing_serious(
    page: Page, addresses: dict[str, str], kind: str, scheme: str
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(addresses[kind])
    found = Axe().run(page).response
    assert len(found["passes"]) > 20
    serious = [
        (problem["id"], problem["help"], [node["html"][:200] for node in problem["nodes"][:3]])
        for problem in found["violations"]
        if problem["impact"] in ("serious", "critical")
    ]
    assert serious == []
