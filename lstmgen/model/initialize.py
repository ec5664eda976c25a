"""Initial weights of a model: each parameter is drawn from (seed, its name).

Building a model never touches torch's global generator.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lstmgen.cells import CELLS, initial_weights
from lstmgen.cells.cell import Peephole
from lstmgen.cells.initialization import draw

EMBEDDING_RANGE = 0.1
MIN_PSEUDO_COUNT, MAX_PSEUDO_COUNT = 0.1, 4.0  # of a word that training never has


def initialize_layer(
    layer: nn.Module, *, cell: str, peephole: Peephole, seed: int, name: str
) -> None:
    """Fill a recurrent layer with its cell's initial weights.

    Args:
        name: prefix of its parameters' names in the model.
    """
    rows, input_size = layer.get_parameter("weight_ih_l0").shape
    weights = initial_weights(
        CELLS[cell],
        input_size=input_size,
        hidden_size=rows // CELLS[cell].blocks,
        seed=seed,
        name=name,
        peephole=peephole,
    )
    with torch.no_grad():
        for parameter, values in weights._asdict().items():
            if values is not None:
                layer.get_parameter(f"{parameter}_l0").copy_(torch.from_numpy(values))


def initialize_matrix(parameter: nn.Parameter, *, seed: int, name: str) -> None:
    """Fill word vectors or an output matrix, uniform in +-0.1, or a projection, by its fan-in."""
    bound = 1 / math.sqrt(parameter.shape[1]) if "projection" in name else EMBEDDING_RANGE
    values = draw(tuple(parameter.shape), reach=bound, seed=seed, name=name)
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values))


def smoothed_counts(counts: Sequence[int]) -> Tensor:
    """Word counts in float64, none of them 0.

    Words of a vocabulary file that training lacks get, together, the probability mass of those
    it has once (Good 1953), within bounds for each.
    """
    smoothed = torch.tensor(counts, dtype=torch.float64)
    missing = smoothed == 0
    once = float((smoothed == 1).sum())
    pseudo = once / max(1, int(missing.sum()))
    smoothed[missing] = min(max(pseudo, MIN_PSEUDO_COUNT), MAX_PSEUDO_COUNT)
    return smoothed


def init_bias(bias: Tensor, counts: Tensor) -> None:
    """Set an output bias to log relative frequencies, from smoothed counts."""
    with torch.no_grad():
        bias.copy_(torch.log(counts / counts.sum()))
