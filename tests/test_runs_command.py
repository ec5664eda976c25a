"""Runs by their names, the list of runs, and their comparison."""

import json
import math
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from lstmgen.errors import CheckpointError, UsageError
from lstmgen.reporting.json_text import json_text
from lstmgen.reporting.tables import Table, plain_table
from lstmgen.runs import folders
from lstmgen.runs.history import read_history
from lstmgen.runs.records import COLUMNS, Records, read_record
from tests.helpers.program import call_cli
from tests.helpers.scenes import RUN

OLDER, NEWER = "tale-20260101-000000", "tale-20260102-000000"


def set_started(run, started):
    path = run / folders.ENVIRONMENT
    environment = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(environment | {"started": started}), encoding="utf-8")


@pytest.fixture(scope="module")
def named(trained, tmp_path_factory):
    """A folder with two runs that are named tale."""
    folder = tmp_path_factory.mktemp("named")
    for name, started in ((OLDER, "2026-01-01T00:00:00"), (NEWER, "2026-01-02T00:00:00")):
        shutil.copytree(trained / RUN, folder / "runs" / name)
        set_started(folder / "runs" / name, started)
    return folder


def test_a_name_means_the_newest_run_of_that_name(named):
    runs = named / "runs"
    notes = []
    assert folders.find_run(Path("tale"), runs, note=notes.append) == runs / NEWER
    assert notes == [f"note: 2 runs are named tale. This is the newest: {runs / NEWER}"]
    assert folders.find_step(Path("tale"), runs).parent.parent == runs / NEWER


def test_a_complete_folder_name_needs_no_path(named):
    notes = []
    found = folders.find_run(Path(OLDER), named / "runs", note=notes.append)
    assert (found, notes) == (named / "runs" / OLDER, [])


def test_an_existing_path_comes_before_a_name(named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tale").mkdir()
    assert str(folders.find_run(Path("tale"), named / "runs")) == "tale"
    with pytest.raises(CheckpointError, match=f"The run of this name is .*{NEWER}"):
        folders.find_step(Path("tale"), named / "runs")


def test_a_run_with_a_checkpoint_comes_before_a_newer_one_without(named, tmp_path):
    shutil.copytree(named / "runs", tmp_path / "runs")
    shutil.rmtree(tmp_path / "runs" / NEWER / "checkpoints")
    assert folders.find_run(Path("tale"), tmp_path / "runs").name == OLDER


def test_names_that_only_begin_or_end_alike_are_others(named):
    for name in ("tal", "tale-20260101", "ale", "t*", "tale-2026", "."):
        assert str(folders.find_run(Path(name), named / "runs")) == name


@pytest.mark.parametrize(
    "command",
    [
        ("generate", "tale", "--cue", "The cat", "--words", "2"),
        ("evaluate", "tale"),
        ("inspect", "--gates", "tale", "--cue", "The cat"),
        ("inspect", "--memory", "tale"),
        ("explain", "tale", "--cue", "The cat"),
        ("report", "tale"),
        ("export", "tale", "--output", "copy"),
        ("write", "tale"),
        ("train", "--resume", "tale"),
    ],
    ids=" ".join,
)
def test_every_command_finds_a_run_by_its_name(named, tmp_path, command):
    shutil.copytree(named / "runs", tmp_path / "runs")
    done = call_cli(*command, cwd=tmp_path, check=0, stdin="")
    assert f"2 runs are named tale. This is the newest: runs/{NEWER}" in done.stderr


def test_a_name_of_no_run_says_where_it_was_searched(named):
    done = call_cli("generate", "nowhere", cwd=named, check=2)
    assert (
        "error: nowhere: no such folder, and no run in runs has this name. "
        "To list the runs: lstmgen runs"
    ) in done.stderr


def test_the_name_of_a_preset_means_the_preset_where_configs_are_read(named, tmp_path):
    shutil.copytree(named / "runs" / NEWER, tmp_path / "runs" / "fable-20260101-000000")
    done = call_cli("inspect", "--gates", "fable", cwd=tmp_path, check=0)
    assert "fable, not trained" in done.stdout
    assert "note: fable is the preset here, which is not trained" in done.stderr
    assert "runs/fable-20260101-000000" in done.stderr


def test_looking_at_a_lock_does_not_stop_a_training(tmp_path):
    """Neither takes the lock nor creates its file."""
    assert not folders.is_locked(tmp_path)
    assert not (tmp_path / folders.LOCK).exists()
    with folders.locked(tmp_path):
        assert folders.is_locked(tmp_path)
    assert not folders.is_locked(tmp_path)
    with folders.locked(tmp_path):
        pass


def test_a_lock_names_the_process_that_holds_it_alone(tmp_path):
    """Whatever stood in it before."""
    (tmp_path / folders.LOCK).write_text("x" * 300, encoding="utf-8")
    with folders.locked(tmp_path), pytest.raises(UsageError) as caught, folders.locked(tmp_path):
        pass
    assert str(caught.value).endswith(
        f"is being trained by process {os.getpid()} on {socket.gethostname()}"
    )


def test_a_lock_is_not_taken_through_a_link(tmp_path):
    """Neither is what it leads to written, nor what is not there made."""
    victim = tmp_path / "victim"
    (tmp_path / folders.LOCK).symlink_to(victim)
    for content in (None, "mine"):
        if content is not None:
            victim.write_text(content, encoding="utf-8")
        with pytest.raises(OSError, match="symbolic links"), folders.locked(tmp_path):
            pass
        assert victim.exists() == (content is not None)
    assert victim.read_text(encoding="utf-8") == "mine"


def test_a_pipe_in_the_place_of_a_lock_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / folders.LOCK)
    assert not folders.is_locked(tmp_path)


