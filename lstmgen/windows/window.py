"""A batch of windows: model inputs, targets, and where the state is carried on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.unsignedinteger] | NDArray[np.signedinteger]
IGNORED = -1  # a target that is not scored


@dataclass(frozen=True)
class Window:
    """A batch of windows, one row per sequence; short rows are padded at the end of ``inputs``."""

    inputs: NDArray[np.int64]  # (batch, window) ids
    targets: NDArray[np.int64]  # (batch, stride) ids to predict, or IGNORED
    first: NDArray[np.int64]  # (batch,) position in inputs whose output predicts the first target
    carry: NDArray[np.int64]  # (batch,) inputs after which the state goes to the next window
    rows: NDArray[np.int64]  # (batch,) number of each sequence in its step, for dropout masks

    @property
    def count(self) -> int:
        """The number of scored words."""
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
    """Cut windows that score ``stride`` words each, starting at ``targets``.

    A window ends before its last target. Where it would start before the text, it starts at the
    text instead, and is padded at the end with words that do not affect any scored output.

    Args:
        ids: the text.
        targets: (batch,) position of each row's first target, at least 1.
        ends: (batch,) position at which each row's targets end.
    """
    last = len(ids) - 1
    begin = targets + stride - 1 - window
    missing = np.maximum(-begin, 0)
    start = begin + missing
    positions = np.minimum(start[:, None] + np.arange(window), last)
    scored = targets[:, None] + np.arange(stride)
    inside = scored < ends[:, None]
    next_start = np.maximum(begin + stride, 0)
    return Window(
        inputs=ids[positions].astype(np.int64),
        targets=np.where(inside, ids[np.minimum(scored, last)].astype(np.int64), IGNORED),
        first=window - stride - missing,
        carry=next_start - start,
        rows=rows,
    )
