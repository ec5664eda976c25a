"""Writing a text together with a model: ``lstmgen write``."""

import dataclasses
import json
import re

import pytest

import lstmgen
from lstmgen.errors import UsageError
from lstmgen.generation.writing import SENTENCE_WORDS, Writer
from tests.helpers.program import call_cli, run_cli
from tests.helpers.scenes import run_of


def write_session(folder, lines, *options):
    done = run_cli(
        "write", "--seed", 1, *options, cwd=folder, stdin="\n".join(lines) + "\n", check=0
    )
    return done.stdout, done.stderr


def writer_of(folder, seed=3):
    model = lstmgen.load(run_of(folder))
    return Writer(model.generator, model.generator.config.sample, seed=seed)


def test_a_text_is_written_together_over_a_pipe(parrot):
    text, talk = write_session(parrot, ["The cat", "1", "1", "/text", "/quit", "never read"])
    assert text == "The cat sat by\n"
    assert "1 sat 9" in talk or "1 sat 100%" in talk  # learnt by heart: it is sure of it
    text, _ = write_session(parrot, ["The cat", "/go 4", "/undo", "1", "1", "/undo"])
    assert text == "The cat sat\n"
    text, _ = write_session(
        parrot, ["The", "/temp 9", "/go 30", "/reroll", "/undo", "/temp 0", "/go 2"]
    )
    assert text == "The cat sat\n"


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


def test_suggested_sentences_end_where_they_should(parrot):
    writer, again = writer_of(parrot), writer_of(parrot)
    for each in (writer, again):
        each.configure({"temperature": 1.5, "top_p": 1.0})
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


def test_a_text_is_saved_and_taken_up(parrot):
    write_session(parrot, ["The cat", "/temp 0.5", "/cap 3", "/save mine.json"])
    saved = json.loads((parrot / "mine.json").read_text())
    assert saved["text"] == "The cat" and (saved["temperature"], saved["max_copied"]) == (0.5, 3)
    text, talk = write_session(parrot, ["/load mine.json", "/cap off", "/temp 0", "/go 1"])
    assert text == "The cat sat\n" and "error" not in talk


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/fly", "error: /fly: no such command. /help lists them"),
        ("/undo", "error: there is nothing to undo"),
        ("/reroll", "error: the last step was not drawn by /go"),
        ("/temp hot", "error: /temp hot: write a number from 0 to"),
        ("/go -3", "error: /go -3: write a number from 1 to"),
        ("/cap x", "error: /cap x: write a number"),
        ("/load gone.json", "error: /load gone.json: No such file"),
        ("/load story.txt", "error: /load story.txt: is not a file written by /save"),
        ("/save no/such/place", "error: /save no/such/place: No such file"),
        ("/save", "error: /save: name a file"),
        ("/save a\0b", "error: /save a\\x00b: is not a file name"),
        ("/help", "/reroll"),
        ("zebra", "note: not in the vocabulary, read as unknown: zebra"),
    ],
)
def test_a_mistake_while_writing_loses_nothing(parrot, line, message):
    text, talk = write_session(parrot, [line, "The cat"])
    assert message in talk and "Traceback" not in talk
    assert text.endswith("The cat\n")
