"""What several ranks do alike before they train: one message where one of them cannot."""

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
    """Whether there are other ranks; told without torch."""
    size = os.environ.get("WORLD_SIZE", "1")
    if "RANK" in os.environ and not size.isdecimal():
        raise UsageError(f"WORLD_SIZE = {size}: is no number of processes. torchrun sets it")
    return "RANK" in os.environ and int(size) > 1


def is_main() -> bool:
    """Whether this process is the one that speaks; told without torch."""
    return not is_distributed() or os.environ["RANK"] == "0"


def restarts() -> int:
    """How often torchrun has started these processes anew after one of them died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) if "RANK" in os.environ else 0


def job_name() -> str:
    """What stays the same when torchrun starts the processes anew: its own process."""
    if "RANK" not in os.environ:
        return ""
    given = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    return f"{given} {socket.gethostname()} {os.getppid()} {_begun(os.getppid())}"


def _begun(process: int) -> str:
    """When a process began, as Linux counts it: in containers the numbers come again."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return status.rpartition(")")[2].split()[19]


def run_on_all(world: "World", prepare: Callable[[], T]) -> T:
    """Do something on every rank; where it fails on one, all of them raise.

    Raises:
        LstmgenError: what the first rank that failed says, on all of them.
    """
    if world.size == 1:
        return prepare()
    done, problem = None, None
    try:
        done = prepare()
    except LstmgenError as error:
        problem = error.exit_code, str(error)
    except OSError as error:
        problem = LstmgenError.exit_code, str(error)
    told = world.all_gather(problem)
    for rank, problem in enumerate(told):
        if problem is not None:
            code, message = problem
            raise _with_code(f"rank {rank}: {message}" if rank else message, code)
    return done  # type: ignore[return-value]


def run_main_first(world: "World", prepare: Callable[[], T]) -> T:
    """Do something first by the first rank, then by the first of each machine, then by all.

    What one has written, the next ones find.

    Raises:
        LstmgenError: likewise.
    """
    done: list[T] = []

    def act() -> None:
        done.append(prepare())

    def wait() -> None:
        pass

    for mine in (world.is_main, world.local_rank == 0, True):
        run_on_all(world, act if mine and not done else wait)
    return done[0]


def check_ranks_agree(world: "World", facts: Mapping[str, object]) -> None:
    """Train together only what is the same on all ranks.

    Raises:
        UsageError: naming what differs.
    """
    each = world.all_gather({"version of lstmgen": __version__, **facts})
    for rank, other in enumerate(each):
        for name, value in each[0].items():
            if other[name] != value:
                raise UsageError(
                    f"rank {rank} has another {name} than rank 0. Start all ranks with the same "
                    "command, files and versions"
                )


def _with_code(message: str, code: int) -> LstmgenError:
    error = UsageError(message) if code == UsageError.exit_code else LstmgenError(message)
    error.exit_code = code
    return error
