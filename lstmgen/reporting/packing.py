"""Numbers as text for a page: float32 and whole numbers in base64."""

import base64
from collections.abc import Iterable
from typing import Any

import numpy as np

from lstmgen.cells.building_blocks import Array


def pack_floats(array: Array) -> dict[str, Any]:
    """An array as its shape and its float32 values, little-endian, row by row."""
    values = np.ascontiguousarray(array, dtype="<f4").tobytes()
    return {"shape": list(array.shape), "data": base64.b64encode(values).decode()}


def pack_numbers(numbers: Iterable[int]) -> str:
    """Whole numbers, 0 or more, as LEB128: 7 bits a byte, the lowest first."""
    packed = bytearray()
    for number in numbers:
        rest = number
        while rest > 127:
            packed.append(rest & 127 | 128)
            rest >>= 7
        packed.append(rest)
    return base64.b64encode(packed).decode()
