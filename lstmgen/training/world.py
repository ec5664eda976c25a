"""The processes that train together, as torchrun starts them.

Each rank holds the whole model and the whole text, reads some of a step's sequences and
carries their states; gradients are summed by DistributedDataParallel. Everything that a
rank decides must be decided by all at the same step, or the others wait for ever: what
a signal or a clock says to one of them is told to all (``agree``).
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from lstmgen.errors import UsageError
from lstmgen.model.language_model import States
from lstmgen.model.layers import State
from lstmgen.windows.window import Window

TIMEOUT = timedelta(minutes=10)  # after which a rank that waits for another gives up


@dataclass(frozen=True)
class World:
    """This process among those that train together; by default there is no other.

    Attributes:
        rank: its number. size: how many there are. local_size: on this machine.
    """

    rank: int = 0
    size: int = 1
    local_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the one that makes folders, prints, draws and saves."""
        return self.rank == 0

    def check_fit(self, *, batch_size: int, accumulate: int) -> None:
        """Make sure that every rank has something to read.

        Raises:
            UsageError: with more ranks than sequences, or where they cannot be shared evenly.
        """
        if accumulate % self.size and batch_size < self.size:
            raise UsageError(
                f"{self.size} ranks have {batch_size * accumulate} sequences to share: "
                f"train.batch_size ({batch_size}) must be at least {self.size}, or "
                f"train.accumulate ({accumulate}) a multiple of it. Start fewer ranks, or give "
                "them a longer text"
            )

    def threads(self, wanted: int | None) -> tuple[int | None, str]:
        """How many threads a rank takes, and what there is to say of it.

        torchrun allows one where it starts several ranks, unless OMP_NUM_THREADS says more.

        Args:
            wanted: as the config says; None leaves the choice.
        """
        if wanted is not None or self.size == 1 or os.environ.get("OMP_NUM_THREADS") != "1":
            return wanted, ""
        each = (os.cpu_count() or 1) // self.local_size
        if each < 2:
            return wanted, ""
        return each, f"each of {self.size} ranks takes {each} threads (train.threads says more)"

    def own(self, windows: Sequence[Window], *, accumulate: int) -> list[Window]:
        """This rank's part of a step: whole micro-batches where those divide by the ranks,
        else rows of each."""
        if self.size == 1:
            return list(windows)
        if accumulate % self.size == 0:
            each = accumulate // self.size
            return list(windows[self.rank * each : (self.rank + 1) * each])
        return [_rows(window, self._span(len(window.rows))) for window in windows]

    def own_states(self, states: Sequence[States], *, accumulate: int) -> list[States]:
        """This rank's part of the states of all micro-batches."""
        if self.size == 1:
            return list(states)
        if accumulate % self.size == 0:
            each = accumulate // self.size
            return list(states[self.rank * each : (self.rank + 1) * each])
        return [[State(*map(self._rows_of, layer)) for layer in part] for part in states]

    def all_states(self, own: Sequence[States], *, accumulate: int) -> list[States]:
        """The states of all micro-batches, from every rank's own; all ranks must ask."""
        if self.size == 1:
            return list(own)
        plain = [[tuple(t.cpu() for t in layer) for layer in part] for part in own]
        parts = self.everybody(plain)
        if accumulate % self.size == 0:
            return [[State(*layer) for layer in part] for rank in parts for part in rank]
        return [
            [
                State(*(torch.cat(tensors) for tensors in zip(*layer, strict=True)))
                for layer in zip(*(rank[part] for rank in parts), strict=True)
            ]
            for part in range(len(plain))
        ]

    def total(self, tensor: Tensor) -> Tensor:
        """A tensor summed over all ranks."""
        if self.size > 1:
            distributed.all_reduce(tensor)
        return tensor

    def agree(self, *numbers: int) -> tuple[int, ...]:
        """The largest of each number on any rank."""
        if self.size == 1:
            return numbers
        found = torch.tensor(numbers, dtype=torch.int64, device=_device())
        distributed.all_reduce(found, op=distributed.ReduceOp.MAX)
        return tuple(found.tolist())

    def everybody(self, value: Any) -> list[Any]:
        """What each rank holds; the ranks trust one another."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        distributed.all_gather_object(found, value)
        return found

    def _rows_of(self, tensor: Tensor) -> Tensor:
        return tensor[self._span(len(tensor))].clone()

    def _span(self, rows: int) -> slice:
        return slice(self.rank * rows // self.size, (self.rank + 1) * rows // self.size)


ALONE = World()


@contextmanager
def joined() -> Iterator[World]:
    """Join the processes that torchrun has started; alone without it.

    Raises:
        UsageError: where the others do not come.
    """
    size = os.environ.get("WORLD_SIZE", "1")
    if size == "1" or "RANK" not in os.environ:
        yield ALONE
        return
    try:
        world = _join()
    except (ValueError, RuntimeError) as error:
        rank, address = os.environ["RANK"], os.environ.get("MASTER_ADDR", "?")
        raise UsageError(
            f"rank {rank} of {size} did not find the others at {address}:"
            f"{os.environ.get('MASTER_PORT', '?')}. Start all {size} processes, with an address "
            f"and a port that each of them reaches ({str(error).splitlines()[0]})"
        ) from None
    try:
        yield world
    finally:
        with suppress(RuntimeError):  # another rank may have gone first
            distributed.destroy_process_group()


def _join() -> World:
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    # torchrun keeps one store over its restarts: the keys of processes that have died would
    # make those that are started anew wait for them.
    store, rank, size = next(rendezvous("env://", timeout=TIMEOUT))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    distributed.init_process_group(
        backend, store=PrefixStore(f"lstmgen/{attempt}", store), rank=rank,
        world_size=size, timeout=TIMEOUT,
    )  # fmt: skip
    return World(rank, size, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def _device() -> torch.device:
    return torch.device("cuda" if distributed.get_backend() == "nccl" else "cpu")


def _rows(window: Window, span: slice) -> Window:
    """Some rows of a window."""
    return replace(
        window,
        inputs=window.inputs[span],
        targets=window.targets[span],
        first=window.first[span],
        carry=window.carry[span],
        rows=window.rows[span],
    )
