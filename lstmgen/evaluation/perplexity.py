"""Perplexity with carried state: every word of a text is scored once, the first one too.

The text is read in parallel lanes, whose number depends only on its length, each warmed up on
the words before it; ``exact`` reads it in one pass. Always in the model's own dtype, without
dropout, and without random numbers.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmgen.model.language_model import LanguageModel, States
from lstmgen.text.corpus import Part
from lstmgen.windows.evaluation_lanes import lane_count, lane_windows, zero_state_windows
from lstmgen.windows.window import IGNORED, Window


class ScoredRows(NamedTuple):
    """The words of a window that are scored."""

    rows: NDArray[np.int64]  # of each word in ``window.targets``
    columns: NDArray[np.int64]
    features: Tensor  # (words, size), from which each word is predicted
    targets: Tensor  # (words,) ids


def compute_perplexity(nats: float, words: int) -> float:
    """exp(nats per word); NaN if nothing was scored."""
    if not words or math.isnan(nats):
        return math.nan
    return math.inf if nats / words > 700 else math.exp(nats / words)


@dataclass(frozen=True)
class Evaluation:
    """Sums over a text; only the properties divide.

    Attributes:
        nats: of all scored words. words: scored.
        correct: words that were the most likely ones.
        tokens: of the text, scored or not. unknown: those missing from the vocabulary.
        characters: of the scored words.
    """

    nats: float
    words: int
    correct: int
    tokens: int
    unknown: int
    characters: int

    @property
    def nats_per_word(self) -> float:
        """Mean cross-entropy; NaN if nothing was scored."""
        return self.nats / self.words if self.words else math.nan

    @property
    def perplexity(self) -> float:
        """exp(nats per word)."""
        return compute_perplexity(self.nats, self.words)

    @property
    def bits_per_character(self) -> float:
        """Cross-entropy in bits per character of the scored words."""
        return self.nats / math.log(2) / self.characters if self.characters else math.nan

    @property
    def accuracy(self) -> float:
        """Fraction of scored words that were the most likely ones."""
        return self.correct / self.words if self.words else math.nan

    @property
    def unknown_share(self) -> float:
        """Fraction of the text's tokens missing from the vocabulary."""
        return self.unknown / self.tokens if self.tokens else 0.0


def evaluate(
    model: LanguageModel,
    text: Part,
    *,
    unknown_id: int,
    exact: bool = False,
    keep_going: Callable[[], bool] = lambda: True,
) -> Evaluation:
    """Score a text with the state carried from word to word.

    Args:
        text: its ids, ``<story>`` first, which is not scored.
        unknown_id: unknown words are scored only if the model has this id.
        exact: one lane instead of several.
        keep_going: called before each window; False stops the evaluation.
    """
    lanes = 1 if exact else lane_count(len(text.ids))
    windows = lane_windows(text.ids, lanes=lanes)
    return _score(model, windows, text, unknown_id=unknown_id, keep_going=keep_going, carry=True)


def evaluate_from_zero(
    model: LanguageModel,
    text: Part,
    *,
    unknown_id: int,
    window: int,
    keep_going: Callable[[], bool] = lambda: True,
) -> Evaluation:
    """Score each word of a text given the ``window`` words before it, from a zero state."""
    windows = zero_state_windows(text.ids, window=window)
    return _score(model, windows, text, unknown_id=unknown_id, keep_going=keep_going, carry=False)


def read_window(model: LanguageModel, window: Window, states: States) -> tuple[ScoredRows, States]:
    """Read a window; the words of it that are scored, and the states after all its inputs.

    Unknown words are read and not scored, unless the model has an id for them.
    """
    inputs = torch.from_numpy(window.inputs).to(model.device)
    # Padding after a short row's end affects no scored word.
    full = torch.full((len(inputs),), inputs.shape[1])
    features, states = model.read(inputs, states, carry=full)
    places = window.first[:, None] + torch.arange(window.targets.shape[1]).numpy()
    inside = (window.targets != IGNORED) & (window.targets < model.vocab_size)
    rows, columns = inside.nonzero()
    scored = features[torch.from_numpy(rows), torch.from_numpy(places[rows, columns])]
    targets = torch.from_numpy(window.targets[rows, columns]).to(model.device)
    return ScoredRows(rows, columns, scored, targets), states


@torch.no_grad()
def _score(
    model: LanguageModel,
    windows: Iterable[Window],
    text: Part,
    *,
    unknown_id: int,
    keep_going: Callable[[], bool],
    carry: bool,
) -> Evaluation:
    was_training = model.training
    model.eval()
    states: States | None = None
    nats, correct, words = 0.0, 0, 0
    for window in windows:
        if not keep_going():
            break
        if states is None or not carry:
            states = model.zero_states(len(window.rows))
        scored, states = read_window(model, window, states)
        if not len(scored.rows):
            continue
        part_nats, part_correct = model.score(scored.features, scored.targets)
        nats, correct = nats + part_nats, correct + part_correct
        words += len(scored.targets)
    model.train(was_training)
    scores_unknown = unknown_id < model.vocab_size
    return Evaluation(
        nats=nats,
        words=words,
        correct=correct,
        tokens=text.tokens,
        unknown=text.unknown,
        characters=text.characters - (0 if scores_unknown else text.unknown_characters),
    )
