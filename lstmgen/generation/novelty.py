"""How much of generated text is new: copied runs and repeated pairs of words."""

from collections.abc import Sequence
from dataclasses import dataclass

from lstmgen.generation.pieces import Piece
from lstmgen.text.copy_index import Location

LONG = 5  # words from which on a run counts as copied


@dataclass(frozen=True)
class CopiedRun:
    """A run of words that stands in the training text, as long as it goes.

    Attributes:
        words: of the run, those that it has in the cue included.
        first, last: its first and last piece among the sample's.
    """

    words: int
    first: int
    last: int
    location: Location


@dataclass(frozen=True)
class Novelty:
    """Sums over samples; only the properties divide.

    Attributes:
        words: generated. copied: of them inside runs of ``LONG`` or more.
        longest: run, in words, the cue's included.
        pairs: of neighbouring words. different: of them.
    """

    words: int
    copied: int
    longest: int
    pairs: int
    different: int

    @property
    def copied_share(self) -> float:
        """Share of the generated words that stand in copied runs."""
        return self.copied / self.words if self.words else 0.0

    @property
    def distinct_2(self) -> float:
        """Different pairs of neighbouring words among all pairs."""
        return self.different / self.pairs if self.pairs else 1.0


def copied_runs(pieces: Sequence[Piece]) -> list[CopiedRun]:
    """The copied runs of one sample, in order; where two overlap, both are told."""
    words = _words(pieces)
    found: list[CopiedRun] = []
    for number, place in enumerate(words):
        run, location = _run(pieces[place])
        following = _run(pieces[words[number + 1]])[0] if number + 1 < len(words) else 0
        if run >= LONG and following <= run and location is not None:  # it goes no further
            first = words[max(0, number - run + 1)]
            found.append(CopiedRun(run, first, place, location))
    return found


def measure_novelty(samples: Sequence[Sequence[Piece]]) -> Novelty:
    """The figures of a batch of samples, whose pieces hold details."""
    words = copied = longest = 0
    pairs: list[tuple[str, str]] = []
    for pieces in samples:
        places = _words(pieces)
        inside: set[int] = set()
        for number, place in enumerate(places):
            run, _ = _run(pieces[place])
            longest = max(longest, run)
            if run >= LONG:
                inside.update(range(max(0, number - run + 1), number + 1))
        words, copied = words + len(places), copied + len(inside)
        surfaces = [pieces[place].text.strip() for place in places]
        pairs += zip(surfaces, surfaces[1:], strict=False)
    return Novelty(words, copied, longest, len(pairs), len(set(pairs)))


def _words(pieces: Sequence[Piece]) -> list[int]:
    """The places of the pieces that are words."""
    return [i for i, piece in enumerate(pieces) if any(map(str.isalnum, piece.text))]


def _run(piece: Piece) -> tuple[int, Location | None]:
    return (0, None) if piece.drawn is None else (piece.drawn.run, piece.drawn.location)
