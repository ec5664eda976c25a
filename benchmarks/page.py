"""The page of a run in Chromium: its size, opening, writing and hovering.

Needs the extra `browser` and Chromium, as `make browser` installs them. The story preset is
trained first (`--run` names a run instead).
"""

import argparse
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

from benchmarks.measure import spread
from benchmarks.report import Table
from benchmarks.trainings import train
from lstmgen.reporting.run_page import Contents, write_page

TURNS = 5
QUIET = 1500  # milliseconds
HEADS = ("what", "median (range)", "floor or ceiling")
OPENED = "performance.getEntriesByType('navigation')[0].loadEventEnd"
WRITE = """async () => {
  const began = performance.now(), count = () => document.querySelectorAll('#text .word').length;
  const before = count();
  document.getElementById('continue').click();
  while (!document.getElementById('stop').disabled) await new Promise((r) => setTimeout(r, 5));
  return (count() - before) / (performance.now() - began) * 1000;
}"""
READ = "The old miller looked up at the bell. " * 15
HOVER = """() => {
  const words = [...document.querySelectorAll('#inside-text .word')].slice(80, 100);
  return words.map((word) => {
    const began = performance.now();
    word.dispatchEvent(new MouseEvent('mouseenter'));
    document.body.getBoundingClientRect();
    return performance.now() - began;
  });
}"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a run."""
    parser.add_argument("--run", type=Path, help="run folder (default: the story preset, trained)")


def run(args: Namespace) -> list[Table]:
    """Measure the page of one run."""
    with tempfile.TemporaryDirectory() as folder:
        source = args.run or train("story", "train.report=none", runs=Path(folder)).run
        file = Path(folder) / "page.html"
        size = write_page(source, Path(folder), output=file, contents=Contents()).size
        opening, writing, hovering = _measure(file)
    rows = [
        ("size", f"{size:,} bytes ({size / 2**20:.2f} MiB)", "at most 3 MiB"),
        ("opening", f"{spread(opening, digits=0)} ms", "under 1,000 ms"),
        ("the pen, tokens drawn and shown", f"{spread(writing, digits=0)} /s", "at least 500 /s"),
        ("hovering over the 80th to 100th word", f"{spread(hovering, digits=0)} ms", "under 50 ms"),
    ]
    return [Table("page", HEADS, rows)]


def _measure(file: Path) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds to open, tokens written per second, milliseconds to hover."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import CHROMIUM, FLAGS

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page: Any = browser.new_page(viewport={"width": 1280, "height": 900})
        opening, writing = [], []
        for _ in range(TURNS):
            page.goto(file.resolve().as_uri())
            opening.append(page.evaluate(OPENED))
            page.wait_for_timeout(QUIET)  # the page writes a first text by itself
            page.fill("#words", "200")
            writing.append(page.evaluate(WRITE))
        page.fill("#own", READ)  # the texts that the model has written may be shorter
        page.wait_for_timeout(QUIET)
        hovering = page.evaluate(HOVER)
        browser.close()
    return opening, writing, hovering
