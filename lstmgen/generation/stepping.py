"""One step of a model that continues texts: from its states to the scores of the next word."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.config.schema import SampleConfig
from lstmgen.errors import CheckpointError
from lstmgen.generation.cache import RecentWords
from lstmgen.generation.constraints import Constraints, History
from lstmgen.generation.cue import Cue
from lstmgen.generation.engine import States
from lstmgen.generation.generator import Generator
from lstmgen.generation.sampling import Scores, forbid, forbid_each, penalise_repeats
from lstmgen.text.vocabulary import STORY


def next_scores(
    logits: NDArray[np.floating[Any]],
    histories: Sequence[History],
    constraints: Constraints,
    *,
    words: Sequence[int] = (0,),
) -> Scores:
    """Scores of the next word of each text: what is ruled out is -inf, recent words are penalised.

    Temperature and the filters come after it (``sampling.shape``); a beam search has none.

    Args:
        logits: (batch, vocabulary), the model's or its mixture with a cache.
        words: new words of each text so far.
    """
    scores = forbid(logits.astype(np.float64), constraints.forbidden)
    ruled_out = [h.ruled_out(words=n) for h, n in zip(histories, words, strict=True)]
    recent = [history.recent for history in histories]
    penalty = constraints.sample.repetition_penalty
    return penalise_repeats(forbid_each(scores, ruled_out), recent, penalty)


class CueReader:
    """A model that reads a cue, ``<story>`` first: its state, and what must be known of the text.

    Args:
        text: the first part of the cue; ``read`` adds more.

    Attributes:
        cue: what was done with unknown words.
        states: after the words read so far, for one sample.
        recent: the cache; it lacks the first word, before which nothing was read. None without.

    Raises:
        CheckpointError, UsageError: as ``Generator.constraints``, and at unknown words as
            ``Cue`` does.
    """

    def __init__(self, generator: Generator, sample: SampleConfig, text: str = "") -> None:
        vocabulary, data = generator.vocabulary, generator.config.data
        self.generator, self.sample = generator, sample
        self.constraints = generator.constraints(sample)
        self.cue = Cue(vocabulary, kind=data.tokenizer, lowercase=data.lowercase, oov=sample.oov)
        self.history = History(self.constraints, vocabulary=vocabulary, index=generator.copies)
        cached = bool(sample.cache_weight)
        self.recent = RecentWords(sample, vocab_size=len(vocabulary)) if cached else None
        self.states = generator.engine.zero_states(1)
        self._add(vocabulary.ids[STORY])
        self.read(text)

    def read(self, block: str) -> None:
        """Read the next part of the text, cut where no word is (``read_blocks``)."""
        for word in self.cue.ids_of(block):
            if self.recent is not None:
                self.recent.add(self.states[-1].hidden[0], word)
            self._add(word)

    def _add(self, word: int) -> None:
        self.states = self.generator.engine.read(np.array([word]), self.states)
        self.history.add(word)


def take_rows(states: States, rows: Sequence[int]) -> States:
    """The states of some samples."""
    return [type(state)(*(part[list(rows)] for part in state)) for state in states]


def finite(logits: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Logits, none of which is NaN or infinite upwards.

    Raises:
        CheckpointError: where one is.
    """
    if not np.isfinite(logits.max()):
        raise CheckpointError("the model gives no finite probabilities: its weights are damaged")
    return logits
