"""How many words a model uses, as a table and as JSON."""

import textwrap
from dataclasses import asdict
from typing import Any

from lstmgen.errors import counted, printable
from lstmgen.inspection.memory import TOLERANCE
from lstmgen.inspection.trained_model import MeasuredMemory
from lstmgen.reporting.number_format import perplexity_of

BAR, NUMBERS = 40, 36  # columns of the longest bar and of the numbers before it


def memory_page(measured: MeasuredMemory, *, width: int) -> str:
    """The loss for each number of known words, and what follows from it.

    Args:
        width: of the terminal, in columns.
    """
    curve = measured.curve
    above = [nats - curve.full for nats in curve.nats]
    columns, highest = max(0, min(BAR, width - NUMBERS - 1)), max(*above, 0.0)
    lines = [
        printable(measured.model),
        *_wrap(
            f"Loss with only the last k {measured.unit}s known: {measured.text}, "
            f"{_scored(measured)}",
            width,
        ),
        "",
        f"{'k':>4}{'nats':>8}{'perplexity':>12}{'difference':>12}",
    ]
    for k, nats, more in zip(curve.contexts, curve.nats, above, strict=True):
        bar = "#" * round(columns * max(0.0, more) / highest) if highest else ""
        lines.append(f"{_numbers(str(k), nats)}{more:>+12.4f} {bar}".rstrip())
    lines += [_numbers("all", curve.full), "", *_wrap(_conclusion(measured), width)]
    return "\n".join(lines)


def memory_json(measured: MeasuredMemory) -> dict[str, Any]:
    """The same numbers."""
    return {
        "model": measured.model,
        "text": measured.text,
        "unit": measured.unit,
        "window": measured.window,
        **asdict(measured.curve),
        "words_used": measured.curve.words_used,
        "tolerance": TOLERANCE,
    }


def _numbers(name: str, nats: float) -> str:
    return f"{name:>4}{nats:>8.4f}{perplexity_of(nats):>12}"


def _scored(measured: MeasuredMemory) -> str:
    curve, available = measured.curve, counted(measured.curve.available, measured.unit)
    if curve.scored == curve.available:
        return f"{available} scored"
    return f"{curve.scored:,} of {available} scored, evenly spaced"


def _conclusion(measured: MeasuredMemory) -> str:
    curve, every = measured.curve, f"that with all {measured.unit}s known"
    known = counted(curve.words_used or curve.contexts[-1], measured.unit)
    if curve.words_used is None:
        found, distance = f"more than {known}", f"still more than {TOLERANCE} nats from"
    else:
        found, distance = f"about {known}", f"within {TOLERANCE} nats of"
    text = (
        f"The model uses {found}: with only the last {known} known, the loss is {distance} "
        f"{every} (trained with window {measured.window})."
    )
    if curve.shorter_is_better is not None:
        best = counted(curve.shorter_is_better, measured.unit)
        text += f" It predicts this text best with only the last {best} known."
    return text


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(printable(text), max(20, width))
