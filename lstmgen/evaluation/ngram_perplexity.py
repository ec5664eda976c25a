"""Forward and reverse perplexity of generated text, by Kneser-Ney models.

Forward: a model of the training text scores the samples, so it is low where their words follow
one another as in the training text. Reverse: a model of the samples scores held-out text, so it is
low where the samples have the variety of real text (Zhao et al. 2018, "Adversarially Regularized
Autoencoders").
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lstmgen.ngrams.kneser_ney import Ids, KneserNey, build_kneser_ney

ORDER = 3
CHUNK = 100  # tokens of a passage of the training text


@dataclass(frozen=True)
class NgramScore:
    """Scores of a text by an n-gram model."""

    nats: float
    words: int  # scored
    trained_tokens: int  # of the text that the model was estimated from

    @property
    def perplexity(self) -> float:
        """exp(nats per word); NaN without a word."""
        return math.exp(self.nats / self.words) if self.words else math.nan


@dataclass(frozen=True)
class NgramScorer:
    """An n-gram model that scores texts.

    Args:
        specials: ids that are not scored, ``<story>`` and ``<unk>``.
    """

    model: KneserNey
    tokens: int
    specials: Sequence[int]

    def score(self, texts: Iterable[Ids]) -> NgramScore:
        """Score texts, (tokens,) ids each, without their first, unknown and special words."""
        nats, words = 0.0, 0
        for ids in texts:
            probs = self.model.probabilities(ids)
            probs = probs[(probs > 0) & ~np.isin(ids[1:], self.specials)]
            nats, words = nats - float(np.log(probs).sum()), words + len(probs)
        return NgramScore(nats, words, self.tokens)


def estimate_scorer(
    texts: Sequence[Ids], *, vocab_size: int, specials: Sequence[int]
) -> NgramScorer | None:
    """Estimate a scorer of order 3 from texts, (tokens,) ids each; None if they are empty."""
    ids = np.concatenate(texts) if texts else np.zeros(0, dtype=np.int64)
    if not len(ids):
        return None
    model = build_kneser_ney(ids, order=ORDER, vocab_size=vocab_size)
    return NgramScorer(model, len(ids), specials)


def spread_passages(ids: Ids, tokens: int) -> list[Ids]:
    """Passages of a text at even distances, with a number of tokens together; at most all."""
    tokens = min(tokens, len(ids))
    passages = max(1, round(tokens / CHUNK))
    sizes = np.diff(np.linspace(0, tokens, passages + 1).round().astype(int)).tolist()
    starts = np.linspace(0, len(ids) - max(sizes), passages).round().astype(int).tolist()
    return [ids[start : start + size] for start, size in zip(starts, sizes, strict=True)]
