"""Checkpoint folders: written whole, read with suspicion."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from lstmgen.errors import CheckpointError, StorageError
from lstmgen.generation.load import load_checkpoint
from lstmgen.runs import checkpoint, folders
from lstmgen.runs.checkpoint import Index
from tests.helpers.program import call_cli, train
from tests.helpers.scenes import RUN, fingerprint, last, progress_of, seal, write_manifest


def write_step(folder, step, value=1.0):
    folder.mkdir(exist_ok=True)
    return checkpoint.write_checkpoint(
        folder,
        step,
        model={"b": np.full(3, value, np.float32), "a": np.ones((2, 2), np.float32)},
        state={"x": np.arange(4)},
        progress={"step": step},
        config="data: {}\n",
        vocabulary={"entries": ["<story>"], "counts": [1]},
        tokenizer={"tokenizer": "word", "lowercase": False},
        origin={"texts": [], "tokens": 1, "init_from": None},
    )


def test_what_was_written_is_read(tmp_path):
    found = checkpoint.open_checkpoint(write_step(tmp_path, 7))
    assert found.step == 7
    assert found.read_json(checkpoint.PROGRESS) == {"step": 7}
    tensors = found.read_tensors(checkpoint.MODEL)
    assert set(tensors) == {"a", "b"} and tensors["b"].dtype == np.float32
    assert found.read(checkpoint.CONFIG) == b"data: {}\n"


def test_equal_contents_are_equal_bytes(tmp_path):
    a, b = write_step(tmp_path / "one", 3), write_step(tmp_path / "two", 3)
    for name in (*checkpoint.FILES, "manifest.json"):
        assert (a / name).read_bytes() == (b / name).read_bytes()


def test_the_index_names_best_and_last(tmp_path):
    assert checkpoint.read_index(tmp_path) is None
    checkpoint.write_index(tmp_path, Index(best=2, last=5))
    assert checkpoint.read_index(tmp_path) == Index(best=2, last=5)
    for text in (
        "", "[]", '{"best": -1, "last": 2}', '{"best": true, "last": 2}', '{"best": 1}',
        "[" * 50_000,
    ):  # fmt: skip
        (tmp_path / "index.json").write_text(text)
        with pytest.raises(CheckpointError, match="index.json is damaged"):
            checkpoint.read_index(tmp_path)


@pytest.mark.parametrize(
    ("keep", "best", "left"),
    [(1, 2, {2, 6}), (2, 2, {2, 5, 6}), (3, 6, {4, 5, 6}), (9, 1, {1, 2, 3, 4, 5, 6})],
)
def test_t13_best_and_the_newest_are_kept(tmp_path, keep, best, left):
    """By their numbers: copied files have odd times, and clocks are set back."""
    for step in (5, 3, 6, 1, 4, 2):
        write_step(tmp_path, step)
    (tmp_path / "step-x").mkdir()  # not one of ours
    assert checkpoint.delete_old(tmp_path, index=Index(best=best, last=6), keep=keep) == []
    assert set(checkpoint.saved_steps(tmp_path)) == left
    assert (tmp_path / "step-x").is_dir()


def test_a_step_written_again_replaces_the_older_one(tmp_path):
    write_step(tmp_path, 3, value=1.0)
    found = checkpoint.open_checkpoint(write_step(tmp_path, 3, value=2.0))
    assert found.read_tensors(checkpoint.MODEL)["b"].tolist() == [2, 2, 2]
    assert not list(tmp_path.glob(".step*"))


@pytest.mark.parametrize("name", [*checkpoint.FILES, "manifest.json"])
@pytest.mark.parametrize("harm", ["cut", "grown", "flipped", "empty", "gone", "folder"])
def test_t15_damage_of_any_file_is_found_and_named(tmp_path, name, harm):
    """Of the files that only a resumption reads, too."""
    path = write_step(tmp_path, 1)
    file = path / name
    data = file.read_bytes()
    if harm == "cut":
        file.write_bytes(data[:-2])
    elif harm == "grown":
        file.write_bytes(data + b" x")
    elif harm == "flipped":
        file.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    elif harm == "empty":
        file.write_bytes(b"")
    else:
        file.unlink()
        if harm == "folder":
            file.mkdir()
    with pytest.raises(CheckpointError, match=r"checkpoint .*step-1 is damaged \(.+\)"):
        found = checkpoint.open_checkpoint(path)
        for each in checkpoint.FILES:
            found.read(each)


def test_a_checkpoint_of_the_first_format_is_read(tmp_path):
    path = write_step(tmp_path, 1)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest = {key: value for key, value in manifest.items() if key != "digest"} | {"format": 1}
    manifest["digest"] = checkpoint.digest_of(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))
    assert checkpoint.open_checkpoint(path).read_json(checkpoint.PROGRESS) == {"step": 1}


def test_t16_a_newer_format_and_a_missing_folder_are_told(tmp_path):
    """Even where the manifest's digest is not one that this version can check."""
    path = write_step(tmp_path, 1)
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | {"format": checkpoint.FORMAT + 1}))
    with pytest.raises(
        CheckpointError, match=r"made by a newer lstmgen \(format \d+, this one reads"
    ):
        checkpoint.open_checkpoint(path)
    with pytest.raises(CheckpointError, match="no such checkpoint folder"):
        checkpoint.open_checkpoint(tmp_path / "step-9")


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"../../escape": {"size": 1, "sha256": ""}}},
        {"files": {"model.safetensors": {"size": 10**15, "sha256": "0" * 64}}},
        {"files": {"model.safetensors": {"size": -1, "sha256": "0"}}},
        {"files": []},
        {"step": "1"},
        {"format": "4"},
    ],
)
def test_t17_a_hostile_manifest_is_refused(tmp_path, change):
    """Names outside the folder, sizes beyond the file, values of another kind."""
    path = write_step(tmp_path, 1)
    manifest = json.loads((path / "manifest.json").read_text())
    facts = {k: v for k, v in (manifest | change).items() if k != "digest"}
    facts["digest"] = checkpoint.digest_of(facts)  # whoever forges a manifest forges this too
    (path / "manifest.json").write_text(json.dumps(facts))
    with pytest.raises(CheckpointError, match="is damaged"):
        checkpoint.open_checkpoint(path).read(checkpoint.MODEL)


