"""A real browser that opens pages from the disk; `make browser` installs it."""

import os
import shutil
from pathlib import Path

import pytest

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture(scope="session")
def browser():
    # Only `make browser` selects these tests, so that what is missing must not skip them.
    from playwright.sync_api import sync_playwright

    assert CHROMIUM is not None, "no Chromium is installed"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Opened:
    """A page in the browser, with everything that it asked for and complained about."""

    def __init__(self, browser, path: Path, **context) -> None:
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.failures: list[str] = []
        self.page.on(
            "requestfailed",
            lambda request: self.failures.append(f"{request.url} {request.failure}"),
        )
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda e: self.complaints.append(f"{e} {e.stack}"))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        self.page.goto(path.resolve().as_uri())

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def words(self, selector: str = "#text") -> list[str]:
        return self.page.locator(f"{selector} .word").all_text_contents()

    def write(self, cue: str | None = None, **settings) -> None:
        """Continue a cue and wait for the end."""
        if cue is not None:
            self.page.fill("#cue", cue)
        for name, value in settings.items():
            self.page.fill(f"#{name.replace('_', '-')}", str(value))
        self.page.click("#continue")
        self.page.locator("#stop:disabled").wait_for()

    def eval(self, expression: str, argument=None):
        return self.page.evaluate(expression, argument)


@pytest.fixture
def open_page(browser):
    """Open pages; at the end none may have asked for anything or complained."""
    opened = []

    def open_one(path: Path, **context) -> Opened:
        opened.append(Opened(browser, path, **context))
        return opened[-1]

    yield open_one
    for one in opened:
        one.context.close()
        assert len(one.requests) == 1, one.requests
        assert not one.complaints, one.complaints


def pytest_collection_modifyitems(items):
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.browser)
