"""Words with apostrophes: what is one token, and what stands beside what.

A contraction is one word: don't, I'll, o'clock, aujourd'hui. Two things are tokens of their own,
since they go with very many words: the possessive 's, which closes on the word before it, and
the elided word of French, Italian and Catalan (l', d', qu'), which opens before a vowel.
So nothing malformed can be cut from a text; ``generation.constraints`` keeps it from being drawn.
"""

import re

APOSTROPHES = "'’"

# What is elided, before a vowel or an h only.
_ELIDED = (
    "l|d|j|m|t|s|n|c|qu|jusqu|lorsqu|puisqu|quoiqu|presqu|quelqu|entr|v|un|all|dall|dell|nell|"
    "sull|coll|gl|quest|quell|bell|sant|dov|com|cos"
)
_VOWELS = "aeiouyhàâäáèêëéìîïíòôöóùûüúœæ"
# What English cuts at its beginning.
_CUT_SHORT = "em|tisn['’]t|tis|twas|twere|twill|twould|cause|bout|til|n"


def contraction_patterns(word: str) -> tuple[str, ...]:
    """Regular expressions of the tokens of words, to be tried in this order.

    Args:
        word: the expression of a run of letters and digits.
    """
    apostrophe, end = f"[{APOSTROPHES}]", r"(?![^\W_])"
    possessive = rf"{apostrophe}[sS]{end}"
    inside = rf"(?<=[^\W\d_])(?!{possessive}){apostrophe}(?=[^\W\d_])"
    return (
        rf"(?i:(?:{_ELIDED}){apostrophe}(?=[{_VOWELS}]))",
        rf"{word}(?:{inside}{word}){{0,4}}",
        rf"(?<=[^\W_]){possessive}",
        rf"(?<![^\W_]){apostrophe}(?i:{_CUT_SHORT}){end}",
    )


def is_possessive(surface: str) -> bool:
    """Whether a token is the 's of a possessive (or of it's)."""
    return len(surface) == 2 and surface[0] in APOSTROPHES and surface[1] in "sS"


def is_elided(surface: str) -> bool:
    """Whether a token is an elided word."""
    return len(surface) > 1 and surface[-1] in APOSTROPHES


_AFTER_ELIDED = re.compile(f"[{_VOWELS}]", re.IGNORECASE)


def follows_elided(surface: str) -> bool:
    """Whether a word may stand right behind an elided one."""
    return _AFTER_ELIDED.match(surface) is not None
