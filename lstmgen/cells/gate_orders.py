"""LSTM weights of other libraries, each of which stacks the four gates in its own order."""

from typing import Literal

import numpy as np

from lstmgen.cells.building_blocks import Array

Source = Literal["pytorch", "tensorflow", "tensorflow_basic", "torch_rnn", "haiku", "deep_breathe"]

# i input, f forget, g candidate, o output
GATE_ORDERS: dict[Source, str] = {
    "pytorch": "ifgo",
    "tensorflow": "ifgo",
    "tensorflow_basic": "igfo",
    "torch_rnn": "ifog",
    "haiku": "igfo",
    "deep_breathe": "figo",
}


def reorder_gates(weights: Array, *, source: Source, axis: int = 0) -> Array:
    """Reorder the four gates of an LSTM's weights to i, f, g, o.

    Other differences are listed here and left to the caller (transpose a matrix whose
    gates are on axis 1 before using it as ``weight_ih`` or ``weight_hh``):

    ================  =======  ===========================================  ==================
    source            order    layout                                       forget bias
    ================  =======  ===========================================  ==================
    pytorch           i f g o  weight_ih (4H, D), weight_hh (4H, H)         as stored
    tensorflow        i f g o  Keras: kernel (D, 4H) and recurrent (H, 4H);
                               BlockLSTMV2: (D + H, 4H); axis 1             as stored
    tensorflow_basic  i g f o  BasicLSTMCell, LSTMCell, LSTMBlockCell:
                               (D + H, 4H); axis 1                          + 1 when run
    torch_rnn         i f o g  (D + H, 4H); axis 1; char-rnn and the
                               two Linear of many tutorials: axis 0         as stored
    haiku             i g f o  (D + H, 4H); axis 1                          + 1 when run
    deep_breathe      f i g o  (4H, 1 + D + H), the bias in column 0        + 1 when run
    ================  =======  ===========================================  ==================

    (The documentation of LSTMBlockCell says i, f, ci, o; that of BlockLSTMV2 says that the
    older block cells have i, ci, f, o.) States differ too: TensorFlow and Deep-Breathe have
    (cell, hidden), torch (hidden, cell).

    Args:
        weights: a matrix or a bias whose ``axis`` holds the gates as four equal blocks.
        source: the library or program it comes from.

    Raises:
        ValueError: if the source is unknown or the axis is not four blocks.
    """
    if source not in GATE_ORDERS:
        known = ", ".join(GATE_ORDERS)
        raise ValueError(f"source = {source!r}: not known. Choose one of {known}")
    if weights.shape[axis] % 4:
        raise ValueError(
            f"axis {axis} of the weights has {weights.shape[axis]} entries, which are not four "
            "blocks of gates. Name the axis that holds them"
        )
    blocks = dict(zip(GATE_ORDERS[source], np.split(weights, 4, axis=axis), strict=True))
    return np.concatenate([blocks[gate] for gate in "ifgo"], axis=axis)
