"""Finding the files of a text."""

import glob
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from lstmgen.errors import DataError, printable


def find_files(sources: str | Sequence[str], *, key: str) -> list[Path]:
    """The files that a source names: a file, a folder, a glob, or a list of these.

    Args:
        sources: as in ``data.train``; the order is kept, a folder's files are sorted by name.
        key: the config key, for messages.

    Raises:
        DataError: nothing is found, or something is not a readable file.
    """
    listed = [sources] if isinstance(sources, str) else list(sources)
    if not listed or not all(listed):
        raise DataError(f"{key}: no text is named. Write a path: {key}=story.txt")
    files: list[Path] = []
    for source in listed:
        path = Path(source)
        if os.path.isdir(path):  # unlike Path.is_dir it takes a name of any length
            matches = sorted(p for p in path.glob("*.txt") if p.is_file())
            if not matches:
                raise DataError(f"{key} = {printable(source)}: the folder holds no *.txt file")
        elif os.path.exists(path) or not glob.has_magic(source):
            matches = [path]
        else:
            matches = sorted(
                Path(p) for p in glob.glob(source, recursive=True) if os.path.isfile(p)
            )
            if not matches:
                raise DataError(f"{key} = {printable(source)}: no file matches the pattern")
        files += matches
    for path in files:
        check_readable(path, key=key)
    return files


def short_names(paths: Sequence[Path]) -> list[str]:
    """File names, with their folder's name only if several files have the same name."""
    names = [path.name for path in paths]
    return [f"{p.parent.name}/{p.name}" if names.count(p.name) > 1 else p.name for p in paths]


def check_readable(path: Path, *, key: str) -> None:
    """Raise a DataError that names the key and the file, unless the file can be read."""
    name = f"{key} = {printable(path)}"
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its writer
            hint = {"data.train": ". For a pipe write data.train=-", "--text": ". For a pipe "
                       "write --text -"}.get(key, "")  # fmt: skip
            raise DataError(f"{name}: is not a plain file{hint}")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise DataError(f"{name}: no such file or folder") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{name}: cannot be read ({why})") from None