FACTS = {"files": 2, "train_tokens": 1200, "valid_tokens": 100, "vocab_size": 50, "cell": "LSTM",
         "sizes": "12", "output": "softmax", "parameters": 3456, "steps": 40, "unigram": 30.5,
         "ngram": 20.25, "ngram_order": 3}  # fmt: skip


def make_run(runs, name, *events, started="2026-01-01T00:00:00", nats=(3.0, 2.0, 2.5)):
    """The records of a run without a checkpoint."""
    run = runs / name
    run.mkdir(parents=True)
    (run / folders.RESOLVED).write_text("train: {epochs: 4}\n", encoding="utf-8")
    (run / folders.ENVIRONMENT).write_text(json.dumps({"started": started}), encoding="utf-8")
    records = Records(run)
    for place, value in enumerate(nats, start=1):
        records.add_row({"step": 10 * place, "words": 100 * place, "train_nats": value + 0.5,
                         "valid_nats": value, "words_per_second": 1000.0 * place,
                         "seconds": 60.0 * place})  # fmt: skip
    for kind, values in (("started", FACTS), *events):
        records.add_event(kind, 10, values)
    return run


def listed(folder, *options):
    return json.loads(call_cli("runs", "--json", *options, cwd=folder, check=0).stdout)["runs"]


FINISHED = ("finished", {"reason": "finished 30 steps"})
STATES = {
    "finished": [FINISHED],
    "patient": [("finished", {"reason": "no better perplexity in 5 evaluations"})],
    "signalled": [("finished", {"reason": "stopped by a signal"})],
    "killed": [],
    "resumed-and-killed": [FINISHED, ("started", FACTS)],
    "diverged": [("diverged", {"message": "loss is nan"})],
    "odd": [("finished", {"reason": 7})],
}


def test_the_state_of_a_run_is_that_of_its_last_process(tmp_path):
    for name, events in STATES.items():
        make_run(tmp_path / "runs", name, *events)
    states = {run["name"]: run["state"] for run in listed(tmp_path)}
    assert states == {
        "finished": "finished",
        "patient": "finished",
        "signalled": "stopped",
        "killed": "stopped",
        "resumed-and-killed": "stopped",
        "diverged": "diverged",
        "odd": "stopped",
    }


def test_a_run_with_a_lock_is_in_training(tmp_path):
    run = make_run(tmp_path / "runs", "now", FINISHED)
    with folders.locked(run):
        done = call_cli("runs", cwd=tmp_path, check=0)
        assert "training 75%" in done.stdout
    assert listed(tmp_path)[0]["state"] == "finished"


def test_runs_are_listed_newest_first_with_their_figures(tmp_path):
    make_run(tmp_path / "runs", "zebra", FINISHED, started="2026-01-01T00:00:00")
    make_run(tmp_path / "runs", "ant", FINISHED, started="2026-01-02T00:00:00")
    (tmp_path / "runs" / ".prepared").mkdir()
    (tmp_path / "runs" / "other").mkdir()
    lines = call_cli("runs", cwd=tmp_path, check=0).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["run", "ant", "zebra"]
    for part in ("2 files, 1,200 tokens", "3,456", "7.39", "20.25", "3.0", "finished"):
        assert part in lines[1]
    run = listed(tmp_path)[0]
    assert run["best_perplexity"] == pytest.approx(math.exp(2.0))
    assert (run["best_step"], run["words_per_second"], run["seconds"]) == (20, 2000.0, 180.0)
    assert run["lowest_train_nats"] == 2.5


