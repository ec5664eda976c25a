"""Drafts: what ``lstmgen write`` opens and saves."""

import os

import pytest

from lstmgen.errors import StorageError, UsageError
from lstmgen.generation import drafts
from lstmgen.generation.drafts import Draft, read_draft, write_draft


def test_line_ends_at_the_end_of_a_draft_are_kept(tmp_path):
    path = tmp_path / "draft.txt"
    for text in ("", "a", "a\n", "a\n\n", "\n"):
        write_draft(path, Draft(text))
        assert read_draft(path).text == text
    path.write_bytes("\ufeffa\r\nb\r\n".encode("utf-16-le"))
    assert read_draft(path).text == "a\nb"


def test_only_plain_files_are_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device.txt").symlink_to("/dev/null")
    (tmp_path / "circle.txt").symlink_to("circle.txt")
    for name in ("folder", "pipe", "device.txt", "circle.txt", ".", "/dev/null"):
        with pytest.raises(UsageError, match="is not a plain file, so it is left alone. Choose"):
            write_draft(tmp_path / name, Draft("text"))
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("real.txt")
    write_draft(tmp_path / "link.txt", Draft("new"))
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real.txt").read_text() == "new\n"


def test_a_draft_that_cannot_be_written_is_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "draft.txt"
    write_draft(path, Draft("old"))

    def full(temporary, data):
        temporary.write_bytes(data[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(drafts, "write_durably", full)
    with pytest.raises(StorageError, match=r"cannot be written \(No space left on device\). Cho"):
        write_draft(path, Draft("new text"))
    assert path.read_text() == "old\n" and list(tmp_path.iterdir()) == [path]
