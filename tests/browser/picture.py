"""A picture of a page: ``python -m tests.browser.picture PAGE.html PICTURE.png``."""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS

SENTENCES = (
    'The old miller looked up. "I only asked," said Anna. "Where is the lamp?" He did not answer, '
    "and the river was dark."
)


def draw(page_file: Path, picture: Path) -> None:
    """Let the pen write, choose a word, and take the pen and the gates as one picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1000, "height": 1000})
        page.goto(page_file.resolve().as_uri())
        page.locator("#text .written").nth(20).wait_for()  # the page begins to write by itself
        page.locator("#stop:disabled").wait_for()
        page.locator("#text .word.written").nth(3).click()
        page.fill("#own", SENTENCES)
        page.click("#find")
        page.locator("#found button").first.click()
        page.locator("#inside-text .word").nth(-2).click()
        page.wait_for_timeout(500)  # the curve of the untrained model
        top, bottom = (
            page.locator(part).evaluate("e => e.getBoundingClientRect().top + window.scrollY")
            for part in ("#pen", "#means")
        )
        clip = {"x": 0, "y": top, "width": 1000, "height": bottom - top}
        page.screenshot(path=picture, full_page=True, clip=clip)
        browser.close()


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
