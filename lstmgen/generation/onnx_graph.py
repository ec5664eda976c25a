"""A model as an ONNX graph of standard operators, built from the weights of the numpy engine.

    ids         (batch, time) int64; the number of words stands for an unknown word
    hidden_K    (batch, size of layer K) float32, the state before; cell_K if the cell has one
    logits      (batch, time, words) float32, as the numpy engine's
    new_hidden_K, new_cell_K         the state after the last word

Batch and time are free. ONNX stacks gates in another order than torch, and its LSTM has diagonal
peepholes only.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lstmgen.cells.building_blocks import Array, Weights
from lstmgen.cells.cell import Layer
from lstmgen.errors import CheckpointError
from lstmgen.generation.numpy_engine import Engine
from lstmgen.generation.numpy_softmax import Adaptive, Softmax

if TYPE_CHECKING:  # an optional package
    from onnx import ModelProto

OPSET, IR_VERSION = 17, 8  # of 2022; both are read by every newer runtime
MAX_BYTES = 2_000_000_000  # protobuf's limit for one file is 2 GiB
LSTM_BLOCKS = (0, 3, 1, 2)  # i, o, f, g of our i, f, g, o
# For each cell: the operator, the order of its blocks, and its attributes.
OPERATORS: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "elman": ("RNN", (0,), {"activations": ["Tanh"]}),
    "gru": ("GRU", (1, 0, 2), {"linear_before_reset": 1}),  # z, r, n of our r, z, n
    "lstm": ("LSTM", LSTM_BLOCKS, {}),
    "lstm_peephole": ("LSTM", LSTM_BLOCKS, {}),
}
PEEPHOLE_BLOCKS = (0, 2, 1)  # i, o, f of our i, f, o


def check_exportable(engine: Engine, *, source: str) -> None:
    """Raise a CheckpointError, with ``source`` in it, if ONNX cannot represent a model."""
    peepholes = [layer.weights.weight_ch for layer in engine.layers]
    if any(weights is not None and weights.ndim == 2 for weights in peepholes):
        raise CheckpointError(
            f"{source}: model.peephole = full: the LSTM of ONNX has diagonal peepholes only, so "
            "this model cannot be exported with --onnx. Use --output"
        )
    numbers = (
        sum(w.size for layer in engine.layers for w in layer.weights if w is not None)
        + engine.vocab_size * (engine.layers[-1].weights.weight_hh.shape[1])
    )
    if 4 * numbers > MAX_BYTES:
        raise CheckpointError(
            f"{source}: weights of {4 * numbers:,} bytes, but an ONNX file holds at most "
            f"{MAX_BYTES:,}. Use --output"
        )


def build_graph(engine: Engine, *, metadata: Mapping[str, str]) -> "ModelProto":
    """The ONNX model of an engine that ``check_exportable`` accepts."""
    from onnx import TensorProto, checker, helper  # an optional package

    graph = _Graph()
    state = [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "time"])]
    after = []
    x, first_weights = _inputs(graph, engine)
    for place, layer in enumerate(engine.layers):
        weight_ih = first_weights if place == 0 else _blocks(layer, layer.weights.weight_ih)
        names = ["hidden", "cell"] if layer.cell.has_cell else ["hidden"]
        x = _layer(graph, layer, place, x=x, weight_ih=weight_ih, states=names)
        for name in names:
            shape = ["batch", layer.weights.weight_hh.shape[1]]
            named = f"{name}_{place}"
            state.append(helper.make_tensor_value_info(named, TensorProto.FLOAT, shape))
            after.append(helper.make_tensor_value_info(f"new_{named}", TensorProto.FLOAT, shape))
    top = graph.add("Transpose", x, perm=[1, 0, 2])
    _output(graph, engine, top)
    shape = ["batch", "time", engine.vocab_size]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape), *after]
    made = helper.make_graph(graph.nodes, "lstmgen", state, outputs, graph.initializers)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(
        made, opset_imports=[opset], ir_version=IR_VERSION, producer_name="lstmgen"
    )
    helper.set_model_props(model, dict(metadata))
    checker.check_model(model, full_check=True)
    return model


class _Graph:
    """The nodes and constants of a graph while it is built."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node with one output; the name of that output."""
        output = name or f"{operator.lower()}_{len(self.nodes)}"
        self.add_node(operator, inputs, [output], **attributes)
        return output

    def add_node(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any
    ) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(operator, list(inputs), list(outputs), **attributes))

    def constant(self, name: str, array: Any) -> str:
        """Add a constant; floats as float32."""
        from onnx import numpy_helper

        values = np.asarray(array)
        kind = np.float32 if values.dtype.kind == "f" else np.int64
        values = np.ascontiguousarray(values, dtype=kind)
        self.initializers.append(numpy_helper.from_array(values, name))
        return name


