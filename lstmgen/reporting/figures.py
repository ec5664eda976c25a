"""Numbers as people read them."""

import math
from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def perplexity(value: float) -> str:
    """Three or four digits, whatever the size."""
    if math.isnan(value):
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def perplexity_of(nats_per_word: float) -> str:
    """The perplexity of a loss, however large."""
    return "over 10^300" if nats_per_word > 690 else perplexity(math.exp(nats_per_word))


def against(value: float, ngram: float) -> str:
    """An n-gram's perplexity, and whether a network's is better."""
    if value >= ngram:
        return f"{perplexity(ngram)}: counting predicts this text better than the network"
    return f"{perplexity(ngram)}: the network's is {1 - value / ngram:.0%} lower"


def nats(value: float) -> str:
    """Nats per word."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def share(value: float) -> str:
    """A share in percent."""
    return f"{100 * value:.1f} %"


def duration(seconds: float) -> str:
    """Minutes and seconds, hours where needed."""
    whole = round(seconds)
    hours, minutes, left = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {left:02d} s" if minutes else f"{left} s"


def curve(values: Sequence[float], *, width: int, plain: bool) -> str:
    """A line of bars, the highest value the tallest, drawn from left to right.

    Args:
        width: at most so many bars; more values are thinned out.
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


def output_label(output: str) -> str:
    """What stands beside a perplexity that is not the exact softmax's."""
    return ", adaptive softmax" if output == "adaptive" else ""
