"""What the machine lacks: a system, an encoding, a home folder, a temporary folder."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile

import pytest

from lstmgen.cli.app import COMMANDS
from tests.helpers.program import call_cli, run_cli, train
from tests.helpers.scenes import RUN, last

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


@pytest.mark.slow
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


@pytest.mark.slow
def test_t12_a_home_that_cannot_be_written_is_no_matter(trained, tmp_path):
    """The plot is drawn, and its library says nothing of its cache."""
    for quiet in ((), ("-q",)):
        done = run_cli("train", trained / "my.yaml", "--runs-dir", tmp_path, *quiet, cwd=trained,
                       environment={"HOME": "/proc/none", "XDG_CONFIG_HOME": ""},
                       check=0)  # fmt: skip
        assert "mkdir" not in done.stderr and "atplotlib" not in done.stderr
        assert not (quiet and done.stderr)
    assert len(list(tmp_path.glob("*/plots/loss.png"))) == 2


NO_TEMPORARY = "error: no temporary folder can be written. Name one that can be: TMPDIR=FOLDER\n"


@pytest.mark.parametrize("command", [("bench", "my.yaml"), ("check", "--resume", "my.yaml")])
def test_t12_no_temporary_folder_is_one_message(trained, monkeypatch, command):
    """It names the way out, whatever the command needs the folder for."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/none"])
    assert call_cli(*command, cwd=trained, check=1).stderr == NO_TEMPORARY


NO_CACHE = """
import tempfile, torch._dynamo
tempfile.tempdir, tempfile._candidate_tempdir_list = None, lambda: ["/proc/none"]
from lstmgen.cli.app import main
main()
"""


@pytest.mark.slow
def test_t12_a_plot_that_cannot_be_drawn_costs_no_training(trained, tmp_path):
    """Its library needs a folder for its cache, and there is none, not even a temporary one."""
    done = subprocess.run(
        [sys.executable, "-c", NO_CACHE, "train", "my.yaml", "--runs-dir", tmp_path],
        env={**os.environ, "HOME": "/proc/none", "PYTHONPATH": os.getcwd()}, cwd=trained,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "not drawn: no temporary folder can be written. Name one" in done.stderr


@pytest.mark.parametrize("command", [("evaluate",), ("inspect", "--gates"), ("explain",)])
def test_t12_a_text_is_prepared_beside_its_run(trained, tmp_path, command):
    """Never in the current folder; where that is not possible, in a temporary one."""
    runs, elsewhere = tmp_path / "runs", tmp_path / "elsewhere"
    shutil.copytree(trained / RUN, runs / "copy")
    elsewhere.mkdir()
    (runs / ".prepared").write_text("in the way, as if the disk were read-only")
    arguments = (command[0], runs / "copy", *command[1:])
    first = call_cli(*arguments, cwd=elsewhere, check=0).stdout
    (runs / ".prepared").unlink()
    assert call_cli(*arguments, cwd=elsewhere, check=0).stdout == first != ""
    assert not list(elsewhere.iterdir())
    assert len(list(runs.glob(".prepared/*/valid.ids"))) == 1


def test_t12_a_training_needs_no_folder_of_prepared_texts(trained, tmp_path):
    """Where another user owns it, a text is prepared in a temporary one; the result is the same."""
    weights = []
    for name in ("own", "shared"):
        runs = tmp_path / name
        runs.mkdir()
        if name == "shared":
            (runs / ".prepared").write_text("in the way, as if another user owned it")
        run = train("my.yaml", f"--runs-dir={runs}", cwd=trained)
        weights.append((last(run) / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]


@pytest.mark.parametrize("file", ["train.ids", "valid.ids", "train.lines", "meta.json"])
def test_t15_a_changed_prepared_text_is_prepared_again(trained, tmp_path, file):
    """A flipped bit, as a disk may give it; the text itself is there."""
    runs = tmp_path / "runs"
    shutil.copytree(trained / "runs", runs)
    path = next(runs.glob(f".prepared/*/{file}"))
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(bytes(damaged))
    call_cli("evaluate", runs / "first", cwd=trained, check=0)
    assert path.read_bytes() == whole


def test_t12_prepared_texts_have_the_mode_that_the_umask_gives(trained):
    """So that users of one group can share their runs."""
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (trained / "runs/.prepared").iterdir()}
    plain = stat.S_IMODE((trained / "runs").stat().st_mode)
    assert modes == {plain}


@pytest.mark.parametrize("command", ["--help", "train --help", "--version"])
def test_t21_help_that_nobody_reads_ends_silently(trained, command):
    """As other programs do: by SIGPIPE."""
    script = f"{sys.executable} -m lstmgen {command} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], cwd=trained, capture_output=True, check=False)
    assert done.returncode in (0, 141) and done.stderr == b""  # 0: written before `true` ended


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("generate", RUN, "--cue", "The cat", "--words", "5"), 1),
        (("evaluate", RUN), 1),
        (("train", "my.yaml", "--name", "full"), 1),
        (("--version",), 1),
        (("--help",), 1),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)
