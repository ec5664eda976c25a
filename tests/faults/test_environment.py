"""What the machine lacks: a system, an encoding, a home folder, a temporary folder."""

import os
import subprocess
import sys

import pytest

from lstmgen.cli.app import COMMANDS

NO_FCNTL = "import sys; sys.modules['fcntl'] = None; from lstmgen.cli.app import main; main()"


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
