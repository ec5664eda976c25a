"""Formatting numbers for people."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # pydantic
    from lstmgen.generation.chosen import ChosenSampling

_BARS = "▁▂▃▄▅▆▇█"


def perplexity(value: float) -> str:
    """Format with three or four digits."""
    if math.isnan(value):
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def perplexity_of(nats_per_word: float) -> str:
    """Format the perplexity of a loss, which may overflow."""
    return "over 10^300" if nats_per_word > 690 else perplexity(math.exp(nats_per_word))


def compare_with_ngram(value: float, ngram: float) -> str:
    """An n-gram's perplexity and how it compares with the network's."""
    if value >= ngram:
        return f"{perplexity(ngram)}: counting predicts this text better than the network"
    return f"{perplexity(ngram)}: the network's is {1 - value / ngram:.0%} lower"


def advise_by_ngram(value: float, ngram: float, *, memorizing: bool, has_base: bool) -> str:
    """The comparison after a training; where the n-gram is better, also why and what to do.

    Args:
        memorizing: whether the network has begun to memorize its text.
        has_base: whether it started from a base.
    """
    comparison = compare_with_ngram(value, ngram)
    if value < ngram:
        return comparison
    if not memorizing:
        return f"{comparison}, which has learned too little; what helps: more text or more epochs"
    base = "" if has_base else " or a base of its language (train.init_from)"
    return (
        f"{comparison}, which has memorized the training text rather than learned from it; "
        f"what helps: more text{base}"
    )


def chosen_temperature(sampling: "ChosenSampling") -> str:
    """The temperature that was chosen, and why."""
    weight = f", n-gram weight {sampling.ngram_weight:g}" if sampling.ngram_weight else ""
    return (
        f"{sampling.temperature:g}{weight}, chosen for this text: {percent(sampling.novelty)} of "
        f"the word pairs are new, in held-out text {percent(sampling.held_out_novelty)}"
    )


def nats(value: float) -> str:
    """Format a loss in nats per word."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def percent(fraction: float) -> str:
    """Format a fraction in percent."""
    return f"{100 * fraction:.1f} %"


def duration(seconds: float) -> str:
    """Format a time in seconds, minutes and hours."""
    rounded = round(seconds)
    hours, minutes, rest = rounded // 3600, rounded // 60 % 60, rounded % 60
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def epochs(value: float) -> str:
    """Format a number of epochs with at most two digits after the point: 7.5 epochs, 1 epoch."""
    text = f"{value:,.2f}".rstrip("0").rstrip(".")
    return f"{text} epoch{'' if text == '1' else 's'}"


def curve(values: Sequence[float], *, width: int, plain: bool) -> str:
    """A sparkline.

    Args:
        width: maximum number of bars; more values are subsampled.
        plain: digits 0-9 instead of bars, for terminals without Unicode.
    """
    values = [value for value in values if math.isfinite(value)]
    if not values:
        return "-"
    if len(values) > width:
        values = [values[round(i * (len(values) - 1) / (width - 1))] for i in range(width)]
    low, high = min(values), max(values)
    marks = "0123456789" if plain else _BARS
    span = (high - low) or 1.0
    return "".join(marks[round((v - low) / span * (len(marks) - 1))] for v in values)


def unknown_label(rate: float) -> str:
    """The suffix of a perplexity over less than half of the tokens; else empty."""
    return f", {percent(rate)} of the tokens unknown" if rate > 0.5 else ""


def output_label(output: str) -> str:
    """The suffix of a perplexity that is not the exact softmax's."""
    return ", adaptive softmax" if output == "adaptive" else ""
