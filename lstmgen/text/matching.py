"""Words of one vocabulary found in another, for a model that starts from another's weights."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmgen.text.spacing import FLIPPED, Kind, is_word, split_form
from lstmgen.text.vocabulary import STORY, UNKNOWN, Vocabulary

NONE = -1  # an entry that the other vocabulary has in no form

# Characters that are written in several ways, as one.
_SPELLINGS = str.maketrans(
    {**dict.fromkeys("’‘‚‹›`´", "'"), **dict.fromkeys("“”„«»", '"'), **dict.fromkeys("–―", "—")}
)


@dataclass(frozen=True)
class Match:
    """Where the entries of a vocabulary stand in another one.

    Attributes:
        sources: (entries,) ids in the other vocabulary, ``NONE`` where it has no such word.
        exact: how many entries were found as they are.
        found: how many were found in any form.
        covered: share of the tokens of the training text whose entries were found.
    """

    sources: NDArray[np.int64]
    exact: int
    found: int
    covered: float


def match_vocabularies(new: Vocabulary, old: Vocabulary, *, kind: Kind) -> Match:
    """Find each entry: as it is, else by another typography, case or spacing.

    Of several candidates the one that the old text has most often is taken. ``<story>`` and
    ``<unk>`` are themselves only.
    """
    looser: list[Callable[[str], str]] = [lambda form: form]
    if is_word(kind):
        looser += [
            _in_one_spelling,
            lambda form: _in_one_spelling(form).casefold(),
            lambda form: _surface(_in_one_spelling(form)),
            lambda form: _surface(_in_one_spelling(form)).casefold(),
        ]
    elif kind == "whitespace":
        looser += [_in_one_spelling, lambda form: _in_one_spelling(form).casefold()]
    sources = np.full(len(new), NONE, dtype=np.int64)
    exact = 0
    by_count = np.argsort(-np.asarray(old.counts), kind="stable").tolist()
    for level, key in enumerate(looser):
        known: dict[str, int] = {}
        for i in by_count:
            if old.entries[i] not in (STORY, UNKNOWN):
                known.setdefault(key(old.entries[i]), i)
        for i in np.flatnonzero(sources == NONE).tolist():
            if new.entries[i] in (STORY, UNKNOWN):
                sources[i] = old.ids.get(new.entries[i], NONE)
            else:
                sources[i] = known.get(key(new.entries[i]), NONE)
        if level == 0:
            exact = int((sources != NONE).sum())
    found = sources != NONE
    counts = np.asarray(new.counts)
    covered = float(counts[found].sum() / counts.sum())
    return Match(sources, exact, int(found.sum()), covered)


def _in_one_spelling(form: str) -> str:
    """A form with its quotation marks, dashes and ellipses as they are written most simply."""
    surface, flipped = split_form(form)
    surface = surface.translate(_SPELLINGS).replace("…", "...")
    if surface in ("--", "---"):
        surface = "—"
    if surface[:1] == "\n":
        surface = "\n"  # between paragraphs, with an empty line or without
    return surface + FLIPPED * flipped


def _surface(form: str) -> str:
    return split_form(form)[0]
