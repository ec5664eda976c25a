"""Run folders: create, lock and find them, without numpy or torch."""

import fcntl
import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from lstmgen.errors import CheckpointError, StorageError, UsageError, printable
from lstmgen.runs import checkpoint
from lstmgen.runs.bundled import find_base
from lstmgen.text import finding

RESOLVED = finding.RESOLVED
CHECKPOINTS = "checkpoints"
ENVIRONMENT = "environment.json"
LISTED = 20  # steps named in an error

Choice = int | Literal["best", "last"]  # a checkpoint of a run


def runs_folder(path: Path | None) -> Path:
    """The folder of all runs: ``path``, else ``LSTMGEN_RUNS_DIR``, else ``runs``."""
    return path or Path(os.environ.get("LSTMGEN_RUNS_DIR") or "runs")


def create_run(runs: Path, name: str) -> Path:
    """Create a new run folder, named ``name`` and the time.

    Raises:
        UsageError: the name is not a folder name.
        StorageError: the folder cannot be created.
    """
    if not re.fullmatch(r"[^/\0]{1,100}", name) or name.startswith("."):
        raise UsageError(f"--name {printable(name)!r}: must be a plain folder name")
    if not name.isprintable():
        raise UsageError(
            f"--name {printable(name)}: has control characters. Choose a name without them"
        )
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    try:
        runs.mkdir(parents=True, exist_ok=True)
        for suffix in ["", *(f"-{n}" for n in range(2, 1000))]:
            run = runs / f"{name}-{stamp}{suffix}"
            try:
                run.mkdir()
            except FileExistsError:
                continue
            (run / CHECKPOINTS).mkdir()
            return run
    except OSError as error:
        raise StorageError(
            f"{printable(runs)}: no run folder can be created there ({error.strerror}). "
            "Choose another place with --runs-dir"
        ) from error
    raise StorageError(f"{printable(runs)}: a thousand runs of one second")


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Lock a run folder for one training process; the kernel unlocks it when the process ends.

    Raises:
        UsageError: another process trains there.
    """
    with (run / ".lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = printable(file.read(200)).strip() or "another process"
            raise UsageError(f"{printable(run)} is being trained by {owner}") from None
        except OSError:
            pass  # a file system without locks: train without one
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield


def write_environment(run: Path, facts: dict[str, Any]) -> None:
    """Record when and in what environment a run was started."""
    started = datetime.now(UTC).isoformat(timespec="microseconds")
    text = json.dumps({"started": started, **facts}, indent=1) + "\n"
    (run / ENVIRONMENT).write_text(text, encoding="utf-8")


def replace_text(path: Path, text: str) -> None:
    """Replace the contents of a file atomically."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def newest_run(runs: Path) -> Path:
    """The run that was started last, of those with a complete checkpoint.

    Raises:
        CheckpointError: there is none.
    """
    started = []
    for run, environment in _environments(runs):
        checkpoints = run / CHECKPOINTS
        if (checkpoints / "index.json").is_file() or checkpoint.saved_steps(checkpoints):
            started.append((str(environment["started"]), run))
    if not started:
        raise CheckpointError(
            f"{printable(runs)}: no run with a checkpoint here. Train one: lstmgen train CONFIG"
        )
    return max(started)[1]


def run_of_job(runs: Path, job: str) -> Path | None:
    """The newest run of a torchrun job whose processes were restarted.

    Returns:
        None if the run has no checkpoint yet.
    """
    started = [
        (str(environment["started"]), run)
        for run, environment in _environments(runs)
        if environment.get("job") == job and checkpoint.saved_steps(run / CHECKPOINTS)
    ]
    return max(started)[1] if started else None


def _environments(runs: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every run folder with the environment in which it was started."""
    for path in runs.glob(f"*/{ENVIRONMENT}"):
        try:
            environment = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue  # a file that is being written
        if isinstance(environment, dict) and "started" in environment:
            yield path.parent, environment


def find_step(path: Path | None, runs: Path, *, step: Choice = "best") -> Path:
    """The checkpoint folder for a command-line argument.

    Args:
        path: a run folder, a step folder, the name of a bundled base, or None (the newest run).
        step: which checkpoint of a run.

    Raises:
        CheckpointError: there is no such checkpoint.
        UsageError: a step of what is one checkpoint only.
    """
    run = newest_run(runs) if path is None else path
    run = find_base(run) or run
    if run.is_file():
        if run.suffix.lower() == ".zip":
            raise CheckpointError(
                f"{printable(run)}: is a zip file. Unzip it, and name the folder in it"
            )
        raise CheckpointError(f"{printable(run)}: is a file, not a run folder")
    if (run / "manifest.json").is_file():
        if step != "best":
            raise UsageError(
                f"{printable(run)}: is a single checkpoint, so none can be chosen. Name a run "
                "folder instead, or leave the step out"
            )
        return run
    if isinstance(step, int) and run.exists():
        return _numbered_step(run, step)
    index = checkpoint.read_index(run / CHECKPOINTS)
    if index is None:
        if not run.exists():
            raise CheckpointError(f"{printable(run)}: no such folder")
        if checkpoint.saved_steps(run / CHECKPOINTS):
            raise CheckpointError(
                f"{printable(run)}: index.json is missing. Name one of the step folders in "
                f"{CHECKPOINTS}, or let `lstmgen train --resume {printable(run)}` rebuild it"
            )
        raise CheckpointError(f"{printable(run)}: is not a checkpoint and holds none yet")
    return checkpoint.step_folder(run / CHECKPOINTS, index.last if step == "last" else index.best)


def _numbered_step(run: Path, step: int) -> Path:
    steps = sorted(checkpoint.saved_steps(run / CHECKPOINTS))
    if step in steps:
        return checkpoint.step_folder(run / CHECKPOINTS, step)
    if not steps:
        raise CheckpointError(f"{printable(run)}: is not a checkpoint and holds none yet")
    shown = ", ".join(str(number) for number in steps[-LISTED:])
    more = f"{len(steps) - LISTED} more and " if len(steps) > LISTED else ""
    raise CheckpointError(
        f"{printable(run)}: has no checkpoint of step {step}. There are {more}{shown} "
        "(train.keep: how many)"
    )


def describe_step(path: Path, step: int) -> str:
    """A checkpoint in words: its run, its step, and whether that is the best or the last.

    Args:
        path: its folder.
        step: its step.
    """
    index = None
    if path.parent.name == CHECKPOINTS:
        with suppress(CheckpointError):  # a damaged index, which was not needed
            index = checkpoint.read_index(path.parent)
    if index is None:
        return f"{path}, step {step}"
    roles = [name for name in ("best", "last") if getattr(index, name) == step]
    role = " and ".join(roles) or f"the best is {index.best}, the last {index.last}"
    if roles == ["last"]:
        role = f"last, the best is {index.best}"
    return f"{path.parent.parent}, step {step} ({role})"
