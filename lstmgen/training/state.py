"""What a resumption needs beside weights and counters, as a checkpoint's arrays."""

from pathlib import Path
from typing import Any

from lstmgen.errors import CheckpointError
from lstmgen.model.factory import Arrays, load_weights, to_arrays, to_tensors
from lstmgen.model.language_model import States
from lstmgen.model.layers import State
from lstmgen.runs import checkpoint
from lstmgen.training.loop import Trainee
from lstmgen.training.optimizers import moments, optimizer_tensors, restore_optimizer

OPTIMIZER, CARRIED, RAW = "optimizer/", "carried/", "raw/"


def gather_state(trainee: Trainee, states: list[States]) -> dict[str, Any]:
    """The optimiser's tensors, the carried states of every micro-batch and layer, and the
    weights that are trained, where their average stands beside them.

    Args:
        states: of all micro-batches, from all ranks.
    """
    tensors = optimizer_tensors(trainee.model, trainee.optimizer)
    state = {OPTIMIZER + name: tensor for name, tensor in tensors.items()}
    for part, layers in enumerate(states):
        for place, layer in enumerate(layers):
            state[f"{CARRIED}{part}/{place}/hidden"] = layer.hidden
            state[f"{CARRIED}{part}/{place}/cell"] = layer.cell
    if trainee.average is not None and trainee.average.steps:
        state |= {RAW + name: p for name, p in trainee.model.named_parameters()}
    return to_arrays(state)


def checkpoint_bytes(trainee: Trainee) -> int:
    """The size of a checkpoint's tensors, without the carried states; known before any step."""
    copies = 1 + moments(trainee.optimizer) + (trainee.average is not None)
    return copies * sum(p.numel() * p.element_size() for p in trainee.model.parameters())


def restore_state(
    trainee: Trainee, arrays: Arrays, *, path: Path, begun: bool, parts: int, batch_size: int
) -> None:
    """Give back what ``gather_state`` took, to a model that holds the checkpoint's weights.

    Args:
        begun: whether a step was done.
        parts, batch_size: how many micro-batches carry a state here, and its sequences.

    Raises:
        CheckpointError: where a tensor is missing, belongs nowhere or has another shape.
    """
    device = trainee.model.device
    tensors = {name: tensor.to(device) for name, tensor in to_tensors(arrays).items()}
    optimizer = {
        name.removeprefix(OPTIMIZER): tensor
        for name, tensor in tensors.items()
        if name.startswith(OPTIMIZER)
    }
    if trainee.average is not None and trainee.average.steps:
        trainee.average.tensors = {
            name: p.detach().clone() for name, p in trainee.model.named_parameters()
        }
        raw = {n.removeprefix(RAW): a for n, a in arrays.items() if n.startswith(RAW)}
        try:
            load_weights(trainee.model, raw, source=checkpoint.STATE)
        except CheckpointError as error:
            raise checkpoint.damaged(path, str(error)) from None
    try:
        if begun or optimizer:
            restore_optimizer(trainee.model, trainee.optimizer, optimizer)
        fresh = trainee.model.zero_states(batch_size)
        shapes = {
            f"{CARRIED}{part}/{place}/{what}": tuple(getattr(state, what).shape)
            for part in range(parts)
            for place, state in enumerate(fresh)
            for what in ("hidden", "cell")
        }
        carried = {name: tuple(t.shape) for name, t in tensors.items() if name.startswith(CARRIED)}
        if carried != shapes:
            odd = sorted(set(carried.items()) ^ set(shapes.items()))[0][0]
            raise ValueError(f"the carried states do not fit: {odd}")
        trainee.states = [
            [
                State(
                    tensors[f"{CARRIED}{part}/{place}/hidden"],
                    tensors[f"{CARRIED}{part}/{place}/cell"],
                )
                for place in range(len(fresh))
            ]
            for part in range(parts)
        ]
    except (KeyError, ValueError) as error:
        raise checkpoint.damaged(path, f"{checkpoint.STATE}: {error}") from None
