"""The states of a model along a long text, in bounded memory."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmgen.cells.building_blocks import Array
from lstmgen.generation.numpy_engine import Engine, States
from lstmgen.windows.evaluation_lanes import lane_count, lane_windows
from lstmgen.windows.window import IGNORED, Ids

Positions = NDArray[np.int64]


class StateBlock(NamedTuple):
    """The states of one layer at some places of a text."""

    positions: Positions  # (places,) of the last word read before each state
    values: Array  # (places, hidden)


def read_text(
    engine: Engine, ids: Ids, *, layer: int = -1, cell: bool = False
) -> Iterator[StateBlock]:
    """Read a text once and yield the state of a layer after every word, block by block.

    The text is read in parallel lanes, each of which first reads the words before its own part
    (``windows.evaluation_lanes``); a short text is read in one lane. A block has at most 64 words
    of each of at most 64 lanes.

    Args:
        ids: (words,), at least one.
        layer: counted from 0.
        cell: yield the cell state instead of the hidden state.
    """
    # Lanes of positions instead of ids. The one after the end makes the last state a state, too.
    places = np.arange(len(ids) + 1)
    states: States | None = None
    for window in lane_windows(places, lanes=lane_count(len(places))):
        states = engine.zero_states(len(window.rows)) if states is None else states
        read = np.minimum(window.inputs, len(ids) - 1)  # a lane that has ended reads on
        values = []
        for column in read.T:
            states = engine.read(ids[column].astype(np.int64), states)
            values.append(states[layer].cell if cell else states[layer].hidden)
        own = window.targets != IGNORED
        yield StateBlock(window.targets[own] - 1, np.stack(values, axis=1)[own])
