"""One generation step: from the model's states to the scores of the next word."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.config.schema import SampleConfig
from lstmgen.errors import CheckpointError
from lstmgen.generation.cache import RecentWords
from lstmgen.generation.constraints import Constraints, History
from lstmgen.generation.continuation import Continuation
from lstmgen.generation.cue import Cue
from lstmgen.generation.generator import Generator
from lstmgen.generation.inclusion import Missing
from lstmgen.generation.numpy_engine import States
from lstmgen.generation.opening import Opening, find_opening
from lstmgen.generation.pieces import Piece
from lstmgen.generation.sampling import Scores, add_bias, forbid, forbid_each, penalize_repeats
from lstmgen.text.reading import normalize
from lstmgen.text.spacing import unspaced_entries


def next_scores(
    logits: NDArray[np.floating[Any]],
    histories: Sequence[History],
    constraints: Constraints,
    *,
    words: Sequence[int] = (0,),
) -> Scores:
    """Scores of each text's next word: n-grams, constraints, repetition penalty and bias.

    The words that must be included and are missing become more likely with every word.

    Sampling then applies temperature and filters (``sampling.filter_scores``), beam search
    does not.

    Args:
        logits: (batch, vocabulary), the model's or its mixture with a cache.
        words: number of new words of each text.
    """
    scores = forbid(logits, constraints.forbidden)
    if constraints.guide is not None:
        for row, history in zip(scores, histories, strict=True):
            constraints.guide.apply(row, history.context)
    ruled_out = [h.ruled_out(words=n) for h, n in zip(histories, words, strict=True)]
    recent = [history.recent for history in histories]
    penalty = constraints.sample.repetition_penalty
    scores = penalize_repeats(forbid_each(scores, ruled_out), recent, penalty)
    scores = add_bias(scores, constraints.bias)
    for row, history, n in zip(scores, histories, words, strict=True):
        history.missing.encourage(row, constraints.sample, words=n)
        history.balance(row, words=n)
    return scores


class CueReader:
    """The state of a model that has read ``<story>`` and a cue.

    Args:
        text: the first part of the cue; ``read`` adds more.

    Attributes:
        states: after the words so far, (1, hidden) each.
        recent: the cache, if enabled; without ``<story>``, which nothing predicted.
        opening: the text that each continuation begins with, once ``finish`` has read it.

    Raises:
        CheckpointError, UsageError: see ``Generator.constraints`` and ``Cue``.
    """

    def __init__(self, generator: Generator, sample: SampleConfig, text: str = "") -> None:
        vocabulary, data = generator.vocabulary, generator.config.data
        stop_at = normalize(sample.stop_at, lowercase=data.lowercase)
        self.generator, self.sample = generator, sample.model_copy(update={"stop_at": stop_at})
        self.constraints = generator.constraints(sample)
        self.cue = Cue(vocabulary, kind=data.tokenizer, lowercase=data.lowercase, oov=sample.oov)
        self.history = History(self.constraints, vocabulary=vocabulary, index=generator.copies)
        cached = bool(sample.cache_weight)
        self.recent = RecentWords(sample, vocab_size=len(vocabulary)) if cached else None
        self.states = generator.engine.zero_states(1)
        self.opening, self.finished = Opening(), False
        for word in generator.start_ids(sample):
            self._add(word)
        self.read(text)

    def read(self, block: str) -> None:
        """Read the next block, which begins and ends between words (``read_blocks``)."""
        for word in self.cue.ids_of(block):
            if self.recent is not None:
                self.recent.add(self.states[-1].hidden[0], word)
            self._add(word)

    def finish(self) -> None:
        """Read the end of the cue and ``start_with``; nothing can be read after this."""
        if self.finished:
            return
        self.finished = True
        if not self.sample.start_with:
            self._finish_cue()
        self.history.missing = Missing(self.constraints.required)
        if self.sample.start_with:
            self.opening = find_opening(self.sample.start_with, self.cue)
            self.read(self.opening.text)
            self._finish_cue()

    def _finish_cue(self) -> None:
        for word in self.cue.finish():
            self._add(word)
        if self.cue.ends_in_space:
            entries, spacing = self.generator.vocabulary.entries, self.cue.detokenizer.spacing
            self.history.next_ruled_out = unspaced_entries(
                entries, spacing, kind=self.generator.kind
            )

    def continuation(self, number: int) -> Continuation:
        """The continuation of the cue by one sample, with its number."""
        continuation = Continuation(
            number, self.sample, copy.copy(self.cue.detokenizer), self.cue.ends_in_space,
            self.generator.endings,
        )  # fmt: skip
        for surface in self.opening.surfaces:
            continuation.begin_with(surface)
        return continuation

    def opening_pieces(self, number: int) -> list[Piece]:
        """The pieces of ``start_with``, with which the sample of this number begins."""
        return [Piece(number, text) for text in self.opening.pieces]

    def _add(self, word: int) -> None:
        self.states = self.generator.engine.read(np.array([word]), self.states)
        self.history.add(word)


def select_rows(states: States, rows: Sequence[int] | NDArray[np.integer[Any]]) -> States:
    """The states of some samples of the batch."""
    return [type(state)(*(part[list(rows)] for part in state)) for state in states]


def join_rows(parts: Sequence[States]) -> States:
    """The states of several batches as one batch."""
    return [
        type(states[0])(*(np.concatenate(arrays) for arrays in zip(*states, strict=True)))
        for states in zip(*parts, strict=True)
    ]


def check_finite(logits: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return the logits, or raise a CheckpointError if one is NaN or +inf."""
    if not np.isfinite(logits.max()):
        raise CheckpointError("the model gives no finite probabilities: its weights are damaged")
    return logits
