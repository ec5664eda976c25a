"""Words of one vocabulary found in another, for a model that starts from another's weights."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmgen.text.spacing import Kind, in_one_spelling, is_word, split_form
from lstmgen.text.vocabulary import STORY, UNKNOWN, Vocabulary

NONE = -1  # an entry that the other vocabulary has in no form


@dataclass(frozen=True)
class Match:
    """Where the entries of a vocabulary stand in another one.

    Attributes:
        sources: (entries,) ids in the other vocabulary, ``NONE`` where it has no such word.
        exact: how many entries were found as they are.
        found: how many were found in any form.
        covered: share of the words of the training text, unknown ones among them, whose entries
            were found.
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
            in_one_spelling,
            lambda form: in_one_spelling(form).casefold(),
            lambda form: _surface(in_one_spelling(form)),
            lambda form: _surface(in_one_spelling(form)).casefold(),
        ]
    elif kind == "whitespace":
        looser += [in_one_spelling, lambda form: in_one_spelling(form).casefold()]
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
    counts, words = np.asarray(new.counts), np.arange(len(new)) >= len(new.specials)
    all_words = counts.sum() - counts[0]
    covered = float(counts[found & words].sum() / max(1, all_words))
    return Match(sources, exact, int(found.sum()), covered)


def _surface(form: str) -> str:
    return split_form(form)[0]