@pytest.mark.parametrize(
    ("name", "most"),
    [
        (checkpoint.CONFIG, 1_000_000), (checkpoint.TOKENIZER, 10_000),
        (checkpoint.PROGRESS, 16 << 20), (checkpoint.ORIGIN, 64 << 20),
        (checkpoint.VOCABULARY, 512 << 20),
    ],
)  # fmt: skip
def test_t17_a_file_larger_than_any_is_refused_unread(tmp_path, name, most):
    """By the size in its manifest, before its bytes are looked for."""
    path = write_step(tmp_path, 1)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"][name]["size"] = most + 1
    write_manifest(path, manifest)
    found = checkpoint.open_checkpoint(path)
    read = found.read if name == checkpoint.CONFIG else found.read_json
    with pytest.raises(CheckpointError, match="larger than any that lstmgen writes"):
        read(name)


def test_t17_a_manifest_nested_too_deeply_is_refused(tmp_path):
    """Before its digest, which cannot be computed, is compared."""
    path = write_step(tmp_path, 1)
    (path / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match="manifest.json is not JSON"):
        checkpoint.open_checkpoint(path)


def test_t17_an_index_or_a_manifest_of_megabytes_is_refused(tmp_path):
    """Though the rest is blanks, which JSON allows."""
    path = write_step(tmp_path, 1)
    checkpoint.write_index(tmp_path, Index(best=1, last=1))
    for file, size in ((tmp_path / "index.json", 1 << 16), (path / "manifest.json", 1 << 20)):
        file.write_bytes(file.read_bytes() + b" " * size)
    with pytest.raises(CheckpointError, match=r"index.json is damaged \(.* more than 65,536"):
        checkpoint.read_index(tmp_path)
    with pytest.raises(CheckpointError, match=r"manifest.json: has .* more than 1,048,576"):
        checkpoint.open_checkpoint(path)


