"""Matrices as int8 with a float32 scale per row.

A matrix ``NAME`` (rows, columns) is stored as two tensors: ``NAME``, int8 from -127 to 127, and
``NAME.scale``, float32 (rows,). Its values are ``NAME * NAME.scale[:, None]``, so the largest of
each row is kept exactly. Small matrices and biases stay float32.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALE = ".scale"
LARGEST = 127
MIN_SIZE = 1024  # numbers in a matrix that is quantized


def quantize(weights: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The tensors of a quantized model, by the names of its weights."""
    tensors: dict[str, NDArray[Any]] = {}
    for name, weight in weights.items():
        values = np.asarray(weight, np.float32)
        if values.ndim == 2 and values.size >= MIN_SIZE:
            scale = np.abs(values).max(axis=1) / np.float32(LARGEST)
            scale[scale == 0] = 1
            tensors[name] = np.rint(values / scale[:, None]).astype(np.int8)
            tensors[name + SCALE] = scale
        else:
            tensors[name] = values
    return tensors


def dequantize(tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The weights of a quantized model; the tensors are not trusted.

    Raises:
        ValueError: if an int8 matrix has no valid scale, or a scale no matrix.
    """
    weights: dict[str, NDArray[Any]] = {}
    for name, tensor in tensors.items():
        if tensor.dtype == np.int8:
            scale = tensors.get(name + SCALE)
            if tensor.ndim != 2 or scale is None or not _is_scale(scale, rows=len(tensor)):
                raise ValueError(f"{name} is no int8 matrix with a float32 scale for each row")
            with np.errstate(over="ignore"):  # weights are checked to be finite later
                weights[name] = tensor * scale[:, None]
        elif not name.endswith(SCALE):
            weights[name] = tensor
        elif getattr(tensors.get(name.removesuffix(SCALE)), "dtype", None) != np.int8:
            raise ValueError(f"{name} is the scale of no int8 matrix")
    return weights


def _is_scale(scale: NDArray[Any], *, rows: int) -> bool:
    fits = scale.dtype == np.float32 and scale.shape == (rows,)
    return fits and bool((np.isfinite(scale) & (scale > 0)).all())
