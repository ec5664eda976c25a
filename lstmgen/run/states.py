"""What a resumption needs beside weights and counters, as a checkpoint's arrays."""

from pathlib import Path
from typing import Any

from lstmgen import checkpoint
from lstmgen.model.layers import State
from lstmgen.run.models import Arrays, to_arrays, to_tensors
from lstmgen.training.loop import Trainee
from lstmgen.training.optimizers import optimizer_tensors, restore_optimizer

OPTIMIZER, CARRIED = "optimizer/", "carried/"


def gather_state(trainee: Trainee) -> dict[str, Any]:
    """The optimiser's tensors and the carried states of every micro-batch and layer."""
    tensors = optimizer_tensors(trainee.model, trainee.optimizer)
    state = {OPTIMIZER + name: tensor for name, tensor in tensors.items()}
    for part, layers in enumerate(trainee.states):
        for place, layer in enumerate(layers):
            state[f"{CARRIED}{part}/{place}/hidden"] = layer.hidden
            state[f"{CARRIED}{part}/{place}/cell"] = layer.cell
    return to_arrays(state)


def restore_state(trainee: Trainee, arrays: Arrays, *, path: Path) -> None:
    """Give back what ``gather_state`` took.

    Raises:
        CheckpointError: where a tensor is missing or belongs nowhere.
    """
    device = trainee.model.device
    tensors = {name: tensor.to(device) for name, tensor in to_tensors(arrays).items()}
    optimizer = {
        name.removeprefix(OPTIMIZER): tensor
        for name, tensor in tensors.items()
        if name.startswith(OPTIMIZER)
    }
    try:
        restore_optimizer(trainee.model, trainee.optimizer, optimizer)
        parts = {int(name.split("/")[1]) for name in tensors if name.startswith(CARRIED)}
        trainee.states = [
            [
                State(
                    tensors[f"{CARRIED}{part}/{place}/hidden"],
                    tensors[f"{CARRIED}{part}/{place}/cell"],
                )
                for place in range(len(trainee.model.layers))
            ]
            for part in sorted(parts)
        ]
    except (KeyError, ValueError) as error:
        raise checkpoint.damaged(path, f"{checkpoint.STATE}: {error}") from None
