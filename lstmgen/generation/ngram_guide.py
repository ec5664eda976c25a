"""The n-grams of the training text as a guide: what the model says is checked against its pairs.

Two things can be done to the model's probabilities. A mixture with the Kneser-Ney model, log-linear
(a geometric mean, Klakow 1998): it favors what both find likely. And a penalty on pairs of words
that the training text lacks although both words are frequent (``ngrams.unseen_pairs``): a small
model that has learned what "am", "is" and "are" have in common writes "I are".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lstmgen.config.schema import SampleConfig
from lstmgen.generation.sampling import Scores, log_sum_exp
from lstmgen.ngrams.kneser_ney import KneserNey
from lstmgen.ngrams.unseen_pairs import UnseenPairs, find_unseen_pairs
from lstmgen.text.spacing import Kind, surface_of
from lstmgen.text.vocabulary import Vocabulary

MAX_EXPECTED = 5.0  # occurrences of an unseen pair that count


@dataclass(frozen=True)
class NgramGuide:
    """The n-grams of a training text, with the settings of their use.

    Attributes:
        weight: of the n-gram model in the mixture; 0 leaves it out.
        penalty: nats for each occurrence of an unseen pair that chance would give.
    """

    ngrams: KneserNey
    pairs: UnseenPairs | None
    weight: float
    penalty: float

    def apply(self, scores: Scores, context: Sequence[int]) -> None:
        """Change the scores of the next word, (vocabulary,), in place.

        They remain logits with the model's log-sum-exp (before the penalty), since a repetition
        penalty depends on the signs of logits.

        Args:
            context: the last ids of the text.
        """
        if self.weight:
            total = log_sum_exp(scores)
            scores *= 1 - self.weight
            scores += self.weight * np.log(self.ngrams.distribution(context))
            scores += total - log_sum_exp(scores)
        if self.penalty and self.pairs is not None and context:
            expected = self.pairs.expected(context[-1])
            scores -= self.penalty * np.minimum(expected, MAX_EXPECTED, out=expected)


def find_guide(
    sample: SampleConfig, ngrams: KneserNey | None, pairs: UnseenPairs | None
) -> NgramGuide | None:
    """The guide of a sampling config; None if it has nothing to do."""
    weight = sample.ngram_weight or 0.0
    penalty = sample.pair_penalty or 0.0
    if ngrams is None or not (weight or penalty):
        return None
    return NgramGuide(ngrams, pairs, weight, penalty)


def unseen_pairs(ngrams: KneserNey, vocabulary: Vocabulary, *, kind: Kind) -> UnseenPairs | None:
    """The unseen pairs of a training text, in which letter case and spacing make no difference."""
    groups: dict[str, int] = {}
    numbers = [
        groups.setdefault(surface_of(entry, kind).casefold(), len(groups))
        for entry in vocabulary.entries
    ]
    return find_unseen_pairs(ngrams, vocabulary.counts, numbers)
