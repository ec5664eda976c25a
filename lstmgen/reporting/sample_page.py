"""Continuations with shaded words, marked copies and tables of probabilities."""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.style import Style
from rich.text import Text

from lstmgen.errors import StorageError, counted, printable
from lstmgen.generation.novelty import Novelty, copied_runs, measure_novelty, min_length
from lstmgen.generation.pieces import Piece
from lstmgen.generation.sample_results import Result
from lstmgen.reporting.explanation import shown_word
from lstmgen.reporting.heat_map import GATE_COLORS, background, interpolate

WORD, WIDTH = 14, 100  # columns
_LOG_UNLIKELY = math.log(0.05)  # words below it are underlined
_LOG_DARKEST = math.log(1e-4)  # of the darkest shade
_WEB_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


class PageOptions(NamedTuple):
    """What is printed of the samples."""

    cue: bool
    copied: bool  # mark copied passages
    probabilities: bool  # print tables of words
    color: bool  # shade words by probability


def print_page(result: Result, options: PageOptions) -> str:
    """All samples, in color if stdout supports it."""
    console = Console(highlight=False, soft_wrap=True)
    has_colors = console.color_system is not None and not console.no_color
    with console.capture() as captured:
        console.print(page(result, options, plain=not has_colors), end="")
    return captured.get()


def draw_page(result: Result, path: Path, options: PageOptions) -> None:
    """Save the page as an SVG of a terminal that loads no web font.

    Raises:
        StorageError: if it cannot be written.
    """
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, highlight=False)
        console.print(page(result, options, plain=False), end="")
    svg = _WEB_FONT.sub("", console.export_svg(title="lstmgen generate"))
    try:
        path.write_text(svg, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"--svg {printable(path)}: {error.strerror}") from error


def page(result: Result, options: PageOptions, *, plain: bool) -> Text:
    """All samples; if ``plain``, unlikely words are between underscores instead of colored."""
    text = Text()
    for number, pieces in enumerate(result.samples):
        text.append("---\n" if number else "")
        text.append(printable(result.cue) if options.cue else "")
        after_cue = bool(options.cue and result.cue)
        text.append_text(_sample(result, pieces, options, plain=plain, after_cue=after_cue))
        text.append("\n")
        notes = [*_copied_notes(result, pieces)] if options.copied else []
        notes += [*_probability_table(result, pieces)] if options.probabilities else []
        text.append("".join(f"{line}\n" for line in ["", *notes] if notes))
    if options.copied:
        novelty = measure_novelty(result.samples, result.generator.passage_unit)
        text.append(
            f"\n{': '.join(copied_summary(novelty))}; distinct-2 {novelty.distinct_2:.3f}\n"
        )
    return text


def _sample(
    result: Result,
    pieces: Sequence[Piece],
    options: PageOptions,
    *,
    plain: bool,
    after_cue: bool,
) -> Text:
    opening: dict[int, str] = defaultdict(str)
    closing: dict[int, str] = defaultdict(str)
    runs = copied_runs(pieces, result.generator.passage_unit) if options.copied else []
    for number, run in enumerate(runs, start=1):
        opening[run.first] += "[["
        closing[run.last] += f"]]{number}"
    text = Text()
    for place, piece in enumerate(pieces):
        surface = printable(piece.text)
        body = surface.lstrip(" ")
        text.append(surface[: len(surface) - len(body)] if after_cue or place else "")
        text.append(opening[place])
        text.append_text(_word(piece, body, color=options.color, plain=plain))
        text.append(closing[place])
    return text


def _word(piece: Piece, body: str, *, color: bool, plain: bool) -> Text:
    if not color or piece.details is None or not body.strip():
        return Text(body)
    log_probability = piece.details.log_probability
    unlikely = log_probability < _LOG_UNLIKELY
    if plain:
        return Text(f"_{body}_" if unlikely else body)
    style = background(interpolate(GATE_COLORS, log_probability / _LOG_DARKEST))
    return Text(body, style=style + Style(underline=unlikely))


def _copied_notes(result: Result, pieces: Sequence[Piece]) -> Iterable[str]:
    unit = result.generator.passage_unit
    for number, run in enumerate(copied_runs(pieces, unit), start=1):
        where = f"{printable(run.location.file)}, line {run.location.line}"
        yield f"{number}: {run.length} {unit.name}, {where}"


def _probability_table(result: Result, pieces: Sequence[Piece]) -> Iterable[str]:
    yield f"{'word':<{WORD}}{'p':>9}{'rank':>6}{'entropy':>9}  most likely"
    for piece in pieces:
        details = piece.details
        if details is None:
            continue
        word = set_cell_size(shown_word(piece.text.lstrip(" ") or piece.text), WORD)
        line = f"{word}{details.probability:>9.4f}{details.rank:>6,}{details.entropy:>9.3f}"
        for other, p in details.alternatives:
            entry = f"  {shown_word(result.generator.surface(other))} {p:.3f}"
            line += entry if cell_len(line + entry) <= WIDTH else ""
        yield line
    yield "p and rank are the model's, before any filter; entropy in nats"


def copied_summary(novelty: Novelty) -> tuple[str, str]:
    """The label and the value of how much was copied."""
    unit = novelty.unit.name
    label = f"copied passages of {min_length(novelty.unit)}+ {unit}"
    total = counted(novelty.words, unit.removesuffix("s"))
    return label, f"{novelty.copied:,} of {total}; longest {novelty.longest:,}"
