"""Run folders: create, lock and find them, without numpy or torch."""

import fcntl
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from lstmgen.errors import CheckpointError, StorageError, UsageError, printable
from lstmgen.runs import checkpoint
from lstmgen.runs.bundled import find_base
from lstmgen.safe_files import read_plain, replace_file
from lstmgen.text import finding

RESOLVED = finding.RESOLVED
CHECKPOINTS = "checkpoints"
ENVIRONMENT = "environment.json"
MAX_ENVIRONMENT = 1 << 20  # bytes
LISTED = 20  # steps named in an error
RUN_NAME = re.compile(r"(.+)-\d{8}-\d{6}(-\d{1,3})?", re.DOTALL)  # as create_run writes it
LOCK = ".lock"
# `is_locked` holds a lock for a moment, so a failure to lock is final after some attempts only.
LOCK_ATTEMPTS, LOCK_PAUSE = 5, 0.02  # seconds between two

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
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    with open(os.open(run / LOCK, flags, 0o666), "r+", encoding="utf-8") as file:
        if not _lock(file.fileno()):
            file.seek(0)
            owner = printable(file.read(200)).strip() or "another process"
            raise UsageError(f"{printable(run)} is being trained by {owner}")
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield


def _lock(file: int) -> bool:
    """Lock a file for this process; False if another one holds it."""
    for attempt in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt + 1 < LOCK_ATTEMPTS:
                time.sleep(LOCK_PAUSE)
            continue
        except OSError:
            pass  # a file system without locks: train without one
        return True
    return False


def is_locked(run: Path) -> bool:
    """Whether a process trains in a run folder now. Nothing is written or created."""
    try:
        file = os.open(run / LOCK, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for a writer
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without locks
    finally:
        os.close(file)  # which unlocks it
    return False


def write_environment(run: Path, facts: dict[str, Any]) -> None:
    """Record when and in what environment a run was started."""
    started = datetime.now(UTC).isoformat(timespec="microseconds")
    text = json.dumps({"started": started, **facts}, indent=1) + "\n"
    (run / ENVIRONMENT).write_text(text, encoding="utf-8")


def replace_text(path: Path, text: str) -> None:
    """Replace the contents of a file atomically."""
    replace_file(path, text.encode())


def newest_run(runs: Path) -> Path:
    """The run that was started last, of those with a complete checkpoint.

    Raises:
        CheckpointError: there is none.
    """
    started = []
    for run, environment in _environments(runs):
        if has_checkpoint(run):
            started.append((str(environment["started"]), run))
    if not started:
        raise CheckpointError(
            f"{printable(runs)}: no run with a checkpoint here. Train one: lstmgen train CONFIG"
        )
    return max(started)[1]


def has_checkpoint(run: Path) -> bool:
    """Whether a run folder has a complete checkpoint."""
    checkpoints = run / CHECKPOINTS
    return (checkpoints / "index.json").is_file() or bool(checkpoint.saved_steps(checkpoints))


def find_run(path: Path, runs: Path, *, note: Callable[[str], None] = lambda text: None) -> Path:
    """The folder that an argument means, which may be a name.

    An existing path comes first, then a bundled base's name, then the name of a folder in
    ``runs``, with or without the time at its end. Of several runs with a name it is the newest,
    of those with a complete checkpoint if there are any.

    Args:
        note: is called with a line that names the run, if several have the name.

    Returns:
        ``path`` itself if nothing else is found.
    """
    if os.path.exists(path) or path.name != str(path):
        return path
    base = find_base(path)
    if base is not None:
        return base
    named = runs_named(path.name, runs)
    if len(named) > 1:
        note(f"note: {len(named)} runs are named {path}. This is the newest: {named[0]}")
    return named[0] if named else path


def runs_named(name: str, runs: Path) -> list[Path]:
    """The run folders with a name, newest first; a complete folder name has only one."""
    folder = runs / name
    if os.path.isdir(folder):
        return [folder]
    started = {run: str(environment["started"]) for run, environment in _environments(runs)}
    try:
        found = [runs / entry.name for entry in os.scandir(runs) if entry.is_dir()]
    except OSError:
        return []
    matches = {run: RUN_NAME.fullmatch(run.name) for run in found}
    named = [run for run, match in matches.items() if match and match[1] == name]
    return sorted(
        named, key=lambda run: (has_checkpoint(run), started.get(run, ""), run.name), reverse=True
    )


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
            environment = read_environment(path.parent)
        except (OSError, ValueError):
            continue  # a file that is being written
        if "started" in environment:
            yield path.parent, environment


def read_environment(run: Path) -> dict[str, Any]:
    """When and in what environment a run was started.

    Raises:
        OSError: the file cannot be read. ValueError: it holds something else.
    """
    try:
        environment = json.loads(read_plain(run / ENVIRONMENT, limit=MAX_ENVIRONMENT))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(environment, dict):
        raise ValueError("not an object")
    return environment


def find_step(path: Path | None, runs: Path, *, step: Choice = "best") -> Path:
    """The checkpoint folder for a command-line argument.

    Args:
        path: a run folder, a step folder, a name (``find_run``), or None (the newest run).
        step: which checkpoint of a run.

    Raises:
        CheckpointError: there is no such checkpoint.
        UsageError: a step of what is one checkpoint only.
    """
    run = newest_run(runs) if path is None else find_run(path, runs)
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
            raise CheckpointError(_no_such_run(run, runs))
        if checkpoint.saved_steps(run / CHECKPOINTS):
            raise CheckpointError(
                f"{printable(run)}: index.json is missing. Name one of the step folders in "
                f"{CHECKPOINTS}, or let `lstmgen train --resume {printable(run)}` rebuild it"
            )
        raise CheckpointError(
            f"{printable(run)}: is not a checkpoint and holds none yet{_hint(run, runs)}"
        )
    return checkpoint.step_folder(run / CHECKPOINTS, index.last if step == "last" else index.best)


def _no_such_run(run: Path, runs: Path) -> str:
    if run.name != str(run):
        return f"{printable(run)}: no such folder"
    return (
        f"{printable(run)}: no such folder, and no run in {printable(runs)} has this name. "
        "To list the runs: lstmgen runs"
    )


def _hint(folder: Path, runs: Path) -> str:
    """Where the run is that has the name of a folder which is none; else empty."""
    named = runs_named(folder.name, runs) if folder.name == str(folder) else []
    return f". The run of this name is {printable(named[0])}" if named else ""


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
