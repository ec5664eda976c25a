"""How large a network is, told without building it."""

from collections.abc import Sequence
from typing import Literal

from lstmgen.cells.registry import CELLS

MOMENTS = {"adamw": 2, "sgd": 0}  # numbers that an optimiser remembers of each weight


def least_parameters(
    vocab_size: int,
    *,
    cell: str,
    hidden_sizes: Sequence[int],
    embedding_dim: int | None,
    output: Literal["tied", "softmax", "adaptive"],
) -> int:
    """A network's weights, biases and peepholes left out; of an adaptive output nothing counts.

    Args:
        embedding_dim: of a word vector; None where words enter one-hot.
        output: whose matrix is the word vectors', its own, or cut by frequency.
    """
    size = vocab_size if embedding_dim is None else embedding_dim
    found = 0 if embedding_dim is None else vocab_size * embedding_dim
    for hidden in hidden_sizes:
        found += CELLS[cell].blocks * hidden * (size + hidden)
        size = hidden
    if output == "tied" and embedding_dim is not None:
        return found + (0 if size == embedding_dim else size * embedding_dim)
    return found + (vocab_size * size if output == "softmax" else 0)
