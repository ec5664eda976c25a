"""Writing a text together with a model: ``lstmgen write``."""

import dataclasses
import re
from pathlib import Path

import pytest

import lstmgen
from lstmgen.cli.writing_session import LINES, WritingSession
from lstmgen.errors import UsageError
from lstmgen.generation.writing import SENTENCE_WORDS, Writer
from tests.helpers.program import call_cli, run_cli, write_session
from tests.helpers.scenes import run_of, write_story

ROOT = Path(__file__).parent.parent


def writer_of(folder, seed=3):
    model = lstmgen.load(run_of(folder))
    return Writer(model.generator, model.generator.config.sample, seed=seed)


def make_model(folder, data):
    """Train a tiny model with some settings of its text."""
    write_story(folder, f"data: {{train: story.txt, valid_fraction: 0, {data}}}\n"
                "model: {hidden_sizes: [6], embedding_dim: 5}\n"
                "train: {window: 8, batch_size: 4, max_steps: 1}\n", times=1)  # fmt: skip
    call_cli("train", "my.yaml", "-q", cwd=folder, check=0)
    return folder


def test_a_text_is_written_together_over_a_pipe(parrot):
    def piped(*lines):
        done = run_cli("write", "--seed", 1, cwd=parrot, stdin="\n".join(lines), check=0)
        return done.stdout, done.stderr

    text, talk = piped("The cat", "1", "1", "/text", "/quit", "never read")
    assert text == "The cat sat by\n"
    assert "1 sat 9" in talk or "1 sat 100%" in talk  # learnt by heart: it is sure of it
    assert ">" not in talk  # a prompt is for a terminal
    text, _ = piped("The cat", "/go 4", "/undo", "1", "1", "/undo")
    assert text == "The cat sat\n"
    text, _ = piped("The", "/temp 9", "/go 30", "/reroll", "/undo", "/temp 0", "/go 2")
    assert text == "The cat sat\n"


def test_enter_accepts_the_first_suggestion(parrot):
    assert write_session(parrot, ["The cat", "", "   "])[0] == "The cat sat by\n"


@pytest.mark.parametrize("number", ["99", "0", "00", "10", "\u0663\u0664", "1" * 5000])
def test_a_number_without_a_suggestion_is_no_text(parrot, number):
    text, talk = write_session(parrot, ["/temp 9", "The cat", number])
    assert text == "The cat\n"
    assert f"error: {number}: there are suggestions 1 to 9. To add it as text, type a space" in talk
    text, talk = write_session(parrot, ["/temp 0", "The cat", "2"])
    assert text == "The cat\n" and "error: 2: there is one suggestion. To add it as" in talk


def test_numbers_and_slashes_can_be_added_as_text(parrot):
    lines = ["The cat", " 99", "99 lives", "//help", " /undo", "  two spaces"]
    text, _ = write_session(parrot, lines)
    assert text == "The cat 99 99 lives/help/undo two spaces\n"
    assert write_session(parrot, [" The cat"])[0] == "The cat\n"


def test_a_paragraph_is_begun_as_in_the_training_text(parrot, tmp_path):
    lines = ["The cat.", "/paragraph", "The dog."]
    text, talk = write_session(parrot, lines)
    assert text == "The cat.\n\nThe dog.\n"
    assert "\nThe cat.¶¶The dog.\n" in talk
    make_model(tmp_path, "tokenizer: whitespace")
    assert write_session(tmp_path, lines)[0] == "The cat.\n\nThe dog.\n"


def test_the_help_lists_every_command(parrot):
    session = WritingSession(writer_of(parrot), checkpoint=None)
    _, talk = write_session(parrot, ["/help"])
    shown = talk.split("commands\n", 1)[1].split("\n1 to 9 ", 1)[1]
    docs = (ROOT / "docs" / "generating.md").read_text(encoding="utf-8")
    for name, command in session.commands.items():
        assert f"\n{command.usage:<12} {command.summary}\n" in shown
        assert f"`{name}" in docs, f"docs/generating.md does not mention {name}"
    for usage, summary in LINES[1:]:
        assert f"\n{usage:<12} {summary}\n" in shown
    assert "\n//text " in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_reroll_draws_other_words_and_the_cap_is_kept(parrot):
    writer = writer_of(parrot)
    writer.type("The cat")
    writer.configure({"temperature": 9.0})
    assert writer.go(8) == 8
    first = writer.current.text
    assert writer.reroll() == 8
    assert writer.current.text != first and writer.current.text.startswith("The cat ")
    assert len(writer.snapshots) == 3  # nothing, the cue, what was drawn
    writer.undo()
    with pytest.raises(UsageError, match="was not drawn by /go, there is nothing to reroll"):
        writer.reroll()
    writer.configure({"temperature": 1.0, "max_copied": 2})
    writer.go(40)
    assert writer.current.history.meter.run <= 2
    offered = writer.suggest()
    total = sum(word.probability for word in offered)
    assert total == pytest.approx(1) or (len(offered) == 9 and total < 1)


