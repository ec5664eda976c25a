"""Writing a model as an ONNX file, which is checked against the numpy engine first."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstmgen.cells.building_blocks import Array, State
from lstmgen.errors import LstmgenError, UsageError, printable
from lstmgen.generation.load import LoadedCheckpoint, make_engine
from lstmgen.generation.numpy_engine import Engine
from lstmgen.generation.onnx_graph import build_graph, check_exportable
from lstmgen.runs import checkpoint
from lstmgen.runs.exporting import write_file

PACKAGES = ("onnx", "onnxruntime")
TOLERANCE = 1e-5  # of logits and states, in units of the largest logit if that is above 1
CHUNKS = (7, 5)  # words of each call when a file is checked
BATCH = 3


def require_packages() -> None:
    """Check that the optional packages are installed.

    Raises:
        UsageError: if one is missing.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"--onnx: the optional package {missing[0]} is not installed. "
            "Install it: pip install 'lstmgen[onnx]'"
        )


def export_onnx(loaded: LoadedCheckpoint, target: Path) -> tuple[int, float]:
    """Write a model as an ONNX file.

    Args:
        target: must not exist yet.

    Returns:
        The number of bytes written, and the largest difference from the numpy engine, as
        ``largest_difference`` measures it.

    Raises:
        CheckpointError: if ONNX cannot represent the model.
        LstmgenError: if the ONNX model computes something else; no file is written.
        StorageError: if the file cannot be written.
    """
    source = printable(loaded.checkpoint.path)
    engine = make_engine(loaded.config, loaded.vocabulary, loaded.weights, source=source)
    check_exportable(engine, source=source)
    data = build_graph(engine, metadata=_metadata(loaded)).SerializeToString(deterministic=True)
    difference = largest_difference(engine, data)
    if not difference <= TOLERANCE:  # NaN is not
        raise LstmgenError(
            f"{source}: ONNX Runtime computes other logits than lstmgen (a difference of "
            f"{difference:.2g}, at most {TOLERANCE:g} is allowed), so {printable(target)} was not "
            "written. Try another version of onnxruntime"
        )
    return write_file(target, data), difference


def largest_difference(engine: Engine, data: bytes) -> float:
    """The largest difference between the logits and states of an engine and of its ONNX model.

    Both read the same random words in two chunks, the second with the state after the first.
    Rounding grows with the logits, so where the largest is above 1, the result is divided by it.
    """
    from onnxruntime import InferenceSession, SessionOptions  # an optional package

    options = SessionOptions()
    options.log_severity_level = 3  # errors only
    session = InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    random = np.random.default_rng(0)
    states, difference, largest = engine.zero_states(BATCH), 0.0, 1.0
    theirs = _named(states)
    for time in CHUNKS:
        ids = random.integers(0, engine.vocab_size + 1, (BATCH, time))
        found = dict(zip(names, session.run(names, {"ids": ids, **theirs}), strict=True))
        logits, states = _read(engine, ids, states)
        theirs = {name: found[f"new_{name}"] for name in theirs}
        pairs = [(found["logits"], logits)]
        pairs += [(theirs[name], array) for name, array in _named(states).items()]
        difference = max(difference, *(_largest(a - b) for a, b in pairs))
        largest = max(largest, _largest(logits))
    return difference / largest


def _largest(array: Array) -> float:
    return float(np.abs(array).max())


def _read(engine: Engine, ids: NDArray[np.int64], states: list[State]) -> tuple[Array, list[State]]:
    """The logits after each word, (batch, time, vocabulary), and the states after the last."""
    logits = []
    for column in ids.T:
        states = engine.read(column, states)
        logits.append(engine.logits(states))
    return np.stack(logits, axis=1), states


def _named(states: list[State]) -> dict[str, Array]:
    """States by the names of the graph's inputs."""
    named = {}
    for place, state in enumerate(states):
        named[f"hidden_{place}"] = state.hidden
        if state.cell.shape[1]:
            named[f"cell_{place}"] = state.cell
    return named


def _metadata(loaded: LoadedCheckpoint) -> dict[str, str]:
    """What a reader of the file needs besides the graph, as JSON."""
    source = loaded.checkpoint
    return {
        "vocabulary": json.dumps(list(loaded.vocabulary.entries)),
        "tokenizer": json.dumps(source.read_json(checkpoint.TOKENIZER)),
        "checkpoint": json.dumps({"step": source.step, "digest": source.digest}),
    }
