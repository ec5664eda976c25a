"""Whether a text is English."""

import re

COMMON = ("the", "and", "of", "to")
MIN_COMMON = 0.06  # of the words; about 0.13 in English prose, below 0.03 in other languages


def is_english(text: str) -> bool:
    """Whether "the", "and", "of" and "to" together are at least 6 % of a text's words."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    return bool(words) and sum(word in COMMON for word in words) >= MIN_COMMON * len(words)
