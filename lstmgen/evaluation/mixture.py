"""Mixtures of models: weighted means of their probabilities."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EM_ITERATIONS = 200


def fit_weights(probabilities: Floats) -> Floats:
    """The maximum-likelihood weights of a text, by EM (Jelinek and Mercer 1980).

    Args:
        probabilities: (models, words), of each word by each model.

    Returns:
        (models,), nonnegative, with sum 1.
    """
    weights = np.full(len(probabilities), 1 / len(probabilities))
    for _ in range(EM_ITERATIONS):
        parts = weights[:, None] * probabilities
        weights = (parts / parts.sum(axis=0)).mean(axis=1)
    return weights


def mix(probabilities: Floats, weights: Floats) -> Floats:
    """The mixture's probabilities, (words,), from (models, words)."""
    mixed: Floats = weights @ probabilities
    return mixed


def perplexity(probabilities: Floats) -> float:
    """The perplexity of words with these probabilities."""
    return float(np.exp(-np.log(probabilities).mean()))
