"""A damaged checkpoint is refused whole; nothing of it is used."""

import json
import random
import shutil

import pytest

from lstmgen.errors import DamagedError
from lstmgen.generation.load import load_checkpoint
from lstmgen.runs import checkpoint
from tests.helpers import SOAK
from tests.helpers.program import call_cli
from tests.helpers.scenes import (
    RUN,
    STORY,
    best,
    checkpoints_of,
    last,
    wait_for,
    write_manifest,
)


def read_all(step):
    """Read a checkpoint as generating, scoring and resuming do."""
    found = checkpoint.open_checkpoint(step)
    for name in found.files:
        found.read(name)
    return found


def files_of(step):
    return sorted(path for path in step.iterdir() if path.is_file())


@pytest.mark.soak
def test_t15_two_hundred_flipped_bits_are_two_hundred_refusals(trained, tmp_path):
    """One bit at random places of all files, of the manifest too: 0 wrong loads."""
    step = tmp_path / "step"
    shutil.copytree(last(trained / RUN), step)
    files, draw = files_of(step), random.Random(0)
    before = read_all(step).digest
    for _ in range(5000 if SOAK else 200):
        path = draw.choice(files)
        data = bytearray(path.read_bytes())
        place = draw.randrange(len(data))
        data[place] ^= 1 << draw.randrange(8)
        whole = path.read_bytes()
        path.unlink()  # it may be a hard link
        path.write_bytes(bytes(data))
        with pytest.raises(DamagedError):
            read_all(step)
        path.write_bytes(whole)
    assert read_all(step).digest == before


@pytest.mark.parametrize("share", [0, 0.01, 0.25, 0.5, 0.99, 1])
def test_t15_every_truncation_is_refused(trained, tmp_path, share):
    """Of every file, to nothing, to shares of it, and by its last byte but one."""
    step = tmp_path / "step"
    shutil.copytree(last(trained / RUN), step)
    for path in files_of(step):
        whole = path.read_bytes()
        path.unlink()
        path.write_bytes(whole[: int(len(whole) * share)] if share < 1 else whole[:-2])
        with pytest.raises(DamagedError):
            read_all(step)
        path.write_bytes(whole)


def test_t15_commands_never_answer_from_a_damaged_checkpoint(trained, tmp_path):
    """generate, evaluate, explain and write: exit code 2, nothing on stdout."""
    folder = tmp_path / "here"
    shutil.copytree(trained, folder)
    path = best(folder / RUN) / checkpoint.MODEL
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    for command in ("generate", "evaluate", "explain", "write"):
        done = call_cli(command, RUN, cwd=folder, check=2)
        assert "is damaged (model.safetensors has been changed)" in done.stderr, command
        assert done.stdout == "", command


@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", RUN), ("evaluate", RUN, "--split", "train"), ("evaluate", RUN, "--tune"),
        ("train", "--resume", RUN), ("report", RUN), ("inspect", RUN, "--memory"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_t17_no_word_is_left_of_a_text_that_only_a_config_names(trained, tmp_path, command):
    """Somebody else's run folder may name any file of its reader as its text."""
    folder = tmp_path / "here"
    shutil.copytree(trained, folder)
    secret = tmp_path / "secret.txt"
    secret.write_text("The password is swordfish.\n" + STORY * 8, encoding="utf-8")
    resolved = folder / RUN / "resolved.yaml"
    resolved.write_text(resolved.read_text().replace(str(trained / "story.txt"), str(secret)))
    before = {path for path in folder.rglob("*") if path.is_file()}
    done = call_cli(*command, cwd=folder)
    assert done.exit_code == (0 if command[0] == "report" else 2)
    assert "swordfish" not in done.output
    for path in {path for path in folder.rglob("*") if path.is_file()} - before:
        assert b"swordfish" not in path.read_bytes(), path


def test_t15_a_checkpoint_newer_than_the_index_is_gone_on_from(trained, tmp_path):
    """As after a crash between the folder's rename and the index."""
    folder = tmp_path / "here"
    shutil.copytree(trained, folder)
    run = folder / RUN
    resolved = run / "resolved.yaml"
    resolved.write_text(resolved.read_text().replace(str(trained), str(folder)))
    newest = max(checkpoint.saved_steps(checkpoints_of(run)))
    checkpoint.write_index(checkpoints_of(run), checkpoint.Index(best=10, last=10))
    done = call_cli("train", "--resume", RUN, cwd=folder, check=0)
    assert f"step {newest}" in done.stderr and "nothing to resume" in done.stderr
    assert checkpoint.read_index(checkpoints_of(run)).last == newest


@pytest.mark.parametrize("name", ["manifest.json", checkpoint.CONFIG])
def test_t15_a_checkpoint_whose_words_cannot_be_read_is_passed_over(trained, tmp_path, name):
    """Though the text is prepared with the words of a checkpoint."""
    folder = tmp_path / "here"
    shutil.copytree(trained, folder)
    (last(folder / RUN) / name).write_bytes(b"{")
    done = call_cli("train", "--resume", RUN, "train.max_steps=22", cwd=folder, check=0)
    assert f"is damaged ({name}" in done.stderr
    assert "training continues from the checkpoint of step 20" in " ".join(done.stderr.split())


def test_t16_a_run_with_an_older_record_of_its_text_is_evaluated(trained, tmp_path):
    """The record cannot be compared; the words are."""
    folder = tmp_path / "here"
    shutil.copytree(trained, folder)
    step = best(folder / RUN)
    expected = call_cli("evaluate", RUN, "--json", cwd=folder, check=0).stdout
    manifest = json.loads((step / "manifest.json").read_text(encoding="utf-8"))
    write_manifest(step, manifest | {"format": 2})
    found = call_cli("evaluate", RUN, "--json", cwd=folder, check=0).stdout
    assert json.loads(found)["perplexity"] == json.loads(expected)["perplexity"]


@pytest.mark.slow
@pytest.mark.soak
def test_t43_reading_beside_a_writer_never_fails(tiny, tmp_path, processes):
    """A training saves at each step and keeps one; whoever reads finds a whole checkpoint."""
    process = processes("train", tiny, "train.epochs=100000", "train.save_every=1",
                        "train.keep=1", "sample.cues=[]", "-q", cwd=tmp_path)  # fmt: skip
    run = tmp_path / process.stdout.readline().strip()
    wait_for(lambda: (checkpoints_of(run) / "index.json").exists())
    seen = set()
    for _ in range(10_000 if SOAK else 300):
        seen.add(load_checkpoint(run, tmp_path).checkpoint.step)
    assert process.poll() is None
    assert len(seen) > 1
