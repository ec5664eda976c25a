"""Choosing among candidate sentences, against enumeration and plain sampling."""

import numpy as np
import pytest

from lstmgen.config.schema import Config, SampleConfig
from lstmgen.generation.best_of import (
    BROKEN,
    COPIED,
    MAX_TOKENS,
    OPEN,
    REPEATED,
    Candidate,
    Text,
    choose,
)
from lstmgen.generation.branch import Branch, Drawing
from lstmgen.generation.generator import Generator
from lstmgen.generation.next_word import CueReader, select_rows
from lstmgen.generation.pieces import join_pieces
from lstmgen.generation.sampling import draw, filter_scores, probabilities
from lstmgen.generation.sampling_loop import continue_cue
from lstmgen.text.vocabulary import STORY, Vocabulary
from tests.helpers.program import call_cli, write_session
from tests.helpers.scenes import make_trained

ENTRIES = (STORY, "the", "cat", "sat", "ran", ".", "!")


class Wheel:
    """An engine whose next word depends on the last one only, by a fixed random table."""

    def __init__(self, seed):
        self.table = np.random.default_rng(seed).normal(0, 1.5, (len(ENTRIES), len(ENTRIES)))
        self.table[:, 5:] += 1  # sentences of some words

    def zero_states(self, batch):
        return [_State(np.zeros((batch, 1)), np.zeros((batch, 0)))]

    def read(self, words, states):
        return [_State(np.asarray(words, dtype=float)[:, None], states[0].cell[: len(words)])]

    def logits(self, states):
        return self.table[states[0].hidden[:, 0].astype(int)]


class _State(tuple):
    """As ``cells.building_blocks.State``, of any arrays."""

    def __new__(cls, hidden, cell):
        return super().__new__(cls, (hidden, cell))

    hidden = property(lambda self: self[0])
    cell = property(lambda self: self[1])


def make_reader(cue="the", *, seed=3, **settings):
    vocabulary = Vocabulary(ENTRIES, (1,) * len(ENTRIES))
    generator = Generator(Config(), vocabulary, Wheel(seed))
    sample = SampleConfig(**{"temperature": 1.0, "top_p": 1.0, "stop": "paragraph"} | settings)
    reader = CueReader(generator, sample, cue)
    reader.finish()
    return reader


def enumerate_candidates(reader, count, *, seed, sentence):
    """The candidates of one sentence, drawn one by one: ids and scores without penalties."""
    found = []
    for number in range(count):
        generator = np.random.default_rng((seed, 0, sentence, number))
        history, continuation = reader.history.fork(), reader.continuation(0)
        states, ids, surplus = reader.states, [], 0.0
        while True:
            drawing = Drawing(reader.generator, reader.constraints)
            branch = Branch(continuation, history, None, ())
            _, scores = drawing.scores(states, [branch])
            word = int(draw(filter_scores(scores, reader.sample), [generator])[0])
            token = ENTRIES[word]
            if ids and (len(ids) == MAX_TOKENS or continuation.sentence_ends_before(token)):
                break
            chances = probabilities(scores)[0]
            with np.errstate(divide="ignore", invalid="ignore"):
                logs = np.log(chances)
                entropy = -np.nansum(np.where(chances > 0, chances * logs, 0))
            surplus += logs[word] + entropy
            continuation.add(token)
            history.add(word)
            ids.append(word)
            states = reader.generator.engine.read(np.array([word]), states)
        found.append((ids, surplus / len(ids)))
    return found


@pytest.mark.parametrize("count", [2, 5, 8])
def test_the_best_candidate_is_the_best_of_an_enumeration(count):
    for seed in range(20):
        reader = make_reader(best_of=count, words=1000)
        branch = Branch(reader.continuation(0), reader.history.fork(), None, (seed, 0))
        text = Text(branch, reader.states)
        (best,) = choose(Drawing(reader.generator, reader.constraints), [text])
        found = enumerate_candidates(make_reader(words=1000), count, seed=seed, sentence=0)
        ids, score = max(found, key=lambda pair: pair[1])
        assert best.ids == ids
        assert best.score(Text(branch, None)) == pytest.approx(score, abs=1e-9)
        assert text.states[0].hidden[0, 0] == ids[-1] and text.sentences == 1


