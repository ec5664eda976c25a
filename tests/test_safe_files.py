"""Writing files: atomically, and without harm to links, devices and other people's files."""

import os
import stat
import threading
import tracemalloc
from pathlib import Path

import pytest

from lstmgen.safe_files import read_plain, replace_file, write_output


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_only_a_file_of_at_most_the_limit_is_read(tmp_path):
    """Without waiting for who writes into a pipe."""
    pipe, path = tmp_path / "pipe", tmp_path / "file"
    os.mkfifo(pipe)
    path.write_bytes(b"12345")
    assert read_plain(path, limit=5) == b"12345"
    with pytest.raises(OSError, match="has 5 bytes, more than 4"):
        read_plain(path, limit=4)
    before = len(os.listdir("/proc/self/fd"))
    for other in (pipe, tmp_path, Path("/dev/null"), Path("/dev/zero")):
        with pytest.raises(OSError, match="not a plain file"):
            read_plain(other, limit=5)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_limit_takes_no_memory(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    tracemalloc.start()
    try:
        read_plain(path, limit=1 << 28)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1 << 20


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path):
    path, other = tmp_path / "a.json", tmp_path / ".a.json.tmp"
    other.write_text("somebody's", encoding="utf-8")
    replace_file(path, b"one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~current_mask()
    path.chmod(0o640)
    replace_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert other.read_text(encoding="utf-8") == "somebody's"
    assert names(tmp_path) == [".a.json.tmp", "a.json"]


def current_mask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_link_in_a_run_folder_is_replaced_and_that_of_a_user_is_followed(tmp_path):
    victim, link = tmp_path / "victim", tmp_path / "link"
    victim.write_bytes(b"mine")
    link.symlink_to(victim)
    write_output(link, b"new")
    assert link.is_symlink()
    assert victim.read_bytes() == b"new"
    victim.chmod(0o600)
    replace_file(link, b"own")
    assert not link.is_symlink()
    assert stat.S_IMODE(link.stat().st_mode) == 0o666 & ~current_mask()
    assert victim.read_bytes() == b"new"


def test_a_pipe_is_written_as_it_is(tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_output(pipe, b"through")
    reader.join(10)
    assert got == [b"through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_stays_one(tmp_path):
    (tmp_path / "link").symlink_to("/dev/null")
    write_output(tmp_path / "link", b"x")
    assert (tmp_path / "link").is_symlink()
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_failure_leaves_no_temporary_file(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_pipe_under_dev_is_written_as_it_is():
    """As /dev/stdout and >(...) of a shell are."""
    reading, writing = os.pipe()
    write_output(Path(f"/dev/fd/{writing}"), b"through")
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        assert file.read() == b"through"
