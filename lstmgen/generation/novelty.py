"""How much of generated text is new: copied passages and repeated pairs of words.

In texts of scripts without spaces, the words are characters (``text.passage_unit``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lstmgen.generation.pieces import Piece
from lstmgen.text.copy_index import Location
from lstmgen.text.passage_unit import PassageUnit

MIN_COPIED = 5  # words of a passage that counts as copied


@dataclass(frozen=True)
class CopiedRun:
    """A longest passage that also occurs in the training text."""

    length: int  # in units, including those of the cue
    first: int  # index of its first piece in the sample
    last: int  # index of its last piece
    location: Location


@dataclass(frozen=True)
class Novelty:
    """Counts over samples; only the properties divide."""

    unit: PassageUnit
    words: int  # generated words, in units
    copied: int  # of them, those in passages of ``min_length`` units or more
    longest: int  # units of the longest passage, including those of the cue
    pairs: int  # pairs of adjacent words
    different: int  # distinct pairs

    @property
    def copied_fraction(self) -> float:
        """Fraction of the generated words in copied passages."""
        return self.copied / self.words if self.words else 0.0

    @property
    def distinct_2(self) -> float:
        """Distinct pairs of adjacent words divided by all pairs."""
        return self.different / self.pairs if self.pairs else 1.0


def min_length(unit: PassageUnit) -> int:
    """The length of a passage, in units, from which it counts as copied."""
    return MIN_COPIED * unit.per_word


def copied_runs(pieces: Sequence[Piece], unit: PassageUnit) -> list[CopiedRun]:
    """The copied passages of one sample, in order; overlapping ones are all included."""
    words, least = _words(pieces), min_length(unit)
    copied: list[CopiedRun] = []
    for number, place in enumerate(words):
        run, location = _run(pieces[place])
        following = _run(pieces[words[number + 1]])[0] if number + 1 < len(words) else 0
        if run >= least and following <= run and location is not None:  # it ends here
            first = words[max(0, number - run + 1)]
            copied.append(CopiedRun(run, first, place, location))
    return copied


def measure_novelty(samples: Sequence[Sequence[Piece]], unit: PassageUnit) -> Novelty:
    """Measure a batch of samples, whose pieces must have details."""
    words = copied = longest = 0
    least = min_length(unit)
    pairs: list[tuple[str, str]] = []
    for pieces in samples:
        places = _words(pieces)
        inside: set[int] = set()
        for number, place in enumerate(places):
            run, _ = _run(pieces[place])
            longest = max(longest, run)
            if run >= least:
                inside.update(range(max(0, number - run + 1), number + 1))
        words, copied = words + len(places), copied + len(inside)
        surfaces = [pieces[place].text.strip() for place in places]
        pairs += zip(surfaces, surfaces[1:], strict=False)
    return Novelty(unit, words, copied, longest, len(pairs), len(set(pairs)))


def _words(pieces: Sequence[Piece]) -> list[int]:
    """The indices of the pieces that are words."""
    return [i for i, piece in enumerate(pieces) if any(map(str.isalnum, piece.text))]


def _run(piece: Piece) -> tuple[int, Location | None]:
    return (0, None) if piece.details is None else (piece.details.run, piece.details.location)
