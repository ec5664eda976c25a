"""How a model that starts from a base is trained, where the config says nothing else."""

from typing import Any


def fine_tuning(tokens: int) -> dict[str, Any]:
    """Values of config keys, by the size of the training text (see docs/fine-tuning.md).

    Args:
        tokens: of the training text.
    """
    return {
        "model.dropout.input": 0.3,
        "model.dropout.hidden": 0.2,
        "model.dropout.output": 0.4,
        "model.dropout.words": 0.05,
        "model.dropout.recurrent": 0.2,
        "train.window": 35,
        "train.batch_size": 16,
        "train.epochs": 5,
        "train.learning_rate": 3e-3,
    }
