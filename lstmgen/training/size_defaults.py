"""Defaults of a training that depend on the size of its text."""

from typing import Any

LEAST, TINY, SHORT, MIDDLE, LONG = 1_000, 5_000, 20_000, 60_000, 200_000  # tokens
REPETITIVE = 15  # tokens per vocabulary entry from which more epochs help
PATIENCE = 5  # evaluations without a new best, of a text shorter than LONG
FITTING = 0.6  # coverage of a text's words from which a base counts as of its language


def from_scratch(tokens: int, *, entries: int, characters: bool = False) -> dict[str, Any]:
    """Config values for a short text; none for a long or character-level one.

    Nor for a text of some hundred words, which can only be memorized. Small batches, strong
    dropout, and so few epochs that the learning rate decays while the validation perplexity
    still falls (measurements: docs/recipes.md).

    Args:
        tokens: of the training text.
        entries: of its vocabulary.
        characters: whether the tokens are characters.
    """
    if not LEAST <= tokens < LONG or characters:
        return {}
    epochs = 15 if tokens < TINY else 12 if tokens >= REPETITIVE * entries else 8
    return {
        "model.dropout.input": 0.5,
        "model.dropout.output": 0.6,
        "model.dropout.recurrent": 0.5,
        "train.noise": 0.15,
        "train.window": 32,
        "train.batch_size": 4 if tokens < MIDDLE else 8,
        "train.epochs": epochs,
        "train.weight_decay": 0.1,
    }


def chosen_keys() -> frozenset[str]:
    """The keys for which this module may have a value, where a config has none."""
    fine = [fine_tuning(LEAST, entries=1, covered=covered, own_words=True) for covered in (0, 1)]
    return frozenset().union(early_stop(LEAST), *fine)


def early_stop(tokens: int, *, characters: bool = False) -> dict[str, Any]:
    """The patience of a short text, from scratch or from a base (measurements: docs/recipes.md)."""
    return {} if tokens >= LONG or characters else {"train.patience": PATIENCE}


def fine_tuning(
    tokens: int, *, entries: int, covered: float, own_words: bool, characters: bool = False
) -> dict[str, Any]:
    """Config values for a model that starts from a base (measurements: docs/fine-tuning.md).

    Args:
        tokens: of the training text.
        entries: of the model's vocabulary.
        covered: fraction of the text's words that the base has. If it is low, as for another
            language, most vectors have to be learned from scratch.
        own_words: whether the vocabulary is the text's own, not the base's.
        characters: whether the tokens are characters.
    """
    values = {"train.move_biases": 0.7 if own_words else 0.0}
    if covered < FITTING:
        return from_scratch(tokens, entries=entries, characters=characters) | values
    tiny, short = tokens < TINY, tokens < SHORT
    return values | {
        "model.dropout.input": 0.3,
        "model.dropout.hidden": 0.2,
        "model.dropout.output": 0.4,
        "model.dropout.words": 0.05,
        "model.dropout.recurrent": 0.2,
        "train.window": 35,
        "train.batch_size": 4 if tiny else 8 if short else 16,
        "train.epochs": 8 if short else 7,
        "train.learning_rate": 3e-3 if short and not tiny else 2e-3,
    }
