"""``lstmgen write`` on a terminal: its width, line editing, and Ctrl-C."""

import re

import pytest

from lstmgen.cli.terminal import fit_tail, wrap
from tests.helpers.scenes import STORY


@pytest.mark.parametrize("columns", [20, 21, 40, 79, 80])
def test_the_tail_is_cut_at_a_word_and_fits(columns):
    words = STORY.split(" ")
    for count in range(1, len(words)):
        text = " ".join(words[:count])
        shown = fit_tail(text, columns=columns)
        whole = text.replace("\n", "¶")
        assert len(shown) <= columns
        if len(text) <= columns:
            assert shown == whole
        else:
            assert shown.startswith("… ") and whole.endswith(shown[2:])
            assert whole[-len(shown) + 1] in " ¶" or shown[2] == "¶"
            assert len(shown) > columns - 12


def test_the_tail_of_a_script_without_spaces_is_cut_at_a_character():
    assert fit_tail("貓坐在老磨坊旁邊狗跑到河邊。", columns=28) == "貓坐在老磨坊旁邊狗跑到河邊。"
    assert fit_tail("一貓坐在老磨坊旁邊狗跑到河邊。", columns=28) == "…坊旁邊狗跑到河邊。"[:1] + (
        "在老磨坊旁邊狗跑到河邊。")  # fmt: skip
    assert fit_tail("x" * 100, columns=20) == "…" + "x" * 17
    assert fit_tail("", columns=20) == ""
    assert fit_tail("a\x1b[2J\tb\n", columns=20) == "a\\x1b[2J b¶"


def test_suggestions_are_not_broken_at_the_end_of_a_line():
    items = [f"{n} word {n}%" for n in range(1, 10)]
    shown = wrap(items, columns=30, separator="  ", indent=" ")
    assert max(map(len, shown.splitlines())) <= 30
    assert re.split(r"  |\n ", shown) == items
    assert wrap(["x" * 50, "y"], columns=20) == "x" * 50 + "\ny"
    assert wrap([], columns=20) == ""
