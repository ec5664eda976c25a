"""The n-gram guide against its definition, and stored n-grams from training to generation."""

import json
import shutil

import numpy as np
import pytest

from lstmgen.config.schema import SampleConfig
from lstmgen.generation.ngram_guide import MAX_EXPECTED, NgramGuide, find_guide, unseen_pairs
from lstmgen.generation.sampling import probabilities
from lstmgen.ngrams.kneser_ney import build_kneser_ney
from lstmgen.runs import checkpoint
from lstmgen.text.vocabulary import Vocabulary
from tests.helpers.program import call_cli
from tests.helpers.scenes import run_of

ENTRIES = ("<story>", "I", "am", "You", "are", "you", "sea")
TEXT = np.array([0, *[1, 2, 3, 4, 5, 4] * 20, 6])


@pytest.fixture
def ngrams():
    return build_kneser_ney(TEXT, order=3, vocab_size=len(ENTRIES))


@pytest.fixture
def vocabulary():
    return Vocabulary(ENTRIES, tuple(np.bincount(TEXT, minlength=len(ENTRIES)).tolist()))


def guided(guide, logits, context):
    scores = logits.copy()
    guide.apply(scores, context)
    return scores


@pytest.mark.parametrize("weight", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("context", [(), (1,), (3, 4), (1, 2, 3)])
def test_the_mixture_is_the_normalized_geometric_mean(ngrams, weight, context):
    logits = np.random.default_rng(2).normal(size=len(ENTRIES))
    scores = guided(NgramGuide(ngrams, None, weight, 0.0), logits, context)
    model, other = probabilities(logits[None])[0], ngrams.distribution(context)
    product = model ** (1 - weight) * other**weight
    np.testing.assert_allclose(probabilities(scores[None])[0], product / product.sum(), rtol=1e-12)
    # A repetition penalty depends on the signs of logits.
    assert np.logaddexp.reduce(scores) == pytest.approx(np.logaddexp.reduce(logits))


def test_a_pair_that_chance_would_give_is_less_likely_by_its_expected_count(ngrams, vocabulary):
    pairs = unseen_pairs(ngrams, vocabulary, kind="word")
    scores = guided(NgramGuide(ngrams, pairs, 0.0, 2.0), np.zeros(len(ENTRIES)), (1,))
    size = len(TEXT)
    expected = {"I": 400 / size, "are": 20 * 40 / size, "sea": 20 / size, "<story>": 20 / size}
    expected |= {"am": 0.0}  # a pair of the text
    for entry, count in expected.items():
        nats = 2 * min(count, MAX_EXPECTED)
        assert scores[ENTRIES.index(entry)] == pytest.approx(-nats), entry
    assert expected["are"] > MAX_EXPECTED


def test_letter_case_makes_no_other_pair(ngrams, vocabulary):
    pairs = unseen_pairs(ngrams, vocabulary, kind="word")
    assert pairs is not None
    assert pairs.expected(4)[3] == pairs.expected(4)[5] == 0  # "are You" is not in the text
    assert pairs.expected(2)[5] == 0  # only "am You" is


def test_a_guide_is_there_only_if_it_has_something_to_do(ngrams):
    assert find_guide(SampleConfig(pair_penalty=1.0), None, None) is None
    assert find_guide(SampleConfig(pair_penalty=0.0, ngram_weight=0.0), ngrams, None) is None
    assert find_guide(SampleConfig(ngram_weight=0.5), ngrams, None) is not None
    assert find_guide(SampleConfig(pair_penalty=1.0), ngrams, None) is not None


STORY = "The sea was calm. The boat was on the sea. He saw the boat, and she saw the sea.\n" * 12


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A folder with a trained run."""
    folder = tmp_path_factory.mktemp("ngrams")
    (folder / "story.txt").write_text(STORY)
    args = ("data.valid_fraction=0", "train.init_from=none", "model.hidden_sizes=[16]", "-q")
    call_cli("train", "story.txt", *args, "train.epochs=3", cwd=folder, check=0)
    bare = (*args, "train.epochs=1", "data.ngrams=false", "--runs-dir", "bare")
    call_cli("train", "story.txt", *bare, cwd=folder, check=0)
    return folder


def test_checkpoints_share_the_ngrams_of_their_run(scene):
    run = run_of(scene, "story")
    inodes = {step.stat().st_ino for step in run.glob(f"checkpoints/step-*/{checkpoint.NGRAMS}")}
    assert inodes == {(run / checkpoint.NGRAMS).stat().st_ino}


def test_a_mixture_with_most_of_its_weight_on_ngrams_repeats_the_text(scene):
    done = call_cli("generate", "--cue", "The sea", "--ngram-weight", 0.99, "--temperature", 0,
                    "--words", 12, "--json", "-q", cwd=scene, check=0)  # fmt: skip
    words = json.loads(done.stdout)["text"].split()
    pairs = set(zip(STORY.split(), STORY.split()[1:], strict=False))
    assert len(words) >= 12 and set(zip(words, words[1:], strict=False)) <= pairs


@pytest.mark.parametrize("option", ["--ngram-weight", "--pair-penalty"])
def test_the_settings_need_stored_ngrams(scene, option):
    generate = ("generate", "--runs-dir", "bare", "--cue", "The", "-q")
    call_cli(*generate, cwd=scene, check=0)
    call_cli(*generate, option, 0, cwd=scene, check=0)
    done = call_cli(*generate, option, 0.5, cwd=scene, check=2)
    assert f"error: {option} 0.5: this checkpoint holds no n-grams" in done.stderr


def test_changed_ngrams_are_refused(scene, tmp_path):
    copy = tmp_path / "step"
    shutil.copytree(next(run_of(scene, "story").glob("checkpoints/step-*")), copy)
    data = bytearray((copy / checkpoint.NGRAMS).read_bytes())
    data[-1] ^= 1
    (copy / checkpoint.NGRAMS).write_bytes(data)
    done = call_cli("generate", copy, cwd=tmp_path, check=2)
    assert "ngrams.safetensors has been changed" in done.stderr
