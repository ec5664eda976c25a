"""What a resumption needs beside weights and counters, as a checkpoint's arrays."""

from pathlib import Path
from typing import Any

from torch import Tensor

from lstmgen.errors import CheckpointError
from lstmgen.model.factory import Arrays, load_weights, to_arrays, to_tensors
from lstmgen.model.language_model import States
from lstmgen.model.recurrent import State
from lstmgen.runs import checkpoint
from lstmgen.training.loop import TrainState
from lstmgen.training.optimizers import moments, optimizer_tensors, restore_optimizer

OPTIMIZER, CARRIED, RAW = "optimizer/", "carried/", "raw/"


def gather_state(state: TrainState, states: list[States]) -> dict[str, Any]:
    """The optimiser's tensors, the carried states of every micro-batch and layer, and the
    weights that are trained, where their average stands beside them.

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
    """The size of a checkpoint's tensors, without the carried states; known before any step."""
    copies = 1 + moments(state.optimizer) + (state.average is not None)
    return copies * sum(p.numel() * p.element_size() for p in state.model.parameters())


def restore_state(
    state: TrainState, arrays: Arrays, *, path: Path, begun: bool, parts: int, batch_size: int
) -> None:
    """Give back what ``gather_state`` took, to a model that holds the checkpoint's weights.

    Args:
        begun: whether a step was done.
        parts, batch_size: how many micro-batches carry a state here, and its sequences.

    Raises:
        CheckpointError: where a tensor is missing, belongs nowhere or has another shape.
    """
    device = state.model.device
    tensors = {name: tensor.to(device) for name, tensor in to_tensors(arrays).items()}
    optimizer = {
        name.removeprefix(OPTIMIZER): tensor
        for name, tensor in tensors.items()
        if name.startswith(OPTIMIZER)
    }
    try:
        _restore_average(state, arrays)
        if begun or optimizer:
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
    """The model holds the averaged weights; give them to the average, and the model its own."""
    if state.average is None or not state.average.steps:
        return
    state.average.tensors = {name: p.detach().clone() for name, p in state.model.named_parameters()}
    raw = {name.removeprefix(RAW): a for name, a in arrays.items() if name.startswith(RAW)}
    load_weights(state.model, raw, source=checkpoint.STATE)


def _carried(tensors: dict[str, Tensor], fresh: States, part: int) -> States:
    """The carried states of one micro-batch, of the shapes of fresh ones."""
    states = []
    for place, layer in enumerate(fresh):
        prefix = f"{CARRIED}{part}/{place}/"
        for name in ("hidden", "cell"):
            saved = tensors.get(prefix + name)
            if saved is None or saved.shape != getattr(layer, name).shape:
                raise ValueError(f"the carried states do not fit: {prefix}{name}")
        states.append(State(tensors[f"{prefix}hidden"], tensors[f"{prefix}cell"]))
    return states
