"""A checkpoint's weights by name, checked as they are taken."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lstmgen.cells.cell import Cell, Layer, peephole_shape
from lstmgen.cells.step import Array, Weights
from lstmgen.errors import CheckpointError


class WeightReader:
    """Takes weights by name, checking shapes, and knows what nobody took."""

    def __init__(self, weights: Mapping[str, Array], source: str) -> None:
        self.weights, self.source = weights, source
        self.rest = set(weights)

    def has(self, name: str) -> bool:
        """Whether there is such a weight."""
        return name in self.weights

    def get(self, name: str, shape: tuple[int | None, ...], *, required: bool) -> Array | None:
        """A weight of a shape, in which None is any size; None where there is none.

        Raises:
            CheckpointError: where it is required and missing, or of another shape.
        """
        if name not in self.weights:
            if required:
                raise CheckpointError(f"{self.source}: the weights lack {name}")
            return None
        array = self.weights[name]
        fits = len(array.shape) == len(shape) and all(
            want in (None, have) for want, have in zip(shape, array.shape, strict=True)
        )
        if not fits or array.dtype.kind != "f":
            wanted = " x ".join("any" if n is None else str(n) for n in shape)
            raise CheckpointError(
                f"{self.source}: {name} is {array.dtype} {array.shape}, wanted floats {wanted}"
            )
        self.rest.discard(name)
        return array

    def require(self, name: str, shape: tuple[int | None, ...]) -> Any:
        """A weight that must be there."""
        return self.get(name, shape, required=True)

    def matrix(self, name: str, shape: tuple[int | None, ...], *, required: bool = True) -> Any:
        """A weight (out, in) that vectors are multiplied by, or None; laid out by columns.

        Its product with one vector then runs along memory: up to twice as fast as by
        rows, where BLAS takes many short dot products; with eight vectors too.
        """
        array = self.get(name, shape, required=required)
        return None if array is None else np.asfortranarray(array)

    def layer(self, name: str, cell: Cell, width: int, size: int) -> Layer:
        """A layer's weights, and its peepholes where the cell has them."""
        rows, peepholes = cell.blocks * size, None
        if cell.has_peepholes:
            full = getattr(self.weights.get(name + "weight_ch_l0"), "ndim", 1) == 2
            shape = peephole_shape("full" if full else "diagonal", size)
            peepholes = self.require(name + "weight_ch_l0", shape)
        weights = Weights(
            weight_ih=self.matrix(name + "weight_ih_l0", (rows, width)),
            weight_hh=self.matrix(name + "weight_hh_l0", (rows, size)),
            bias_ih=self.require(name + "bias_ih_l0", (rows,)),
            bias_hh=self.require(name + "bias_hh_l0", (rows,)),
            weight_ch=peepholes,
        )
        return Layer(cell, weights)

    def check_nothing_left(self) -> None:
        """Raise a CheckpointError where a weight was not taken."""
        if self.rest:
            names = ", ".join(sorted(self.rest)[:3])
            raise CheckpointError(f"{self.source}: weights that this model has no use for: {names}")
