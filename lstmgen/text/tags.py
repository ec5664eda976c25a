"""Tags: the names of the voices in a text, each an entry of the vocabulary (``data.tags``).

A document is opened by ``<story>`` and its tag, so the model learns to write in the voice that a
tag names (control codes; Keskar et al. 2019, CTRL). An entry has a blank inside, which no
tokenizer leaves in a token, so no word of a text can be taken for a tag.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

from lstmgen.errors import printable
from lstmgen.text.reading import normalize, remove_control

_START, _END = "<tag ", ">"


def tag_entry(name: str) -> str:
    """The vocabulary entry of a tag."""
    return f"{_START}{name}{_END}"


def tag_name(entry: str) -> str | None:
    """The name of a tag, given its vocabulary entry; None for any other entry."""
    if entry.startswith(_START) and entry.endswith(_END):
        return entry[len(_START) : -len(_END)]
    return None


def is_tag(entry: str) -> bool:
    """Whether a vocabulary entry is a tag."""
    return tag_name(entry) is not None


def file_tags(paths: Sequence[Path], *, known: Collection[str] = ()) -> list[str]:
    """The tag of each file of a text: the name of its folder, or of itself if all share a folder.

    Args:
        known: tags of the training text; a file's folder or the file itself may have one of these.
    """
    shared = len({path.absolute().parent for path in paths}) <= 1
    tags = []
    for path in paths:
        folder, own = _clean(path.absolute().parent.name), _clean(path.stem)
        usual, other = (own, folder) if shared else (folder, own)
        tags.append(other if usual not in known and other in known else usual)
    return tags


def _clean(name: str) -> str:
    """A file name as valid, printable text."""
    name = name.encode("utf-8", errors="replace").decode("utf-8")
    return printable(remove_control(normalize(name))) or "unnamed"
