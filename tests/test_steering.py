"""What a writer can ask of a continuation: no repeats, a cache, and words of one's own."""

import json
from dataclasses import replace

import numpy as np
import pytest

import lstmgen
from lstmgen.cells.building_blocks import State
from lstmgen.config.schema import Config, DataConfig, SampleConfig
from lstmgen.errors import LstmgenError, UsageError
from lstmgen.generation import sampling_loop
from lstmgen.generation.generator import Generator
from lstmgen.generation.inclusion import Missing
from lstmgen.generation.next_word import CueReader, next_scores
from lstmgen.generation.pieces import join_pieces
from lstmgen.generation.sampling_loop import continue_cue
from lstmgen.text.tokenizer import tokenize
from lstmgen.text.vocabulary import STORY, Vocabulary
from tests.helpers.program import call_cli, write_session
from tests.helpers.scenes import run_of

WORDS = (STORY, "I", "am", "sorry", ".", "\n\n", "the", "sea", "Sea", "sea¬", "ran", "to", "mill",
         "said", "Mr", "old", "no")  # fmt: skip


class Bigrams:
    """An engine whose next word depends on the last word only, by a table of logits."""

    def __init__(self, table):
        self.table = table

    def zero_states(self, batch):
        return self.read(np.zeros(batch, int), None)

    def read(self, ids, states):
        known = np.minimum(ids, len(self.table) - 1)
        return [State(self.table[known], known[:, None].astype(float))]

    def logits(self, states):
        return states[0].hidden.copy()


def random_table(*, seed=3, scale=2.0):
    return np.random.default_rng(seed).normal(size=(len(WORDS), len(WORDS))) * scale


def generator_of(table, entries=WORDS, *, tokenizer="word"):
    config = Config(data=DataConfig(tokenizer=tokenizer))
    return Generator(config, Vocabulary(entries, (1,) * len(entries)), Bigrams(table), None)


def settings_of(**sample):
    free = {"top_p": 1.0, "temperature": 1.0, "words": 40, "stop": "words"}
    return SampleConfig(**free | sample)


def pieces_of(cue="the", *, table=None, samples=1, seed=0, details=False, tokenizer="word",
              **sample):  # fmt: skip
    generator = generator_of(random_table() if table is None else table, tokenizer=tokenizer)
    reader = CueReader(generator, settings_of(**sample), cue)
    return list(continue_cue(reader, samples=samples, seed=seed, details=details))


def texts_of(cue="the", *, samples=1, **options):
    return join_pieces(pieces_of(cue, samples=samples, **options), samples)


def loop_table():
    """A model that writes "I am sorry." for ever."""
    table = np.zeros((len(WORDS), len(WORDS)))
    for word, following in ((0, 1), (1, 2), (2, 3), (3, 4), (4, 1)):
        table[word, following] = 9.0
    return table


def trigrams(text):
    tokens = tokenize(text)
    return list(zip(tokens, tokens[1:], tokens[2:], strict=False))


def sentences(text):
    words = [tuple(tokenize(part)) for part in text.split(".")[:-1]]
    return [sentence for sentence in words if sentence]


def test_beams_repeat_no_three_words_and_no_sentence_even_of_the_cue():
    cue = "I am sorry."
    (free,) = texts_of(cue, table=loop_table(), beams=3, no_repeat_ngram=0)
    assert free.startswith(" I am sorry. I am sorry.")
    (text,) = texts_of(cue, table=loop_table(), beams=3)
    assert text != free
    assert max(map(trigrams(cue + text).count, trigrams(cue + text))) == 1
    assert len(set(sentences(cue + text))) == len(sentences(cue + text))


def test_the_length_that_beams_do_not_repeat_is_a_setting():
    (text,) = texts_of("I am sorry.", table=loop_table(), beams=3, no_repeat_ngram=5, words=30)
    repeated = sentences("I am sorry." + text)
    assert len(set(repeated)) == len(repeated)  # no sentence twice, whatever the length
    found = trigrams("I am sorry." + text)
    assert len(set(found)) < len(found)  # but three words are


