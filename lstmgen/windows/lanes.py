"""Windows for evaluation: the whole text once, in parallel lanes.

The text is cut into lanes by its length alone, so a perplexity never depends
on a batch size. Each lane reads ``WARM_UP`` words before its first target, to
have a state like that of one long pass; one lane is the one long pass.
"""

from collections.abc import Iterator

import numpy as np

from lstmgen.windows.window import IGNORED, Ids, Window, cut_windows

WARM_UP = 128  # words read before a lane's first target
SHORTEST = 512  # targets in a lane, at least
MOST = 64  # lanes
CHUNK = 64  # words read in one go


def lane_count(length: int) -> int:
    """How many lanes a text of so many ids is read in."""
    return int(np.clip((length - 1) // SHORTEST, 1, MOST))


def lane_windows(ids: Ids, *, lanes: int, chunk: int = CHUNK) -> Iterator[Window]:
    """Windows whose state is carried over all of them, from zero at the first.

    Every word but the first is a target once.
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
    """Windows that score one word each, read from a zero state.

    Every word but the first is a target once; the first ones have shorter windows.
    """
    length = len(ids)
    for start in range(1, length, batch_size):
        targets = np.arange(start, min(start + batch_size, length))
        yield cut_windows(
            ids,
            targets,
            ends=targets + 1,
            window=window,
            stride=1,
            rows=np.arange(len(targets)),
        )
