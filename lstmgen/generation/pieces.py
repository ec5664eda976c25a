"""What continuing a cue yields: pieces of text, each with what the model thought of its word."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from lstmgen.text.copy_index import Location


@dataclass(frozen=True)
class Drawn:
    """A drawn word as the model saw it: by its own softmax, before any filter.

    Attributes:
        word: its id.
        log_probability: nats, at most 0.
        entropy: of the whole distribution, nats.
        rank: 1 for the most likely word.
        alternatives: the most likely words and their probabilities.
        run: length of the copied passage that it ends, in words; 0 without an index.
        location: where that passage is found first in the training text.
    """

    word: int
    log_probability: float
    entropy: float
    rank: int
    alternatives: tuple[tuple[int, float], ...]
    run: int = 0
    location: Location | None = None

    @property
    def probability(self) -> float:
        """Of the word, by the model's own softmax."""
        return math.exp(self.log_probability)


@dataclass(frozen=True)
class Piece:
    """What one step adds to one sample.

    Attributes:
        sample: its number, from 0.
        text: with the space before it.
        ended: this is the sample's last piece.
        drawn: what the model thought; only where details are asked for and text is shown.
    """

    sample: int
    text: str
    ended: bool = False
    drawn: Drawn | None = None


def join_pieces(pieces: Iterable[Piece], samples: int) -> list[str]:
    """The whole text of each sample."""
    texts = [""] * samples
    for piece in pieces:
        texts[piece.sample] += piece.text
    return texts
