"""The spacing rule of the word tokenizer, and detokenization by it.

There is no space
- before white space, closing marks (. , ; : ! ? ) ...), a possessive 's, joining marks
  (- / and dashes) and characters of scripts that are written without spaces;
- after white space, opening marks, elided words (l', d'), joining marks, such
  characters, and at the start;
- after an opening quotation mark, and before a closing one.
Everywhere else there is one space. A token whose form ends in ``¬`` is an exception to the rule.

Quotation marks. Paired ones are recognized by their character: “ opens, ” closes (and “ closes
after „, as « closes after »). Straight ones open and close alternately within a line. A mark that
is an exception has the opposite role, so an unclosed quote, an apostrophe, or ”so” marks do not
mislead the marks that follow.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from lstmgen.text.apostrophes import APOSTROPHES, is_elided, is_possessive

Kind = Literal["word", "word_v1", "whitespace", "character"]

FLIPPED = "¬"

# Token classes of the rule.
PLAIN, SPACE, CLOSE, OPEN, JOIN, START = range(6)
# Quotation marks, whose role depends on context: straight; opening; „, which always opens;
# closing; and », which closes too, but opens in »German« texts. Double marks are even numbers.
DOUBLE, SINGLE = 6, 7
DOUBLE_OPEN, SINGLE_OPEN = 8, 9
DOUBLE_LOW, SINGLE_LOW = 10, 11
DOUBLE_CLOSE, SINGLE_CLOSE = 12, 13
DOUBLE_ANGLE, SINGLE_ANGLE = 14, 15

_OTHER_QUOTES = (DOUBLE_LOW, SINGLE_LOW, DOUBLE_ANGLE, SINGLE_ANGLE)  # open by BY_OTHER

_CLOSING = frozenset(".,;:!?)]}…%‰°。，、；：！？）」』】》〉．؟،।")
_OPENING = frozenset("([{¿¡$£€#@（「『【《〈")
_JOINING = frozenset("-/_~—–‐‑―\\")
_QUOTES = {
    '"': DOUBLE,
    "'": SINGLE,
    **dict.fromkeys("“«", DOUBLE_OPEN),
    **dict.fromkeys("‘‹", SINGLE_OPEN),
    "„": DOUBLE_LOW,
    "‚": SINGLE_LOW,
    "”": DOUBLE_CLOSE,
    "’": SINGLE_CLOSE,
    "»": DOUBLE_ANGLE,
    "›": SINGLE_ANGLE,
}
_QUOTES_V1 = {
    **dict.fromkeys('"“”„', DOUBLE),
    "'": SINGLE,
    **dict.fromkeys("«‘‚‹", OPEN),
    **dict.fromkeys("’›", CLOSE),
}

# Han, kana, bopomofo, Thai, Lao, Myanmar, Khmer: written without spaces, so a character a token.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\u3005-\u3007\u3041-\u3096"
    "\u309d-\u30ff\u3105-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9fe"
    "\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)


# Typographic variants of a character, mapped to the simplest one.
_SPELLINGS = str.maketrans(
    {**dict.fromkeys("’‘‚‹›`´", "'"), **dict.fromkeys("“”„«»", '"'), **dict.fromkeys("–―", "—")}
)


class Spacing(NamedTuple):
    """State of the rule after some text."""

    previous: int = START  # class of the previous token; OPEN or CLOSE for quotation marks
    # How the line's last double and single mark opened: BY_USUAL or BY_OTHER; 0 if it closed.
    double: int = 0
    single: int = 0


BY_USUAL, BY_OTHER = 1, 2  # by an opening or straight mark; by „ or »


class Placement(NamedTuple):
    """A token in its context."""

    space: bool  # before it
    flipped: bool  # an exception to the rule
    after: Spacing


def rule_tables(kind: Kind) -> dict[str, Any]:
    """The tables of the rule as JSON, for programs in other languages."""
    return {
        "closing": "".join(sorted(_CLOSING)),
        "opening": "".join(sorted(_OPENING)),
        "joining": "".join(sorted(_JOINING)),
        "apostrophes": APOSTROPHES,
        "quotes": _QUOTES_V1 if kind == "word_v1" else _QUOTES,
        "other_quotes": list(_OTHER_QUOTES),
        "unspaced": UNSPACED.pattern,
        "simplest": {chr(code): simple for code, simple in _SPELLINGS.items()} | {"…": "..."},
    }


def is_word(kind: Kind) -> bool:
    """Whether tokens follow the word rules, current or old."""
    return kind in ("word", "word_v1")


def split_form(form: str) -> tuple[str, bool]:
    """A word token's surface, and whether it is an exception to the spacing rule."""
    if len(form) > 1 and form.endswith(FLIPPED):
        return form[:-1], True
    return form, False


