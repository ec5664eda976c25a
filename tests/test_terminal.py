"""``lstmgen write`` on a terminal: its width, line editing, and Ctrl-C."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

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


def on_a_terminal(folder, keys, *arguments, columns=80):
    """Type keys at each prompt; the exit code, stdout, and what the terminal was sent."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    script = (
        "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
        "os.execv(sys.executable, [sys.executable, '-m', 'lstmgen', *sys.argv[1:]])"
    )
    environment = {key: value for key, value in os.environ.items() if key != "COLUMNS"}
    process = subprocess.Popen(
        [sys.executable, "-c", script, "write", "--seed", "1", *map(str, arguments)],
        cwd=folder, stdin=follower, stdout=subprocess.PIPE, stderr=follower,
        env={**environment, "TERM": "dumb"},
    )  # fmt: skip
    os.close(follower)
    seen, prompts = b"", 0
    while select.select([leader], [], [], 60)[0]:
        try:
            seen += os.read(leader, 65536)
        except OSError:  # the program has ended
            break
        if seen.endswith(b"\n> ") and seen.count(b"\n> ") > prompts and keys:
            prompts = seen.count(b"\n> ")
            line, *later = keys.pop(0).split(b"#")  # for what is typed while it is executed
            os.write(leader, line)
            for key in later:
                time.sleep(0.5)
                os.write(leader, key)
    os.close(leader)
    stdout, _ = process.communicate(timeout=60)
    return process.returncode, stdout.decode(), seen.decode().replace("\r", "")


def test_lines_are_edited_on_a_terminal_and_stdout_has_the_text_alone(parrot):
    pytest.importorskip("readline")
    keys = [b"cat\x01The \x05\n", b"1\n", b"\x10\n", b"/temp 9\n", b"\x04"]
    code, text, seen = on_a_terminal(parrot, keys, columns=30)
    assert (code, text) == (0, "The cat sat by\n")
    assert "\n> " in seen and "type /help" in seen
    assert "\nThe cat sat by\n" in seen
    listed = seen.rsplit("The cat sat by\n", 1)[1].splitlines()
    assert len(listed) > 2 and max(map(len, listed)) <= 30


def test_ctrl_c_at_the_prompt_loses_nothing(parrot):
    code, text, seen = on_a_terminal(parrot, [b"The cat\n", b"half#\x03"])
    assert (code, text) == (130, "The cat\n")
    assert seen.endswith("\ninterrupted\n") and "Traceback" not in seen


def test_ctrl_c_while_words_are_drawn_returns_to_the_prompt(parrot):
    keys = [b"The cat\n", b"/go 100000\n#\x03", b"1\n", b"/quit\n"]
    code, text, seen = on_a_terminal(parrot, keys)
    assert (code, text) == (0, "The cat sat\n")
    assert "interrupted, the text is as before" in seen


def test_a_signal_ends_a_piped_session_with_its_text(parrot):
    process = subprocess.Popen(
        [sys.executable, "-m", "lstmgen", "write", "--seed", "1"], cwd=parrot, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdin.write("The cat\n")
    process.stdin.flush()
    while "The cat" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=60)
    assert (process.returncode, text) == (130, "The cat\n")
