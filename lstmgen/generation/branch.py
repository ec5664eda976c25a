"""One text during generation: what its next word depends on, besides the model's state."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.generation.cache import RecentWords
from lstmgen.generation.constraints import Constraints, History
from lstmgen.generation.continuation import Continuation
from lstmgen.generation.details import add_details
from lstmgen.generation.generator import Generator
from lstmgen.generation.next_word import check_finite, next_scores
from lstmgen.generation.numpy_engine import States
from lstmgen.generation.pieces import Piece
from lstmgen.generation.sampling import Scores

Logits = NDArray[np.floating[Any]]


@dataclass
class Branch:
    """A continuation during generation.

    Attributes:
        seed: of its random numbers.
        recent: the cache, if enabled.
    """

    continuation: Continuation
    history: History
    recent: RecentWords | None
    seed: tuple[int, ...]

    def fork(self) -> "Branch":
        """An independent copy."""
        recent = None if self.recent is None else self.recent.fork()
        return Branch(self.continuation.fork(), self.history.fork(), recent, self.seed)

    def add(self, word: int, token: str, output: Logits) -> Piece:
        """Add a drawn word; ``output`` is the top layer's before it, (size,)."""
        piece = self.continuation.add(token, marks_open=self.history.marks_open)
        self.history.add(word)
        if self.recent is not None:
            self.recent.add(output, word)
        return piece


@dataclass(frozen=True)
class Drawing:
    """A model with the settings that words are drawn with."""

    generator: Generator
    constraints: Constraints

    def scores(self, states: States, branches: Sequence[Branch]) -> tuple[Logits, Scores]:
        """Logits and scores of the next word of each branch, (branches, vocabulary).

        Raises:
            CheckpointError: if the model gives no finite probability.
        """
        logits = check_finite(self.generator.engine.logits(states))
        mixed = [
            branch.recent.mix(row, output)
            for branch, row, output in zip(branches, logits, states[-1].hidden, strict=True)
            if branch.recent is not None
        ]
        scores = next_scores(
            np.stack(mixed) if mixed else logits,
            [branch.history for branch in branches],
            self.constraints,
            words=[branch.continuation.words for branch in branches],
        )
        return logits, scores

    def add(
        self, branch: Branch, word: int, logits: Logits, output: Logits, *, details: bool
    ) -> Piece:
        """Add a drawn word to a branch; the piece has details if they are asked for.

        Args:
            logits: the model's of the word, (vocabulary,).
            output: the top layer's before the word, (size,).
        """
        piece = branch.add(word, self.generator.vocabulary.entries[word], output)
        if piece.text:
            piece = Piece(piece.sample, piece.text, piece.ended, word)
        return add_details(piece, logits, word, branch.history) if details else piece
