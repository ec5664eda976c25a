"""Mixtures of models: a word's probability is a weighted mean of theirs."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDS = 200  # of expectation and maximisation; each can only raise the likelihood


def fit_weights(shares: Floats) -> Floats:
    """The weights under which a text is likeliest (Jelinek and Mercer 1980).

    Args:
        shares: (models, words) the probability that each model gives each word.

    Returns:
        (models,), 0 or more, their sum 1.
    """
    weights = np.full(len(shares), 1 / len(shares))
    for _ in range(ROUNDS):
        parts = weights[:, None] * shares
        weights = (parts / parts.sum(axis=0)).mean(axis=1)
    return weights


def mix(shares: Floats, weights: Floats) -> Floats:
    """(words,) probabilities of (models, words) ones."""
    mixed: Floats = weights @ shares
    return mixed


def perplexity(shares: Floats) -> float:
    """Of words with these probabilities."""
    return float(np.exp(-np.log(shares).mean()))