def test_a_finished_run_is_listed_as_it_is(trained):
    (run,) = listed(trained)
    assert (run["name"], run["state"], run["has_checkpoint"]) == ("first", "finished", True)
    assert run["best_perplexity"] > 1


def break_index(run):
    (run / "checkpoints/index.json").write_text("{", encoding="utf-8")


def break_manifest(run):
    for manifest in run.glob("checkpoints/step-*/manifest.json"):
        manifest.write_text("{}", encoding="utf-8")


def make_events_a_pipe(run):
    (run / "events.jsonl").unlink()
    os.mkfifo(run / "events.jsonl")


DAMAGES = {
    "index.json is damaged": break_index,
    "manifest.json has no format": break_manifest,
    "events.jsonl is not a plain file": make_events_a_pipe,
    "index.json is missing": lambda run: (run / "checkpoints/index.json").unlink(),
    "resolved.yaml is missing": lambda run: (run / "resolved.yaml").unlink(),
    "environment.json cannot be read": lambda run: (run / "environment.json").write_text("["),
    "events.jsonl or metrics.csv cannot be read": lambda run: (run / "metrics.csv").write_text(""),
}


@pytest.mark.parametrize("words", DAMAGES)
def test_a_damaged_run_is_listed_with_what_is_damaged(trained, tmp_path, words):
    shutil.copytree(trained / RUN, tmp_path / "runs" / "bad")
    DAMAGES[words](tmp_path / "runs" / "bad")
    done = call_cli("runs", cwd=tmp_path, check=0)
    assert done.stdout.splitlines()[1].endswith("damaged")
    assert done.stderr.startswith("note: bad: ") and words in done.stderr


@pytest.mark.parametrize(
    "content", [None, b"", b"[]", b'"started"', b"[" * 100_000, b"\xff", b" " * (1 << 20) + b"{}"],
    ids=["pipe", "empty", "list", "text", "deep", "bytes", "large"],
)  # fmt: skip
def test_an_environment_that_cannot_be_read_hides_no_other_run(tmp_path, content):
    """It may be written just now, or be somebody else's."""
    names = [f"tale-2026010{day}-000000" for day in (1, 2, 3)]
    for day, name in enumerate(names, start=1):
        make_run(tmp_path, name, started=f"2026-01-0{4 - day}T00:00:00")
    (tmp_path / names[0] / folders.ENVIRONMENT).unlink()
    if content is None:
        os.mkfifo(tmp_path / names[0] / folders.ENVIRONMENT)
    else:
        (tmp_path / names[0] / folders.ENVIRONMENT).write_bytes(content)
    assert [run.name for run in folders.runs_named("tale", tmp_path)] == [*names[1:], names[0]]
    with pytest.raises((OSError, ValueError)):
        folders.read_environment(tmp_path / names[0])


@pytest.mark.parametrize("value", [None, True, -1, "many", [1], {}, 1e400, 10**400])
def test_any_value_in_an_event_is_listed(tmp_path, value):
    run = make_run(tmp_path / "runs", "odd")
    event = {"event": "started"} | dict.fromkeys(FACTS, value)
    (run / "events.jsonl").write_text(json.dumps(event) + "\n", encoding="utf-8")
    for options in ((), ("--md",), ("--json",)):
        assert "odd" in call_cli("runs", *options, cwd=tmp_path, check=0).stdout


def test_what_is_no_row_or_event_is_left_out_when_a_run_goes_on(tmp_path):
    """As a crash leaves half a line, and somebody else anything."""
    run = make_run(tmp_path, "odd", FINISHED)
    records = Records(run, writes=True)
    rows, events = records.rows(), records.events.read_text(encoding="utf-8")
    with records.metrics.open("a", encoding="utf-8") as file:
        file.write("20,1\n20,x,1,2,3,4,5,6,7,8\nnan,1,2,3,4,5,6,7,8,9\n90,1,2,3,4,5,6,7,8,9\n15,1")
    assert {tuple(row) for row in records.rows()} == {COLUMNS}
    with records.events.open("a", encoding="utf-8") as file:
        for line in ("[" * 100_000, "3", '{"step": "x"}', "{}", '{"step": 90}', '{"step": 1'):
            file.write(line + "\n")
    records.drop_after(50)
    assert records.rows() == rows
    assert records.events.read_text(encoding="utf-8") == events


