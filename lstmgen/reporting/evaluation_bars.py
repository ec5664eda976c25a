"""Progress of work in several parts: a bar for each; if stderr is no terminal, a line."""

import sys
from typing import Any

from tqdm import tqdm

from lstmgen.errors import counted


class ProgressBars:
    """A progress bar on stderr for each part of the work; use ``contextlib.closing``."""

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None
        self.part = ""

    def update(self, part: str, done: int, total: int) -> None:
        """Show how many words of a part are done."""
        if part != self.part:
            self.close()
            self.part = part
            if not sys.stderr.isatty():
                print(f"{part}: {counted(total, 'word')}", file=sys.stderr, flush=True)
            self.bar = tqdm(
                total=total, unit="words", desc=part, leave=False, file=sys.stderr,
                dynamic_ncols=True, disable=None,
            )  # fmt: skip
        if self.bar is not None:
            self.bar.update(done - self.bar.n)

    def close(self) -> None:
        """Remove the current bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
