"""The size of a network, without building it."""

from collections.abc import Sequence
from typing import Literal

from lstmgen.cells.registry import CELLS

MOMENTS = {"adamw": 2, "sgd": 0}  # optimizer state values per weight


def min_parameters(
    vocab_size: int,
    *,
    cell: str,
    hidden_sizes: Sequence[int],
    embedding_dim: int | None,
    output: Literal["tied", "softmax", "adaptive"],
) -> int:
    """A lower bound on a network's parameters: no biases or peepholes, nor an adaptive output.

    Args:
        embedding_dim: None for one-hot input.
    """
    size = vocab_size if embedding_dim is None else embedding_dim
    total = 0 if embedding_dim is None else vocab_size * embedding_dim
    for hidden in hidden_sizes:
        total += CELLS[cell].blocks * hidden * (size + hidden)
        size = hidden
    if output == "tied" and embedding_dim is not None:
        return total + (0 if size == embedding_dim else size * embedding_dim)
    return total + (vocab_size * size if output == "softmax" else 0)
