"""Data-parallel training in the processes that torchrun starts.

Each rank has the full model and text, reads some of a step's sequences and carries their
states; DistributedDataParallel sums the gradients. All ranks must make the same decision at the
same step, or the others hang: signals and clocks are shared by ``all_reduce_max``.
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

from lstmgen.errors import UsageError, counted
from lstmgen.model.language_model import States
from lstmgen.model.layer_interface import State
from lstmgen.training.core_sharing import usable_cores
from lstmgen.windows.window import Window

T = TypeVar("T")

TIMEOUT = timedelta(minutes=10)
OBJECT_TIMEOUT = timedelta(days=1)  # one rank may prepare a long text; a dead one is noticed


@dataclass(frozen=True)
class World:
    """This process among the training processes; by default the only one.

    Attributes:
        rank: its number. size: the number of ranks.
        local_rank, local_size: the same on this machine.
        object_group: a process group with a long timeout; None for a single process.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    object_group: distributed.ProcessGroup | None = None

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, which writes files and reports."""
        return self.rank == 0

    def check_fit(self, *, batch_size: int, accumulate: int) -> None:
        """Check that every rank gets sequences to read.

        Raises:
            UsageError: if there are too few, or they cannot be distributed.
        """
        if accumulate % self.size and batch_size < self.size:
            raise UsageError(
                f"{self.size} ranks have {counted(batch_size * accumulate, 'sequence')} to share: "
                f"train.batch_size ({batch_size}) must be at least {self.size}, or "
                f"train.accumulate ({accumulate}) a multiple of it. Start fewer ranks, or give "
                "them a longer text"
            )

    def share(self, *, batch_size: int, accumulate: int) -> str:
        """How the ranks divide a step, in words; empty for a single process."""
        if self.size == 1:
            return ""
        if accumulate % self.size == 0:
            each = accumulate // self.size
            return f"{self.size} ranks, each {each} of its {accumulate} micro-batches"
        few, many = batch_size // self.size, -(-batch_size // self.size)
        rows = f"{few}" if few == many else f"{few} or {many}"
        return f"{self.size} ranks, each {rows} of the {batch_size} rows of a micro-batch"

    def check_device(self, device: torch.device) -> None:
        """Check that every rank of this machine has its own GPU.

        Raises:
            UsageError: if there are fewer GPUs.
        """
        gpus = torch.cuda.device_count()
        if device.type == "cuda" and self.size > 1 and self.local_size > gpus:
            raise UsageError(
                f"{self.local_size} ranks on this machine have {counted(gpus, 'GPU')}: start "
                f"--nproc-per-node {gpus}, or train on the CPU (train.device=cpu)"
            )

    def threads(self, requested: int | None) -> tuple[int | None, str]:
        """The number of threads per rank, None for torch's default, and a notice if chosen here.

        torchrun limits several ranks to one thread each, unless OMP_NUM_THREADS says otherwise.

        Args:
            requested: ``train.threads``.
        """
        unlimited = os.environ.get("OMP_NUM_THREADS") != "1" or self.local_size == 1
        if requested is not None or unlimited:
            return requested, ""
        each = usable_cores() // self.local_size
        if each < 2:
            return requested, ""
        return each, f"each of {self.size} ranks uses {each} threads (train.threads changes that)"

    def shard(self, windows: Sequence[Window], *, accumulate: int) -> list[Window]:
        """This rank's part of a step: micro-batches if they divide evenly, else rows of each."""
        if accumulate % self.size == 0:
            return self._micro_batches(windows, accumulate)
        return [_rows(window, self._span(len(window.rows))) for window in windows]

    def shard_states(self, states: Sequence[States], *, accumulate: int) -> list[States]:
        """This rank's part of all micro-batches' states."""
        if accumulate % self.size == 0:
            return self._micro_batches(states, accumulate)
        return [
            [State(*(t[self._span(len(t))].clone() for t in layer)) for layer in part]
            for part in states
        ]

    def gather_states(self, own: Sequence[States], *, accumulate: int) -> list[States]:
        """The states of all micro-batches, on every rank; a collective call."""
        if self.size == 1:
            return list(own)
        on_cpu = [[tuple(t.cpu() for t in layer) for layer in part] for part in own]
        parts = self.all_gather(on_cpu)
        if accumulate % self.size == 0:
            return [[State(*layer) for layer in part] for rank in parts for part in rank]
        return [
            [
                State(*(torch.cat(tensors) for tensors in zip(*layer, strict=True)))
                for layer in zip(*(rank[part] for rank in parts), strict=True)
            ]
            for part in range(len(on_cpu))
        ]

    def all_reduce_sum(self, tensor: Tensor) -> Tensor:
        """Sum a tensor over all ranks, in place."""
        if self.size > 1:
            distributed.all_reduce(tensor)
        return tensor

    def all_reduce_max(self, *numbers: int) -> tuple[int, ...]:
        """The maximum of each number over all ranks."""
        if self.size == 1:
            return numbers
        largest = torch.tensor(numbers, dtype=torch.int64)  # on the CPU: no GPU sync
        distributed.all_reduce(largest, op=distributed.ReduceOp.MAX)
        return tuple(largest.tolist())

    def broadcast(self, value: T) -> T:
        """The value of rank 0."""
        return cast("T", self.all_gather(value)[0])

    def all_gather(self, value: Any) -> list[Any]:
        """The objects of all ranks; they are unpickled, so ranks must trust one another."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value, group=self.object_group)
        return values

    def _micro_batches(self, parts: Sequence[T], accumulate: int) -> list[T]:
        each = accumulate // self.size
        return list(parts[self.rank * each : (self.rank + 1) * each])

    def _span(self, rows: int) -> slice:
        return slice(self.rank * rows // self.size, (self.rank + 1) * rows // self.size)


ALONE = World()


@contextmanager
def process_group() -> Iterator[World]:
    """Join the process group of torchrun; ``ALONE`` without torchrun.

    Raises:
        UsageError: if the other ranks are not reached.
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
            f"and a port that each of them can reach ({str(error).splitlines()[0]})"
        ) from None
    try:
        yield world
    finally:
        # DDP keeps the group alive in reference cycles. Without a collection the group's
        # threads would still run while the interpreter shuts down.
        gc.collect()
        with suppress(RuntimeError):  # another rank may have left first
            distributed.destroy_process_group()


def _join() -> World:
    local_rank, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if local_rank < gpus:
        torch.cuda.set_device(local_rank)
    backend = "cpu:gloo,cuda:nccl" if gpus else "gloo"
    # torchrun keeps one store across restarts: without a prefix, restarted processes would
    # wait for the keys of dead ones.
    store, rank, size = next(rendezvous("env://", timeout=TIMEOUT))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    distributed.init_process_group(
        backend, store=PrefixStore(f"lstmgen/{attempt}", store), rank=rank,
        world_size=size, timeout=TIMEOUT,
    )  # fmt: skip
    local_size = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    object_group = distributed.new_group(backend="gloo", timeout=OBJECT_TIMEOUT)
    return World(rank, size, local_rank, local_size, object_group)


def _rows(window: Window, span: slice) -> Window:
    return replace(
        window,
        inputs=window.inputs[span],
        targets=window.targets[span],
        first=window.first[span],
        carry=window.carry[span],
        rows=window.rows[span],
    )
