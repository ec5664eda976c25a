"""Runs by their names, the list of runs, and their comparison."""

import json
import shutil
from pathlib import Path

import pytest

from lstmgen.errors import CheckpointError
from lstmgen.runs import folders
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
