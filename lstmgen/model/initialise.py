"""Initial weights of a model: each parameter drawn from (seed, its name).

Building a model never touches torch's global generator.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lstmgen.cells import CELLS, initial_weights
from lstmgen.cells.cell import Peephole
from lstmgen.cells.initialise import draw

EMBEDDING_RANGE = 0.1


def initialise_layer(
    layer: nn.Module, *, cell: str, peephole: Peephole, seed: int, name: str
) -> None:
    """Fill a recurrent layer with its cell's initial weights.

    Args:
        name: of the layer in its model, before the names of its parameters.
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


def initialise_matrix(parameter: nn.Parameter, *, seed: int, name: str) -> None:
    """Fill word vectors or an output matrix, uniform in +-0.1, or a projection, by its width."""
    projects = "projection" in name
    reach = 1 / math.sqrt(parameter.shape[1]) if projects else EMBEDDING_RANGE
    drawn = draw(tuple(parameter.shape), reach=reach, seed=seed, name=name)
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(drawn))


def start_bias(bias: Tensor, counts: Sequence[int]) -> None:
    """Set an output bias to the log shares of the words, one added to each count."""
    shares = torch.tensor(counts, dtype=torch.float64) + 1
    with torch.no_grad():
        bias.copy_(torch.log(shares / shares.sum()))