def simplify_spelling(form: str) -> str:
    """A form with the simplest quotation marks, dashes and ellipses."""
    surface, flipped = split_form(form)
    surface = surface.translate(_SPELLINGS).replace("…", "...")
    if surface in ("--", "---"):
        surface = "—"
    if surface[:1] == "\n":
        surface = "\n"  # a paragraph break, with or without an empty line
    return surface + FLIPPED * flipped


def surface_of(form: str, kind: Kind) -> str:
    """A token as it is written in a text."""
    return split_form(form)[0] if is_word(kind) else form


def classify(surface: str, kind: Kind = "word") -> int:
    """The class of a surface for the spacing rule."""
    first = surface[0]
    if first.isspace():
        return SPACE
    if first in APOSTROPHES and len(surface) > 1:
        return CLOSE if kind == "word_v1" or is_possessive(surface) else PLAIN
    if kind == "word" and is_elided(surface):
        return OPEN
    quotes = _QUOTES_V1 if kind == "word_v1" else _QUOTES
    if first in quotes:
        return quotes[first]
    if first in _CLOSING:
        return CLOSE
    if first in _OPENING:
        return OPEN
    if first in _JOINING or UNSPACED.match(first):
        return JOIN
    return PLAIN


def place_token(
    role: int,
    spacing: Spacing,
    *,
    flipped: bool | None = None,
    space: bool = False,
    newline: bool = False,
    kind: Kind = "word",
) -> Placement:
    """Append a token to a text.

    Args:
        role: class of the token.
        spacing: state after the text.
        flipped: whether the token is an exception to the rule; None to derive it from ``space``.
        space: whether there is a space before it.
        newline: whether it ends a line.
        kind: ``word`` or ``word_v1``.
    """
    previous, double, single = spacing
    after_text = previous in (PLAIN, CLOSE)
    if role < DOUBLE:
        expected = after_text and role in (PLAIN, OPEN)
        if newline:
            double = single = 0
        return _placement(expected, flipped, space, Spacing(role, double, single))
    quote, opened = role, single if role % 2 else double
    role = _likely_role(quote, previous, opened)
    expected = after_text and role == OPEN
    placement = _placement(expected, flipped, space, spacing)
    if after_text and kind == "word":
        role = OPEN if placement.space else CLOSE
    by = BY_OTHER if quote in _OTHER_QUOTES else BY_USUAL
    opened = 0 if role == CLOSE else by
    after = Spacing(role, double, opened) if quote % 2 else Spacing(role, opened, single)
    return placement._replace(after=after)


def _placement(expected: bool, flipped: bool | None, space: bool, after: Spacing) -> Placement:
    if flipped is None:
        return Placement(space, space != expected, after)
    return Placement(expected != flipped, flipped, after)


def _likely_role(quote: int, previous: int, opened: int) -> int:
    """Whether a quotation mark opens or closes by the rule, from its class and ``Spacing``."""
    if quote in (DOUBLE, SINGLE):
        return CLOSE if opened else OPEN
    if quote in (DOUBLE_LOW, SINGLE_LOW):
        return OPEN
    if quote in (DOUBLE_OPEN, SINGLE_OPEN):
        return CLOSE if opened == BY_OTHER else OPEN
    # » after white space: French may have a no-break space before a closing one.
    return OPEN if previous in (SPACE, START) and opened != BY_USUAL else CLOSE


def unspaced_entries(entries: Sequence[str], spacing: Spacing, *, kind: Kind) -> frozenset[int]:
    """The indices of entries before which there is no space, after some text."""
    if not is_word(kind):
        return frozenset()
    unspaced = set()
    for i, (surface, flipped) in enumerate(map(split_form, entries)):
        if not place_token(classify(surface, kind), spacing, flipped=flipped, kind=kind).space:
            unspaced.add(i)
    return frozenset(unspaced)


class Detokenizer:
    """Converts tokens to text one at a time, as they are generated.

    It depends on the tokens before, so add the tokens of a cue first and discard their text.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.spacing = Spacing()
        self.empty = True

    def add(self, token: str) -> str:
        """The text that this token adds, with the space before it."""
        if is_word(self.kind):
            surface, flipped = split_form(token)
            role, newline = classify(surface, self.kind), surface[0] == "\n"
            placement = place_token(
                role, self.spacing, flipped=flipped, newline=newline, kind=self.kind
            )
            self.spacing = placement.after
            return " " * placement.space + surface
        space = self.kind == "whitespace" and not self.empty
        self.empty = False
        return " " * space + token


def detokenize(tokens: list[str], *, kind: Kind = "word") -> str:
    """The text of a list of tokens; the inverse of ``tokenize``."""
    detokenizer = Detokenizer(kind)
    return "".join([detokenizer.add(token) for token in tokens])
