"""What a resumption needs beside weights and counters, as a checkpoint's arrays."""

from pathlib import Path
from typing import Any

from lstmgen import checkpoint
from lstmgen.model.layers import State
from lstmgen.run.models import Arrays, load_weights, to_arrays, to_tensors
from lstmgen.training.loop import Trainee
from lstmgen.training.optimizers import optimizer_tensors, restore_optimizer

OPTIMIZER, CARRIED, RAW = "optimizer/", "carried/", "raw/"


def gather_state(trainee: Trainee) -> dict[str, Any]:
    """The optimiser's tensors, the carried states of every micro-batch and layer, and the
    weights that are trained, where their average stands beside them."""
    tensors = optimizer_tensors(trainee.model, trainee.optimizer)
    state = {OPTIMIZER + name: tensor for name, tensor in tensors.items()}
    for part, layers in enumerate(trainee.states):
        for place, layer in enumerate(layers):
            state[f"{CARRIED}{part}/{place}/hidden"] = layer.hidden
            state[f"{CARRIED}{part}/{place}/cell"] = layer.cell
    if trainee.average is not None and trainee.average.steps:
        state |= {RAW + name: p for name, p in trainee.model.named_parameters()}
    return to_arrays(state)


def restore_state(trainee: Trainee, arrays: Arrays, *, path: Path) -> None:
    """Give back what ``gather_state`` took, to a model that holds the checkpoint's weights.

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
    if trainee.average is not None and trainee.average.steps:
        trainee.average.tensors = {
            name: p.detach().clone() for name, p in trainee.model.named_parameters()
        }
        raw = {n.removeprefix(RAW): a for n, a in arrays.items() if n.startswith(RAW)}
        load_weights(trainee.model, raw, source=f"{path}/{checkpoint.STATE}")
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
