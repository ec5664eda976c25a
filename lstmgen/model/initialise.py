"""Initial weights of a model: each parameter drawn from (seed, its name).

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
LEAST, MOST = 0.1, 4.0  # times that a word which training lacks counts as


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


def smoothed_counts(counts: Sequence[int]) -> Tensor:
    """How often words count as seen, in float64; none is 0.

    Words that training lacks, and a vocabulary file lists, have together the share of those
    that it has once (Good 1953), within bounds for each.
    """
    times = torch.tensor(counts, dtype=torch.float64)
    missing = times == 0
    once = float((times == 1).sum())
    times[missing] = min(max(once / max(1, int(missing.sum())), LEAST), MOST)
    return times


def start_bias(bias: Tensor, times: Tensor) -> None:
    """Set an output bias to the logarithms of shares.

    Args:
        times: how often each word counts as seen.
    """
    with torch.no_grad():
        bias.copy_(torch.log(times / times.sum()))