def test_an_abbreviation_ends_no_sentence_that_could_repeat():
    table = np.zeros((len(WORDS), len(WORDS)))
    mr, dot, old = WORDS.index("Mr"), WORDS.index("."), WORDS.index("old")
    table[mr, dot] = table[old, dot] = 9.0
    table[dot, mr] = 5.0
    (text,) = texts_of("Mr.", table=table, beams=2, no_repeat_ngram=9, words=4)
    assert text.startswith(" Mr.")
    assert not texts_of("old.", table=table, beams=2, no_repeat_ngram=9, words=4)[0].endswith(
        "old."
    )


def test_sampling_repeats_as_before():
    (text,) = texts_of("I am sorry.", table=loop_table(), temperature=0.0)
    assert text.startswith(" I am sorry. I am sorry.")


def test_characters_are_not_blocked_as_words_are():
    entries = (STORY, *"abc .")
    table = np.zeros((6, 6))
    table[1, 2] = table[2, 4] = table[4, 1] = 9.0
    generator = generator_of(table, entries, tokenizer="character")
    reader = CueReader(generator, settings_of(beams=2, words=10), "a")
    (text,) = join_pieces(continue_cue(reader, samples=1, seed=0), 1)
    assert text.startswith("b ab ab a")


def test_a_beam_search_says_once_what_it_is_for(parrot):
    options = ("generate", "--cue", "The cat", "--words", 5, "--beams", 3, "-n", 2)
    note = "note: --beams searches for the most likely text"
    assert call_cli(*options, cwd=parrot, check=0).stderr.count(note) == 1
    assert note not in call_cli(*options, "-q", cwd=parrot, check=0).stderr


def test_a_receipt_of_beams_from_before_is_replayed_as_it_was(parrot, tmp_path):
    receipt = tmp_path / "receipt.json"
    options = ("-c", "The cat", "--words", 60, "--beams", 2, "--stop", "words",
               "--repetition-penalty", 0.5, "--receipt", receipt)  # fmt: skip
    free = call_cli("generate", run_of(parrot), *options, "--no-repeat-ngram", 0, cwd=tmp_path,
                    check=0)  # fmt: skip
    old = json.loads(receipt.read_text())
    blocked = call_cli("generate", run_of(parrot), *options, cwd=tmp_path, check=0)
    assert blocked.stdout != free.stdout
    again = call_cli("generate", "--replay", receipt, cwd=tmp_path, check=0)
    assert again.stdout == blocked.stdout
    old["receipt"], old["settings"]["no_repeat_ngram"] = 1, None
    receipt.write_text(json.dumps(old))
    again = call_cli("generate", "--replay", receipt, cwd=tmp_path, check=0)
    assert again.stdout == free.stdout


def test_a_receipt_of_a_cache_from_before_is_replayed_as_it_was(parrot, tmp_path):
    receipt = tmp_path / "receipt.json"
    options = ("-c", "The cat", "--words", 40, "--cache-weight", 0.9, "--cache-theta", 1, "--seed",
               1, "--stop", "words", "--receipt", receipt)  # fmt: skip
    done = call_cli(
        "generate", run_of(parrot), *options, "--cache-last-word", cwd=tmp_path, check=0
    )
    old = json.loads(receipt.read_text())
    other = call_cli("generate", run_of(parrot), *options, cwd=tmp_path, check=0)
    assert other.stdout != done.stdout
    del old["settings"]["cache_last_word"]
    receipt.write_text(json.dumps(old))
    again = call_cli("generate", "--replay", receipt, cwd=tmp_path, check=0)
    assert again.stdout == done.stdout


def scores_of(cue="I", **sample):
    reader = CueReader(generator_of(random_table()), settings_of(**sample), cue)
    reader.finish()
    logits = reader.generator.engine.logits(reader.states)
    return next_scores(logits, [reader.history], reader.constraints)[0]


