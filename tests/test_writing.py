"""Writing a text together with a model: ``lstmgen write``."""

import dataclasses
import json

import pytest

import lstmgen
from lstmgen.errors import UsageError
from lstmgen.generation.writing import Writer
from tests.helpers.program import run_cli
from tests.helpers.scenes import run_of


def write_session(folder, lines, *options):
    done = run_cli(
        "write", "--seed", 1, *options, cwd=folder, stdin="\n".join(lines) + "\n", check=0
    )
    return done.stdout, done.stderr


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
    model = lstmgen.load(run_of(parrot))
    writer = Writer(model.generator, model.generator.config.sample, seed=3)
    writer.type("The cat")
    writer.set_temperature(9.0)
    assert writer.go(8) == 8
    first = writer.current.text
    assert writer.reroll() == 8
    assert writer.current.text != first and writer.current.text.startswith("The cat ")
    assert len(writer.snapshots) == 3  # nothing, the cue, what was drawn
    writer.undo()
    with pytest.raises(UsageError, match="was not drawn by the model"):
        writer.reroll()
    writer.set_temperature(1.0)
    writer.set_cap(2)
    writer.go(40)
    assert writer.current.history.meter.run <= 2
    offered = writer.suggest()
    total = sum(word.probability for word in offered)
    assert total == pytest.approx(1) or (len(offered) == 9 and total < 1)


def test_what_a_person_typed_is_never_rerolled(parrot):
    """A cap of no word at all leaves nothing to draw but punctuation."""
    model = lstmgen.load(run_of(parrot))
    writer = Writer(model.generator, model.generator.config.sample, seed=3)
    writer.type("The cat")
    entries = enumerate(model.generator.vocabulary.entries)
    forbidden = frozenset(i for i, _ in entries)
    writer.constraints = dataclasses.replace(writer.constraints, forbidden=forbidden)
    assert writer.go(3) == 0
    with pytest.raises(UsageError, match="was not drawn by the model"):
        writer.reroll()
    assert writer.current.text == "The cat"


def test_the_kept_state_is_that_of_the_text_read_again(parrot):
    model = lstmgen.load(run_of(parrot))
    writer, other = (
        Writer(model.generator, model.generator.config.sample, seed=3) for _ in range(2)
    )
    writer.type("The cat")
    writer.pick(1)
    writer.go(3)
    writer.undo()
    writer.type("by the old")
    other.type(writer.current.text)
    for a, b in zip(writer.current.states, other.current.states, strict=True):
        assert abs(a.hidden - b.hidden).max() < 1e-6
        assert abs(a.cell - b.cell).max() < 1e-5


def test_what_is_typed_stands_in_the_text_as_it_was_typed(parrot):
    model = lstmgen.load(run_of(parrot))
    writer = Writer(model.generator, model.generator.config.sample, seed=3)
    whole = ""
    for typed, expected in (
        ('"Where is', '"Where is'),
        ('the river?" asked', ' the river?" asked'),
        (', and the "dog" said', ', and the "dog" said'),
        ('"yes', ' "yes'),
        ('," he said', '," he said'),
        ("\n\nThe   old\t dog", "\n\nThe   old\t dog"),
    ):
        writer.type(typed)
        whole += expected
        assert writer.current.text == whole


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
        ("/reroll", "error: the last step was not drawn by the model"),
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
