"""What each unit remembers: the places of a text at which its memory is highest."""

from dataclasses import dataclass

import numpy as np

from lstmgen.cells.building_blocks import Array
from lstmgen.generation.numpy_engine import Engine
from lstmgen.inspection.text_reading import Positions, read_text
from lstmgen.windows.window import Ids

APART = 10  # words between two places of a unit, at least
MAX_WORDS = 200_000  # read of a text
NONE = -1  # a position where a text is too short


@dataclass(frozen=True)
class StrongestPlaces:
    """The places of each unit, the highest value first.

    Attributes:
        positions: (units, count) of the word after which the memory is so high, or ``NONE``.
        values: (units, count) of the cell state, or of the hidden state if the cell type has no
            cell state; NaN where there is no place.
    """

    positions: Positions
    values: Array


def strongest_places(
    engine: Engine, train_ids: Ids, *, layer: int, count: int, max_words: int = MAX_WORDS
) -> StrongestPlaces:
    """Find where the memory of each unit of a layer is highest, reading a text in order.

    A unit's places are at least ``APART`` words apart: the highest one comes first, then the
    highest one far enough from all before it. The text is read with carried state, in parallel
    lanes, and memory does not grow with its length.

    Args:
        train_ids: (words,) of the text.
        layer: counted from 0.
        count: places for each unit.
        max_words: words read from the start of the text.
    """
    has_cell = engine.layers[layer].cell.has_cell
    # A place rules out 2 * APART - 1 words, itself included, so these are always enough.
    kept = count * (2 * APART - 1)
    size = engine.layers[layer].weights.weight_hh.shape[1]
    values: Array = np.zeros((size, 0), dtype=engine.dtype)
    positions = np.zeros((size, 0), dtype=np.int64)
    for block in read_text(engine, train_ids[:max_words], layer=layer, cell=has_cell):
        values = np.concatenate([values, block.values.T], axis=1)
        further = np.broadcast_to(block.positions, (size, len(block.positions)))
        positions = np.concatenate([positions, further], axis=1)
        if values.shape[1] > kept:
            top = np.argpartition(values, -kept, axis=1)[:, -kept:]
            values = np.take_along_axis(values, top, axis=1)
            positions = np.take_along_axis(positions, top, axis=1)
    chosen = [_choose(*unit, count=count) for unit in zip(values, positions, strict=True)]
    return StrongestPlaces(
        positions=np.array([places for places, _ in chosen], dtype=np.int64),
        values=np.array([heights for _, heights in chosen], dtype=engine.dtype),
    )


def _choose(values: Array, positions: Positions, *, count: int) -> tuple[list[int], list[float]]:
    """The highest places of one unit that are far enough apart, and their values."""
    places: list[int] = []
    heights: list[float] = []
    for index in np.lexsort((positions, -values)):
        position = int(positions[index])
        if all(abs(position - other) >= APART for other in places):
            places.append(position)
            heights.append(float(values[index]))
        if len(places) == count:
            break
    missing = count - len(places)
    return places + [NONE] * missing, heights + [float("nan")] * missing