def _inputs(graph: _Graph, engine: Engine) -> tuple[str, Array]:
    """Add the lookup of words: the first layer's input, (time, batch, input), and its weights.

    One-hot vectors select columns of the first layer's weights, so these are looked up, and the
    operator's own weights are the identity.
    """
    first = engine.layers[0]
    weights = _blocks(first, first.weights.weight_ih)
    unknown = engine.embed(np.array([engine.vocab_size]))
    if engine.has_embedding:
        table = engine.word_vectors(np.arange(engine.vocab_size))
    else:
        table, unknown = weights.T, unknown @ weights.T
        weights = np.eye(len(weights), dtype=np.float32)
    words = graph.constant("embedding", table)
    rows = graph.add("Concat", words, graph.constant("unknown", unknown), axis=0)
    return graph.add("Gather", rows, graph.add("Transpose", "ids", perm=[1, 0])), weights


def _layer(
    graph: _Graph, layer: Layer, place: int, *, x: str, weight_ih: Array, states: Sequence[str]
) -> str:
    """Add one layer; its outputs, (time, batch, hidden)."""
    operator, _, attributes = OPERATORS[layer.cell.name]
    weights, size = layer.weights, layer.weights.weight_hh.shape[1]
    axis, direction = graph.constant(f"direction_{place}", [0]), f"layer_{place}_"
    biases = [_blocks(layer, bias) for bias in (weights.bias_ih, weights.bias_hh)]
    inputs = [
        x,
        graph.constant(direction + "weight_ih", weight_ih[None]),
        graph.constant(direction + "weight_hh", _blocks(layer, weights.weight_hh)[None]),
        graph.constant(direction + "bias", np.concatenate(biases)[None]),
        "",  # all sequences have the same length
        *(graph.add("Unsqueeze", f"{name}_{place}", axis) for name in states),
    ]
    if weights.weight_ch is not None:
        inputs.append(graph.constant(direction + "peepholes", _peepholes(weights)[None]))
    outputs = [direction + name for name in ("outputs", *states)]
    graph.add_node(operator, inputs, outputs, hidden_size=size, **attributes)
    for name, output in zip(states, outputs[1:], strict=True):
        graph.add("Squeeze", output, axis, name=f"new_{name}_{place}")
    one = graph.constant(direction + "axis", [1])
    return graph.add("Squeeze", outputs[0], one)


def _output(graph: _Graph, engine: Engine, hidden: str) -> None:
    """Add the output layer, whose result is named ``logits``."""
    output = engine.output
    if isinstance(output, Softmax):
        _softmax(graph, output, hidden, name="logits", tied=engine.is_tied)
    else:
        _adaptive(graph, output, hidden)


def _softmax(graph: _Graph, softmax: Softmax, hidden: str, *, name: str, tied: bool = False) -> str:
    if softmax.projection is not None:
        projection = graph.constant(f"{name}_projection", softmax.projection.T)
        hidden = graph.add("MatMul", hidden, projection)
    if tied:
        matrix = graph.add("Transpose", "embedding", perm=[1, 0])
    else:
        matrix = graph.constant(f"{name}_weight", softmax.matrix.T)
    bias = graph.constant(f"{name}_bias", softmax.bias)
    return graph.add("Add", graph.add("MatMul", hidden, matrix), bias, name=name)


def _adaptive(graph: _Graph, adaptive: Adaptive, hidden: str) -> None:
    """Add an adaptive softmax, as ``Adaptive.logits`` computes it: log-probabilities."""
    common = len(adaptive.head.bias) - len(adaptive.tails)
    head = graph.add("LogSoftmax", _softmax(graph, adaptive.head, hidden, name="head"), axis=-1)
    last = graph.constant("last_axis", [-1])

    def entries(first: int, end: int) -> str:
        bounds = [graph.constant(f"entry_{first}_{kind}", [n]) for kind, n in
                  (("first", first), ("end", end))]  # fmt: skip
        return graph.add("Slice", head, *bounds, last)

    parts = [entries(0, common)]
    for number, tail in enumerate(adaptive.tails):
        inner = _softmax(graph, tail, hidden, name=f"tail_{number}")
        inner = graph.add("LogSoftmax", inner, axis=-1)
        parts.append(graph.add("Add", inner, entries(common + number, common + number + 1)))
    ranked = graph.add("Concat", *parts, axis=-1)
    graph.add("Gather", ranked, graph.constant("rank_of", adaptive.rank_of), axis=-1, name="logits")


def _blocks(layer: Layer, array: Array) -> Array:
    """The rows of a weight in ONNX's order of gates."""
    blocks = np.split(array, layer.cell.blocks)
    return np.concatenate([blocks[place] for place in OPERATORS[layer.cell.name][1]])


def _peepholes(weights: Weights) -> Array:
    blocks = np.split(np.asarray(weights.weight_ch), 3)
    return np.concatenate([blocks[place] for place in PEEPHOLE_BLOCKS])
