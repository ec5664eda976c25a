"""Equal inputs, equal bytes; and nothing that nobody declared, no network."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import call_cli, run_cli
from scenes import fingerprint, make_trained

from lstmgen import checkpoint


def saved(run):
    return fingerprint(run / "checkpoints")


def test_t32_two_runs_are_equal_bytes(tiny, tmp_path):
    """Every file of every checkpoint, the index and the copy index too: no time, no host."""
    runs = []
    for name in ("one", "two"):
        settings = ("train.keep=100", "train.average=ema")
        done = call_cli("train", tiny, *settings, "--name", name, "-q", cwd=tmp_path, check=0)
        runs.append(tmp_path / done.stdout.strip())
    assert saved(runs[0]) == saved(runs[1])
    assert len(saved(runs[0])) > 6 * (len(checkpoint.FILES) + 1)
    host = os.uname().nodename.encode()
    for path in (runs[0] / "checkpoints").rglob("*.*"):
        if path.is_file():
            assert host not in path.read_bytes() and str(tmp_path).encode() not in path.read_bytes()


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "0", "TZ": "America/Lima", "LC_ALL": "C.UTF-8"},
        {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "0"},
        {"PYTHONHASHSEED": "2", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
    ids=["hash_seed_0", "turkish", "ascii"],
)
def test_t33_the_environment_changes_no_byte(tiny, tmp_path, story, environment):
    """Hash seed, time zone and locale; in an ASCII one a text with other letters is read too."""
    story.write_text(story.read_text() + "İstanbul'da ılık bir gün — naïve “quotes”.\n" * 9)
    here = call_cli("train", tiny, "-q", cwd=tmp_path, check=0).stdout.strip()
    done = run_cli("train", tiny, "-q", cwd=tmp_path, check=0, environment=environment)
    assert saved(tmp_path / here) == saved(tmp_path / done.stdout.strip())


GUARDED = """
import socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("a network was asked for")
for name in ("connect", "connect_ex", "bind", "sendto"):
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = socket.gethostbyname = socket.create_connection = refuse
from lstmgen.cli.app import app
app(sys.argv[1:])
"""


def test_t44_no_command_asks_for_a_network(tmp_path):
    """Trained, generated, scored, explained and drawn with every way to a network refused."""
    folder = make_trained(tmp_path)
    commands = [
        ["train", "my.yaml", "train.max_steps=3", "-q"],
        ["train", "--resume", "train.max_steps=4", "-q"],
        ["generate", "--words", "3"],
        ["evaluate"],
        ["explain"],
        ["inspect", "--gates"],
        ["check", "--resume", "my.yaml", "--steps", "2"],
    ]
    for arguments in commands:
        done = subprocess.run(
            [sys.executable, "-c", GUARDED, *arguments],
            cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (arguments, done.stderr)


def test_t44_every_dependency_is_pinned():
    """constraints.txt names one version of everything that an environment holds of them."""
    lines = (Path(__file__).parents[2] / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line.strip() and not line.startswith("#")]
    assert len(pins) > 8 and all("==" in line for line in pins)
