"""The least memory that training needs, checked before any is allocated."""

import os
from contextlib import suppress
from pathlib import Path

from lstmgen.config.schema import Config
from lstmgen.errors import UsageError
from lstmgen.model.sizes import MOMENTS, min_parameters

CGROUP_LIMITS = (  # of a container
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
FLOAT_BYTES = 4


def check_memory(
    config: Config, *, vocab_size: int, ranks: int = 1, gpu: int | None = None
) -> None:
    """Check that there is the memory that training certainly needs.

    That is weights, gradients and optimizer state.

    Args:
        ranks: that share the memory. gpu: bytes of a GPU's memory; None: this machine's is used.

    Raises:
        UsageError: with the sizes, the memory needed and the memory available.
    """
    model, train = config.model, config.train
    weights = min_weights(config, vocab_size=vocab_size)
    copies = 2 + MOMENTS[train.optimizer] + (train.average is not None)
    needed, available = ranks * FLOAT_BYTES * weights * copies, gpu or total_memory()
    if needed <= available:
        return
    place = "machine" if gpu is None else "GPU"
    each = f", in each of {ranks} ranks" if ranks > 1 else ""
    raise UsageError(
        f"training needs at least {needed / 1e9:,.1f} GB of memory ({weights:,} weights, "
        f"{copies} numbers for each{each}), this {place} has {available / 1e9:,.1f}. Lower "
        f"model.hidden_sizes ({model.hidden_sizes}), model.embedding_dim "
        f"({model.embedding_dim:,}) or data.vocabulary_size (now {vocab_size:,} words)"
    )


def min_weights(config: Config, *, vocab_size: int) -> int:
    """A lower bound on the parameters of the network that a config describes."""
    model = config.model
    return min_parameters(
        vocab_size,
        cell=model.cell,
        hidden_sizes=model.hidden_sizes,
        embedding_dim=None if model.input == "one_hot" else model.embedding_dim,
        output="tied" if model.tie_weights and model.output == "softmax" else model.output,
    )


def total_memory() -> int:
    """Bytes of this machine's memory, or the container's limit if that is lower."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in CGROUP_LIMITS:
        with suppress(OSError, ValueError):
            limits.append(int(path.read_text(encoding="ascii")))
    return min(limits)
