"""Initial weights, drawn from (seed, parameter name), so adding a layer changes no other."""

import hashlib
import math

import numpy as np

from lstmgen.cells.building_blocks import Array, Weights
from lstmgen.cells.cell import Cell, Peephole, peephole_shape


def draw(shape: tuple[int, ...], *, reach: float, seed: int, name: str) -> Array:
    """Uniform numbers in [-reach, reach), in float64."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    generator = np.random.Generator(np.random.Philox(int.from_bytes(digest[:16], "little")))
    return generator.uniform(-reach, reach, size=shape)


def initial_weights(
    cell: Cell,
    *,
    input_size: int,
    hidden_size: int,
    seed: int,
    name: str = "",
    peephole: Peephole = "diagonal",
) -> Weights:
    """A layer's weights before training.

    Matrices are uniform in +-1/sqrt(hidden). Biases are 0 except ``Cell.initial_biases``, which
    are set in ``bias_ih`` only (the two are added). Peepholes are 0: the network starts as the
    LSTM of the same seed, from which full ones learn faster than from random values.

    Args:
        name: prefix of the parameter names.
        peephole: ignored if the cell has none.
    """
    rows, reach = cell.blocks * hidden_size, 1 / math.sqrt(hidden_size)

    def draw_weight(parameter: str, *shape: int) -> Array:
        return draw(shape, reach=reach, seed=seed, name=name + parameter)

    bias = np.zeros(rows)
    for gate, value in cell.initial_biases.items():
        begin = cell.fields._fields.index(gate) * hidden_size
        bias[begin : begin + hidden_size] = value
    weights = Weights(
        draw_weight("weight_ih_l0", rows, input_size),
        draw_weight("weight_hh_l0", rows, hidden_size),
        bias,
        np.zeros(rows),
    )
    if not cell.has_peepholes:
        return weights
    return weights._replace(weight_ch=np.zeros(peephole_shape(peephole, hidden_size)))
