"""The scores of single words and lines: the sums are those of ``perplexity.evaluate`` in one pass.

The text is read as it is there, in windows of the same size, so each word has the same nats.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lstmgen.errors import CheckpointError, DataError, counted, printable
from lstmgen.evaluation.perplexity import compute_perplexity, read_window
from lstmgen.evaluation.score_checkpoint import build_loaded
from lstmgen.evaluation.scored_text import Split
from lstmgen.evaluation.text_stream import TextStream, open_text
from lstmgen.generation.load import LoadedCheckpoint, load_checkpoint
from lstmgen.model.language_model import LanguageModel
from lstmgen.text.token_stream import LineCounts, Tokens, token_windows
from lstmgen.windows.evaluation_lanes import CHUNK
from lstmgen.windows.window import Window


class Details(NamedTuple):
    """A scored word in the model's distribution, before any filter."""

    rank: int  # 1 for the most likely word; ties by id
    top: int  # the id of the most likely word
    top_probability: float
    entropy: float  # of the distribution, in nats


class ScoredWord(NamedTuple):
    """A token of a text; ``nats`` is None if the model has no id for it."""

    file: int
    line: int
    surface: str
    unknown: bool
    nats: float | None
    details: Details | None  # if asked for


class LineScore(NamedTuple):
    """The sums over a line of a text."""

    file: int
    line: int
    words: int  # scored
    unknown: int
    nats: float

    @property
    def perplexity(self) -> float:
        """exp(nats per word); NaN if nothing was scored."""
        return compute_perplexity(self.nats, self.words)


@dataclass
class TextSums:
    """The sums over the words that have been scored so far."""

    nats: float = 0.0
    words: int = 0
    unknown: int = 0

    @property
    def perplexity(self) -> float:
        """exp(nats per word); NaN if nothing was scored."""
        return compute_perplexity(self.nats, self.words)


@dataclass(frozen=True)
class TextScores:
    """The scores of a text, which is read once, by ``words`` or by ``lines``.

    Attributes:
        text: what is scored.
        sums: over the words so far.
    """

    loaded: LoadedCheckpoint
    model: LanguageModel
    text: TextStream
    sums: TextSums

    def words(self) -> Iterator[ScoredWord]:
        """Score every token of the text but the first one, ``<story>``, in one pass.

        Raises:
            CheckpointError: if the model gives no finite probability.
            DataError: if the text cannot be read, or none of its words is known.
        """
        yield from self._words(details=True)

    def lines(self) -> Iterator[LineScore]:
        """The sums over each line; errors as of ``words``."""
        return sum_lines(self._words(details=False), self.text)

    def _words(self, *, details: bool) -> Iterator[ScoredWord]:
        yield from score_words(self.model, self.text, sums=self.sums, details=details)
        if not self.sums.words:
            count = counted(self.sums.unknown, "word")
            name = printable(self.text.name)
            raise DataError(f"{name}: none of its {count} is known, nothing to score")


@contextmanager
def open_scores(
    folder: Path | None, *, text: str | None, split: Split, runs: Path
) -> Iterator[TextScores]:
    """Open a checkpoint and a text to score; arguments and errors as of ``open_scoring``."""
    loaded = load_checkpoint(folder, runs, limit_threads=False)
    with open_text(loaded, text=text, split=split) as stream:
        yield TextScores(loaded, build_loaded(loaded), stream, TextSums())


def score_words(
    model: LanguageModel, text: TextStream, *, sums: TextSums, details: bool
) -> Iterator[ScoredWord]:
    """Score every token of a text but the first one, and add up ``sums``."""
    for tokens, nats, described in _score_windows(model, text.tokens, details=details):
        rows = zip(
            tokens.files.tolist(), tokens.lines.tolist(), tokens.surfaces,
            tokens.unknown.tolist(), nats, described, strict=True,
        )  # fmt: skip
        for word in map(ScoredWord._make, rows):
            if word.nats is not None:
                sums.nats += word.nats
                sums.words += 1
            sums.unknown += word.unknown
            yield word


def sum_lines(words: Iterable[ScoredWord], text: TextStream) -> Iterator[LineScore]:
    """The sums over each line of a text, in order; lines without a word have zeros.

    A text that begins inside a file begins with the line of its first word.
    """
    current: LineScore | None = None
    for word in words:
        if current is None:
            first = word.line if text.inside else 1
            current = LineScore(word.file if text.inside else 0, first, 0, 0, 0.0)
        while (current.file, current.line) < (word.file, word.line):
            yield current
            current = _next_line(current, text.counts, at_most=word)
        current = _add(current, word)
    while current is not None:
        yield current
        last = text.counts.lines.get(current.file, current.line)
        following = current.line < last
        current = LineScore(current.file, current.line + 1, 0, 0, 0.0) if following else None


def _next_line(line: LineScore, counts: LineCounts, *, at_most: ScoredWord) -> LineScore:
    """The line after a line: in the same file, or the first one of the next file that has any."""
    if line.file < at_most.file and line.line >= counts.lines.get(line.file, 0):
        files = range(line.file + 1, at_most.file)
        following = next((file for file in files if counts.lines.get(file)), at_most.file)
        return LineScore(following, 1, 0, 0, 0.0)
    return LineScore(line.file, line.line + 1, 0, 0, 0.0)


def _add(line: LineScore, word: ScoredWord) -> LineScore:
    return LineScore(
        line.file,
        line.line,
        line.words + (word.nats is not None),
        line.unknown + word.unknown,
        line.nats + (word.nats or 0.0),
    )


@torch.no_grad()
def _score_windows(
    model: LanguageModel, stream: Iterable[Tokens], *, details: bool
) -> Iterator[tuple[Tokens, list[float | None], list[Details | None]]]:
    """The tokens of each window, their nats, and their details if asked for."""
    model.eval()
    states = model.zero_states(1)
    for tokens in token_windows(stream, CHUNK):
        scored, states = read_window(model, _window(tokens.ids), states)
        nats: list[float | None] = [None] * (len(tokens) - 1)
        described: list[Details | None] = [None] * (len(tokens) - 1)
        places = scored.columns.tolist()
        if places:
            found, more = model.describe(scored.features, scored.targets, details=details)
            if not found.isfinite().all():
                raise CheckpointError(
                    "the model gives no finite probabilities: its weights are damaged"
                )
            for place, value in zip(places, found.tolist(), strict=True):
                nats[place] = value
            rows = zip(*(values.tolist() for values in more or ()), strict=True)
            for place, row in zip(places, rows, strict=details):
                described[place] = Details._make(row)
        yield tokens.cut(1), nats, described


def _window(ids: NDArray[np.int64]) -> Window:
    """A window with all but the last ids as inputs, and all but the first as targets."""
    one = np.ones(1, dtype=np.int64)
    return Window(
        inputs=ids[None, :-1], targets=ids[None, 1:], first=0 * one, carry=one * (len(ids) - 1),
        rows=0 * one,
    )  # fmt: skip