@pytest.mark.parametrize(
    "value",
    [
        [], 3, None, {"window": True}, {"stride": 2.0}, {"batch_size": 0}, {"accumulate": -1},
        {"window": 2**31 + 1}, {"stride": None},
    ],
    ids=str,
)  # fmt: skip
def test_t03_sizes_of_a_step_are_whole_numbers_in_range(tmp_path, value):
    """Whoever reads them, in a file with a manifest that is true of it."""
    path = write_step(tmp_path, 1)
    seal(path, state_json=b'{"window": 2147483648, "stride": 1}')
    assert checkpoint.open_checkpoint(path).read_counters()["window"] == 2**31
    seal(path, state_json=json.dumps(value).encode())
    with pytest.raises(CheckpointError, match=r"is damaged \(state.json"):
        checkpoint.open_checkpoint(path).read_counters()


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_weights_of_another_precision_are_read_in_float32(trained, tmp_path, kind):
    """As this version and every other one computes."""
    step = tmp_path / "step"
    shutil.copytree(last(trained / RUN), step)
    weights = load((step / checkpoint.MODEL).read_bytes())
    seal(step, model_safetensors=save({n: a.astype(kind) for n, a in weights.items()}))
    read = load_checkpoint(step, tmp_path).weights
    assert {str(array.dtype) for array in read.values()} == {"float32"}
    assert {name: array.shape for name, array in read.items()} == {
        name: array.shape for name, array in weights.items()
    }


def test_t11_a_full_disk_is_one_message_and_harms_nothing(tmp_path, monkeypatch):
    """What there was is intact, what was begun is gone."""
    write_step(tmp_path, 1)
    checkpoint.write_index(tmp_path, Index(best=1, last=1))

    def full(path, data):
        if path.name == checkpoint.STATE:
            raise OSError(28, "No space left on device")
        path.write_bytes(data)

    monkeypatch.setattr(checkpoint, "write_durably", full)
    with pytest.raises(
        StorageError, match=r"step-2 cannot be written \(No space left on device\): needs [\d,]+ "
        r"bytes, [\d,]+ are free. Checkpoints saved before are intact",
    ):  # fmt: skip
        write_step(tmp_path, 2)
    assert not list(tmp_path.glob(".step*"))
    assert checkpoint.saved_steps(tmp_path) == [1]
    assert checkpoint.read_index(tmp_path) == Index(best=1, last=1)


