"""Text from standard input, kept as a file."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from lstmgen.safe_files import UMASK
from lstmgen.text import unfinished


def save_stdin(folder: Path) -> Path:
    """Copy standard input to a file named by its content, so that it can be read again."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished.sweep(folder)
    handle, name = tempfile.mkstemp(prefix=unfinished.prefix(), dir=folder)
    try:
        with os.fdopen(handle, "w+b") as file, open(0, "rb", closefd=False) as stdin:
            shutil.copyfileobj(stdin, file)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.chmod(name, 0o666 & ~UMASK)
        return Path(name).rename(folder / f"stdin-{digest[:16]}.txt")
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unfinished.cannot_write(folder, "a copy of standard input", error) from error
        raise
