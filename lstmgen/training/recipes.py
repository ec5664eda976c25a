"""How a model is trained where the config says nothing else, by the size of its text."""

from typing import Any

LEAST, TINY, SHORT, MIDDLE, LONG = 1_000, 5_000, 20_000, 60_000, 200_000  # tokens
OFTEN = 15  # tokens for each entry from which on more epochs pay
FITTING = 0.6  # share of a text's words from which on a base counts as one of its language


def from_scratch(tokens: int, *, entries: int, characters: bool = False) -> dict[str, Any]:
    """Values of config keys for a short text; none for a long one, or one read by characters.

    Nor for a text of some hundred words, which can only be memorized.

    Small batches and much dropout, and so few epochs that the learning rate falls while the
    validation perplexity still does (docs/recipes.md has the measurements).

    Args:
        tokens: of the training text.
        entries: of its vocabulary.
        characters: are its tokens.
    """
    if not LEAST <= tokens < LONG or characters:
        return {}
    epochs = 15 if tokens < TINY else 12 if tokens >= OFTEN * entries else 8
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


def fine_tuning(
    tokens: int, *, entries: int, covered: float, own_words: bool, characters: bool = False
) -> dict[str, Any]:
    """Values of config keys for a model that starts from a base.

    Chosen by measurement (docs/fine-tuning.md).

    Args:
        tokens: of the training text.
        entries: of the model's vocabulary.
        covered: share of its words that the base has. Of another language it has few, and
            their vectors have to be learnt.
        own_words: the vocabulary is the text's own, not the base's.
        characters: are its tokens.
    """
    values = {"train.move_biases": 0.7 if own_words else 0.0}
    if covered < FITTING:
        return from_scratch(tokens, entries=entries, characters=characters) | values
    short = tokens < SHORT
    return values | {
        "model.dropout.input": 0.3,
        "model.dropout.hidden": 0.2,
        "model.dropout.output": 0.4,
        "model.dropout.words": 0.05,
        "model.dropout.recurrent": 0.2,
        "train.window": 35,
        "train.batch_size": 8 if short else 16,
        "train.epochs": 8 if short else 7,
        "train.learning_rate": 3e-3 if short else 2e-3,
    }
