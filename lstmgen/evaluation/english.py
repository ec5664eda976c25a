"""Whether a text is English."""

import re

COMMON = ("the", "and", "of", "to")
MIN_COMMON = 0.06  # of the words; 0.10 to 0.17 in 41 English novels and books of tales


def is_english(text: str) -> bool:
    """Whether "the", "and", "of" and "to" together are at least 6 % of a text's words."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    return bool(words) and sum(word in COMMON for word in words) >= MIN_COMMON * len(words)
