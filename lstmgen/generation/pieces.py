"""The pieces of text that generation yields, and the details of their words."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from lstmgen.text.copy_index import Location


@dataclass(frozen=True)
class WordDetails:
    """A drawn word in the model's own distribution, before any filter."""

    word: int  # its id
    log_probability: float  # in nats
    entropy: float  # of the distribution, in nats
    rank: int  # 1 for the most likely word
    alternatives: tuple[tuple[int, float], ...]  # the most likely words and their probabilities
    run: int = 0  # length of the copied passage that ends here; 0 without an index
    location: Location | None = None  # the first occurrence of that passage in the training text

    @property
    def probability(self) -> float:
        """exp(log_probability)."""
        return math.exp(self.log_probability)


@dataclass(frozen=True)
class Piece:
    """The text that one step adds to one sample."""

    sample: int  # its number, from 0
    text: str  # with the space before it
    ended: bool = False  # whether this is the sample's last piece
    word: int | None = None  # the id of the drawn token, if the text is not empty
    details: WordDetails | None = None  # of the word, if requested and the text is not empty


def join_pieces(pieces: Iterable[Piece], samples: int) -> list[str]:
    """The text of each sample."""
    texts = [""] * samples
    for piece in pieces:
        texts[piece.sample] += piece.text
    return texts
