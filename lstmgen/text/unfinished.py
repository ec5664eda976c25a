"""Temporary files of texts that are being prepared, and what killed processes have left of them.

A name says which process of which machine is at work, so that another one can remove what a
process that has ended has left behind.
"""

import hashlib
import os
import re
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path

from lstmgen.errors import StorageError, printable

DAY = 86_400.0  # seconds after which what another machine has left is removed
_NAME = re.compile(r"\.making-([0-9a-f]{8})-(\d{1,10})-.*")


def prefix() -> str:
    """The beginning of this process's temporary names."""
    return f".making-{_machine()}-{os.getpid()}-"


def sweep(folder: Path) -> None:
    """Remove what processes that have ended have left in a folder."""
    for path in folder.glob(".making-*"):
        if _is_left_behind(path):
            shutil.rmtree(path, ignore_errors=True)
            with suppress(OSError):
                path.unlink(missing_ok=True)


def cannot_write(folder: Path, what: str, error: OSError) -> StorageError:
    """The error for a full disk, or another that cannot be written to."""
    free = ""
    with suppress(OSError):
        free = f", {shutil.disk_usage(folder).free:,} bytes are free"
    return StorageError(
        f"{printable(folder)}: {what} cannot be written ({error.strerror}{free}). Free some, or "
        "choose another place with --runs-dir"
    )


def _is_left_behind(path: Path) -> bool:
    match = _NAME.fullmatch(path.name)
    if match is not None and match[1] == _machine():
        return not _runs(int(match[2]))
    newest = 0.0
    for file in (path, *path.glob("*")):
        with suppress(OSError):
            newest = max(newest, file.lstat().st_mtime)
    return time.time() - newest > DAY


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # a process of another user
        return True
    return True


def _machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
