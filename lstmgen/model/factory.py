"""Building a model from a config, and converting tensors to a checkpoint's arrays and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmgen.config.schema import ModelConfig
from lstmgen.errors import CheckpointError
from lstmgen.model.language_model import DropoutRates, LanguageModel
from lstmgen.text.clusters import frequency_clusters
from lstmgen.text.vocabulary import Vocabulary

Arrays = Mapping[str, NDArray[Any]]


def build_model(config: ModelConfig, vocabulary: Vocabulary, *, seed: int) -> LanguageModel:
    """The network that a config describes, with initial weights."""
    clusters = None
    if config.output == "adaptive":
        clusters = [ids.tolist() for ids in frequency_clusters(vocabulary.counts)]
    return LanguageModel(
        len(vocabulary),
        embedding_dim=config.embedding_dim,
        hidden_sizes=config.hidden_sizes,
        cell=config.cell,
        peephole=config.peephole or "diagonal",
        loop=config.backend == "loop",
        one_hot=config.input == "one_hot",
        look_up=config.backend != "fused",
        tie_weights=config.tie_weights,
        clusters=clusters,
        dropout=DropoutRates(**config.dropout.model_dump()),
        seen_once=vocabulary.seen_once,
        counts=vocabulary.counts,
        seed=seed,
    )


def to_arrays(tensors: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """Copy tensors to arrays."""
    return {
        name: np.ascontiguousarray(tensor.detach().cpu().numpy()).copy()
        for name, tensor in tensors.items()
    }


def to_tensors(arrays: Arrays) -> dict[str, Tensor]:
    """Copy arrays to tensors."""
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def load_weights(model: LanguageModel, arrays: Arrays, *, source: str) -> None:
    """Load a checkpoint's weights into a model of the same shape.

    Raises:
        CheckpointError: naming the weight that does not fit.
    """
    parameters = dict(model.named_parameters())
    if set(parameters) != set(arrays):
        names = ", ".join(sorted(set(parameters) ^ set(arrays))[:3])
        raise CheckpointError(f"{source}: the weights do not fit the config ({names})")
    for name, parameter in parameters.items():
        if tuple(parameter.shape) != arrays[name].shape:
            raise CheckpointError(
                f"{source}: {name} is {arrays[name].shape}, the config says "
                f"{tuple(parameter.shape)}"
            )
        if arrays[name].dtype.kind != "f":
            raise CheckpointError(f"{source}: {name} is {arrays[name].dtype}, not of floats")
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(np.array(arrays[name])))
