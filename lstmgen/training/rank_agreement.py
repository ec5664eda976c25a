"""What all ranks do before they train; if one of them fails, all report the same error."""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lstmgen import __version__
from lstmgen.errors import LstmgenError, UsageError

if TYPE_CHECKING:
    from lstmgen.training.distributed import World

T = TypeVar("T")


def is_distributed() -> bool:
    """Whether there are other ranks, without importing torch."""
    size = os.environ.get("WORLD_SIZE", "1")
    if "RANK" in os.environ and not size.isdecimal():
        raise UsageError(f"WORLD_SIZE = {size}: is not a number of processes. torchrun sets it")
    return "RANK" in os.environ and int(size) > 1


def is_main() -> bool:
    """Whether this is rank 0, which reports, without importing torch."""
    return not is_distributed() or os.environ["RANK"] == "0"


def restarts() -> int:
    """How often torchrun has restarted these processes after one of them died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) if "RANK" in os.environ else 0


def job_name() -> str:
    """An id that survives torchrun's restarts of the processes: that of torchrun itself."""
    if "RANK" not in os.environ:
        return ""
    run_id = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    return f"{run_id} {socket.gethostname()} {os.getppid()} {_start_time(os.getppid())}"


def _start_time(process: int) -> str:
    """When a process started, in Linux clock ticks: in containers process ids are reused."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return status.rpartition(")")[2].split()[19]


def run_on_all(world: "World", prepare: Callable[[], T]) -> T:
    """Call a function on every rank; if it fails on one, all ranks raise.

    Raises:
        LstmgenError: that of the first rank that failed.
    """
    if world.size == 1:
        return prepare()
    result, problem = None, None
    try:
        result = prepare()
    except LstmgenError as error:
        problem = error.exit_code, str(error)
    except OSError as error:
        problem = LstmgenError.exit_code, str(error)
    for rank, failure in enumerate(world.all_gather(problem)):
        if failure is not None:
            code, message = failure
            raise _with_code(f"rank {rank}: {message}" if rank else message, code)
    return result  # type: ignore[return-value]


def run_main_first(world: "World", prepare: Callable[[], T]) -> T:
    """Call a function on rank 0 first, then on each machine's first rank, then on the others.

    Later ranks find the files that earlier ones wrote. Errors are those of ``run_on_all``.
    """
    results: list[T] = []

    def run() -> None:
        results.append(prepare())

    for turn in (world.is_main, world.local_rank == 0, True):
        run_on_all(world, run if turn and not results else lambda: None)
    return results[0]


def check_ranks_agree(world: "World", facts: Mapping[str, object]) -> None:
    """Check that facts are the same on all ranks.

    Raises:
        UsageError: naming the fact that differs.
    """
    facts_by_rank = world.all_gather({"version of lstmgen": __version__, **facts})
    for rank, other in enumerate(facts_by_rank):
        for name, value in facts_by_rank[0].items():
            if other[name] != value:
                raise UsageError(
                    f"rank {rank} has another {name} than rank 0. Start all ranks with the same "
                    "command, files and versions"
                )


def _with_code(message: str, code: int) -> LstmgenError:
    error = UsageError(message) if code == UsageError.exit_code else LstmgenError(message)
    error.exit_code = code
    return error
