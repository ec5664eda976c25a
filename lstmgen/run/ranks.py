"""What several ranks do alike before they train: one message where one of them cannot."""

import os
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from lstmgen import __version__
from lstmgen.errors import LstmgenError, UsageError

if TYPE_CHECKING:
    from lstmgen.training.world import World

T = TypeVar("T")


def started_by_torchrun() -> bool:
    """Whether there are other ranks; told without torch."""
    size = os.environ.get("WORLD_SIZE", "1")
    if "RANK" in os.environ and not size.isdecimal():
        raise UsageError(f"WORLD_SIZE = {size}: is no number of processes. torchrun sets it")
    return "RANK" in os.environ and int(size) > 1


def leads() -> bool:
    """Whether this process is the one that speaks; told without torch."""
    return not started_by_torchrun() or os.environ["RANK"] == "0"


def restarts() -> int:
    """How often torchrun has started these processes anew after one of them died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) if "RANK" in os.environ else 0


def job_name() -> str:
    """What stays the same when torchrun starts the processes anew: its own process."""
    if "RANK" not in os.environ:
        return ""
    given = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    return f"{given} {socket.gethostname()} {os.getppid()}"


def together(world: "World", prepare: Callable[[], T]) -> T:
    """Do something on every rank; where it fails on one, all of them raise.

    Raises:
        LstmgenError: what the first rank that failed says, on all of them.
    """
    done, error = None, None
    try:
        done = prepare()
    except LstmgenError as caught:
        if world.size == 1:
            raise
        error = caught
    told = world.everybody(None if error is None else (error.exit_code, str(error)))
    for rank, problem in enumerate(told):
        if problem is not None:
            code, message = problem
            raise _with_code(f"rank {rank}: {message}" if rank else message, code)
    return done  # type: ignore[return-value]


def refuse_differences(world: "World", facts: Mapping[str, object]) -> None:
    """Train together only what is the same on all ranks.

    Raises:
        UsageError: naming what differs.
    """
    each = world.everybody({"version of lstmgen": __version__, **facts})
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
