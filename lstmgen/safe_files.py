"""Files of somebody else, read without waiting and written without harm to what is there.

In the place of a file there may be a link, a device, a pipe, or a file of any size.
"""

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from lstmgen.errors import CheckpointError, printable

UMASK = os.umask(0)  # which can only be read by setting it
os.umask(UMASK)


def read_plain(path: Path, *, limit: int) -> bytes:
    """Read a file that is expected to be small, and to be a file.

    Args:
        limit: the most bytes that it may have.

    Raises:
        OSError: it is a pipe, a device or a folder, or is larger.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would wait
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a plain file")
        if status.st_size > limit:
            raise OSError(errno.EFBIG, f"has {status.st_size:,} bytes, more than {limit:,}")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(status.st_size)  # a claimed limit must not allocate memory
    finally:
        os.close(handle)


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file atomically, by a temporary one with a name that nobody has.

    A link in its place is replaced, not followed; a file keeps its mode.
    """
    descriptor, name = tempfile.mkstemp(
        prefix=f".{path.name[:80]}.", suffix=".tmp", dir=path.parent
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _mode(path))
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def write_output(path: Path, data: bytes) -> None:
    """Write a file that a user names: through a link, and into a device or a pipe as it is."""
    try:
        plain = stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        plain = True
    if plain:
        replace_file(path.resolve() if path.is_symlink() else path, data)
        return
    with path.open("wb") as file:
        file.write(data)


def check_plain(folder: Path, *, files: tuple[str, ...], folders: tuple[str, ...]) -> None:
    """Check that what a folder has of these is no link, pipe or device.

    Raises:
        CheckpointError: naming the first that is none.
    """
    for name in (*folders, *files):
        try:
            mode = (folder / name).lstat().st_mode
        except OSError:
            continue
        if not (stat.S_ISREG(mode) if name in files else stat.S_ISDIR(mode)):
            kind = "a link" if stat.S_ISLNK(mode) else "no plain file or folder"
            raise CheckpointError(
                f"{printable(folder / name)}: is {kind}. lstmgen writes none, so this "
                "run folder was changed. Remove it, or start from the run's weights: "
                f"train.init_from={printable(folder)}"
            )


def _mode(path: Path) -> int:
    """The mode of a file that is replaced, or that of a new one."""
    with suppress(OSError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            return stat.S_IMODE(status.st_mode)
    return 0o666 & ~UMASK
