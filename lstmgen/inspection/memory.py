"""How many words a model really uses: its loss if only the last words are known.

As in Khandelwal et al. 2018 (Sharp Nearby, Fuzzy Far Away), but each context is read from a zero
state instead of being cut out of a longer one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmgen.cells.building_blocks import Array, State
from lstmgen.errors import DataError, counted
from lstmgen.generation.next_word import check_finite
from lstmgen.generation.numpy_engine import Engine, States
from lstmgen.inspection.text_reading import Positions, read_text
from lstmgen.windows.window import Ids

CONTEXTS = (1, 2, 4, 8, 16, 32, 64, 128)  # words
MAX_SCORED = 1000  # words
TOLERANCE = 0.01  # nats
BATCH = 128  # predictions at a time


@dataclass(frozen=True)
class MemoryCurve:
    """The loss of the same predictions with contexts of several lengths.

    Attributes:
        contexts: lengths in words, ascending. nats: mean loss per word with each of them.
        full: mean loss per word with all words before it known, in nats.
        scored: number of words scored. available: number of words that could be scored.
    """

    contexts: tuple[int, ...]
    nats: tuple[float, ...]
    full: float
    scored: int
    available: int

    @property
    def words_used(self) -> int | None:
        """The shortest context from which on the loss stays within ``TOLERANCE`` of the full
        one; None if that of the longest does not.

        Losses need not fall: to a text of another kind, longer contexts may do harm.
        """
        used = None
        for k, nats in zip(reversed(self.contexts), reversed(self.nats), strict=True):
            if not abs(nats - self.full) <= TOLERANCE:
                break
            used = k
        return used

    @property
    def shorter_is_better(self) -> int | None:
        """The context of the lowest loss, if that is more than ``TOLERANCE`` below the full one."""
        lowest, k = min(zip(self.nats, self.contexts, strict=True))
        return k if lowest < self.full - TOLERANCE else None


def measure_memory(
    engine: Engine,
    ids: Ids,
    *,
    contexts: Sequence[int] = CONTEXTS,
    max_scored: int = MAX_SCORED,
) -> MemoryCurve:
    """Measure the loss of a text if only the last k words before each word are known.

    To predict a word the state starts at zero and the model reads the k words before it, or fewer
    at the start of the text. Unknown words are read but not scored, and the first word (usually
    ``<story>``) is read only, as in ``evaluate``. With all words known the state is carried
    through the text.

    Args:
        ids: (words,) of the text; ids from ``vocab_size`` on are unknown words.
        contexts: values of k, ascending.
        max_scored: of a longer text this many words are scored, evenly spaced.

    Raises:
        DataError: if no word of the text is known.
        CheckpointError: if the model gives no finite probability.
    """
    known = 1 + np.flatnonzero(ids[1:] < engine.vocab_size)
    if not len(known):
        raise DataError(
            f"none of the text's {counted(len(ids) - 1, 'word')} is known, nothing to score"
        )
    count = min(len(known), max_scored)
    targets = known[np.arange(count) * len(known) // count]
    totals = (sum(_context_losses(engine, ids, targets, context=k)) for k in contexts)
    return MemoryCurve(
        contexts=tuple(contexts),
        nats=tuple(total / count for total in totals),
        full=sum(_full_losses(engine, ids, targets)) / count,
        scored=count,
        available=len(known),
    )


def _context_losses(
    engine: Engine, ids: Ids, targets: Positions, *, context: int
) -> Iterator[float]:
    """Summed nats of each batch of targets, given the ``context`` words before each."""
    for first in range(0, len(targets), BATCH):
        batch = targets[first : first + BATCH]
        states = engine.zero_states(len(batch))
        for back in range(min(context, int(batch.max())), 0, -1):
            places = batch - back
            states = engine.read(ids[np.maximum(places, 0)].astype(np.int64), states)
            if places[0] < 0:  # targets ascend
                states = _keep_rows(states, places >= 0)
        yield _summed_nats(engine.output.logits(states[-1].hidden), ids[batch].astype(np.int64))


def _keep_rows(states: States, rows: NDArray[np.bool_]) -> States:
    """The states, 0 in all other rows, whose text has not begun."""
    return [State(*(np.where(rows[:, None], part, 0) for part in state)) for state in states]


def _full_losses(engine: Engine, ids: Ids, targets: Positions) -> Iterator[float]:
    """Summed nats of the targets in each block of the text, with carried state."""
    for places, hidden in read_text(engine, ids[: int(targets[-1])]):
        chosen = np.isin(places + 1, targets)
        for first in range(0, int(chosen.sum()), BATCH):
            rows = np.flatnonzero(chosen)[first : first + BATCH]
            words = ids[places[rows] + 1].astype(np.int64)
            yield _summed_nats(engine.output.logits(hidden[rows]), words)


def _summed_nats(logits: Array, words: Positions) -> float:
    """Summed loss of words, (batch,), given their logits, (batch, vocabulary), in nats."""
    highest = check_finite(logits).max(axis=1, keepdims=True)
    sums = np.exp(logits - highest).sum(axis=1, dtype=np.float64)
    chosen = logits[np.arange(len(words)), words].astype(np.float64)
    return float((np.log(sums) + highest[:, 0] - chosen).sum())
