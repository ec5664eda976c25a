"""Run folders: making, locking and finding them, without numpy or torch."""

import fcntl
import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lstmgen.errors import CheckpointError, StorageError, UsageError, printable
from lstmgen.runs import checkpoint
from lstmgen.runs.presets import bases_folder

CHECKPOINTS = "checkpoints"
ENVIRONMENT = "environment.json"
RESOLVED = "resolved.yaml"


def runs_folder(given: Path | None) -> Path:
    """Where runs are: as given, else ``LSTMGEN_RUNS_DIR``, else ``runs`` here."""
    return given or Path(os.environ.get("LSTMGEN_RUNS_DIR") or "runs")


def create_run(runs: Path, name: str) -> Path:
    """Make a run folder of its own, named by the config and the time.

    Raises:
        UsageError: for a name that is no folder name. StorageError: where it cannot be made.
    """
    if not re.fullmatch(r"[^/\0]{1,100}", name) or name.startswith("."):
        raise UsageError(f"--name {printable(name)!r}: must be a plain folder name")
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
            f"{printable(runs)}: no run folder can be made there ({error.strerror}). "
            "Choose another place with --runs-dir"
        ) from error
    raise StorageError(f"{printable(runs)}: a thousand runs of one second")


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold a run folder for one training process; the kernel frees it with the process.

    Raises:
        UsageError: where another process trains there.
    """
    with (run / ".lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = printable(file.read(200)).strip() or "another process"
            raise UsageError(f"{printable(run)} is being trained by {holder}") from None
        except OSError:
            pass  # a file system without locks: train all the same
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        yield


def write_environment(run: Path, facts: dict[str, Any]) -> None:
    """Note when and on what a run was started."""
    started = datetime.now(UTC).isoformat(timespec="microseconds")
    text = json.dumps({"started": started, **facts}, indent=1) + "\n"
    (run / ENVIRONMENT).write_text(text, encoding="utf-8")


def replace_text(path: Path, text: str) -> None:
    """Put a new text in the place of a file in one step."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def newest_run(runs: Path) -> Path:
    """The run with the latest start among those with a complete checkpoint.

    Raises:
        CheckpointError: where there is none.
    """
    started: list[tuple[str, Path]] = []
    for path in runs.glob(f"*/{ENVIRONMENT}"):
        checkpoints = path.parent / CHECKPOINTS
        if (checkpoints / "index.json").is_file() or checkpoint.saved_steps(checkpoints):
            try:
                started.append((str(json.loads(path.read_bytes())["started"]), path.parent))
            except (OSError, ValueError, KeyError, TypeError):
                continue  # another tool's file, or one being written
    if not started:
        raise CheckpointError(
            f"{printable(runs)}: no run with a checkpoint here. Train one: lstmgen train CONFIG"
        )
    return max(started)[1]


def run_of_job(runs: Path, job: str) -> Path | None:
    """The newest run that torchrun's processes had begun before they were started anew.

    Returns:
        None where it had not come to its first checkpoint.
    """
    found = []
    for path in runs.glob(f"*/{ENVIRONMENT}"):
        try:
            facts = json.loads(path.read_bytes())
            if facts["job"] == job and checkpoint.saved_steps(path.parent / CHECKPOINTS):
                found.append((str(facts["started"]), path.parent))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return max(found)[1] if found else None


def find_step(given: Path | None, runs: Path) -> Path:
    """The checkpoint folder that a command line means.

    Args:
        given: a run folder (its best step), a step folder, the name of a base that comes
            along, or None (the newest run's best).

    Raises:
        CheckpointError: where it is neither.
    """
    run = newest_run(runs) if given is None else given
    if not run.exists() and (bases_folder() / run.name).is_dir() and run.name == str(run):
        run = bases_folder() / run.name
    if run.is_file():
        raise CheckpointError(f"{printable(run)}: is a file, not a run folder")
    if (run / "manifest.json").is_file():
        return run
    index = checkpoint.read_index(run / CHECKPOINTS)
    if index is None:
        if not run.exists():
            raise CheckpointError(f"{printable(run)}: no such folder")
        if checkpoint.saved_steps(run / CHECKPOINTS):
            raise CheckpointError(
                f"{printable(run)}: index.json is missing. Name one of the step folders in "
                f"{CHECKPOINTS}, or let `lstmgen train --resume {printable(run)}` make it anew"
            )
        raise CheckpointError(f"{printable(run)}: holds no checkpoint yet, and is none itself")
    return checkpoint.step_folder(run / CHECKPOINTS, index.best)