@pytest.mark.parametrize("penalty", [1.0, 1.3])
def test_a_bias_shifts_the_logits_of_all_spellings_by_exactly_its_nats(penalty):
    cue = "the sea said"
    plain = scores_of(cue, repetition_penalty=penalty)
    biased = scores_of(
        cue, repetition_penalty=penalty, bias=["SEA:1.5", "said:-1", "to:2", "to:-0.5", "zebra:9"]
    )
    expected = np.zeros(len(WORDS))
    for word, nats in (("sea", 1.5), ("Sea", 1.5), ("sea¬", 1.5), ("said", -1), ("to", 1.5)):
        expected[WORDS.index(word)] = nats
    known = np.isfinite(plain)
    np.testing.assert_allclose(biased[known] - plain[known], expected[known], rtol=0, atol=1e-12)
    assert (np.isfinite(biased) == known).all()


def test_a_bias_lifts_no_constraint():
    assert scores_of(bias=["sea:100"], banned=["sea"])[WORDS.index("sea")] == -np.inf
    assert scores_of(bias=[f"{STORY}:100"])[WORDS.index(STORY)] == -np.inf


def test_a_bias_without_nats_changes_no_word_and_with_many_it_makes_them_all_one():
    assert texts_of(bias=["sea:0"]) == texts_of()
    (text,) = texts_of(bias=["ran:100"], words=5)
    assert text == " ran ran ran ran ran"
    assert "ran" not in texts_of(bias=["ran:-100"], words=200)[0]
    (text,) = texts_of(bias=["ran:100"], words=5, beams=2, no_repeat_ngram=0)
    assert text == " ran ran ran ran ran"


def test_a_bias_is_for_every_way_to_generate(parrot, tmp_path):
    bias = ("--bias", "river:100", "--bias", "zebra:1")
    options = ("-c", "The", "--words", 3, "--stop", "words", *bias)
    receipt = ("--receipt", tmp_path / "r")
    done = call_cli("generate", run_of(parrot), *options, *receipt, cwd=tmp_path, check=0)
    assert done.stdout == "The river river river\n"
    note = "note: --bias zebra: the model has no such word, so this has no effect"
    assert note in done.stderr
    again = call_cli("generate", "--replay", tmp_path / "r", cwd=tmp_path, check=0)
    assert again.stdout == done.stdout
    model = lstmgen.load(run_of(parrot))
    settings = {"words": 3, "stop": "words", "bias": ["river:100"]}
    assert model.generate("The", **settings)[0].text == " river river river"
    with pytest.raises(UsageError, match="--bias = sea: must be WORD:NATS"):
        model.generate("The", bias=["sea"])


def test_a_bias_holds_in_writing_and_is_saved_with_a_draft(parrot, tmp_path):
    mine = tmp_path / "mine.json"
    lines = ["The", "/bias river:1", "/bias river:100", "/bias zebra:2", "/go 2", "/settings",
             f"/save {mine}", "/bias sea"]  # fmt: skip
    text, talk = write_session(parrot, lines)
    assert text == "The river river\n"
    assert "/bias river:100  /bias zebra:2  --seed" in talk
    assert "note: /bias zebra: the model has no such word" in talk
    assert "error: /bias sea: must be WORD:NATS" in talk
    text, talk = write_session(parrot, ["/go 1", "/bias off", "/settings"], mine)
    assert text == "The river river river\n"
    assert "note: --bias zebra" in talk and "/bias" not in talk.split("/temp")[-1]
    text, _ = write_session(parrot, ["The", "/go 1"], "--bias", "river:100")
    assert text == "The river\n"


@pytest.mark.parametrize("stop", ["words", "story", "sentence"])
@pytest.mark.parametrize("words", [["sea"], ["Mill", "said", "no"]])
def test_words_that_must_occur_do_and_the_same_seed_gives_the_same_text(words, stop):
    options = {"must_include": words, "samples": 8, "seed": 4, "stop": stop, "words": 20}
    texts = texts_of(**options)
    for text in texts:
        tokens = {token.strip("¬").lower() for token in tokenize(text)}
        assert {word.lower() for word in words} <= tokens
    assert texts == texts_of(**options)
    assert texts[:3] == texts_of(**options | {"samples": 3})
    assert texts[0] == "".join(p.text for p in pieces_of(**options | {"samples": 1}))
    assert len(set(texts)) > 4