class Recorder:
    """Notes, and may die at, each call by which a checkpoint reaches the disk."""

    def __init__(self, monkeypatch, *, die_at=None):
        self.calls, self.die_at = [], die_at
        for owner, name in (
            (os, "fsync"), (Path, "rename"), (Path, "replace"), (Path, "hardlink_to"),
            (Path, "mkdir"), (shutil, "rmtree"),
        ):  # fmt: skip
            real = getattr(owner, name)
            monkeypatch.setattr(owner, name, self.noted(name, real))
        real = checkpoint.write_durably
        monkeypatch.setattr(checkpoint, "write_durably", self.torn(real))

    def count(self, name):
        self.calls.append(name)
        if len(self.calls) == self.die_at:
            raise Killed

    def noted(self, name, real):
        def call(*args, **kwargs):
            self.count(name)
            return real(*args, **kwargs)

        return call

    def torn(self, real):
        def call(path, data):
            try:
                self.count("write")
            except Killed:
                path.write_bytes(data[: len(data) // 2])
                raise
            real(path, data)

        return call


class Killed(BaseException):
    """A process that is killed cleans nothing up."""


def save_steps(folder, steps):
    """What a run does at each step that it saves."""
    for step in steps:
        write_step(folder, step, value=float(step))
        index = Index(best=steps[0], last=step)
        checkpoint.write_index(folder, index)
        checkpoint.delete_old(folder, index=index, keep=1)


@pytest.mark.slow
def test_t09_killed_between_any_two_calls_a_whole_checkpoint_is_left(tmp_path, monkeypatch):
    """After every call of the recipe in turn, half a file included; at most one step is lost."""
    with monkeypatch.context() as patch:
        whole = Recorder(patch)
        save_steps(tmp_path / "whole", [1, 2, 3, 4])
    assert len(whole.calls) > 60
    first = len(whole.calls) // 4
    for die_at in range(first + 1, len(whole.calls) + 1):
        folder = tmp_path / str(die_at)
        with monkeypatch.context() as patch:
            recorder = Recorder(patch, die_at=die_at)
            with pytest.raises(Killed):
                save_steps(folder, [1, 2, 3, 4])
        index = checkpoint.read_index(folder)
        assert index == Index(best=1, last=recorder.calls[:-1].count("replace"))
        for step in {index.best, index.last, *checkpoint.saved_steps(folder)}:
            found = checkpoint.open_checkpoint(checkpoint.step_folder(folder, step))
            assert found.read_tensors(checkpoint.MODEL)["b"].tolist() == [float(step)] * 3
            for name in checkpoint.FILES:
                found.read(name)
        checkpoint.clean_up(folder)
        left = {path.name for path in folder.iterdir()} - {"index.json", ".index.json.tmp"}
        assert left == {f"step-{step}" for step in checkpoint.saved_steps(folder)}
        save_steps(folder, [1, index.last + 1])


def test_t10_files_are_flushed_before_the_rename_and_old_ones_go_last(tmp_path, monkeypatch):
    """Write, flush each file, flush their folder, rename, flush the folder above; then the index
    in the same way; only then is anything deleted."""
    with monkeypatch.context() as patch:
        recorder = Recorder(patch)
        save_steps(tmp_path / "here", [1, 2, 3])
    files = len(checkpoint.FILES) + 1
    step = ["mkdir", "rmtree", "mkdir", *["write", "fsync"] * files, "fsync", "rename", "fsync"]
    index = ["write", "fsync", "replace", "fsync"]
    again = ["mkdir", *step]  # the helper above makes the folder
    assert recorder.calls == [*again, *index, *again, *index, *again, *index, "rename", "rmtree"]


def test_t10_a_run_saves_in_that_order(tiny, tmp_path, monkeypatch):
    """The checkpoint, the index that names it, and only then are older ones deleted."""
    calls = []
    for name in ("write_checkpoint", "write_index", "delete_old"):
        real = getattr(checkpoint, name)

        def noted(*args, name=name, real=real, **kwargs):
            calls.append(name)
            return real(*args, **kwargs)

        monkeypatch.setattr(checkpoint, name, noted)
    train(tiny, cwd=tmp_path)
    assert calls == ["write_checkpoint", "write_index", "delete_old"] * 6


def test_t14_what_cannot_be_deleted_is_told_and_training_goes_on(tiny, tmp_path, monkeypatch):
    """As on a network file system that says busy."""
    real = shutil.rmtree

    def busy(path, *args, **kwargs):
        if str(path).endswith(".old"):
            raise OSError(errno.EBUSY, "Device or resource busy")
        real(path, *args, **kwargs)

    monkeypatch.setattr(checkpoint.shutil, "rmtree", busy)
    done = call_cli("train", tiny, "train.keep=1", cwd=tmp_path, check=0)
    assert "note: step-10 could not be deleted (Device or resource busy)" in done.stderr
    run = next((tmp_path / "runs").iterdir())
    assert checkpoint.read_index(run / "checkpoints").last == 60
    monkeypatch.undo()
    checkpoint.clean_up(run / "checkpoints")
    assert not list((run / "checkpoints").glob(".step*"))


def test_t11_a_disk_that_is_too_small_is_told_before_training(tiny, tmp_path, monkeypatch):
    """By the sizes of all checkpoints that are kept; no run folder is made."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=30_000))
    done = call_cli("train", tiny, cwd=tmp_path, check=1)
    assert "error: runs: 4 checkpoints of " in done.stderr
    assert "30,000 are free. Free some, lower train.keep, or choose" in done.stderr
    assert list((tmp_path / "runs").iterdir()) == [tmp_path / "runs" / ".prepared"]
    few = (
        "train.keep=100000",
        "train.max_steps=2",
        "train.epochs=null",
        "train.save_every=2",
        "train.schedule=constant",
    )
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=80_000))
    run = train(tiny, *few, cwd=tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=3_000))
    done = call_cli("train", "--resume", run, "train.max_steps=9", cwd=tmp_path, check=1)
    assert "checkpoints of " in done.stderr and "3,000 are free" in done.stderr
    call_cli("train", "--resume", run, cwd=tmp_path, check=0)


def test_t11_the_copy_index_is_counted_beside_the_checkpoints(tiny, tmp_path, monkeypatch):
    """Where one is kept: a disk that holds the checkpoints alone is too small."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=0))
    told = call_cli("train", tiny, cwd=tmp_path, check=1).stderr
    found = re.search(r"4 checkpoints of (\S+) bytes and a copy index of (\S+) need (\S+) ", told)
    each, index, needed = (int(number.replace(",", "")) for number in found.groups())
    assert needed == 4 * each + index > 4 * each
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=needed - 1))
    call_cli("train", tiny, cwd=tmp_path, check=1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=0))
    told = call_cli("train", tiny, "data.copy_index=false", cwd=tmp_path, check=1).stderr
    assert f"4 checkpoints of {each:,} bytes need {4 * each:,} bytes there, 0 are free" in told


