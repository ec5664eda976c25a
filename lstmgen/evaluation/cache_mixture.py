"""The neural cache (Grave, Joulin and Usunier 2017, arXiv 1612.04426).

A word's probability is its relative frequency among the recent words of the text, each weighted
by exp(theta * h_t . h_i), the similarity of the current top-layer output to that before the
recent word. Nothing is learned; the result is mixed with the model's probability.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Cache:
    """The recent words of one text.

    Args:
        window: its size in words.
        thetas: inverse temperatures; probabilities are computed for each.
        vocab_size: words with larger ids are ignored.
    """

    def __init__(self, window: int, thetas: Sequence[float], *, vocab_size: int) -> None:
        self.window, self.vocab_size = window, vocab_size
        self.thetas = tuple(thetas)
        self.outputs = torch.zeros(0, 0)
        self.words = torch.zeros(0, dtype=torch.long)

    @torch.no_grad()
    def score(self, outputs: Tensor, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """The probability of each word by the cache before it; then add the words.

        Args:
            outputs: (rows, size) of the top layer. ids: (rows,) the words they predict.

        Returns:
            (thetas, rows); NaN for an empty cache.
        """
        words = torch.from_numpy(ids)
        if not len(self.words):
            self.outputs = outputs[:0]
        all_outputs = torch.cat([self.outputs, outputs])
        all_words = torch.cat([self.words, words])
        before, rows = len(self.words), len(words)
        similarity = outputs @ all_outputs.T
        places, now = torch.arange(len(all_words)), before + torch.arange(rows)[:, None]
        inside = (places < now) & (places >= now - self.window) & (all_words < self.vocab_size)
        similarity = similarity.where(inside, torch.tensor(-torch.inf, dtype=similarity.dtype))
        same = all_words == words[:, None]
        probabilities = []
        for theta in self.thetas:
            weights = (theta * similarity.double()).softmax(dim=1)  # NaN for an empty row
            probabilities.append((weights * same).sum(dim=1))
        self.outputs, self.words = all_outputs[-self.window :], all_words[-self.window :]
        return torch.stack(probabilities).numpy()