def test_a_word_of_the_cue_must_occur_again():
    assert "sea" in texts_of("the sea", must_include=["sea"], words=10)[0].lower()


def test_samples_that_lack_a_word_are_drawn_again_and_then_are_an_error(monkeypatch):
    hard = {"must_include": ["sea"], "words": 1, "bias": ["sea:-7"]}
    with pytest.raises(LstmgenError, match="sample . lacks sea after all attempts") as caught:
        pieces_of(samples=4, **hard)
    assert caught.value.exit_code == 1
    fair = {"must_include": ["sea"], "words": 3, "bias": ["sea:-5"], "samples": 8}
    assert all("sea" in text.lower() for text in texts_of(**fair))
    monkeypatch.setattr(sampling_loop, "MAX_ATTEMPTS", 1)  # so some were drawn again
    with pytest.raises(LstmgenError, match="lacks sea"):
        texts_of(**fair)


def test_a_token_before_which_a_sample_ends_does_not_count():
    """The sentence ends before a word that is drawn, and is not printed."""
    options = {"must_include": ["sea"], "stop": "sentence", "bias": [".:2"], "words": 10}
    for seed in range(20):
        for text in texts_of(samples=2, seed=seed, **options):
            assert "sea" in text.lower()


def test_missing_words_become_likelier_and_the_others_do_not():
    required = (frozenset({7, 8}), frozenset({3}))
    missing, sample = Missing(required), settings_of(words=50)
    urges = []
    for words in range(60):
        urges.append(missing.urge(sample, words))
        scores = np.zeros(len(WORDS))
        missing.encourage(scores, sample, words=words)
        assert scores[[3, 7, 8]].tolist() == [urges[-1]] * 3 and np.count_nonzero(scores) in (0, 3)
        missing = missing.after(10, is_word=True)
    assert urges[0] == 0 and urges == sorted(urges) and urges[20:] == [8.0] * 40
    assert missing.after(4, is_word=False) == missing
    one = missing.after(8, is_word=True)
    assert one.words == (frozenset({3}),) and one.urge(sample, 61) == 0
    assert replace(missing, attempt=2).urge(sample, 60) == 12.0
    assert Missing(required, attempt=3, since=3).urge(sample, 3) > Missing(required, since=3).urge(
        sample, 3
    )


def test_beams_with_words_that_must_occur():
    for text in texts_of(samples=3, beams=4, must_include=["mill", "said"], words=15):
        assert "mill" in text and "said" in text
    with pytest.raises(LstmgenError, match="lacks mill, said after all attempts"):
        texts_of(beams=2, must_include=["mill", "said"], words=1)


def test_words_that_must_occur_are_for_the_program_and_the_api(parrot, tmp_path):
    options = ("-c", "The cat", "--words", 12, "--must-include", "RIVER", "--seed", 1,
               "--temperature", 1.5)  # fmt: skip
    plain = call_cli("generate", run_of(parrot), *options, "-q", cwd=tmp_path, check=0).stdout
    assert "river" in plain
    more = (*options, "-n", 2, "--receipt", tmp_path / "r")
    done = call_cli("generate", run_of(parrot), *more, cwd=tmp_path, check=0).stdout
    assert done.startswith(plain + "---\n") and done.count("river") >= 2
    again = call_cli("generate", "--replay", tmp_path / "r", cwd=tmp_path, check=0)
    assert again.stdout == done
    model = lstmgen.load(run_of(parrot))
    settings = {"words": 12, "must_include": ["river"], "temperature": 1.5, "seed": 1}
    (sample,) = model.generate("The cat", **settings)
    assert f"The cat{sample.text}\n" == plain
    assert "".join(model.words("The cat", **settings)) == sample.text
    failed = call_cli("generate", run_of(parrot), *options, "--words", 1, "--stop", "words",
                      "--must-include", "mill", cwd=tmp_path, check=1)  # fmt: skip
    assert not failed.stdout and "error: --must-include: sample 0 lacks" in failed.stderr


