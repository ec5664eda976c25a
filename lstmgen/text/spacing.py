"""Where a space stands before a token: the rule of the word tokenizer, and joining by it."""

import re
from typing import Literal, NamedTuple

Kind = Literal["word", "whitespace", "character"]

FLIPPED = "¬"

# Classes of tokens, for the rule.
PLAIN, SPACE, CLOSE, OPEN, JOIN, DOUBLE, SINGLE, START = range(8)

_CLOSING = frozenset(".,;:!?)]}…%‰°”’›。，、；：！？）」』】》〉．؟،।")
_OPENING = frozenset("([{‘‚‹«¿¡$£€#@（「『【《〈")
_JOINING = frozenset("-/_~—–‐‑―\\")
_DOUBLES = frozenset('"“”„')

# Han, kana, bopomofo, Thai, Lao, Myanmar, Khmer: written without spaces, cut by character.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\u3005-\u3007\u3041-\u3096"
    "\u309d-\u30ff\u3105-\u312f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9fe"
    "\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)


class Spacing(NamedTuple):
    """What the rule must remember of the text so far."""

    previous: int = START  # class of the token before; quotes count as opening or closing
    double: bool = False  # an odd number of double quotes stands in this line
    single: bool = False  # likewise of straight single quotes


def split_form(form: str) -> tuple[str, bool]:
    """A word token's surface, and whether it departs from the spacing rule."""
    if len(form) > 1 and form.endswith(FLIPPED):
        return form[:-1], True
    return form, False


def surface_of(form: str, kind: Kind) -> str:
    """A token as it is written."""
    return split_form(form)[0] if kind == "word" else form


def classify(surface: str) -> int:
    """The class of a surface for the spacing rule."""
    first = surface[0]
    if first.isspace():
        return SPACE
    if first in _DOUBLES:
        return DOUBLE
    if first == "'" or first == "’":
        if len(surface) > 1:
            return CLOSE
        return SINGLE if first == "'" else CLOSE
    if first in _CLOSING:
        return CLOSE
    if first in _OPENING:
        return OPEN
    if first in _JOINING or UNSPACED.match(first):
        return JOIN
    return PLAIN


def space_before(surface: str, spacing: Spacing) -> tuple[bool, Spacing]:
    """Whether the rule puts a space before a token, and the memory after it."""
    kind = classify(surface)
    previous, double, single = spacing
    if kind == DOUBLE:
        kind, double = (CLOSE if double else OPEN), not double
    elif kind == SINGLE:
        kind, single = (CLOSE if single else OPEN), not single
    elif surface[0] == "\n":
        double = single = False
    space = previous in (PLAIN, CLOSE) and kind in (PLAIN, OPEN)
    return space, Spacing(kind, double, single)


class Joiner:
    """Turns tokens into text one at a time, as they are generated.

    It remembers the tokens before, so a cue is added first and its text dropped.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.spacing = Spacing()
        self.begun = False

    def add(self, token: str) -> str:
        """The text that this token adds, with the space that stands before it."""
        if self.kind == "word":
            surface, flipped = split_form(token)
            space, self.spacing = space_before(surface, self.spacing)
            return (" " if space != flipped else "") + surface
        space = self.kind == "whitespace" and self.begun
        self.begun = True
        return (" " if space else "") + token


def detokenize(tokens: list[str], *, kind: Kind = "word") -> str:
    """The text of a list of tokens; the inverse of ``tokenize``."""
    joiner = Joiner(kind)
    return "".join([joiner.add(token) for token in tokens])
