"""Where a space stands before a token: the rule of the word tokenizer, and joining by it.

No space stands
- before white space, closing marks (. , ; : ! ? ) ...), a possessive 's, joining marks
  (- / and dashes) and characters of scripts that are written without spaces;
- after white space, opening marks, elided words (l', d'), joining marks, such
  characters, and at the start;
- after a quotation mark that opens, and before one that closes.
Everywhere else one space stands. A token whose form ends in ``¬`` departs from the rule.

Quotation marks. One that has a partner of its own is told by its character: “ opens,
” closes (and “ closes what „ opened, as « closes what » opened). Straight marks open
and close by turns within a line. A mark that departs from the rule has the other role, so
a quote left open, an apostrophe, or ”so” marks mislead nothing that follows them.
"""

import re
from typing import Literal, NamedTuple

from lstmgen.text.contractions import APOSTROPHES, is_elided, is_possessive

Kind = Literal["word", "word_v1", "whitespace", "character"]

FLIPPED = "¬"

# Classes of tokens, for the rule.
PLAIN, SPACE, CLOSE, OPEN, JOIN, START = range(6)
# Quotation marks, whose role is found in their place: straight ones; those that open; „, which
# always does; those that close; and », which does so too, but opens in »German« texts. Those of
# double marks are even numbers.
DOUBLE, SINGLE = 6, 7
DOUBLE_OPEN, SINGLE_OPEN = 8, 9
DOUBLE_LOW, SINGLE_LOW = 10, 11
DOUBLE_CLOSE, SINGLE_CLOSE = 12, 13
DOUBLE_ANGLE, SINGLE_ANGLE = 14, 15

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

# Han, kana, bopomofo, Thai, Lao, Myanmar, Khmer: written without spaces, cut by character.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\u3005-\u3007\u3041-\u3096"
    "\u309d-\u30ff\u3105-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9fe"
    "\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)


# Characters that are written in several ways, as one.
_SPELLINGS = str.maketrans(
    {**dict.fromkeys("’‘‚‹›`´", "'"), **dict.fromkeys("“”„«»", '"'), **dict.fromkeys("–―", "—")}
)


class Spacing(NamedTuple):
    """What the rule must remember of the text so far.

    Attributes:
        previous: class of the token before; quotation marks count as opening or closing.
        double, single: how the last double and single quotation mark of this line opened:
            0 where it closed, ``BY_ITS_OWN`` or ``BY_OTHER``.
    """

    previous: int = START
    double: int = 0
    single: int = 0


BY_ITS_OWN, BY_OTHER = 1, 2  # by the mark that always opens, or a straight one; by „ or »


class Placed(NamedTuple):
    """A token in its place: whether a space stands before it, and whether that is the rule."""

    space: bool
    flipped: bool
    after: Spacing


def is_word(kind: Kind) -> bool:
    """Whether tokens are cut and joined by the rules of words, of today or of before."""
    return kind in ("word", "word_v1")


def split_form(form: str) -> tuple[str, bool]:
    """A word token's surface, and whether it departs from the spacing rule."""
    if len(form) > 1 and form.endswith(FLIPPED):
        return form[:-1], True
    return form, False


def in_one_spelling(form: str) -> str:
    """A form with its quotation marks, dashes and ellipses as they are written most simply."""
    surface, flipped = split_form(form)
    surface = surface.translate(_SPELLINGS).replace("…", "...")
    if surface in ("--", "---"):
        surface = "—"
    if surface[:1] == "\n":
        surface = "\n"  # between paragraphs, with an empty line or without
    return surface + FLIPPED * flipped


def surface_of(form: str, kind: Kind) -> str:
    """A token as it is written."""
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
) -> Placed:
    """Put a token behind others.

    Args:
        role: its class.
        spacing: the memory of the text before.
        flipped: whether it departs from the rule; None where ``space`` says what stands there.
        space: whether a space stands before it.
        newline: whether it ends a line.
        kind: ``word`` or ``word_v1``.
    """
    previous, double, single = spacing
    after_text = previous in (PLAIN, CLOSE)
    if role < DOUBLE:
        expected = after_text and role in (PLAIN, OPEN)
        if newline:
            double = single = 0
        return _placed(expected, flipped, space, Spacing(role, double, single))
    quote, opened = role, single if role % 2 else double
    role = _likely_role(quote, previous, opened)
    expected = after_text and role == OPEN
    found = _placed(expected, flipped, space, spacing)
    if after_text and kind == "word":
        role = OPEN if found.space else CLOSE
    by = BY_OTHER if quote in (DOUBLE_LOW, SINGLE_LOW, DOUBLE_ANGLE, SINGLE_ANGLE) else BY_ITS_OWN
    opened = 0 if role == CLOSE else by
    after = Spacing(role, double, opened) if quote % 2 else Spacing(role, opened, single)
    return found._replace(after=after)


def _placed(expected: bool, flipped: bool | None, space: bool, after: Spacing) -> Placed:
    if flipped is None:
        return Placed(space, space != expected, after)
    return Placed(expected != flipped, flipped, after)


def _likely_role(quote: int, previous: int, opened: int) -> int:
    """Whether a quotation mark opens or closes by the rule.

    Args:
        quote: its class. previous: the class of the token before.
        opened: how the last mark like it opened, 0 where it closed.
    """
    if quote in (DOUBLE, SINGLE):
        return CLOSE if opened else OPEN
    if quote in (DOUBLE_LOW, SINGLE_LOW):
        return OPEN
    if quote in (DOUBLE_OPEN, SINGLE_OPEN):
        return CLOSE if opened == BY_OTHER else OPEN
    # », behind white space: French may have a no-break space before a closing one.
    return OPEN if previous in (SPACE, START) and opened != BY_ITS_OWN else CLOSE


class Detokenizer:
    """Turns tokens into text one at a time, as they are generated.

    It remembers the tokens before, so a cue is added first and its text dropped.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.spacing = Spacing()
        self.begun = False

    def add(self, token: str) -> str:
        """The text that this token adds, with the space that stands before it."""
        if is_word(self.kind):
            surface, flipped = split_form(token)
            placed = place_token(
                classify(surface, self.kind),
                self.spacing,
                flipped=flipped,
                newline=surface[0] == "\n",
                kind=self.kind,
            )
            self.spacing = placed.after
            return (" " if placed.space else "") + surface
        space = self.kind == "whitespace" and self.begun
        self.begun = True
        return (" " if space else "") + token


def detokenize(tokens: list[str], *, kind: Kind = "word") -> str:
    """The text of a list of tokens; the inverse of ``tokenize``."""
    detokenizer = Detokenizer(kind)
    return "".join([detokenizer.add(token) for token in tokens])
