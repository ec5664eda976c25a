"""Reading a checkpoint's weights by name, with checked shapes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lstmgen.cells.building_blocks import Array, Weights
from lstmgen.cells.cell import Cell, Layer, peephole_shape
from lstmgen.errors import CheckpointError


class WeightReader:
    """Reads weights by name, checks their shapes, and records which are unused."""

    def __init__(self, weights: Mapping[str, Array], source: str) -> None:
        self.weights, self.source = weights, source
        self.unused = set(weights)

    def get(self, name: str, shape: tuple[int | None, ...], *, required: bool) -> Array | None:
        """A weight, or None; None in ``shape`` matches any size.

        Raises:
            CheckpointError: if it is required and missing, or has another shape.
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
            expected = " x ".join("any" if n is None else str(n) for n in shape)
            raise CheckpointError(
                f"{self.source}: {name} is {array.dtype} {array.shape}, expected floats {expected}"
            )
        self.unused.discard(name)
        return array

    def require(self, name: str, shape: tuple[int | None, ...]) -> Any:
        """A weight that must exist."""
        return self.get(name, shape, required=True)

    def matrix(self, name: str, shape: tuple[int | None, ...], *, required: bool = True) -> Any:
        """A weight (out, in) for matmuls, or None, in column-major order.

        That is up to twice as fast as row-major order for one to eight vectors, for which
        BLAS computes many short dot products.
        """
        array = self.get(name, shape, required=required)
        return None if array is None else np.asfortranarray(array)

    def layer(self, name: str, cell: Cell, width: int, size: int) -> Layer:
        """A layer's weights, including any peepholes."""
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

    def check_all_used(self) -> None:
        """Raise a CheckpointError if a weight was not read."""
        if self.unused:
            names = ", ".join(sorted(self.unused)[:3])
            raise CheckpointError(f"{self.source}: weights that this model does not have: {names}")
