"""Bars for work of several parts; where stderr is no terminal, a line for each part."""

import sys
from types import TracebackType
from typing import Any

from tqdm import tqdm


class Bars:
    """One bar after the other on stderr, or line, each by the name of what is done."""

    def __init__(self) -> None:
        self.bar: tqdm[Any] | None = None
        self.what = ""

    def __enter__(self) -> "Bars":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def told(self, what: str, done: int, total: int) -> None:
        """Show that so many of all words are done."""
        if what != self.what:
            self._close()
            self.what = what
            if not sys.stderr.isatty():
                print(f"{what}: {total:,} words", file=sys.stderr, flush=True)
            self.bar = tqdm(
                total=total, unit="words", desc=what, leave=False, file=sys.stderr,
                dynamic_ncols=True, disable=None,
            )  # fmt: skip
        if self.bar is not None:
            self.bar.update(done - self.bar.n)

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
