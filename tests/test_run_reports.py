"""What a training says of itself: unknown words, memorizing, and an early end."""

import random
import re

import pytest

from lstmgen.reporting.number_format import advise_by_ngram
from lstmgen.runs import checkpoint
from lstmgen.training.memorizing import find_memorizing
from tests.helpers.program import call_cli
from tests.helpers.scenes import CONFIG, STORY, checkpoints_of, deep_compare, run_of, write_story


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        (("data.min_count=20",), ". Lower data.min_count (20)"),
        (("data.vocabulary_size=15",), ". Raise data.vocabulary_size (15)"),
        (
            ("data.min_count=9", "data.vocabulary_size=15"),
            ". Lower data.min_count (9) or raise data.vocabulary_size (15)",
        ),
        (("data.vocabulary=words.txt",), ". Add words to the file data.vocabulary"),
        (("data.tokenizer=whitespace", "data.train=cut.txt"), "come out with a word missing\n"),
    ],
)
def test_many_unknown_words_are_reported_once(tmp_path, settings, remedy):
    write_story(tmp_path, CONFIG)
    (tmp_path / "words.txt").write_text("the\ncat\ndog\n.\n", encoding="utf-8")
    (tmp_path / "cut.txt").write_text(STORY.replace(" the ", " <unk> ") * 8, encoding="utf-8")
    done = call_cli("train", "my.yaml", *settings, cwd=tmp_path, check=0)
    note = "% of the training tokens are <unk>, which is never generated: where the model expects "
    assert done.stderr.count(note) == 1
    assert remedy in done.stderr
    again = call_cli("train", "--resume", run_of(tmp_path), "train.max_steps=30", cwd=tmp_path)
    assert again.stderr.count(note) == 1


def test_few_unknown_words_are_not_reported(tmp_path):
    write_story(tmp_path, CONFIG)
    (tmp_path / "story.txt").write_text(STORY * 8 + "Zebra yak gnu.\n", encoding="utf-8")
    done = call_cli("train", "my.yaml", "data.min_count=2", "data.valid_fraction=0", cwd=tmp_path)
    assert done.exit_code == 0 and "<unk>" not in done.stderr


def rows_of(valid, train=None, words=100):
    """Rows of metrics with an evaluation every 10 steps and a plain row in between."""
    rows = []
    for place, nats in enumerate(valid):
        loss = 9.0 if train is None else train[place]
        step = 10 * (place + 1)
        rows.append({"step": step - 5, "words": (2 * place + 1) * words, "train_nats": loss - 1,
                     "valid_nats": None})  # fmt: skip
        rows.append({"step": step, "words": (2 * place + 2) * words, "train_nats": loss + 1,
                     "valid_nats": nats})  # fmt: skip
    return rows


@pytest.mark.parametrize(
    ("valid", "since"),
    [
        ([5, 4, 4.1, 4.2, 4.3, 4.4], 30),
        ([5, 4, 3, 3.1, 3.05, 3.2], 40),
        ([5, 4.5, 4, 3.5, 3.6, 3.7], None),  # two later evaluations are too few
        ([5, 4.5, 4.2, 4, 3.9, 3.6, 3.7, 3.7, 3.8], 70),
        ([5, 4.5, 4.2, 4, 3.9, 3.8, 3.6, 3.7, 3.7, 3.8], None),  # the best beyond two thirds
        ([5, 4, 4.1, 4.2, 4, 4.4], None),  # not all are higher
        ([5, 4, 4.001, 4.001, 4.002, 4.003], None),  # hardly higher
        ([5], None),
        ([], None),
    ],
)
def test_a_validation_loss_that_rises_to_the_end_is_memorizing(valid, since):
    found = find_memorizing(rows_of(valid))
    assert (None if found is None else found.since) == since
    if found is not None:
        assert found.rose and found.valid_nats == valid[-1]


def test_a_training_loss_below_half_the_validation_loss_is_memorizing():
    found = find_memorizing(rows_of([5, 4.9, 4.8, 4.7], train=[2.0, 3.0, 2.3, 2.3]))
    assert (found.since, found.rose) == (30, False)  # not the first, which did not last
    assert found.train_nats == pytest.approx(2.3) and found.valid_nats == 4.7
    assert find_memorizing(rows_of([5, 4.9, 4.8], train=[2.0, 2.0, 2.5])) is None
    unknown = rows_of([5.0])
    for row in unknown:
        row["train_nats"] = None  # as right after resuming
    assert find_memorizing(unknown) is None


OVERFITTING = """\
data: {train: story.txt, valid_fraction: 0.2}
model: {hidden_sizes: [32], embedding_dim: 16, dropout: {input: 0, hidden: 0, output: 0}}
train: {window: 8, batch_size: 8, epochs: 40, learning_rate: 2e-2, patience: null, device: cpu,
  noise: 0}
"""


