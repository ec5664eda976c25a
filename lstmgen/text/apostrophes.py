"""Words with apostrophes: what counts as one token, and what may follow what.

A contraction is one token: don't, I'll, o'clock, aujourd'hui. Two things are separate tokens,
because they combine with very many words: the possessive 's, attached to the word before it,
and the elided words of French, Italian and Catalan (l', d', qu'), attached to a vowel after
them. ``generation.constraints`` keeps malformed combinations from being sampled.
"""

import re

APOSTROPHES = "'’"

# Elided words; they occur only before a vowel or an h.
_ELIDED = (
    "l|d|j|m|t|s|n|c|qu|jusqu|lorsqu|puisqu|quoiqu|presqu|quelqu|entr|v|un|all|dall|dell|nell|"
    "sull|coll|gl|quest|quell|bell|sant|dov|com|cos"
)
_VOWELS = "aeiouyhàâäáèêëéìîïíòôöóùûüúœæ"
# English words whose beginning is dropped.
_CLIPPED = "em|tisn['’]t|tis|twas|twere|twill|twould|cause|bout|til|n"


def contraction_patterns(word: str) -> tuple[str, ...]:
    """Regular expressions of word tokens, to try in this order.

    Args:
        word: regular expression of a run of letters and digits.
    """
    apostrophe, end = f"[{APOSTROPHES}]", r"(?![^\W_])"
    possessive = rf"{apostrophe}[sS]{end}"
    inside = rf"(?<=[^\W\d_])(?!{possessive}){apostrophe}(?=[^\W\d_])"
    return (
        rf"(?i:(?:{_ELIDED}){apostrophe}(?=[{_VOWELS}]))",
        rf"{word}(?:{inside}{word}){{0,4}}",
        rf"(?<=[^\W_]){possessive}",
        rf"(?<![^\W_]){apostrophe}(?i:{_CLIPPED}){end}",
    )


def is_possessive(surface: str) -> bool:
    """Whether a token is the 's of a possessive (or of it's)."""
    return len(surface) == 2 and surface[0] in APOSTROPHES and surface[1] in "sS"


def is_elided(surface: str) -> bool:
    """Whether a token is an elided word."""
    return len(surface) > 1 and surface[-1] in APOSTROPHES


_AFTER_ELIDED = re.compile(f"[{_VOWELS}]", re.IGNORECASE)


def follows_elided(surface: str) -> bool:
    """Whether a word may directly follow an elided one."""
    return _AFTER_ELIDED.match(surface) is not None
