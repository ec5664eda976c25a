"""Weights taken over from another model, word by word.

Everything that belongs to no word is copied: recurrent layers, projections. Of what belongs to
words (word vectors, the output layer's rows and biases) each word takes its own from the other
model's; a word that the other model does not have starts at the mean of its rare words.
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
RARE = 20  # times; words of the other model's training text seen less often are its rare words

_BY_ROWS = ("embedding.weight", "output_weight", "output_bias")
_FIRST_LAYER = "layers.0.weight_ih_l0"


def take_over(
    model: LanguageModel,
    weights: Arrays,
    *,
    sources: NDArray[np.int64],
    counts: Sequence[int],
    own_counts: Sequence[int],
    clusters: tuple[Clusters, Clusters] | None = None,
) -> None:
    """Fill a model with the weights of another one that has the same layers.

    Args:
        weights: of the other model, by name.
        sources: (vocabulary,) the other model's id of each word; ``NO_WORD`` where it has none.
        counts: how often the other model's training text has each of its words.
        own_counts: how often this model's training text has each of its words.
        clusters: of an adaptive softmax, the ids of each cluster here and there. A word that
            stands in another cluster here keeps its fresh output row.

    Raises:
        ValueError: naming a weight that is missing or has another shape.
    """
    rare = _rare_words(counts)
    shared = _shares(sources, own_counts)
    one_hot = model.embedding is None
    for name, parameter in model.named_parameters():
        if name.startswith("adaptive."):
            continue
        if name not in weights:
            raise ValueError(f"{name} is missing")
        other = torch.from_numpy(np.array(weights[name], dtype=np.float32)).to(parameter.dtype)
        if not bool(other.isfinite().all()):
            raise ValueError(f"{name} holds what is no finite number in float32")
        if other.dim() != parameter.dim():
            raise ValueError(f"{name} is {tuple(other.shape)}")
        if name in _BY_ROWS:
            taken = _rows(other, sources, rare)
            if name == "output_bias":
                taken += shared.to(taken.dtype)
        elif name == _FIRST_LAYER and one_hot:
            taken = _rows(other.T, sources, rare).T
        else:
            taken = other
        if taken.shape != parameter.shape:
            raise ValueError(f"{name} is {tuple(other.shape)}")
        with torch.no_grad():
            parameter.copy_(taken)
    if clusters is not None:
        _take_over_adaptive(model, weights, sources=sources, own=clusters[0], other=clusters[1])


def move_biases(
    model: LanguageModel,
    *,
    sources: NDArray[np.int64],
    counts: Sequence[int],
    own_counts: Sequence[int],
    weight: float,
) -> None:
    """Move output biases towards how often the new text has its words.

    What a network knows of a word in its context is a factor on how often the word stands at
    all; the first is taken over, the second the new text tells better.

    Args:
        weight: of the logarithm of a word's rate in the new text by its rate in the other
            model's; 0 leaves the biases alone.
        sources, counts, own_counts: as for ``take_over``.
    """
    if model.output_bias is None or not weight:
        return  # the biases of an adaptive softmax are the new text's from the start
    known = sources != NO_WORD
    own = np.asarray(own_counts, dtype=np.float64) + 0.5
    together = np.zeros(len(counts))
    np.add.at(together, sources[known], own[known])
    other = np.asarray(counts, dtype=np.float64) + 0.5
    rare = other[_rare_words(counts)].mean()
    there = np.where(known, other[sources], rare) / other[np.unique(sources[known])].sum()
    here = np.where(known, together[sources], own) / own.sum()
    with torch.no_grad():
        model.output_bias.add_(torch.from_numpy(weight * np.log(here / there)).to(model.dtype))


def _rare_words(counts: Sequence[int]) -> NDArray[np.int64]:
    times = np.asarray(counts)
    rare = np.flatnonzero((times > 0) & (times < RARE))
    return rare[rare > 0] if (rare > 0).any() else np.arange(len(times))  # 0 is <story>


def _rows(table: Tensor, sources: NDArray[np.int64], rare: NDArray[np.int64]) -> Tensor:
    known = sources != NO_WORD
    taken = table[torch.from_numpy(np.where(known, sources, 0))].clone()
    taken[torch.from_numpy(~known)] = table[torch.from_numpy(rare)].mean(dim=0)
    return taken


def _shares(sources: NDArray[np.int64], own_counts: Sequence[int]) -> Tensor:
    """What is added to output biases where several words take over one: the logarithm of each
    one's part, so that together they are as likely as that one was.
    """
    known = sources != NO_WORD
    times = np.maximum(np.asarray(own_counts, dtype=np.float64), 0.5)
    together = np.zeros(int(sources.max(initial=0)) + 1)
    np.add.at(together, sources[known], times[known])
    added = np.zeros(len(sources))
    added[known] = np.log(times[known] / together[sources[known]])
    return torch.from_numpy(added)


def _take_over_adaptive(
    model: LanguageModel,
    weights: Arrays,
    *,
    sources: NDArray[np.int64],
    own: Clusters,
    other: Clusters,
) -> None:
    """The adaptive softmax: rows of words that stand in the same cluster, and the clusters."""
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
            copy("weight", [entry], [other_entry])  # the bias stays by this text's counts
        if here:
            copy(f"{prefix}weight", here, there)
