"""Match one vocabulary against another, to start a model from another model's weights."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmgen.text.spacing import Kind, is_word, simplify_spelling, split_form
from lstmgen.text.vocabulary import STORY, UNKNOWN, Vocabulary

MISSING = -1  # an entry that the other vocabulary has in no form


@dataclass(frozen=True)
class Match:
    """The entries of a vocabulary, found in another one."""

    sources: NDArray[np.int64]  # (entries,) ids in the other vocabulary, or MISSING
    exact: int  # number of entries found unchanged
    found: int  # number of entries found in any form
    covered: float  # fraction of the training text's words whose entries were found


def match_vocabularies(new: Vocabulary, old: Vocabulary, *, kind: Kind) -> Match:
    """Find each entry: unchanged, else in another typography, case or spacing.

    Of several candidates the most frequent one in the old text wins. ``<story>`` and ``<unk>``
    match only themselves.
    """
    keys: list[Callable[[str], str]] = [lambda form: form]  # from strict to loose
    if kind != "character":
        keys += [simplify_spelling, lambda form: simplify_spelling(form).casefold()]
    if is_word(kind):
        keys += [
            lambda form: split_form(simplify_spelling(form))[0],
            lambda form: split_form(simplify_spelling(form))[0].casefold(),
        ]
    sources = np.full(len(new), MISSING, dtype=np.int64)
    exact = 0
    by_count = np.argsort(-np.asarray(old.counts), kind="stable").tolist()
    for level, key in enumerate(keys):
        old_ids: dict[str, int] = {}
        for i in by_count:
            if old.entries[i] not in (STORY, UNKNOWN):
                old_ids.setdefault(key(old.entries[i]), i)
        for i in np.flatnonzero(sources == MISSING).tolist():
            if new.entries[i] in (STORY, UNKNOWN):
                sources[i] = old.ids.get(new.entries[i], MISSING)
            else:
                sources[i] = old_ids.get(key(new.entries[i]), MISSING)
        if level == 0:
            exact = int((sources != MISSING).sum())
    mask = sources != MISSING
    counts, words = np.asarray(new.counts), np.arange(len(new)) >= len(new.specials)
    covered = float(counts[mask & words].sum() / max(1, counts.sum() - counts[0]))
    return Match(sources, exact, int(mask.sum()), covered)
