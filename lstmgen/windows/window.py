"""One window: what the model reads, what it must predict, what is handed on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.unsignedinteger] | NDArray[np.signedinteger]
IGNORED = -1  # a target that is not scored


@dataclass(frozen=True)
class Window:
    """A batch of windows, one row a sequence.

    Attributes:
        inputs: (batch, window) ids to read. Behind the end of a short row stand
            ids that no scored position sees.
        targets: (batch, stride) ids to predict; ``IGNORED`` is not scored.
        first: (batch,) position in ``inputs`` whose output predicts the first target.
        carry: (batch,) words after which the state is handed to the next window.
        rows: (batch,) number of each sequence in its step, for its dropout masks.
    """

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    first: NDArray[np.int64]
    carry: NDArray[np.int64]
    rows: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Words scored."""
        return int((self.targets != IGNORED).sum())


def cut_windows(
    ids: Ids,
    targets: NDArray[np.int64],
    *,
    ends: NDArray[np.int64],
    window: int,
    stride: int,
    rows: NDArray[np.int64],
) -> Window:
    """The windows that score ``stride`` words from given places on.

    A window reads up to the word before its last target. Where it would begin
    before the text, it begins with the text instead: the words that are missing
    at its front are junk at its end, which no scored output sees.

    Args:
        ids: the text.
        targets: (batch,) place of each row's first target, at least 1.
        ends: (batch,) place at which each row's targets end.
    """
    last = len(ids) - 1
    begin = targets + stride - 1 - window
    missing = np.maximum(-begin, 0)
    start = begin + missing
    places = np.minimum(start[:, None] + np.arange(window), last)
    scored = targets[:, None] + np.arange(stride)
    inside = scored < ends[:, None]
    next_start = np.maximum(begin + stride, 0)
    return Window(
        inputs=ids[places].astype(np.int64),
        targets=np.where(inside, ids[np.minimum(scored, last)].astype(np.int64), IGNORED),
        first=window - stride - missing,
        carry=next_start - start,
        rows=rows,
    )