def test_each_fault_costs_its_penalty():
    reader = make_reader()
    branch = Branch(reader.continuation(0), reader.history, None, (0,))
    plain = {"branch": branch, "generator": None, "ids": [1, 2, 3, 5], "surplus": 2.0}
    text = Text(branch, None, sequences={(1, 2, 3)})
    assert Candidate(**plain).score(text) == 0.5
    assert Candidate(**plain, copied=2).score(text) == 0.5 - COPIED * 2 / 4
    repeated = Candidate(**plain, sequences=[(1, 2, 3), (2, 3, 5)])
    assert repeated.score(text) == 0.5 - REPEATED / 4
    assert Candidate(**plain, broken=True).score(text) == 0.5 - BROKEN
    assert OPEN > 0


def test_several_texts_are_drawn_as_each_alone():
    reader = make_reader(best_of=4)
    together = join_pieces(continue_cue(reader, samples=20, seed=7), 20)
    assert len(set(together)) > 10
    alone = [join_pieces(continue_cue(make_reader(best_of=4), samples=1, seed=7), 1)[0]]
    assert together[:1] == alone
    again = join_pieces(continue_cue(make_reader(best_of=4), samples=20, seed=7), 20)
    assert again == together


def test_a_text_ends_where_plain_sampling_would_end_it():
    for words in (1, 5, 30):
        reader = make_reader(best_of=3, words=words)
        for text in join_pieces(continue_cue(reader, samples=10, seed=1), 10):
            count = sum(word.isalpha() for word in text.replace(".", " ").replace("!", " ").split())
            assert words <= count <= words + (words + 1) // 2
    reader = make_reader(best_of=3, words=7, hard_limit=True)
    for text in join_pieces(continue_cue(reader, samples=10, seed=1), 10):
        assert sum(w.isalpha() for w in text.replace(".", " ").replace("!", " ").split()) == 7


def test_temperature_zero_chooses_nothing():
    one = join_pieces(continue_cue(make_reader(temperature=0.0), samples=1, seed=1), 1)
    many = make_reader(temperature=0.0, best_of=8)
    assert join_pieces(continue_cue(many, samples=1, seed=1), 1) == one


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return make_trained(tmp_path_factory.mktemp("best"))


def test_the_command_streams_what_its_json_has_and_a_receipt_replays(trained):
    options = ("--cue", "The", "--best-of", 3, "--seed", 4, "--words", 20, "-q")
    plain = call_cli("generate", *options, cwd=trained, check=0).stdout
    done = call_cli("generate", *options, "--receipt", "receipt.json", cwd=trained, check=0)
    assert done.stdout == plain
    replayed = call_cli("generate", "--replay", "receipt.json", "-q", cwd=trained, check=0)
    assert replayed.stdout == plain


def test_write_chooses_too(trained):
    lines = ["The old miller", "/go 12", "/quit"]
    text, _ = write_session(trained, lines, "--best-of", 4)
    again, _ = write_session(trained, lines, "--best-of", 4)
    other, _ = write_session(trained, lines)
    assert text == again != other
    assert text.startswith("The old miller") and len(text.split()) >= 12
    suggested = write_session(trained, ["The", "/lines 3", "2", "/quit"], "--best-of", 2)[0]
    assert suggested.startswith("The ")


def test_select_rows_takes_arrays():
    states = [_State(np.arange(3.0)[:, None], np.zeros((3, 0)))]
    assert select_rows(states, np.array([2, 0]))[0].hidden[:, 0].tolist() == [2.0, 0.0]
