"""What a training needs of memory at the least, told before any of it is taken."""

import os
from contextlib import suppress
from pathlib import Path

from lstmgen.config.schema import Config
from lstmgen.errors import UsageError
from lstmgen.windows.plans import Fit

GATES = {"elman": 1, "gru": 3, "lstm": 4, "lstm_peephole": 4}
LIMITS = (  # of a container
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
FLOAT = 4  # bytes


def refuse_beyond_memory(config: Config, fit: Fit, *, vocab_size: int) -> None:
    """Refuse a training that this machine's memory cannot hold.

    Only what is certain is counted: weights, gradients, what the optimiser remembers, and
    the activations of one micro-batch that wait for the way back.

    Raises:
        UsageError: with the sizes, what they need and what there is.
    """
    model, train = config.model, config.train
    weights = least_parameters(config, vocab_size=vocab_size)
    copies = 2 + (2 if train.optimizer == "adamw" else 0) + (train.average is not None)
    units = sum(model.hidden_sizes) * (GATES[model.cell] + 1)
    activations = fit.batch_size * fit.window * units
    needed, there = FLOAT * (weights * copies + activations), memory()
    if needed <= there:
        return
    raise UsageError(
        f"training needs {needed / 1e9:,.1f} GB of memory at the least ({weights:,} weights, "
        f"{copies} numbers for each; {fit.batch_size:,} sequences of {fit.window:,} words), this "
        f"machine has {there / 1e9:,.1f}. Lower model.hidden_sizes ({model.hidden_sizes}), "
        f"model.embedding_dim ({model.embedding_dim:,}), train.batch_size, train.window or "
        f"data.vocabulary_size (now {vocab_size:,} words)"
    )


def least_parameters(config: Config, *, vocab_size: int) -> int:
    """A network's weights, biases left out; of an adaptive output nothing is counted."""
    model = config.model
    size, found = model.embedding_dim, vocab_size * model.embedding_dim
    if model.input == "one_hot":
        size, found = vocab_size, 0
    for hidden in model.hidden_sizes:
        found += GATES[model.cell] * hidden * (size + hidden)
        size = hidden
    if model.tie_weights and model.output == "softmax":
        return found + (0 if size == model.embedding_dim else size * model.embedding_dim)
    return found + (vocab_size * size if model.output == "softmax" else 0)


def memory() -> int:
    """Bytes of this machine's memory, or of the container's where it has fewer."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in LIMITS:
        with suppress(OSError, ValueError):
            limits.append(int(path.read_text(encoding="ascii")))
    return min(limits)