@pytest.mark.parametrize("environment", ["{}", '{"command": 7}', '{"command": []}', "[" * 100_000])
def test_a_history_without_readable_records_is_empty(tmp_path, environment):
    """What is no step of a sample, since it has too many digits, is a part of the one before."""
    run = make_run(tmp_path, "odd", FINISHED)
    (run / folders.ENVIRONMENT).write_text(environment, encoding="utf-8")
    text = f"## Step 10\n\n> a\n\n## Step {'9' * 5000}\n\n> b\n"
    (run / "samples.md").write_text(text, encoding="utf-8")
    with (run / "metrics.csv").open("a", encoding="utf-8") as file:
        file.write(",1,10,2,2,2,2,2,2,2\n")
    found = read_history(run)
    assert (found.command, found.samples) == ("", ((10, ("a", "b")),))
    assert len(found.rows) == 3 and found.finished == found.ending != {}
    for name in ("metrics.csv", "events.jsonl", "samples.md"):
        (run / name).unlink()
        os.mkfifo(run / name)
    empty = read_history(run)
    assert (empty.rows, empty.started, empty.ending, empty.samples) == ((), {}, {}, ())


def test_a_record_larger_than_any_is_not_read(tmp_path):
    with (tmp_path / "events.jsonl").open("wb") as file:
        file.truncate((256 << 20) + 1)
    with pytest.raises(OSError, match="more than 268,435,456"):
        read_record(tmp_path / "events.jsonl")


def test_json_has_null_for_what_is_no_number():
    """At any depth; readers of JSON accept no NaN."""
    value = {"a": [math.nan, (math.inf, 1.5)], "b": {"c": -math.inf, "d": "NaN"}, "e": True}
    assert json_text(value) == (
        '{"a": [null, [null, 1.5]], "b": {"c": null, "d": "NaN"}, "e": true}'
    )


HOSTILE = "a|b\n\x1b[31m`c` \u202e*d* <e> $x$"


def test_hostile_names_are_harmless(tmp_path):
    make_run(tmp_path / "runs", HOSTILE, FINISHED)
    make_run(tmp_path / "runs", "_plain", FINISHED, started="2026-01-02T00:00:00")
    plain = call_cli("runs", cwd=tmp_path, check=0).stdout
    table = call_cli("runs", "--md", cwd=tmp_path, check=0).stdout
    for text in (plain, table):
        assert not set(text) & set("\x1b\u202e") and len(text.splitlines()) == 3 + (text is table)
    assert {line.count(" | ") for line in table.splitlines()} == {6}
    assert r"a\|b\\n" in table and r"\`c\`" in table and r"\<e\>" in table
    assert HOSTILE in [run["name"] for run in listed(tmp_path)]
    call_cli("runs", "compare", "_plain", f"runs/{HOSTILE}", "--svg", "c.svg", cwd=tmp_path,
             check=0)  # fmt: skip
    svg = (tmp_path / "c.svg").read_text(encoding="utf-8")
    assert "_plain: perplexity 7.39 at step 20" in svg and "$x$" in svg


def test_without_runs_there_is_one_friendly_line(tmp_path):
    done = call_cli("runs", cwd=tmp_path, check=0)
    assert done.stdout == ""
    assert done.stderr == (
        "runs: no runs here yet. Train one: lstmgen train CONFIG, as in `train story`\n"
    )
    assert listed(tmp_path) == []


@pytest.mark.parametrize("columns", [*range(10, 130, 7), None])
def test_a_table_fits_any_terminal_and_loses_nothing(columns):
    rows = (("story-20261129", "28 files, 48,596 tokens", "1.5"), ("狐狸和葡萄", "1 file", "-"))
    text = plain_table(Table(("run", "text", "minutes"), rows, frozenset({2})), columns=columns)
    if columns is not None:
        assert max(map(cell_len, text.splitlines())) <= columns
    letters = re.sub(r"\s", "", text)
    for cell in (cell for row in rows for cell in row):
        assert re.sub(r"\s", "", cell) in letters


