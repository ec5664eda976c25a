"""The program lstmgen, called in this process or started in one of its own."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from typer.testing import CliRunner

from lstmgen.cli.app import app


def call_cli(*arguments, cwd, check=None, stdin=None):
    """Run the program in this process, which is faster."""
    before = Path.cwd()
    os.chdir(cwd)
    try:
        done = CliRunner().invoke(
            app, [str(a) for a in arguments], input=stdin, prog_name="lstmgen"
        )
    finally:
        os.chdir(before)
        torch.set_flush_denormal(False)  # the program sets it for its process; this one is ours
    if check is not None:
        assert done.exit_code == check, done.output
    return done


def write_session(folder, lines, *arguments):
    """Write a text by ``lstmgen write``; the text, and what was shown on stderr."""
    stdin = "".join(line + "\n" for line in lines)
    done = call_cli("write", "--seed", 1, *arguments, cwd=folder, stdin=stdin, check=0)
    return done.stdout, done.stderr


def train(config, *settings, cwd, name="run"):
    """Train in this process; the run folder."""
    done = call_cli("train", config, *settings, "--name", name, "-q", cwd=cwd, check=0)
    return cwd / done.stdout.strip()


def run_cli(*arguments, cwd, check=None, stdin=None, environment=None):
    """Run the program in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "lstmgen", *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **(environment or {})},
        check=False,
    )
    if check is not None:
        assert done.returncode == check, done.stderr
    return done
