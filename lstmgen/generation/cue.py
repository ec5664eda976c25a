"""What a cue is read as."""

from dataclasses import dataclass

from lstmgen.text.reading import normalise, remove_control
from lstmgen.text.tokenizer import Joiner, Kind, split_form, tokenize
from lstmgen.text.vocabulary import STORY, Vocabulary


@dataclass(frozen=True)
class Cue:
    """A cue, cut into what the model reads.

    Attributes:
        text: as typed, without control characters.
        ids: what is read, ``<story>`` first.
        unknown: its words that the vocabulary lacks, in order, each once.
        joiner: puts the spaces into what follows.
        ends_in_space: the typed text already holds the space before what follows.
    """

    text: str
    ids: tuple[int, ...]
    unknown: tuple[str, ...]
    joiner: Joiner
    ends_in_space: bool


def read_cue(text: str, vocabulary: Vocabulary, *, kind: Kind, lowercase: bool) -> Cue:
    """Cut a cue; white space at its end is typed, not read.

    A word whose form against the spacing rule is unknown is read as its plain form;
    white space that is unknown is left out.
    """
    normal = normalise(text, lowercase=lowercase)
    ends_in_space = kind != "character" and normal != normal.rstrip(" \t")
    if kind != "character":
        normal = normal.rstrip(" \t")
    joiner = Joiner(kind)
    ids = [vocabulary.ids[STORY]]
    unknown: dict[str, None] = {}
    for token in tokenize(normal, kind=kind):
        joiner.add(token)
        surface, _ = split_form(token) if kind == "word" else (token, False)
        known = token if token in vocabulary.ids else surface
        if known not in vocabulary.ids:
            if surface.isspace():
                continue  # white space that the model never met says nothing to it
            unknown[surface] = None
        ids.append(vocabulary.lookup(known))
    return Cue(remove_control(text), tuple(ids), tuple(unknown), joiner, ends_in_space)
