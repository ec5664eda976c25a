"""Transferring the weights of another model, word by word.

Parameters without words are copied: recurrent layers, projections. Of the others (word vectors,
the output layer's rows and biases) each word gets its own; a word that the other model lacks
starts at the mean of that model's rare words.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmgen.model.language_model import LanguageModel

Arrays = Mapping[str, NDArray[Any]]
Clusters = Sequence[NDArray[np.int64]]

NO_WORD = -1
RARE = 20  # a word is rare if the other model's training text has it less often

_BY_ROWS = ("embedding.weight", "output_weight", "output_bias")
_FIRST_LAYER = "layers.0.weight_ih_l0"


def transfer_weights(
    model: LanguageModel,
    weights: Arrays,
    *,
    sources: NDArray[np.int64],
    counts: Sequence[int],
    own_counts: Sequence[int],
    clusters: tuple[Clusters, Clusters] | None = None,
) -> None:
    """Fill a model with the weights of another one with the same layers.

    Args:
        weights: of the other model, by name.
        sources: (vocabulary,) the other model's id of each word, or ``NO_WORD``.
        counts: of the other model's words in its training text.
        own_counts: of this model's words in its training text.
        clusters: of an adaptive softmax, the ids of each cluster in this model and the other.
            A word in another cluster keeps its fresh output row.

    Raises:
        ValueError: naming a weight that is missing, not finite or of another shape.
    """
    rare = _rare_words(counts)
    splits = _log_splits(sources, own_counts)
    one_hot = model.embedding is None
    for name, parameter in model.named_parameters():
        if name.startswith("adaptive."):
            continue
        if name not in weights:
            raise ValueError(f"{name} is missing")
        other = torch.from_numpy(np.array(weights[name], dtype=np.float32)).to(parameter.dtype)
        if not bool(other.isfinite().all()):
            raise ValueError(f"{name} has a value that is not finite in float32")
        if other.dim() != parameter.dim():
            raise ValueError(f"{name} is {tuple(other.shape)}")
        if name in _BY_ROWS:
            values = _rows(other, sources, rare)
            if name == "output_bias":
                values += splits.to(values.dtype)
        elif name == _FIRST_LAYER and one_hot:
            values = _rows(other.T, sources, rare).T
        else:
            values = other
        if values.shape != parameter.shape:
            raise ValueError(f"{name} is {tuple(other.shape)}")
        with torch.no_grad():
            parameter.copy_(values)
    if clusters is not None:
        _transfer_adaptive(model, weights, sources=sources, own=clusters[0], other=clusters[1])


def move_biases(
    model: LanguageModel,
    *,
    sources: NDArray[np.int64],
    counts: Sequence[int],
    own_counts: Sequence[int],
    weight: float,
) -> None:
    """Move output biases towards the word frequencies of the new text.

    A word's probability in context is its frequency times a factor. The factor transfers; the
    frequency is better estimated from the new text.

    Args:
        weight: of the log ratio of a word's frequency in the new text to that in the other
            model's; 0 leaves the biases alone.
        sources, counts, own_counts: as for ``transfer_weights``.
    """
    if model.output_bias is None or not weight:
        return  # an adaptive softmax has the new text's biases already
    known = sources != NO_WORD
    own = np.asarray(own_counts, dtype=np.float64) + 0.5
    merged = np.zeros(len(counts))
    np.add.at(merged, sources[known], own[known])
    other = np.asarray(counts, dtype=np.float64) + 0.5
    rare = other[_rare_words(counts)].mean()
    before = np.where(known, other[sources], rare) / other[np.unique(sources[known])].sum()
    now = np.where(known, merged[sources], own) / own.sum()
    with torch.no_grad():
        model.output_bias.add_(torch.from_numpy(weight * np.log(now / before)).to(model.dtype))


def _rare_words(counts: Sequence[int]) -> NDArray[np.int64]:
    array = np.asarray(counts)
    rare = np.flatnonzero((array > 0) & (array < RARE))
    return rare[rare > 0] if (rare > 0).any() else np.arange(len(array))  # 0 is <story>


def _rows(table: Tensor, sources: NDArray[np.int64], rare: NDArray[np.int64]) -> Tensor:
    known = sources != NO_WORD
    values = table[torch.from_numpy(np.where(known, sources, 0))].clone()
    values[torch.from_numpy(~known)] = table[torch.from_numpy(rare)].mean(dim=0)
    return values


def _log_splits(sources: NDArray[np.int64], own_counts: Sequence[int]) -> Tensor:
    """Added to the output biases of words that share a source: the log of each one's fraction,
    so that together they are as likely as the source was.
    """
    known = sources != NO_WORD
    counts = np.maximum(np.asarray(own_counts, dtype=np.float64), 0.5)
    merged = np.zeros(int(sources.max(initial=0)) + 1)
    np.add.at(merged, sources[known], counts[known])
    splits = np.zeros(len(sources))
    splits[known] = np.log(counts[known] / merged[sources[known]])
    return torch.from_numpy(splits)


def _transfer_adaptive(
    model: LanguageModel,
    weights: Arrays,
    *,
    sources: NDArray[np.int64],
    own: Clusters,
    other: Clusters,
) -> None:
    """Copy the rows of words that are in the same cluster in both, and the tails' projections."""
    adaptive = model.adaptive
    if adaptive is None:
        raise ValueError("the model's output layer is not adaptive")
    parameters = dict(adaptive.named_parameters())

    def copy(name: str, here: list[int], there: list[int]) -> None:
        array = weights.get(f"adaptive.{name}")
        own_part = parameters[name]
        if array is None or array.shape[1:] != tuple(own_part.shape[1:]):
            raise ValueError(f"adaptive.{name} is missing or has another shape")
        with torch.no_grad():
            own_part[here] = torch.from_numpy(np.array(array[there], dtype=np.float32)).to(
                own_part.dtype
            )

    for number in range(min(len(own), len(other))):
        places = {int(word): place for place, word in enumerate(other[number])}
        pairs = [
            (place, places[source])
            for place, source in enumerate(sources[own[number]].tolist())
            if source in places
        ]
        here, there = [a for a, _ in pairs], [b for _, b in pairs]
        prefix = f"tails.{number - 1}." if number else ""
        if number:
            size = len(parameters[f"{prefix}projection"])
            if len(weights[f"adaptive.{prefix}projection"]) == size:
                copy(f"{prefix}projection", list(range(size)), list(range(size)))
            entry, other_entry = len(own[0]) + number - 1, len(other[0]) + number - 1
            copy("weight", [entry], [other_entry])  # its bias stays that of this text's counts
        if here:
            copy(f"{prefix}weight", here, there)
