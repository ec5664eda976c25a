"""The pieces of text that generation yields, and the details of their words."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from lstmgen.text.copy_index import Location


@dataclass(frozen=True)
class WordDetails:
    """A drawn word in the model's own distribution, before any filter.

    Attributes:
        word: its id.
        log_probability: in nats.
        entropy: of the distribution, in nats.
        rank: 1 for the most likely word.
        alternatives: the most likely words and their probabilities.
        run: length in words of the copied passage that ends here; 0 without an index.
        location: the first occurrence of that passage in the training text.
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
        """exp(log_probability)."""
        return math.exp(self.log_probability)


@dataclass(frozen=True)
class Piece:
    """The text that one step adds to one sample.

    Attributes:
        sample: its number, from 0.
        text: with the space before it.
        ended: whether this is the sample's last piece.
        details: of the word, if requested and the text is not empty.
    """

    sample: int
    text: str
    ended: bool = False
    details: WordDetails | None = None


def join_pieces(pieces: Iterable[Piece], samples: int) -> list[str]:
    """The text of each sample."""
    texts = [""] * samples
    for piece in pieces:
        texts[piece.sample] += piece.text
    return texts