STARTS = ["sea", " sea", ", the sea", ".\n\nThe sea ", "no, no. No", "zebra ran", "¬ sea ", "  the"]


@pytest.mark.parametrize("cue", ["", "the", "the ", "the sea. "])
@pytest.mark.parametrize("start", STARTS)
def test_a_start_is_read_as_the_end_of_a_cue_is(cue, start):
    """The same text, and the same words after it, as with the start in the cue."""
    free = {"seed": 5, "temperature": 1.2, "samples": 3}
    texts = texts_of(cue, start_with=start, words=20, **free)
    begun = f" {start}" if texts[0].startswith(f" {start}") else start
    assert texts[0].startswith(begun)
    assert (begun != start) == (cue == "the" and start[0] not in " ,.")  # where one belongs
    count = sum(any(map(str.isalnum, token)) for token in tokenize(start))
    expected = texts_of(cue + begun, words=20 - count, **free)
    assert texts == [begun + text for text in expected]


def test_a_start_is_printed_whatever_ends_a_continuation():
    for stop in ("sentence", "line", "paragraph", "words", "story"):
        (text,) = texts_of("the", start_with="sea. No.\n\nOld", stop=stop, words=2)
        assert text.startswith(" sea. No.\n\nOld")
    assert texts_of("the", start_with="sea ran to", words=2) == [" sea ran to"]
    options = {"table": loop_table(), "temperature": 0.0, "stop": "sentence"}
    assert texts_of("the", start_with="sea.", **options) == [" sea."]
    assert texts_of("the", start_with="sea ran", words=2, beams=2) == [" sea ran"]
    (text,) = texts_of("the", start_with="sea ran", words=9, beams=2)
    assert text.startswith(" sea ran") and len(text.split()) >= 8


def test_a_start_has_a_word_that_must_occur():
    table = np.full((len(WORDS), len(WORDS)), -5.0)
    table[:, WORDS.index("old")] = 5.0
    options = {"table": table, "must_include": ["sea"], "words": 4}
    assert texts_of("the", start_with="Sea", **options) == [" Sea old old old"]
    assert texts_of("sea", **options) != [" old old old old"]


def test_a_start_is_for_every_way_to_generate(parrot, tmp_path):
    options = ("-c", "The cat", "--words", 4, "--stop", "words", "--start-with", "ran to zebra",
               "--temperature", 1.5, "--seed", 2)  # fmt: skip
    done = call_cli("generate", run_of(parrot), *options, cwd=tmp_path, check=0)
    assert done.stdout.startswith("The cat ran to zebra ") and len(done.stdout.split()) == 6
    assert done.stderr.count("note: not in the vocabulary: zebra (") == 1
    bare = call_cli("generate", run_of(parrot), *options, "--no-cue", "-n", 2, "--receipt",
                    tmp_path / "r", cwd=tmp_path, check=0)  # fmt: skip
    assert "The cat " + bare.stdout.split("---\n")[0] == done.stdout
    again = call_cli("generate", "--replay", tmp_path / "r", "--no-cue", cwd=tmp_path, check=0)
    assert again.stdout == bare.stdout
    model = lstmgen.load(run_of(parrot))
    settings = {"words": 4, "stop": "words", "start_with": "ran to zebra", "temperature": 1.5}
    (sample,) = model.generate("The cat", seed=2, **settings)
    assert f"The cat{sample.text}\n" == done.stdout
    assert "".join(model.words("The cat", seed=2, **settings)) == sample.text
    assert [word.text for word in sample.words] == [" " + sample.text.split()[-1]]
    page = call_cli("generate", run_of(parrot), *options, "--show-probs", cwd=tmp_path, check=0)
    assert page.stdout.startswith(done.stdout.strip())
