"""Windows for evaluation: one pass over the text in parallel lanes.

The number of lanes depends on the text's length alone, so perplexity never depends on a batch
size. Each lane reads ``WARM_UP`` words before its first target, so that its state approximates
that of a single sequential pass.
"""

from collections.abc import Iterator

import numpy as np

from lstmgen.windows.window import IGNORED, Ids, Window, cut_windows

WARM_UP = 128  # words read before a lane's first target
MIN_TARGETS = 512  # per lane
MAX_LANES = 64
CHUNK = 64  # words per window


def lane_count(length: int) -> int:
    """The number of lanes for a text of ``length`` ids."""
    return int(np.clip((length - 1) // MIN_TARGETS, 1, MAX_LANES))


def lane_windows(ids: Ids, *, lanes: int, chunk: int = CHUNK) -> Iterator[Window]:
    """Windows with the state carried from each to the next, starting from zero.

    Every word but the first is a target exactly once.
    """
    length = len(ids)
    bounds = 1 + np.arange(lanes + 1) * (length - 1) // lanes
    targets, ends = bounds[:-1], bounds[1:]
    first_read = np.maximum(targets - 1 - WARM_UP, 0)
    longest = int((ends - 1 - first_read).max())
    for offset in range(0, longest, chunk):
        width = min(chunk, longest - offset)
        read = first_read[:, None] + offset + np.arange(width)
        predicted = read + 1
        scored = (predicted >= targets[:, None]) & (predicted < ends[:, None])
        known = ids[np.minimum(predicted, length - 1)].astype(np.int64)
        yield Window(
            inputs=ids[np.minimum(read, length - 1)].astype(np.int64),
            targets=np.where(scored, known, IGNORED),
            first=np.zeros(lanes, dtype=np.int64),
            carry=np.full(lanes, width),
            rows=np.arange(lanes),
        )


def zero_state_windows(ids: Ids, *, window: int, batch_size: int = 256) -> Iterator[Window]:
    """Windows that score one word each, from a zero state.

    Every word but the first is a target exactly once; the first windows are shorter.
    """
    for start in range(1, len(ids), batch_size):
        targets = np.arange(start, min(start + batch_size, len(ids)))
        rows = np.arange(len(targets))
        yield cut_windows(ids, targets, ends=targets + 1, window=window, stride=1, rows=rows)
