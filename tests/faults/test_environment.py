"""What the machine lacks: a system, an encoding, a home folder, a temporary folder."""

import os
import subprocess
import sys

import pytest

from lstmgen.cli.app import COMMANDS
from tests.helpers.program import call_cli, run_cli
from tests.helpers.scenes import RUN

NO_FCNTL = "import sys; sys.modules['fcntl'] = None; from lstmgen.cli.app import main; main()"
CYRILLIC = "Кот сидел у старой мельницы, и собака бежала к реке.\n\n" * 20


@pytest.mark.parametrize("command", ["--help", *COMMANDS])
def test_t35_windows_gets_one_line(tmp_path, command):
    """Whatever the command, where Python has no fcntl."""
    done = subprocess.run([sys.executable, "-c", NO_FCNTL, command], cwd=tmp_path,
                          env={**os.environ, "PYTHONPATH": os.getcwd()},
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: lstmgen needs Linux, macOS or WSL (the Windows Subsystem for Linux)\n"
    )


@pytest.fixture(scope="module")
def cyrillic(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cyrillic")
    (folder / "story.txt").write_text(CYRILLIC, encoding="utf-8")
    call_cli("train", "story.txt", "train.max_steps=2", "model.hidden_sizes=[6]", "-q",
             "train.init_from=none", cwd=folder, check=0)  # fmt: skip
    return folder


NARROW = {"PYTHONIOENCODING": "cp1252"}
NOTE = (
    "note: stdout (cp1252) cannot hold some characters, which were printed as ?. "
    "Set PYTHONIOENCODING=utf-8"
)


def test_t35_an_encoding_that_lacks_letters_is_noted_once(cyrillic):
    """After the text, unless --quiet is given or nothing was replaced."""
    command = ("generate", "--cue", "Кот", "--words", "4")
    done = run_cli(*command, cwd=cyrillic, environment=NARROW, check=0)
    assert done.stdout.startswith("???") and done.stderr.splitlines()[1:] == [NOTE]
    assert run_cli(*command, "-q", cwd=cyrillic, environment=NARROW, check=0).stderr == ""
    assert "note" not in run_cli(*command, cwd=cyrillic, check=0).stderr
    scored = run_cli("evaluate", "--split", "train", cwd=cyrillic, environment=NARROW, check=0)
    assert "note" not in scored.stderr


def test_t35_stdout_and_stderr_are_told_apart(trained):
    """A message with a letter that stderr lacks, and nothing on stdout."""
    done = run_cli("generate", RUN, "--oov", "error", "--cue", "Кот", cwd=trained,
                   environment=NARROW, check=2)  # fmt: skip
    assert "does not know: ???" in done.stderr
    assert done.stderr.splitlines()[-1] == NOTE.replace("stdout", "stderr")
