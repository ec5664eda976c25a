"""Continuations as people look at them: shaded, copied runs marked, rivals beside words."""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.style import Style
from rich.text import Text

from lstmgen.errors import StorageError, printable
from lstmgen.generation.novelty import LONG, copied_runs, measure_novelty
from lstmgen.generation.pieces import Piece
from lstmgen.generation.samples import Result
from lstmgen.reporting.explanation import shown_word
from lstmgen.reporting.figures import share
from lstmgen.reporting.inspecting import GATE_COLOURS, blend

UNLIKELY = 0.05  # probability below which a word is underlined
DEEPEST = 1e-4  # probability of the deepest shade
WORD, WIDTH = 14, 100  # columns
_LOG_UNLIKELY, _LOG_DEEPEST = math.log(UNLIKELY), math.log(DEEPEST)
_FONT_FROM_AFAR = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def print_page(result: Result, *, cue: bool, copied: bool, probabilities: bool, color: bool) -> str:
    """All samples, in colours where stdout shows them."""
    console = Console(highlight=False, soft_wrap=True)
    shades = color and console.color_system is not None and not console.no_color
    with console.capture() as captured:
        console.print(
            page(result, cue=cue, copied=copied, probabilities=probabilities, color=color,
                 plain=not shades),
            end="",
        )  # fmt: skip
    return captured.get()


def draw_page(
    result: Result, path: Path, *, cue: bool, copied: bool, probabilities: bool, color: bool
) -> None:
    """The same as an SVG of a terminal, which needs no font from elsewhere.

    Raises:
        StorageError: where it cannot be written.
    """
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, highlight=False)
        console.print(
            page(result, cue=cue, copied=copied, probabilities=probabilities, color=color,
                 plain=False),
            end="",
        )  # fmt: skip
    drawn = _FONT_FROM_AFAR.sub("", console.export_svg(title="lstmgen generate"))
    try:
        path.write_text(drawn, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"--svg {printable(path)}: {error.strerror}") from error


def page(
    result: Result, *, cue: bool, copied: bool, probabilities: bool, color: bool, plain: bool
) -> Text:
    """All samples.

    Args:
        color: shade words by probability. plain: without colours; unlikely words stand
            between underscores.
    """
    found = Text()
    for number, pieces in enumerate(result.samples):
        found.append("---\n" if number else "")
        found.append(printable(result.cue) if cue else "")
        found.append_text(
            _sample(pieces, copied=copied, color=color, plain=plain, begun=bool(cue and result.cue))
        )
        found.append("\n")
        notes = [*_copied_notes(pieces)] if copied else []
        notes += [*_probability_table(result, pieces)] if probabilities else []
        found.append("".join(f"{line}\n" for line in ["", *notes] if notes))
    if copied:
        found.append(f"\n{_summary(result)}\n")
    return found


def _sample(
    pieces: Sequence[Piece], *, copied: bool, color: bool, plain: bool, begun: bool
) -> Text:
    opens: dict[int, list[str]] = {}
    closes: dict[int, list[str]] = {}
    for number, run in enumerate(copied_runs(pieces) if copied else [], start=1):
        opens.setdefault(run.first, []).append("[[")
        closes.setdefault(run.last, []).append(f"]]{number}")
    found = Text()
    for place, piece in enumerate(pieces):
        surface = printable(piece.text)
        body = surface.lstrip(" ")
        found.append(surface[: len(surface) - len(body)] if begun or place else "")
        found.append("".join(opens.get(place, [])))
        found.append_text(_word(piece, body, color=color, plain=plain))
        found.append("".join(closes.get(place, [])))
    return found


def _word(piece: Piece, body: str, *, color: bool, plain: bool) -> Text:
    if not color or piece.drawn is None or not body.strip():
        return Text(body)
    log_probability = piece.drawn.log_probability
    unlikely = log_probability < _LOG_UNLIKELY
    if plain:
        return Text(f"_{body}_" if unlikely else body)
    back = blend(GATE_COLOURS, log_probability / _LOG_DEEPEST)
    style = Style(
        color="black" if sum(back) > 384 else "white",
        bgcolor="rgb({},{},{})".format(*back),
        underline=unlikely,
    )
    return Text(body, style=style)


def _copied_notes(pieces: Sequence[Piece]) -> Iterable[str]:
    for number, run in enumerate(copied_runs(pieces), start=1):
        where = f"{printable(run.location.file)}, line {run.location.line}"
        yield f"{number}: {run.words} words, {where}"


def _probability_table(result: Result, pieces: Sequence[Piece]) -> Iterable[str]:
    yield f"{'word':<{WORD}}{'p':>9}{'rank':>6}{'entropy':>9}  likeliest"
    for piece in pieces:
        drawn = piece.drawn
        if drawn is None:
            continue
        word = set_cell_size(shown_word(piece.text.lstrip(" ") or piece.text), WORD)
        line = f"{word}{drawn.probability:>9.4f}{drawn.rank:>6,}{drawn.entropy:>9.3f}"
        for rival, chance in drawn.alternatives:
            shown = f"  {shown_word(result.word(rival))} {chance:.3f}"
            line += shown if cell_len(line + shown) <= WIDTH else ""
        yield line
    yield "p and rank as the model says, before any filter; entropy in nats"


def _summary(result: Result) -> str:
    novelty = measure_novelty(result.samples)
    return (
        f"{share(novelty.copied_share)} of {novelty.words:,} words stand in copied runs of {LONG} "
        f"or more, the longest run is {novelty.longest} words, distinct-2 {novelty.distinct_2:.3f}"
    )
