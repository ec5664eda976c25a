"""The training state that a checkpoint has besides weights and counters, as arrays."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from lstmgen.errors import CheckpointError, printable
from lstmgen.model.factory import Arrays, load_weights, to_arrays, to_tensors
from lstmgen.model.language_model import States
from lstmgen.model.layer_interface import State
from lstmgen.runs import checkpoint
from lstmgen.training.loop import TrainState
from lstmgen.training.optimizers import moments, optimizer_tensors, restore_optimizer

OPTIMIZER, CARRIED, RAW = "optimizer/", "carried/", "raw/"


def gather_state(state: TrainState, states: list[States]) -> dict[str, Any]:
    """Optimizer state, carried states, and the raw weights if the checkpoint has their average.

    Args:
        states: of all micro-batches, from all ranks.
    """
    tensors = optimizer_tensors(state.model, state.optimizer)
    saved = {OPTIMIZER + name: tensor for name, tensor in tensors.items()}
    for part, layers in enumerate(states):
        for place, layer in enumerate(layers):
            saved[f"{CARRIED}{part}/{place}/hidden"] = layer.hidden
            saved[f"{CARRIED}{part}/{place}/cell"] = layer.cell
    if state.average is not None and state.average.steps:
        saved |= {RAW + name: p for name, p in state.model.named_parameters()}
    return to_arrays(saved)


def checkpoint_bytes(state: TrainState) -> int:
    """The bytes of a checkpoint's tensors, without carried states; known before any step."""
    copies = 1 + moments(state.optimizer) + (state.average is not None)
    return copies * sum(p.numel() * p.element_size() for p in state.model.parameters())


def restore_state(
    state: TrainState, arrays: Arrays, *, path: Path, started: bool, parts: int, batch_size: int
) -> None:
    """Restore what ``gather_state`` saved, after the model has loaded the checkpoint's weights.

    Args:
        started: whether a step was done.
        parts, batch_size: number of micro-batches with a carried state, and their sequences.

    Raises:
        CheckpointError: if a tensor is missing, unexpected or of another shape.
    """
    wrong = next((name for name, array in arrays.items() if array.dtype != np.float32), None)
    if wrong is not None:
        reason = f"{checkpoint.STATE}: {printable(wrong)} is {arrays[wrong].dtype}, not float32"
        raise checkpoint.damaged(path, reason)
    device = state.model.device
    tensors = {name: tensor.to(device) for name, tensor in to_tensors(arrays).items()}
    optimizer = {
        name.removeprefix(OPTIMIZER): tensor
        for name, tensor in tensors.items()
        if name.startswith(OPTIMIZER)
    }
    try:
        _restore_average(state, arrays)
        if started or optimizer:
            restore_optimizer(state.model, state.optimizer, optimizer)
        fresh = state.model.zero_states(batch_size)
        state.states = [_carried(tensors, fresh, part) for part in range(parts)]
        carried = [name for name in tensors if name.startswith(CARRIED)]
        if len(carried) != parts * len(fresh) * 2:
            raise ValueError(f"the carried states do not fit: there are {len(carried)} tensors")
    except (KeyError, ValueError) as error:
        raise checkpoint.damaged(path, f"{checkpoint.STATE}: {error}") from None
    except CheckpointError as error:
        raise checkpoint.damaged(path, str(error)) from None


def _restore_average(state: TrainState, arrays: Arrays) -> None:
    """Move the model's averaged weights to the average, and load its raw ones."""
    if state.average is None or not state.average.steps:
        return
    state.average.tensors = {name: p.detach().clone() for name, p in state.model.named_parameters()}
    raw = {name.removeprefix(RAW): a for name, a in arrays.items() if name.startswith(RAW)}
    load_weights(state.model, raw, source=checkpoint.STATE)


def _carried(tensors: dict[str, Tensor], fresh: States, part: int) -> States:
    """The carried states of one micro-batch; ``fresh`` gives their shapes."""
    states = []
    for place, layer in enumerate(fresh):
        prefix = f"{CARRIED}{part}/{place}/"
        for name in ("hidden", "cell"):
            saved = tensors.get(prefix + name)
            if saved is None or saved.shape != getattr(layer, name).shape:
                raise ValueError(f"the carried states do not fit: {prefix}{name}")
        states.append(State(tensors[f"{prefix}hidden"], tensors[f"{prefix}cell"]))
    return states
