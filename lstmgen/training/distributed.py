"""The processes that train together, as torchrun starts them.

Each rank holds the whole model and the whole text, reads some of a step's sequences and
carries their states; gradients are summed by DistributedDataParallel. Everything that a
rank decides must be decided by all at the same step, or the others wait for ever: what
a signal or a clock says to one of them is told to all (``all_reduce_max``).
"""

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from lstmgen.errors import UsageError
from lstmgen.model.language_model import States
from lstmgen.model.recurrent import State
from lstmgen.windows.window import Window

T = TypeVar("T")

TIMEOUT = timedelta(minutes=10)  # after which a rank that waits for another gives up
PATIENCE = timedelta(days=1)  # where one prepares a long text; one that dies is noticed at once


@dataclass(frozen=True)
class World:
    """This process among those that train together; by default there is no other.

    Attributes:
        rank: its number. size: how many there are.
        local_rank, local_size: the same among those on this machine.
        patient: a group that waits for long; None where there is no other process.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    patient: distributed.ProcessGroup | None = None

    @property
    def is_main(self) -> bool:
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

    def share(self, *, batch_size: int, accumulate: int) -> str:
        """Who reads what of a step, in words; empty without other ranks."""
        if self.size == 1:
            return ""
        if accumulate % self.size == 0:
            each = accumulate // self.size
            return f"{self.size} ranks, each {each} of its {accumulate} micro-batches"
        few, many = batch_size // self.size, -(-batch_size // self.size)
        each_rank = f"{few}" if few == many else f"{few} or {many}"
        return f"{self.size} ranks, each {each_rank} of the {batch_size} rows of a micro-batch"

    def check_device(self, device: torch.device) -> None:
        """Make sure that every rank of this machine has a GPU of its own.

        Raises:
            UsageError: with fewer of them.
        """
        there = torch.cuda.device_count()
        if device.type == "cuda" and self.size > 1 and self.local_size > there:
            raise UsageError(
                f"{self.local_size} ranks on this machine have {there} GPUs: start "
                f"--nproc-per-node {there}, or train on the CPU (train.device=cpu)"
            )

    def threads(self, wanted: int | None) -> tuple[int | None, str]:
        """How many threads a rank takes, and what there is to say of it.

        torchrun allows one where it starts several ranks, unless OMP_NUM_THREADS says more.

        Args:
            wanted: as the config says; None leaves the choice.
        """
        told = os.environ.get("OMP_NUM_THREADS") != "1" or self.local_size == 1
        if wanted is not None or told:
            return wanted, ""
        each = _cores() // self.local_size
        if each < 2:
            return wanted, ""
        return each, f"each of {self.size} ranks takes {each} threads (train.threads says more)"

    def shard(self, windows: Sequence[Window], *, accumulate: int) -> list[Window]:
        """This rank's part of a step: whole micro-batches where those divide by the ranks,
        else rows of each."""
        if self.size == 1:
            return list(windows)
        if accumulate % self.size == 0:
            each = accumulate // self.size
            return list(windows[self.rank * each : (self.rank + 1) * each])
        return [_rows(window, self._span(len(window.rows))) for window in windows]

    def shard_states(self, states: Sequence[States], *, accumulate: int) -> list[States]:
        """This rank's part of the states of all micro-batches."""
        if self.size == 1:
            return list(states)
        if accumulate % self.size == 0:
            each = accumulate // self.size
            return list(states[self.rank * each : (self.rank + 1) * each])
        return [[State(*map(self._rows_of, layer)) for layer in part] for part in states]

    def gather_states(self, own: Sequence[States], *, accumulate: int) -> list[States]:
        """The states of all micro-batches, from every rank's own; all ranks must ask."""
        if self.size == 1:
            return list(own)
        plain = [[tuple(t.cpu() for t in layer) for layer in part] for part in own]
        parts = self.all_gather(plain)
        if accumulate % self.size == 0:
            return [[State(*layer) for layer in part] for rank in parts for part in rank]
        return [
            [
                State(*(torch.cat(tensors) for tensors in zip(*layer, strict=True)))
                for layer in zip(*(rank[part] for rank in parts), strict=True)
            ]
            for part in range(len(plain))
        ]

    def all_reduce_sum(self, tensor: Tensor) -> Tensor:
        """A tensor summed over all ranks."""
        if self.size > 1:
            distributed.all_reduce(tensor)
        return tensor

    def all_reduce_max(self, *numbers: int) -> tuple[int, ...]:
        """The largest of each number on any rank."""
        if self.size == 1:
            return numbers
        found = torch.tensor(numbers, dtype=torch.int64)  # on the CPU: it waits for no GPU
        distributed.all_reduce(found, op=distributed.ReduceOp.MAX)
        return tuple(found.tolist())

    def broadcast(self, value: T) -> T:
        """What rank 0 holds."""
        return cast("T", self.all_gather(value)[0])

    def all_gather(self, value: Any) -> list[Any]:
        """The objects of all ranks; they are unpickled, so the ranks trust one another."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        distributed.all_gather_object(found, value, group=self.patient)
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
        # torch's engine stands in cycles, and holds the group: only when it has gone do the
        # group's threads end, which must not meet an interpreter that is being taken down.
        gc.collect()
        with suppress(RuntimeError):  # another rank may have gone first
            distributed.destroy_process_group()


def _join() -> World:
    local_rank, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if local_rank < gpus:
        torch.cuda.set_device(local_rank)
    backend = "cpu:gloo,cuda:nccl" if gpus else "gloo"
    # torchrun keeps one store over its restarts: the keys of processes that have died would
    # make those that are started anew wait for them.
    store, rank, size = next(rendezvous("env://", timeout=TIMEOUT))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    distributed.init_process_group(
        backend, store=PrefixStore(f"lstmgen/{attempt}", store), rank=rank,
        world_size=size, timeout=TIMEOUT,
    )  # fmt: skip
    local_size = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    patient = distributed.new_group(backend="gloo", timeout=PATIENCE)
    return World(rank, size, local_rank, local_size, patient)


def _cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