def test_t35_a_full_disk_under_stdout_is_one_message(trained, arguments, code):
    """Without PYTHONUNBUFFERED, as users have it: the last flush is the interpreter's."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lstmgen", *arguments], cwd=trained, stdout=full,
            stderr=subprocess.PIPE, text=True, env=buffered(), check=False,
        )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert "No space left on device" in done.stderr
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


@pytest.mark.parametrize(("model", "code"), [(RUN, 0), ("nowhere", 2)])
def test_t35_a_full_disk_under_stderr_changes_no_exit_code(trained, model, code):
    """Where nothing can be said, the text still arrives."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lstmgen", "generate", model, "--cue", "The"], cwd=trained,
            stdout=subprocess.PIPE, stderr=full, text=True, env=buffered(), check=False,
        )  # fmt: skip
    assert done.returncode == code
    assert bool(done.stdout) == (code == 0)


@pytest.mark.parametrize(("model", "code"), [(RUN, 0), ("nowhere", 2)])
def test_t35_what_a_closed_stderr_would_get_does_not_go_to_stdout(trained, model, code):
    """The text alone is on stdout."""
    command = f"{sys.executable} -m lstmgen generate {model} --cue zebra --words 3 2>&-"
    done = subprocess.run(
        ["sh", "-c", command], cwd=trained, stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == code
    assert "note" not in done.stdout and "error" not in done.stdout
    assert done.stdout.startswith("zebra") == (code == 0)


LEFT = """
import sys
from lstmgen.cli import app
app.app = lambda prog_name: sys.exit(print("left in the buffer"))
app.main()
"""


def test_t35_what_is_left_in_the_buffer_of_a_full_stdout_is_an_error():
    """Though the command itself has ended well."""
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([sys.executable, "-c", LEFT], stdout=full, stderr=subprocess.PIPE,
                              text=True, env=buffered(), check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "error: stdout: No space left on device\n")


NEXT_FILE = """
import sys
from lstmgen.cli.app import main
try:
    main()
except SystemExit:
    with open("number.txt", "w") as file:
        file.write(str(file.fileno()))
"""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_t35_no_file_takes_the_place_of_a_closed_stream(tmp_path, closed):
    """Where the system and libraries would write what is meant for the stream."""
    command = f'"$0" -c "$1" --version {closed}'
    subprocess.run(["sh", "-c", command, sys.executable, NEXT_FILE], cwd=tmp_path, check=True,
                   env={**os.environ, "PYTHONPATH": os.getcwd()},
                   capture_output=True)  # fmt: skip
    assert int((tmp_path / "number.txt").read_text()) > 2


def test_t40_the_name_of_a_config_brings_no_control_character_into_a_run(trained):
    """A run is named after its config, without them."""
    (trained / "a\nb\x1b.yaml").write_bytes((trained / "my.yaml").read_bytes())
    done = call_cli("train", "a\nb\x1b.yaml", "train.max_steps=2", "-q", cwd=trained, check=0)
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith("runs/ab-")


def buffered():
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