LIMITED = """
import resource, sys
from lstmgen.cli.app import app
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
app(sys.argv[2:])
"""


@pytest.mark.slow
def test_t11_the_kernel_refuses_to_write_on(tiny, tmp_path):
    """A real limit on the size of files stops a save: the checkpoint before it is intact."""
    run = train(tiny, "train.max_steps=20", "train.schedule=constant", cwd=tmp_path)
    before = fingerprint(run / "checkpoints")
    size = (last(run) / checkpoint.MODEL).stat().st_size
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(size // 2), "train", "--resume", str(run),
         "train.max_steps=30", "-q"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "cannot be written (File too large): needs " in done.stderr
    assert "Checkpoints saved before are intact" in done.stderr and "Traceback" not in done.stderr
    assert fingerprint(run / "checkpoints") == before
    call_cli("train", "--resume", run, "train.max_steps=30", "-q", cwd=tmp_path, check=0)
    assert progress_of(last(run))["step"] == 30


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.EROFS, "Read-only file system"), (errno.EDQUOT, "Disk quota exceeded")],
)
def test_t12_a_place_that_cannot_be_written_is_one_error(
    tiny, tmp_path, monkeypatch, number, said
):  # fmt: skip
    """As a read-only file system says, or a quota: what there was is intact."""
    run = train(tiny, "train.max_steps=20", "train.schedule=constant", cwd=tmp_path)
    before = fingerprint(run / "checkpoints")

    def refuse(path, data):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(checkpoint, "write_durably", refuse)
    done = call_cli("train", "--resume", run, "train.max_steps=30", "-q", cwd=tmp_path, check=1)
    assert f"cannot be written ({said})" in done.stderr
    assert fingerprint(run / "checkpoints") == before


def test_t12_a_run_folder_that_vanishes_is_one_error(tiny, tmp_path, monkeypatch):
    """It is not made anew, since its text, config and records would be missing."""
    real = checkpoint.write_checkpoint

    def removed(checkpoints, step, **parts):
        if step == 20:
            shutil.rmtree(checkpoints.parent)
        return real(checkpoints, step, **parts)

    monkeypatch.setattr(checkpoint, "write_checkpoint", removed)
    done = call_cli("train", tiny, "-q", cwd=tmp_path, check=1)
    said = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert len(said) == 1 and "cannot be written (No such file or directory): runs/tiny-" in said[0]
    assert said[0].endswith("/checkpoints no longer exists")
    assert not list((tmp_path / "runs").glob("tiny*"))


def test_checkpoints_of_the_first_tokenizer_generate_as_they_did(tmp_path, story):
    """They name no version; what is cut and joined is what version 1 did."""
    (tmp_path / "old.yaml").write_text(
        f"data: {{train: {story.name}, tokenizer: word_v1}}\n"
        "model: {hidden_sizes: [12], embedding_dim: 8}\n"
        "train: {window: 8, batch_size: 4, max_steps: 20, device: cpu}\n",
        encoding="utf-8",
    )
    run = train("old.yaml", cwd=tmp_path)
    cue = ("generate", run, "--cue", "The cat's mill didn't", "--seed", "3", "--words", "9")
    expected = call_cli(*cue, cwd=tmp_path, check=0).stdout
    for step in (run / folders.CHECKPOINTS).glob("step-*"):
        config = (step / "config.yaml").read_bytes().replace(b"word_v1", b"word")
        tokenizer = json.dumps({"tokenizer": "word", "lowercase": False}).encode()
        vocabulary = json.loads((step / "vocabulary.json").read_text(encoding="utf-8"))
        assert set(vocabulary) == {"entries", "counts"}
        seal(step, config_yaml=config, tokenizer_json=tokenizer)
    assert call_cli(*cue, cwd=tmp_path, check=0).stdout == expected
    resolved = run / folders.RESOLVED
    resolved.write_text(resolved.read_text().replace("word_v1", "word"), encoding="utf-8")
    call_cli("evaluate", run, cwd=tmp_path, check=0)  # its own text, cut as it was
