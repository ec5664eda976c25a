"""What the library chooses by the size of a text, where a config says nothing."""

import pytest

from lstmgen.config.loader import LoadedConfig, load
from lstmgen.config.schema import Config, value_of
from lstmgen.training.complete_config import prepare_training
from lstmgen.training.size_defaults import (
    FITTING,
    LEAST,
    LONG,
    PATIENCE,
    SHORT,
    TINY,
    early_stop,
    fine_tuning,
    from_scratch,
)

WORDS = "The cat sat by the mill and the dog ran to the river. "


def prepared(folder, words=2000, **sections):
    """A config as it stands once its text is read."""
    (folder / "story.txt").write_text((WORDS * (words // 12 + 1)).strip() + "\n")
    data = {"train": str(folder / "story.txt"), **sections.pop("data", {})}
    config = Config.model_validate({"data": data, **sections})
    return prepare_training(LoadedConfig(config, "", None), folder / "runs")[0].config


def test_a_short_text_gets_small_batches_and_much_dropout(tmp_path):
    config = prepared(tmp_path)
    chosen = from_scratch(2000, entries=20)
    assert {key: value_of(config, key) for key in chosen} == chosen
    assert chosen["train.batch_size"] < Config().train.batch_size
    assert chosen["model.dropout.output"] > Config().model.dropout.output


def test_what_a_config_sets_stands(tmp_path):
    config = prepared(tmp_path, train={"epochs": 3, "batch_size": 16})
    assert (config.train.epochs, config.train.batch_size) == (3, 16)
    assert config.train.noise == from_scratch(2000, entries=20)["train.noise"] > 0


def test_one_dropout_key_leaves_the_others_at_their_defaults(tmp_path):
    """Nobody who turns dropout off is to find that another kind of it was turned on."""
    config = prepared(tmp_path, model={"dropout": {"output": 0.0}})
    assert config.model.dropout == Config().model.dropout.model_copy(update={"output": 0.0})
    assert config.train.noise == 0.0


def test_a_number_of_steps_says_when_to_end(tmp_path):
    assert prepared(tmp_path, train={"max_steps": 7}).train.epochs is None


def test_another_optimizer_keeps_its_own_rate_and_decay(tmp_path):
    config = prepared(tmp_path, train={"optimizer": "sgd", "learning_rate": 30.0})
    assert config.train.weight_decay == Config().train.weight_decay


def test_a_fable_is_memorized(tmp_path):
    assert prepared(tmp_path, words=250).model.dropout == Config().model.dropout
    assert from_scratch(LEAST - 1, entries=9) == {} and from_scratch(LEAST, entries=9)


def test_characters_and_long_texts_have_the_defaults(tmp_path):
    config = prepared(tmp_path, data={"tokenizer": "character"})
    assert config.model.dropout == Config().model.dropout
    assert from_scratch(LONG, entries=9) == {} and from_scratch(LONG - 1, entries=9)


@pytest.mark.parametrize(("entries", "epochs"), [(2_000, 12), (2_001, 8)])
def test_words_that_come_often_are_read_more_often(entries, epochs):
    assert from_scratch(30_000, entries=entries)["train.epochs"] == epochs


@pytest.mark.parametrize("covered", [FITTING - 0.01, FITTING])
def test_a_base_of_another_language_is_trained_like_a_fresh_model(covered):
    """Its word vectors have to be learnt, which five epochs at a low rate do not do."""
    chosen = fine_tuning(2000, entries=20, covered=covered, own_words=True)
    fresh = from_scratch(2000, entries=20)
    assert (chosen.items() >= fresh.items()) == (covered < FITTING)
    assert chosen["train.move_biases"] == 0.7


@pytest.mark.parametrize(
    ("tokens", "batch_size", "rate"),
    [(TINY - 1, 4, 2e-3), (TINY, 8, 3e-3), (SHORT - 1, 8, 3e-3), (SHORT, 16, 2e-3)],
)
def test_a_shorter_text_is_fine_tuned_in_smaller_batches(tokens, batch_size, rate):
    chosen = fine_tuning(tokens, entries=500, covered=1, own_words=True)
    assert (chosen["train.batch_size"], chosen["train.learning_rate"]) == (batch_size, rate)


def test_a_short_text_stops_early(tmp_path):
    assert prepared(tmp_path).train.patience == PATIENCE
    assert prepared(tmp_path, words=250).train.patience == PATIENCE  # which has no other recipe
    assert prepared(tmp_path, train={"schedule": "constant"}).train.patience == PATIENCE
    assert early_stop(LONG - 1) and not early_stop(LONG)


def test_patience_that_is_set_stands_and_null_switches_it_off(tmp_path):
    for value in (2, None):
        assert prepared(tmp_path, train={"patience": value}).train.patience == value
    (tmp_path / "p.yaml").write_text("data: {train: story.txt}\ntrain: {patience: null}\n")
    for source, overrides in (("p.yaml", ()), (None, ("train.patience=null",))):
        path = tmp_path / source if source else None
        loaded = load(path, [*overrides, f"data.train={tmp_path / 'story.txt'}"])
        assert prepare_training(loaded, tmp_path / "runs")[0].config.train.patience is None


@pytest.mark.parametrize(
    "settings",
    [{"eval_every": 5}, {"schedule": "one_cycle"}, {"schedule": "plateau"}, {"average": "swa"}],
)
def test_patience_is_chosen_only_where_it_was_measured(tmp_path, settings):
    assert prepared(tmp_path, train=settings).train.patience is None
    assert prepared(tmp_path, data={"tokenizer": "character"}).train.patience is None