def test_what_a_person_typed_is_never_rerolled(parrot):
    """A cap of no word at all leaves nothing to draw but punctuation."""
    writer = writer_of(parrot)
    writer.type("The cat")
    forbidden = frozenset(range(len(writer.vocabulary)))
    writer.constraints = dataclasses.replace(writer.constraints, forbidden=forbidden)
    assert writer.go(3) == 0
    assert writer.suggest_sentences(3) == []
    with pytest.raises(UsageError, match="was not drawn by /go"):
        writer.reroll()
    assert writer.current.text == "The cat"


def test_an_interrupted_step_changes_nothing(parrot, monkeypatch):
    """Ctrl-C while words are drawn, also for the second time."""
    writer = writer_of(parrot)
    writer.type("The cat")
    writer.go(5)
    before = list(writer.snapshots)
    monkeypatch.setattr(writer.engine, "read", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    steps = (writer.reroll, lambda: writer.go(3), lambda: writer.type("by"),
             lambda: writer.replace("by"), lambda: writer.suggest_sentences(2))  # fmt: skip
    for step in steps:
        with pytest.raises(KeyboardInterrupt):
            step()
        assert writer.snapshots == before and writer.last_drawn == 5


def test_the_kept_state_is_that_of_the_text_read_again(parrot):
    writer, other = writer_of(parrot), writer_of(parrot)
    writer.type("The cat")
    writer.pick(1)
    writer.go(3)
    writer.undo()
    writer.accept(writer.suggest_sentences(1)[0])
    writer.type("by the old")
    other.replace(writer.current.text)
    for a, b in zip(writer.current.states, other.current.states, strict=True):
        assert abs(a.hidden - b.hidden).max() < 1e-6
        assert abs(a.cell - b.cell).max() < 1e-5


def test_what_is_typed_stands_in_the_text_as_it_was_typed(parrot):
    writer = writer_of(parrot)
    whole = ""
    for typed, expected in (
        ('"Where is', '"Where is'),
        ('the river?" asked', ' the river?" asked'),
        (', and the "dog" said', ', and the "dog" said'),
        ('"yes', ' "yes'),
        ('," he said', '," he said'),
        (" again", " again"),
        ("\n\nThe   old\t dog", "\n\nThe   old\t dog"),
    ):
        writer.type(typed)
        whole += expected
        assert writer.current.text == whole


@pytest.mark.parametrize("data", ["lowercase: true", "tokenizer: whitespace",
                                  "tokenizer: whitespace, lowercase: true"])  # fmt: skip
def test_a_draft_is_kept_as_it_was_whatever_the_model_reads(tmp_path, data):
    make_model(tmp_path, data)
    draft = "The  Old CAT\n\n  sat.  By the\n"
    (tmp_path / "draft.txt").write_text(draft, encoding="utf-8")
    text, _ = write_session(tmp_path, ["Mill, The", "/save"], "draft.txt")
    assert text == draft[:-1] + " Mill, The\n"
    assert (tmp_path / "draft.txt").read_text(encoding="utf-8") == text
    writer = writer_of(tmp_path)
    writer.type("The\n")
    writer.pick(1)
    assert re.fullmatch(r"The\n\S+", writer.current.text)


def test_suggested_sentences_end_where_they_should(parrot):
    writer, again = writer_of(parrot), writer_of(parrot)
    for each in (writer, again):
        each.configure({"temperature": 1.5, "top_p": 1.0, "pair_penalty": 0.0})
        each.type("The cat")
    sentences = writer.suggest_sentences(9)
    assert [s.text for s in again.suggest_sentences(9)] == [s.text for s in sentences]
    assert [s.text for s in again.suggest_sentences(9)] != [s.text for s in sentences]
    assert writer.current.text == "The cat"
    for sentence in sentences:
        words = re.findall(r"\w[\w']*", sentence.text)
        assert sentence.text.rstrip("\"'")[-1] in ".!?" or len(words) >= SENTENCE_WORDS - 5
        assert not re.search(r"[.!?]\s", sentence.text)
    writer.accept(sentences[4])
    assert writer.current.text == "The cat" + sentences[4].text
    with pytest.raises(UsageError, match="was not drawn by /go"):
        writer.reroll()
    writer.undo()
    assert writer.current.text == "The cat"


def test_a_suggested_sentence_has_at_most_sixty_words(tmp_path):
    (tmp_path / "story.txt").write_text("cat dog mill " * 50, encoding="utf-8")
    (tmp_path / "my.yaml").write_text("data: {train: story.txt}", encoding="utf-8")
    call_cli("train", "my.yaml", "train.max_steps=1", "-q", cwd=tmp_path, check=0)
    (sentence,) = writer_of(tmp_path).suggest_sentences(1)
    assert len(sentence.text.split()) == SENTENCE_WORDS


def test_a_number_takes_a_sentence_and_any_other_line_discards_them(parrot):
    options = ("--temperature", 9, "--top-p", 1)
    text, talk = write_session(parrot, ["The cat", "/lines", "2"], *options)
    listed = talk.split("\nThe cat\n1 ")[2].split("\n\n")[0].replace("\n  ", " ")
    one, two, three = re.split(r"\n\d ", listed)
    assert len({one, two, three}) == 3
    assert text.removeprefix("The cat").lstrip(" ").replace("\n", "¶") == two + "¶"
    for lines, expected in (
        (["The cat", "/lines 2", "1", "/undo"], "The cat\n"),
        (["The cat", "/lines", "sat", "/temp 0", "1"], "The cat sat by\n"),
        (["The cat", "/lines", "/temp 0", "1"], "The cat sat\n"),
        (["The cat", "/lines", "4"], "The cat\n"),
    ):
        assert write_session(parrot, lines, *options)[0] == expected
    text, talk = write_session(parrot, ["The cat", "/lines", "4", "/temp 0", "1"], *options)
    assert "error: 4: there are sentences 1 to 3. To add it as text" in talk
    assert text == "The cat sat\n"  # the sentences are gone
    texts = {
        write_session(parrot, ["The cat", *["/lines"] * times, "1"], *options)[0]
        for times in (1, 2, 3)
    }
    assert len(texts) == 3
    lines = ["/temp 0", "The cat", "/lines", ""]
    assert write_session(parrot, lines)[0] == "The cat sat by the old mill.\n"


def test_settings_are_changed_and_shown(parrot):
    lines = ["/temp 9", "/top-p 0.5", "/min-p 0.25", "/cap 7", "/settings", "/cap off", "/settings"]
    _, talk = write_session(parrot, lines)
    assert "/temp 9  /top-p 0.5  /min-p 0.25  /cap 7  --seed 1\n" in talk
    assert "/min-p 0.25  /cap off" in talk
    assert "draft: none, /save FILE makes one" in talk and str(run_of(parrot).name) in talk
    text, _ = write_session(parrot, ["The", "/temp 9", "/min-p 1", "/go 2", "/min-p 0"])
    assert text == "The cat sat\n"
    text, _ = write_session(parrot, ["The", "/temp 2", "/top-p 1e-9", "/go 2"])
    assert text == "The cat sat\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/fly", "error: /fly: no such command. /help lists them, and //fly adds it as text"),
        ("/undo", "error: there is nothing to undo"),
        ("/reroll", "error: the last step was not drawn by /go, there is nothing to reroll"),
        ("/temp hot", "error: /temp hot: must be a number, as in /temp 0.8"),
        ("/temp", "error: /temp : must be a number, as in /temp 0.8"),
        ("/temp -1", "error: /temp -1: must be at least 0, as in /temp 0.8"),
        ("/temp nan", "error: /temp nan: must be a"),
        ("/top-p 0", "error: /top-p 0: must be more than 0, as in /top-p 0.95"),
        ("/top-p 1.5", "error: /top-p 1.5: must be at most 1, as in /top-p 0.95"),
        ("/min-p 2", "error: /min-p 2: must be at most 1, as in /min-p 0"),
        ("/go -3", "error: /go -3: write a number from 1 to 100,000"),
        ("/lines 10", "error: /lines 10: write a number from 1 to 9"),
        ("/lines x", "error: /lines x: write a number from 1 to 9"),
        ("/cap x", "error: /cap x: must be a whole number, as in /cap 4 or /cap off"),
        ("/cap 2.5", "error: /cap 2.5: must be a whole number, as in /cap 4 or /cap off"),
        ("/load", "error: /load: name a file, as in /load story.txt"),
        ("/load gone.json", "error: draft = gone.json: no such file or folder"),
        ("/load my.yaml/x", "error: draft = my.yaml/x: cannot be read (Not a directory)"),
        ("/load .", "error: draft = .: is not a plain file"),
        ("/save no/such/place", "error: no/such/place: cannot be written (No such file or dir"),
        ("/save runs", "error: runs: is not a plain file, so it is left alone. Choose another"),
        ("/save", "error: /save: name a file, as in /save story.txt"),
        ("/save a\0b", "error: a\\x00b: is not a file name"),
        ("zebra yak zebra", "note: not in the vocabulary, read as unknown: zebra, yak\n"),
        ("a\udcff", "error: the line holds bytes that are not UTF-8, so it is not added"),
    ],
)
def test_a_mistake_while_writing_loses_nothing(parrot, line, message):
    stdin = f"{line}\nThe cat\n".encode("utf-8", "surrogateescape")
    done = call_cli("write", cwd=parrot, stdin=stdin, check=0)
    assert message in done.stderr
    assert done.stdout == ("zebra yak zebra " if "zebra" in line else "") + "The cat\n"


def test_many_unknown_words_are_not_all_listed(parrot):
    _, talk = write_session(parrot, [" ".join(f"zebra{n}" for n in range(25))])
    assert "zebra19 and 5 more\n" in talk and "zebra20," not in talk


def test_no_index_means_no_cap(tmp_path):
    make_model(tmp_path, "copy_index: false")
    _, talk = write_session(tmp_path, ["/cap 3"])
    assert "error: --max-copied: this checkpoint holds no index of its training text" in talk
