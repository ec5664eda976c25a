"""The neural cache: recent words, by how alike the outputs are that they followed.

Grave, Joulin and Usunier 2017 (arXiv 1612.04426): the probability of a word is the share that
it has among the last words of the text, each weighed by exp(theta * now . then), where now and
then are the top layer's outputs. Nothing is learnt; it is mixed with the model's own.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Cache:
    """The last words of one text.

    Args:
        window: how many words it holds.
        thetas: how sharply likeness counts; shares are told for each.
        vocab_size: words under larger ids are not held.
    """

    def __init__(self, window: int, thetas: Sequence[float], *, vocab_size: int) -> None:
        self.window, self.vocab_size = window, vocab_size
        self.thetas = tuple(thetas)
        self.outputs = torch.zeros(0, 0)
        self.words = torch.zeros(0, dtype=torch.long)

    @torch.no_grad()
    def score(self, outputs: Tensor, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """The shares of words in the cache as it is before each, and then hold them.

        Args:
            outputs: (rows, size) of the top layer. ids: (rows,) the words that followed.

        Returns:
            (thetas, rows); NaN where the cache is empty.
        """
        words = torch.from_numpy(ids)
        if not len(self.words):
            self.outputs = outputs[:0]
        held = torch.cat([self.outputs, outputs])
        names = torch.cat([self.words, words])
        before, rows = len(self.words), len(words)
        likeness = outputs @ held.T
        places, now = torch.arange(len(names)), before + torch.arange(rows)[:, None]
        inside = (places < now) & (places >= now - self.window) & (names < self.vocab_size)
        likeness = likeness.where(inside, torch.tensor(-torch.inf, dtype=likeness.dtype))
        same = names == words[:, None]
        shares = []
        for theta in self.thetas:
            weights = (theta * likeness.double()).softmax(dim=1)  # NaN in a row of none
            shares.append((weights * same).sum(dim=1))
        self.outputs, self.words = held[-self.window :], names[-self.window :]
        return torch.stack(shares).numpy()
