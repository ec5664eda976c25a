"""What a training needs of memory at the least, told before any of it is taken."""

import os
from contextlib import suppress
from pathlib import Path

from lstmgen.config.schema import Config
from lstmgen.errors import UsageError
from lstmgen.model.sizes import MOMENTS, least_parameters

LIMITS = (  # of a container
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
FLOAT = 4  # bytes


def check_memory(config: Config, *, vocab_size: int, ranks: int = 1) -> None:
    """Refuse a training that this machine's memory cannot hold.

    Only what is certain is counted: weights, gradients and what the optimiser remembers.

    Args:
        ranks: how many processes of this machine hold all of that.

    Raises:
        UsageError: with the sizes, what they need and what there is.
    """
    model, train = config.model, config.train
    weights = least_weights(config, vocab_size=vocab_size)
    copies = 2 + MOMENTS[train.optimizer] + (train.average is not None)
    needed, there = ranks * FLOAT * weights * copies, memory()
    if needed <= there:
        return
    each = f", in each of {ranks} ranks" if ranks > 1 else ""
    raise UsageError(
        f"training needs {needed / 1e9:,.1f} GB of memory at the least ({weights:,} weights, "
        f"{copies} numbers for each{each}), this machine has {there / 1e9:,.1f}. Lower "
        f"model.hidden_sizes ({model.hidden_sizes}), model.embedding_dim "
        f"({model.embedding_dim:,}) or data.vocabulary_size (now {vocab_size:,} words)"
    )


def least_weights(config: Config, *, vocab_size: int) -> int:
    """The weights of the network that a config describes, at the least."""
    model = config.model
    return least_parameters(
        vocab_size,
        cell=model.cell,
        hidden_sizes=model.hidden_sizes,
        embedding_dim=None if model.input == "one_hot" else model.embedding_dim,
        output="tied" if model.tie_weights and model.output == "softmax" else model.output,
    )


def memory() -> int:
    """Bytes of this machine's memory, or of the container's where it has fewer."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in LIMITS:
        with suppress(OSError, ValueError):
            limits.append(int(path.read_text(encoding="ascii")))
    return min(limits)
