"""The worked example of the article "LSTM internals", its program Deep-Breathe.

Eleven words, ten of them distinct, are read three at a time by five units whose weights are
all .1; the output matrix is stored in ``deep_breathe.json``. The article's numbers are
reproduced to eight digits.
Source: Deep-Breathe, ``LSTMMain.py`` and ``input/belling_the_cat10.txt``.
"""

import json
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.cells import CELLS
from lstmgen.generation.numpy_engine import Engine

WINDOW, START = 3, 2  # words; the example's first window begins at the third word


def words() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The vocabulary, by id, and the text, word by word."""
    data = _data()
    return tuple(data["vocabulary"]), tuple(data["text"].split())


def starts() -> range:
    """The positions at which a window and its target fit into the text."""
    return range(len(words()[1]) - WINDOW)


def text_ids() -> NDArray[np.int64]:
    """The text as ids, (11,)."""
    vocabulary, text = words()
    return np.array([vocabulary.index(word) for word in text])


def make_engine(*, layers: int = 1) -> Engine:
    """The example's network before its first step, in float64."""
    data = _data()
    weights: dict[str, NDArray[np.float64]] = {}
    size, width = data["hidden"], len(data["vocabulary"])
    for place in range(layers):
        name, rows = f"layers.{place}.", CELLS["lstm"].blocks * size
        bias = np.full(rows, data["lstm_weights_and_biases"])
        bias[size : 2 * size] += data["forget_bias_added"]
        weights |= {
            f"{name}weight_ih_l0": np.full((rows, width), data["lstm_weights_and_biases"]),
            f"{name}weight_hh_l0": np.full((rows, size), data["lstm_weights_and_biases"]),
            f"{name}bias_ih_l0": bias,
            f"{name}bias_hh_l0": np.zeros(rows),
        }
        width = size
    weights["output_weight"] = np.array(data["output_weights_hidden_by_vocabulary"]).T
    weights["output_bias"] = np.array(data["output_bias"])
    return Engine(
        weights,
        vocab_size=len(data["vocabulary"]),
        hidden_sizes=[size] * layers,
        seen_once=(0,),
        source="the Deep-Breathe example",
    )


def _data() -> Any:
    text = files("lstmgen.inspection").joinpath("deep_breathe.json").read_text(encoding="utf-8")
    return json.loads(text)