def test_the_list_of_runs_loads_no_torch(tmp_path):
    make_run(tmp_path / "runs", "one", FINISHED)
    make_run(tmp_path / "runs", "two", FINISHED)
    code = (
        "import sys; from lstmgen.cli.app import app\n"
        "for arguments in (['runs'], ['runs', 'compare', 'one', 'two']):\n"
        "    app(arguments, standalone_mode=False)\n"
        "sys.exit(bool({'torch', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True,
                          env={**os.environ, "PYTHONPATH": os.getcwd()}, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture
def pair(tmp_path):
    """Two runs that differ in two settings."""
    first = make_run(tmp_path / "runs", "first", FINISHED)
    second = make_run(tmp_path / "runs", "second", FINISHED, nats=(2.5, 1.5))
    (second / folders.RESOLVED).write_text(
        "model: {hidden_sizes: [9, 7]}\ntrain: {epochs: 5}\n", encoding="utf-8"
    )
    return first, second


def test_a_comparison_shows_what_differs_and_the_figures(tmp_path, pair):
    done = call_cli("runs", "compare", "first", "second", cwd=tmp_path, check=0)
    settings, measures = done.stdout.split("\n\n")
    assert [line.split(maxsplit=1) for line in settings.splitlines()[1:]] == [
        ["model.hidden_sizes", "[256]  [9, 7]"],
        ["train.epochs", "4      5"],
    ]
    assert re.search(r"^best perplexity +7\.39 +4\.48$", measures, re.M)
    assert re.search(r"^words per second, median +2,000 +1,500$", measures, re.M)
    assert done.stderr == ""
    report = json.loads(
        call_cli("runs", "compare", "first", "second", "--json", cwd=tmp_path, check=0).stdout
    )
    assert report["settings"] == {"model.hidden_sizes": [[256], [9, 7]], "train.epochs": [4, 5]}
    assert [run["name"] for run in report["runs"]] == ["first", "second"]


def test_options_may_stand_before_compare(tmp_path, pair):
    (tmp_path / "elsewhere").mkdir()
    before = ("runs", "--runs-dir", tmp_path / "runs", "--md", "compare", "first", "second")
    done = call_cli(*before, cwd=tmp_path / "elsewhere", check=0)
    assert done.stdout.startswith("| settings that differ | first | second |\n| --- |")


def test_equal_settings_and_other_texts_are_noted(tmp_path, pair):
    shutil.copytree(pair[0], tmp_path / "runs" / "third")
    done = call_cli("runs", "compare", "first", "third", cwd=tmp_path, check=0)
    assert done.stderr == "note: all settings of the 2 runs are equal\n"
    path = tmp_path / "runs" / "third" / "events.jsonl"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"vocab_size": 50', '"vocab_size": 60'), encoding="utf-8")
    done = call_cli("runs", "compare", "first", "third", cwd=tmp_path, check=0)
    assert "so their perplexities cannot be compared" in done.stderr


@pytest.mark.parametrize("name", ["c.svg", "c.png", "c.PDF"])
def test_a_picture_has_a_line_for_each_run(tmp_path, pair, name):
    done = call_cli("runs", "compare", "first", "second", "--svg", name, cwd=tmp_path, check=0)
    assert f"saved: {name}" in done.stderr
    assert (tmp_path / name).stat().st_size > 1000


ERRORS = {
    "name the runs to compare, two or more": ("first",),
    "first: is named twice. Name each run once": ("first", "runs/first"),
    "nowhere: no such run. To list the runs: lstmgen runs": ("first", "nowhere"),
    "runs: is not a run folder (it has no resolved.yaml)": ("first", "runs"),
    "--json and --md are two formats. Leave one out": ("first", "second", "--json", "--md"),
    "--svg c.gif: name a file that ends in .svg, .png or .pdf": (
        "first", "second", "--svg", "c.gif",
    ),
    "--svg gone/c.svg: name a file in an existing folder": (
        "first", "second", "--svg", "gone/c.svg",
    ),
    "--svg draws at most 8 runs, and these are 9": ("first",) * 9 + ("--svg", "c.svg"),
    "--svg: none of these runs has losses to draw yet": ("new", "newer", "--svg", "c.svg"),
    "was written by another version of lstmgen, or changed": ("first", "old"),
}  # fmt: skip


@pytest.mark.parametrize("words", ERRORS)
def test_what_cannot_be_compared_is_one_message(tmp_path, pair, words):
    for name in ("new", "newer", "old"):
        make_run(tmp_path / "runs", name, nats=())
    (tmp_path / "runs/old/resolved.yaml").write_text("train: {zebra: 3}\n", encoding="utf-8")
    done = call_cli("runs", "compare", *ERRORS[words], cwd=tmp_path, check=2)
    assert done.stdout == "" and done.stderr.startswith("error: ") and words in done.stderr
