"""Agreement in English by minimal pairs: the right form of a word against a wrong one.

Wherever held-out text has a form that a neighboring word decides (I am, he was, an apple, these
stones), the model's probability of that form is compared with that of a wrong form in its place.
(Linzen, Dupoux and Goldberg 2016, "Assessing the Ability of LSTMs to Learn Syntax-Sensitive
Dependencies"; Warstadt et al. 2020, "BLiMP".)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lstmgen.cells.building_blocks import Array
from lstmgen.generation.next_word import select_rows
from lstmgen.generation.numpy_engine import States

Ids = NDArray[np.integer[Any]]

LANE, WARM_UP, MAX_LANES = 1000, 200, 32  # tokens of a lane and before it; lanes
ARTICLES, THESE = "a, an", "this, these"
_PLURAL = {
    "are": ("is, are", "is"), "were": ("was, were", "was"),
    "have": ("has, have", "has"), "do": ("does, do", "does"),
    "aren't": ("is, are", "isn't"), "weren't": ("was, were", "wasn't"),
    "haven't": ("has, have", "hasn't"), "don't": ("does, do", "doesn't"),
}  # fmt: skip
_SINGULAR = {wrong: (kind, right) for right, (kind, wrong) in _PLURAL.items()}
_FIRST = {"am": ("is, are", "are")}
_FIRST |= {form: _SINGULAR[form] for form in ("was", "wasn't")}
_FIRST |= {form: _PLURAL[form] for form in ("have", "haven't", "do", "don't")}
VERBS: Mapping[str, Mapping[str, tuple[str, str]]] = {  # subject: right form: kind and wrong form
    "i": _FIRST,
    **dict.fromkeys(("he", "she", "it"), _SINGULAR),
    **dict.fromkeys(("we", "you", "they"), _PLURAL),
}
OTHER_ARTICLE = {"a": "an", "an": "a", "A": "An", "An": "A"}
BEFORE_SUBJUNCTIVE = ("if", "though", "wish", "wished", "wishes")  # he was or he were
NOT_PLURAL = ("was", "has", "does", "as", "means", "series", "species", "news", "always")


class LanguageModel(Protocol):
    """What scores the pairs; ``generation.numpy_engine.Engine``."""

    def zero_states(self, batch: int) -> States:
        """The states before the first word."""

    def read(self, ids: NDArray[np.int64], states: States) -> States:
        """The states after one word in each row, (batch,) ids."""

    def logits(self, states: States) -> Array:
        """Logits of the next word, (batch, vocabulary)."""


@dataclass(frozen=True)
class MinimalPair:
    """A place in a text, and two forms of its word.

    Attributes:
        place: of the word among the ids.
        right, wrong: ids of the forms.
        following: id of the next word, if that decides which form is right.
    """

    kind: str
    place: int
    right: int
    wrong: int
    following: int | None = None


@dataclass(frozen=True)
class Agreement:
    """Counts of minimal pairs, for each kind; only the property divides."""

    right: Mapping[str, int]  # pairs in which the right form is likelier; a tie is wrong
    pairs: Mapping[str, int]

    @property
    def fraction(self) -> float | None:
        """Fraction of the pairs in which the right form is likelier; None without a pair."""
        pairs = sum(self.pairs.values())
        return sum(self.right.values()) / pairs if pairs else None


def find_minimal_pairs(ids: Ids, surfaces: Sequence[str]) -> list[MinimalPair]:
    """The minimal pairs of a text in the order of their places.

    Args:
        ids: (tokens,); larger ids than those of the surfaces are unknown words.
        surfaces: of all ids, which are the only ones whose pairs are found.
    """
    numbers: dict[str, int] = {}
    for number, surface in enumerate(surfaces):
        numbers.setdefault(surface, number)
    known = [surfaces[i] if i < len(surfaces) else "" for i in ids.tolist()]
    pairs = []
    for place in range(1, len(known)):
        following = known[place + 1] if place + 1 < len(known) else ""
        found = _other_form(known[max(0, place - 2) : place], known[place], following)
        if found is None or found[1] not in numbers:
            continue
        kind, wrong = found
        decided = int(ids[place + 1]) if kind in (ARTICLES, THESE) else None
        pairs.append(MinimalPair(kind, place, int(ids[place]), numbers[wrong], decided))
    return pairs


def score_minimal_pairs(model: LanguageModel, ids: Ids, pairs: Sequence[MinimalPair]) -> Agreement:
    """Compare the probabilities of the two forms of each pair, given the text before it.

    A long text is read in up to 32 lanes, each with the state after the 200 tokens before it.
    """
    words = np.asarray(ids, dtype=np.int64)
    at = {pair.place: pair for pair in pairs}
    lanes = min(MAX_LANES, max(1, len(words) // LANE))
    starts = np.linspace(0, len(words), lanes + 1).astype(int)
    begins = np.maximum(0, starts[:-1] - WARM_UP)
    right = dict.fromkeys((pair.kind for pair in pairs), 0)
    states = model.zero_states(lanes)
    for step in range(int((starts[1:] - begins).max())):
        places = begins + step
        due = [
            (row, at[place])
            for row, place in enumerate(places.tolist())
            if starts[row] <= place < starts[row + 1] and place in at
        ]
        for pair, margin in zip([p for _, p in due], _margins(model, states, due), strict=True):
            right[pair.kind] += margin > 0
        states = model.read(words[np.minimum(places, len(words) - 1)], states)
    counts = {kind: sum(pair.kind == kind for pair in pairs) for kind in right}
    return Agreement(right, counts)


def _margins(
    model: LanguageModel, states: States, due: Sequence[tuple[int, MinimalPair]]
) -> list[float]:
    """Log-probability of the right form minus that of the wrong one, for pairs by their rows."""
    if not due:
        return []
    here = select_rows(states, [row for row, _ in due])
    logits = model.logits(here).astype(np.float64)
    margins = [float(row[p.right] - row[p.wrong]) for row, (_, p) in zip(logits, due, strict=True)]
    for place, (row, pair) in enumerate(due):
        if pair.following is None:
            continue
        forms = np.array([pair.right, pair.wrong], dtype=np.int64)
        after = model.logits(model.read(forms, select_rows(states, [row, row])))
        nexts = _log_softmax(after.astype(np.float64))[:, pair.following]
        margins[place] += float(nexts[0] - nexts[1])
    return margins


def _other_form(before: Sequence[str], form: str, following: str) -> tuple[str, str] | None:
    """The kind and the wrong form of a word between others; None if they do not decide it."""
    if form in OTHER_ARTICLE:
        return (ARTICLES, OTHER_ARTICLE[form]) if following[:1].isalpha() else None
    if form in ("these", "These"):
        return (THESE, "this" if form[0] == "t" else "This") if _is_plural(following) else None
    kind, wrong = VERBS.get(before[-1].lower(), {}).get(form.replace("’", "'"), ("", ""))
    subjunctive = kind == "was, were" and before[0].lower() in BEFORE_SUBJUNCTIVE
    if not kind or subjunctive:
        return None
    return kind, wrong.replace("'", "’") if "’" in form else wrong


def _is_plural(word: str) -> bool:
    """Whether a word after "these" is surely a noun in the plural."""
    return (
        word.isalpha()
        and word.endswith("s")
        and not word.endswith(("ss", "us", "is"))
        and word not in NOT_PLURAL
    )


def _log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    logits = logits - logits.max(axis=-1, keepdims=True)
    result: NDArray[np.float64] = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return result
