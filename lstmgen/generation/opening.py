"""The text that each continuation begins with (``sample.start_with``)."""

import copy
from dataclasses import dataclass

from lstmgen.generation.cue import Cue, needs_space
from lstmgen.text.reading import normalize, remove_control
from lstmgen.text.spacing import is_word, surface_of
from lstmgen.text.tokenizer import tokenize


@dataclass(frozen=True)
class Opening:
    """A text that follows a cue, as it is read and printed.

    Attributes:
        text: with the space before it, if it needs one.
        surfaces: of its tokens.
        pieces: what each token adds to the cue as printed.
    """

    text: str = ""
    surfaces: tuple[str, ...] = ()
    pieces: tuple[str, ...] = ()


def find_opening(text: str, cue: Cue) -> Opening:
    """The opening of a continuation, after the cue so far; the cue does not read it."""
    kind, trailing = cue.kind, cue.trailing
    space = not trailing and needs_space(text, cue.detokenizer, lowercase=cue.lowercase)
    text = " " * space + text
    detokenizer = copy.copy(cue.detokenizer)
    tokens = tokenize(normalize(trailing + text), kind=kind, spacing=detokenizer.spacing)
    printed, pieces = trailing if is_word(kind) else trailing[:1], []
    for token in tokens:
        piece = detokenizer.add(token)
        length = min(len(printed), len(piece))
        printed, piece = printed[length:], piece[length:]
        pieces.append(remove_control(piece))
    surfaces = tuple(surface_of(token, kind) for token in tokens)
    return Opening(text, surfaces, tuple(pieces))
