"""Drafts: what ``lstmgen write`` opens and saves."""

import json
import os

import pytest

from lstmgen.errors import StorageError, UsageError
from lstmgen.generation.drafts import Draft, read_draft, write_draft
from tests.helpers.program import call_cli, write_session
from tests.helpers.scenes import run_of


def test_a_text_is_saved_with_its_settings_and_loaded(parrot, tmp_path):
    mine = tmp_path / "mine.json"
    write_session(parrot, ["The cat", "/temp 0.5", "/top-p 0.5", "/cap 3", f"/save {mine}"])
    saved = json.loads(mine.read_text())
    assert (saved["text"], saved["temperature"], saved["top_p"]) == ("The cat", 0.5, 0.5)
    assert (saved["min_p"], saved["max_copied"], len(saved["checkpoint"])) == (0, 3, 64)
    lines = [f"/load {mine}", "/settings", "/cap off", "/temp 0", "/go 1"]
    text, talk = write_session(parrot, lines)
    assert text == "The cat sat\n" and "error" not in talk
    assert "/temp 0.5  /top-p 0.5  /min-p 0  /cap 3" in talk and f"draft: {mine}" in talk
    _, talk = write_session(parrot, ["/settings"], mine, "--temperature", 2)
    assert "/temp 2  /top-p 0.5" in talk
    mine.write_text(json.dumps({"text": "The dog", "temperature": 1, "max_copied": None}))
    assert write_session(parrot, [], mine)[0] == "The dog\n"  # as version 0.2 saved it
    mine.write_text(json.dumps({"text": "The dog", "checkpoint": "0" * 64}))
    assert (
        "note: the text was written with another checkpoint" in write_session(parrot, [], mine)[1]
    )


def test_a_draft_is_continued_and_saved_where_it_came_from(parrot, tmp_path):
    draft = tmp_path / "draft.txt"
    draft.write_text("The cat\n", encoding="utf-8")
    draft.chmod(0o640)
    run = run_of(parrot)
    step = next((run / "checkpoints").glob("step-*"))
    for arguments in ((run, draft), (draft, run), (draft,), (draft, step)):
        text, talk = write_session(parrot, ["/undo"], *arguments)
        assert text == "The cat\n" and "there is nothing to undo" in talk and "note" not in talk
    text, talk = write_session(parrot, ["1"], draft)
    assert text == "The cat sat\n" and draft.read_text() == "The cat\n"
    assert f"note: {draft} does not hold the last changes" in talk
    text, talk = write_session(parrot, ["1", "/save"], draft)
    assert draft.read_text() == text == "The cat sat\n"
    assert f"saved: {draft}\n" in talk and "note" not in talk
    assert draft.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["draft.txt"]
    write_session(parrot, ["1", f"/save {tmp_path}/other.txt", "1", "/save"], draft)
    assert draft.read_text() == "The cat sat\n"
    assert (tmp_path / "other.txt").read_text() == "The cat sat by the\n"


def test_loading_is_undone_like_any_step(parrot, tmp_path):
    (tmp_path / "a.txt").write_text("The dog\n", encoding="utf-8")
    lines = ["The cat", f"/load {tmp_path}/a.txt", "ran", "/undo", "/undo"]
    assert write_session(parrot, lines)[0] == "The cat\n"
    assert write_session(parrot, lines[:-1])[0] == "The dog\n"


def test_line_ends_at_the_end_of_a_draft_are_kept(tmp_path):
    path = tmp_path / "draft.txt"
    for text in ("", "a", "a\n", "a\n\n", "\n"):
        write_draft(path, Draft(text))
        assert read_draft(path).text == text
    path.write_bytes("\ufeffa\r\nb\r\n".encode("utf-16-le"))
    assert read_draft(path).text == "a\nb"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.txt"], "gone.txt: no such run folder and no such draft. To begin a new text, le"),
        (["x" * 5000], "xxx: no such run folder and no such draft"),
        (["link.txt"], "link.txt: no such run folder and no such draft"),
        (["binary.txt"], "binary.txt: holds NUL bytes, so it is not a text"),
        (["latin.txt"], "latin.txt: line 1: byte 0xe9 at offset 3 is not UTF-8; it looks like"),
        (["/dev/zero"], "draft = /dev/zero: is not a plain file"),
        (["pipe"], "draft = pipe: is not a plain file"),
        (["folder"], "folder: is not a checkpoint and holds none yet"),
        (["story.txt", "my.yaml"], "story.txt, my.yaml: one draft at a time. Write: lstmgen write"),
        (["folder", "runs"], "folder, runs: one run at a time. Write: lstmgen write [RUN] [DRAFT]"),
        (["config.json"], "draft = config.json: is not a draft saved by /save. A text must not be"),
        (["list.json"], "draft = list.json: is not a draft saved by /save"),
        (["bold.json"], "draft = bold.json: --temperature = -1: must be at least 0"),
        (["half.json"], "draft = half.json: is not a draft saved by /save"),
        (["large.txt"], "draft = large.txt: has 5,000,001 bytes, a draft at most 5,000,000. Split"),
    ],
)
def test_what_is_no_draft_is_refused_before_anything_is_written(parrot, arguments, message):
    files = {
        "binary.txt": b"\x7fELF\0\0", "latin.txt": b"caf\xe9", "config.json": b'{"a": 1}',
        "list.json": b"[1]", "bold.json": b'{"text": "a", "temperature": -1}',
        "half.json": b'{"text": "\\ud800"}', "large.txt": b"a" * 5_000_001,
    }  # fmt: skip
    for name, data in files.items():
        (parrot / name).write_bytes(data)
    (parrot / "folder").mkdir(exist_ok=True)
    if not (parrot / "pipe").exists():
        os.mkfifo(parrot / "pipe")
        (parrot / "link.txt").symlink_to("nowhere.txt")
    done = call_cli("write", *arguments, cwd=parrot, stdin="The cat\n", check=2)
    assert message in done.stderr and done.stderr.count("error: ") == 1 and done.stdout == ""


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

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"cannot be written \(No space left on device\). Cho"):
        write_draft(path, Draft("new text"))
    assert path.read_text() == "old\n" and list(tmp_path.iterdir()) == [path]
