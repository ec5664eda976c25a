"""How a model that starts from a base is trained, where the config says nothing else."""

from typing import Any

SHORT = 20_000  # tokens; a shorter text takes more and larger steps


def fine_tuning(tokens: int, *, own_words: bool) -> dict[str, Any]:
    """Values of config keys, by the size of the training text.

    Chosen by measurement (docs/fine-tuning.md).

    Args:
        tokens: of the training text.
        own_words: the vocabulary is the text's own, not the base's.
    """
    short = tokens < SHORT
    return {
        "model.dropout.input": 0.3,
        "model.dropout.hidden": 0.2,
        "model.dropout.output": 0.4,
        "model.dropout.words": 0.05,
        "model.dropout.recurrent": 0.2,
        "train.window": 35,
        "train.batch_size": 16,
        "train.epochs": 8 if short else 5,
        "train.learning_rate": 3e-3 if short else 2e-3,
        "train.move_biases": 0.7 if own_words else 0.0,
    }