@pytest.fixture
def noise(tmp_path):
    """A config for a text without any order, of which only the training part can be learned."""
    write_story(tmp_path, OVERFITTING)
    generator = random.Random(1)
    words = [generator.choice("abcdefghijklmnop") for _ in range(600)]
    lines = (" ".join(words[start : start + 10]) for start in range(0, len(words), 10))
    (tmp_path / "story.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_the_end_card_says_since_when_a_run_memorizes(noise):
    done = call_cli("train", "my.yaml", cwd=noise, check=0)
    index = checkpoint.read_index(checkpoints_of(run_of(noise)))
    row = re.search(r"^  memorizing +(.*)$", done.stderr, re.M)[1]
    since = int(re.match(r"since step (\d+): ", row)[1])
    assert index.best < since < index.last
    assert (
        f"the best checkpoint (step {index.best}) is what generate uses, step {index.last} is the "
        "last (generate --last); what helps: more text, stronger dropout (model.dropout), fewer "
        "epochs or train.patience"
    ) in row
    again = call_cli("train", "--resume", run_of(noise), cwd=noise, check=0)
    assert row in again.stderr  # from the records, since this process has trained nothing


def test_where_the_ngram_is_better_the_end_card_says_why_and_what_helps():
    memorized = advise_by_ngram(59.4, 48.9, memorizing=True, has_base=False)
    assert memorized == (
        "48.90: counting predicts this text better than the network, which has memorized the "
        "training text rather than learned from it; what helps: more text or a base of its "
        "language (train.init_from)"
    )
    tuned = advise_by_ngram(59.4, 48.9, memorizing=True, has_base=True)
    assert tuned.endswith("what helps: more text")
    short = advise_by_ngram(59.4, 48.9, memorizing=False, has_base=False)
    assert short.endswith("which has learned too little; what helps: more text or more epochs")
    better = advise_by_ngram(24.0, 48.0, memorizing=True, has_base=False)
    assert better == "48.00: the network's is 50% lower"


@pytest.mark.parametrize("settings", [("data.valid_fraction=0",), ("train.epochs=2",)])
def test_other_runs_do_not_memorize(noise, settings):
    done = call_cli("train", "my.yaml", *settings, cwd=noise, check=0)
    assert "memorizing" not in done.stderr


@pytest.mark.slow
def test_a_short_text_ends_early_unless_patience_is_null(noise):
    config = noise / "my.yaml"
    config.write_text(OVERFITTING.replace("patience: null, ", ""), encoding="utf-8")
    done = call_cli("train", "my.yaml", cwd=noise, check=0)
    early = run_of(noise)
    reason = "no better evaluation in the last 5 (train.patience; null: never stop early)"
    assert f"ended             {reason}, after" in done.stderr
    assert "stronger dropout (model.dropout) or fewer epochs\n" in done.stderr
    stopped = call_cli("train", "--resume", early, cwd=noise, check=0)
    assert f"nothing to resume: {reason}" in stopped.stderr
    whole = call_cli("train", "my.yaml", "train.patience=null", "--name", "whole", cwd=noise)
    assert "ended             finished" in whole.stderr
    index = checkpoint.read_index(checkpoints_of(early))
    full = checkpoint.read_index(checkpoints_of(run_of(noise, "whole")))
    assert index.best == full.best and index.last < full.last
    resumed = call_cli("train", "--resume", early, "train.patience=null", "-q", cwd=noise, check=0)
    assert resumed.exit_code == 0
    deep_compare(early, run_of(noise, "whole"))


def test_a_perplexity_over_few_known_words_is_labelled(tmp_path):
    (tmp_path / "text.txt").write_text("the cat sat by the mill and ran\n" * 60, encoding="utf-8")
    (tmp_path / "words.txt").write_text("cat\n", encoding="utf-8")
    done = call_cli(
        "train", "text.txt", "data.vocabulary=words.txt", "train.init_from=none", "train.epochs=1",
        "model.hidden_sizes=[8]", cwd=tmp_path, check=0,
    )  # fmt: skip
    label = ", 88.9 % of the tokens unknown"
    assert len(re.findall(rf"best perplexity .* on validation{label}, at step", done.stderr)) == 1
    scored = call_cli("evaluate", cwd=tmp_path, check=0).stdout
    assert len(re.findall(rf"perplexity .*{label}", scored)) == 2


def test_held_out_text_of_another_kind_is_reported(tmp_path):
    text = "the cat sat by the mill and ran home again to sleep\n" * 60
    licence = "This licence permits: the copying of works, so long as the works cat sat.\n" * 10
    (tmp_path / "text.txt").write_text(text + licence, encoding="utf-8")
    options = ("train.init_from=none", "train.epochs=1", "model.hidden_sizes=[8]")
    done = call_cli("train", "text.txt", *options, cwd=tmp_path, check=0)
    (tmp_path / "clean.txt").write_text(text, encoding="utf-8")
    clean = call_cli("train", "clean.txt", *options, cwd=tmp_path, check=0)
    note = "note: the validation text is of another kind than the training text"
    assert note in done.stderr and note not in clean.stderr
