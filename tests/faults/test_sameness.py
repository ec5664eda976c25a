"""Equal inputs, equal bytes; and nothing that nobody declared, no network."""

import os
import subprocess
import sys

import pytest

from lstmgen.runs import checkpoint
from tests.helpers.program import run_cli, train
from tests.helpers.scenes import fingerprint, make_trained


def saved(run):
    return fingerprint(run / "checkpoints")


def test_t32_two_runs_are_equal_bytes(tiny, tmp_path):
    """Every file of every checkpoint, the index and the copy index too: no time, no host."""
    runs = []
    for name in ("one", "two"):
        settings = ("train.keep=100", "train.average=ema")
        runs.append(train(tiny, *settings, cwd=tmp_path, name=name))
    assert saved(runs[0]) == saved(runs[1])
    assert len(saved(runs[0])) > 6 * (len(checkpoint.FILES) + 1)
    host, folder = os.uname().nodename, str(tmp_path)
    for path in (runs[0] / "checkpoints").rglob("*.*"):
        if path.is_file():
            data = path.read_bytes()
            if path.suffix == ".safetensors":  # the header: numbers may spell a short name
                data = data[: 8 + int.from_bytes(data[:8], "little")]
            assert host.encode() not in data and folder.encode() not in data


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "0", "TZ": "Asia/Tokyo", "LC_ALL": "tr_TR.UTF-8"},
        {"PYTHONHASHSEED": "1", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
    ids=["turkish", "ascii"],
)
def test_t33_the_environment_changes_no_byte(tiny, tmp_path, story, environment):
    """Folder, hash seed, time zone and locale; in an ASCII one other letters are read too."""
    story.write_text(story.read_text() + "İstanbul'da ılık bir gün — naïve “quotes”.\n" * 9)
    here = train(tiny, cwd=tmp_path)
    other = tmp_path / "elsewhere"
    other.mkdir()
    for file in (tiny, story):
        (other / file.name).write_bytes(file.read_bytes())
    done = run_cli("train", tiny.name, "-q", cwd=other, check=0, environment=environment)
    assert saved(here) == saved(other / done.stdout.strip())


GUARDED = """
import socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("a network was asked for")
for name in ("connect", "connect_ex", "bind", "sendto"):
    setattr(socket.socket, name, refuse)
socket.getaddrinfo = socket.gethostbyname = socket.create_connection = refuse
from lstmgen.cli.app import app
for line in sys.argv[1:]:
    try:
        app(line.split())
    except SystemExit as end:
        assert not end.code, line
"""


@pytest.mark.slow
def test_t44_no_command_asks_for_a_network(tmp_path):
    """Trained, generated, scored, explained and drawn with every way to a network refused."""
    folder = make_trained(tmp_path)
    commands = [
        "generate --words 3",
        "train my.yaml train.max_steps=3 -q",
        "train --resume train.max_steps=4 -q",
        "evaluate",
        "explain",
        "inspect --gates",
        "check --resume my.yaml --steps 2",
    ]
    done = subprocess.run(
        [sys.executable, "-c", GUARDED, *commands],
        cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
