"""What people type and hand over: texts, cues, settings, whole command lines."""

import json
import math
import os
import pty
import re
import subprocess
import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmgen.cli.app import COMMANDS
from lstmgen.cli.output_encoding import drop_reordering
from lstmgen.config.schema import DataConfig, all_keys
from lstmgen.errors import DataError
from lstmgen.text import prepared
from lstmgen.text.prepared import prepare
from lstmgen.text.reading import read_blocks
from tests.helpers import SOAK
from tests.helpers.program import call_cli, run_cli
from tests.helpers.scenes import RUN, STORY

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
IN_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f\x85]")  # U+0080 to U+009F are kept
SMALL = ("train.max_steps=3", "train.device=cpu", "model.hidden_sizes=[6]", "model.embedding_dim=5",
         "-q")  # fmt: skip


TEXTS = {
    "12_words": "The old miller sat by the river and counted all the stones",
    "two_words": "Hello world",
    "one_word_repeated": "stone " * 200,
    "no_word_twice": " ".join(f"w{n}" for n in range(300)),
    "blank_lines": "\n" * 5000,
    "shorter_than_a_window": "a b c d",
    "zero_width_and_joiners": "a\u200bb \u200d👩\u200d👧 e\u0301 \u0645\u0646 \u202eabc " * 40,
    "one_long_word": "x" * 20_000 + " y z",
    "markup": "[red] [/] [bold]the [link=x]cat[/link] sat. " * 40,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_t37_any_text_trains_generates_and_is_scored(tmp_path, text):
    """Too short, one word only, all words different, blank, with markup: no NaN, no traceback."""
    (tmp_path / "odd.txt").write_text(text, encoding="utf-8")
    (tmp_path / "odd.yaml").write_text("data: {train: odd.txt}", encoding="utf-8")
    call_cli("train", "odd.yaml", *SMALL, cwd=tmp_path, check=0)
    done = call_cli("generate", "--words", "5", "--seed", "1", cwd=tmp_path, check=0)
    assert not IN_TEXT.search(done.stdout)
    scored = call_cli("evaluate", "--split", "train", "--json", cwd=tmp_path, check=0)
    assert math.isfinite(json.loads(scored.stdout)["perplexity"])


def test_t37_a_long_line_takes_bounded_memory(tmp_path):
    """Twenty megabytes without a line end are read in blocks."""
    path = tmp_path / "line.txt"
    path.write_text("the cat sat by the mill " * 850_000, encoding="utf-8")
    tracemalloc.start()
    try:
        total = sum(len(block) for block in read_blocks(path))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total == path.stat().st_size > 20_000_000
    assert most < 20_000_000


def test_t38_a_text_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    """Hashed before and behind; nothing is kept of it, and the next try reads it whole."""
    path = tmp_path / "growing.txt"
    path.write_text(STORY * 8, encoding="utf-8")
    real = prepared.write_numbers

    def growing(*args, **kwargs):
        found = real(*args, **kwargs)
        with path.open("a", encoding="utf-8") as file:
            file.write("One more line.\n")
        return found

    monkeypatch.setattr(prepared, "write_numbers", growing)
    with pytest.raises(DataError, match="the text was changed while it was read"):
        prepare(DataConfig(train=str(path)), folder=tmp_path / "prepared")
    assert not list((tmp_path / "prepared").iterdir())
    monkeypatch.undo()
    assert prepare(DataConfig(train=str(path)), folder=tmp_path / "prepared").train.tokens


@pytest.mark.soak
@settings(max_examples=10_000 if SOAK else 150, deadline=None)
@given(st.one_of(st.binary(max_size=80), st.text(max_size=60).map(
    lambda text: text.encode("utf-8", "surrogatepass"))))  # fmt: skip
def test_t35_any_bytes_are_a_text_or_one_error(tmp_path_factory, data):
    """The reader and the whole way to ids."""
    folder = tmp_path_factory.getbasetemp() / "bytes"
    folder.mkdir(exist_ok=True)
    (folder / "any.txt").write_bytes(data)
    for kind in ("word", "character", "whitespace"):
        try:
            chosen = DataConfig(train=str(folder / "any.txt"), tokenizer=kind)
            corpus = prepare(chosen, folder=folder / "prepared")
        except DataError as error:
            assert str(error)
        else:
            assert corpus.train.tokens + (corpus.valid.tokens if corpus.valid else 0) >= 2
            assert not IN_TEXT.search("".join(corpus.vocabulary.entries))


WORDS = st.one_of(
    st.sampled_from([
        *COMMANDS, "gates", "my.yaml", "none.yaml", RUN, "nowhere", "--cue", "--words", "--top-k",
        "--temperature", "--seed", "--resume", "--name", "-q", "-n", "--json", "--oov", "--stop",
        "--text", "--split", "--layer", "--units", "--replay", "--receipt", "--no-cue", "--help",
        "--", "-", "The cat", "0", "-1", "3", "1e9", "nan", "0.5",
    ]),
    st.text(max_size=8),
    st.tuples(st.sampled_from([*all_keys()]), st.text(max_size=5)).map("=".join),
)  # fmt: skip


@pytest.mark.soak
@settings(max_examples=10_000 if SOAK else 100, deadline=None)
@given(st.lists(WORDS, max_size=5))
def test_t35_any_command_line_ends_with_a_known_code(trained, arguments):
    """Drawn words in drawn order: a known exit code, no traceback, no control character."""
    if {"bench", "write"} & set(arguments) or ("train" in arguments and "my.yaml" in arguments):
        arguments = [*arguments, "--help"]  # these would take their time
    done = call_cli(*arguments, cwd=trained)
    assert done.exit_code in (0, 1, 2), (arguments, done.output, done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), arguments
    assert "Traceback" not in done.stderr
    assert not CONTROL.search(done.stderr.replace("\x1b[0m", "")), (arguments, done.stderr)


HOSTILE = "[red] [/] \x1b[2J \x1b]0;x\x07 \x9b31m \x00 \u202e"


@pytest.mark.slow
def test_t40_a_terminal_never_gets_a_control_character(tmp_path):
    """From a text, a cue, a file's name and a setting, on a real terminal; the rest verbatim."""
    name = "[bold]odd\x1b[31m.txt"
    text = ("the [red]cat[/] \u202e \x1b[2J sat \x1b]0;x\x07 by \x9b31m the mill. [/bold]\n") * 60
    (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "my.yaml").write_text(
        json.dumps({"data": {"train": name}, "sample": {"cues": ["the [red]cat[/]"]}}),
        encoding="utf-8",
    )
    shown = on_a_terminal(["train", "my.yaml", "--name", "[b]run", *SMALL[:-1]], tmp_path)
    for code in ("\x1b[2J", "\x1b]0;", "\x07", "\x9b", "\x1b[31m", "\u202e"):
        assert code not in shown
    assert "[red]cat[/]" in shown  # a sample: the corpus holds it, and rich did not read it
    cue = HOSTILE.replace("\x00", "")
    shown = on_a_terminal(
        ["generate", "--cue", f"the [red]cat[/] {cue}", "--words", "5"], tmp_path
    )  # fmt: skip
    assert r"the [red]cat[/] [red] [/] [2J ]0;x \x9b31m" in shown
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", shown)
    piped = run_cli("generate", "--cue", f"the [red]cat[/] {cue}", "--words", "5", cwd=tmp_path)
    assert "\u202e" in piped.stdout


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_t40_characters_that_reorder_text_reach_files_only(tmp_path, monkeypatch, name):
    """Joiners and the marks of a direction reach a terminal too, which need them to show words."""
    text, path = "a\u202e\u202ab\u2066c\u2069 \u0645\u200d\u200e\u200f\n", tmp_path / "a.txt"
    leader, follower = pty.openpty()
    for opened in (follower, path):
        stream = open(opened, "w", encoding="utf-8")  # noqa: SIM115 (its successor is closed)
        monkeypatch.setattr(sys, name, stream)
        drop_reordering()
        getattr(sys, name).write(text)
        getattr(sys, name).close()
    sent = os.read(leader, 1000).decode()
    os.close(leader)
    assert sent == "abc \u0645\u200d\u200e\u200f\r\n"
    assert path.read_text(encoding="utf-8") == text


def on_a_terminal(arguments, folder):
    """What a terminal is sent, its line ends and the bar's carriage returns left out."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "lstmgen", *arguments],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=follower, stderr=follower,
        env={**os.environ, "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "200"},
    )  # fmt: skip
    os.close(follower)
    seen = b""
    while True:
        try:
            read = os.read(leader, 65536)
        except OSError:  # the program has ended
            break
        seen += read
    os.close(leader)
    assert process.wait() == 0, seen
    return seen.decode().replace("\r", "")


@pytest.mark.parametrize(
    "options",
    [
        ("--temperature", "0"), ("--temperature", "1e-9"), ("--temperature", "1e9"),
        ("--top-k", "1"), ("--top-k", "1000000"), ("--top-p", "1"), ("--top-p", "1e-12"),
        ("--min-p", "1"), ("--words", "0"), ("--words", "1"), ("--repetition-penalty", "100"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_t41_values_at_the_edge_generate(trained, options):
    """At their limits settings still mean something: a text, equal for equal seeds."""
    arguments = ("generate", RUN, "--cue", "The cat", "--words", "12", "--seed", "3", *options)
    texts = {call_cli(*arguments, cwd=trained, check=0).stdout for _ in range(2)}
    assert len(texts) == 1
    text = texts.pop()
    assert text.startswith("The cat") and "<unk>" not in text and "<story>" not in text


@pytest.mark.slow
def test_t41_a_long_text_is_streamed(trained):
    """Twenty thousand words, each printed as it is drawn."""
    done = call_cli("generate", RUN, "--words", "20000", "--stop", "words", "--seed", "1", "-q",
                    cwd=trained, check=0)  # fmt: skip
    assert len(re.findall(r"\w+", done.stdout)) >= 20_000


def test_t41_the_text_does_not_depend_on_threads(trained):
    """One BLAS thread or two: the same seed, the same text."""
    texts = set()
    for threads in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "lstmgen", "generate", RUN, "--seed", "5", "--words", "50"],
            cwd=trained, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
        )  # fmt: skip
        texts.add(done.stdout)
    assert len(texts) == 1
