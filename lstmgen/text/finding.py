"""Finding the files of a text."""

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lstmgen.errors import DataError, printable
from lstmgen.text.file_formats import recognize_format

TEXT_SUFFIXES = (".txt", ".text", ".md")  # in any letter case
RESOLVED = "resolved.yaml"  # a folder with this file is a run, whose log is no text
_FOR_PIPES = {
    "data.train": ". For a pipe write data.train=-",
    "--text": ". For a pipe write --text -",
    "--cues": ". For a pipe write --cues -",
}
_SUFFIXES = f"{', '.join(TEXT_SUFFIXES[:-1])} or {TEXT_SUFFIXES[-1]}"


class Found(NamedTuple):
    """The files of a text, and notices about files that were left out."""

    files: list[Path]
    notices: tuple[str, ...] = ()


def find_files(sources: str | Sequence[str], *, key: str) -> Found:
    """The files that a source names: a file, a folder, a glob, or a list of these.

    A folder stands for its text files (``TEXT_SUFFIXES``) and those of its subfolders, sorted by
    path. Hidden files and folders, and the folders of runs, are left out.

    Args:
        sources: as in ``data.train``; the order is kept.
        key: the config key, for messages.

    Raises:
        DataError: nothing is found, or something is not a readable text file.
    """
    listed = [sources] if isinstance(sources, str) else list(sources)
    if not listed or not all(listed):
        raise DataError(f"{key}: no text is named. Write a path: {key}=story.txt")
    files: list[Path] = []
    notices: list[str] = []
    for source in listed:
        path = Path(source)
        if os.path.isdir(path):  # unlike Path.is_dir it takes a name of any length
            matches, others = _walk(path)
            if not matches:
                raise DataError(f"{key} = {printable(source)}: {_no_texts(others)}")
            if others:
                notices.append(f"{printable(source)}: {_left_out(others)}")
        elif os.path.exists(path) or not glob.has_magic(source):
            matches = [path]
        else:
            matches = sorted(Path(p) for p in _expand(source) if os.path.isfile(p))
            if not matches:
                raise DataError(f"{key} = {printable(source)}: no file matches the pattern")
        files += matches
    for path in files:
        check_readable(path, key=key)
    files = _drop_repeated(files) if len(listed) == 1 else files
    _check_plain_text(files, key=key)
    return Found(files, tuple(notices))


def _expand(pattern: str) -> Iterator[str]:
    """The paths that a pattern matches; ``**`` stands for any folders, each of them once.

    ``glob`` follows a link to a folder above it as often as the system allows.
    """
    before, mark, rest = pattern.partition("**")
    if not mark or (before and not before.endswith(os.sep)) or rest[:1] not in ("", os.sep):
        yield from glob.iglob(pattern, recursive=True)
        return
    seen: set[tuple[int, int]] = set()
    for top in glob.iglob(before) if glob.has_magic(before) else [before or "."]:
        for folder, folders, _ in os.walk(top, followlinks=True):
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            folders[:] = [name for name in folders if not name.startswith(".")]
            here = "" if folder == "." and not before else folder
            yield from _expand(os.path.join(glob.escape(here), rest.lstrip(os.sep) or "*"))


def _walk(folder: Path) -> tuple[list[Path], list[Path]]:
    """The text files in a folder and its subfolders, and its other visible files."""
    texts: list[Path] = []
    others: list[Path] = []
    for name, folders, files in os.walk(folder):
        here = Path(name)
        folders[:] = [
            f for f in folders if not (f.startswith(".") or (here / f / RESOLVED).is_file())
        ]
        for file in files:
            path = here / file
            if not file.startswith(".") and path.is_file():
                is_text = path.suffix.lower() in TEXT_SUFFIXES
                (texts if is_text else others).append(path)
    return sorted(texts), sorted(others)


def _drop_repeated(files: Sequence[Path]) -> list[Path]:
    """Each file once, under its first path, even if links lead to it under others."""
    first: dict[tuple[int, int], Path] = {}
    for path in files:
        status = os.stat(path)
        first.setdefault((status.st_dev, status.st_ino), path)
    return list(first.values())


def _left_out(others: Sequence[Path]) -> str:
    names = ", ".join(printable(name) for name in short_names(others[:5]))
    more = f" and {len(others) - 5:,} more" if len(others) > 5 else ""
    are = "1 file is" if len(others) == 1 else f"{len(others):,} files are"
    return (
        f"{are} left out ({names}{more}), since a folder stands for its {_SUFFIXES} files. "
        "To take others, name them or a pattern"
    )


def _no_texts(others: Sequence[Path]) -> str:
    if not others:
        return f"the folder holds no {_SUFFIXES} file"
    return f"the folder holds no text; {_left_out(others)}, or export them as plain text"


def _check_plain_text(files: Sequence[Path], *, key: str) -> None:
    problems = []
    for path in files:
        kind = recognize_format(path)
        if kind is not None:
            problems.append(f"{printable(path)}: is {kind.name}, not a plain text. {kind.advice}")
    if problems:
        shown = problems[:20] + [f"and {len(problems) - 20:,} more"] * (len(problems) > 20)
        raise DataError(f"{key} = " + "\n".join(shown))


def short_names(paths: Sequence[Path]) -> list[str]:
    """File names, with their folder's name only if several files have the same name."""
    names = [path.name for path in paths]
    return [f"{p.parent.name}/{p.name}" if names.count(p.name) > 1 else p.name for p in paths]


def check_readable(path: Path, *, key: str) -> None:
    """Raise a DataError that names the key and the file, unless the file can be read."""
    name = f"{key} = {printable(path)}"
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its writer
            hint = _FOR_PIPES.get(key, "")
            raise DataError(f"{name}: is not a plain file{hint}")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise DataError(f"{name}: no such file or folder") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{name}: cannot be read ({why})") from None
