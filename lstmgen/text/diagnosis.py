"""What the files of a text are like, line by line: what may have to be fixed before training."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lstmgen.text.documents import has_gutenberg_mark, split_lines
from lstmgen.text.reading import read_blocks

MAX_PLACES = 3  # named of each problem
LONG_LINE = 20_000  # characters from which a line is probably no paragraph
RUN_IN = 2_000_000  # characters of a file whose letters are counted

# UTF-8 that was read as Windows-1252 or Latin-1: Ã© for é, â€™ for ’, Â before spaces and signs.
_MOJIBAKE = re.compile(
    "[ÃÂ][\u0080-\u00bf]|Ã[ƒ‚„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]|â€[™œ˜“”¦¢\u009d]|\ufffd|ï»¿"
)
_RIGHTS = re.compile(r"all rights reserved|copyright ©|©\s?(?:19|20)\d\d|\bISBN\b", re.IGNORECASE)
_CHAT = re.compile(r"^\[?\d{1,4}[./:-]\d{1,2}.{0,20}?\]?[ -]+[^:]{1,30}: |^<?[\w .]{1,20}[>:] \S")
MIN_CHAT = 0.5  # of the lines, from which a text is a chat log


class Place(NamedTuple):
    """A line of a file."""

    file: str
    line: int  # counted from 1


@dataclass(frozen=True)
class Diagnosis:
    """The lines of a text; only counts.

    Attributes:
        longest: characters of the longest line. longest_at: where it is; None if all are empty.
        scripts: letters of each script, the most frequent first.
        gutenberg, rights, mojibake: the first places with marks of Project Gutenberg, with
            notices of rights, and with characters of a wrongly decoded text.
        wrong: number of such characters.
        chat: lines that begin like those of a chat log.
    """

    characters: int
    lines: int
    longest: int
    longest_at: Place | None
    scripts: tuple[tuple[str, int], ...]
    gutenberg: tuple[Place, ...]
    rights: tuple[Place, ...]
    mojibake: tuple[Place, ...]
    wrong: int
    chat: int

    @property
    def is_chat(self) -> bool:
        """Whether most lines look like messages with a time or a name."""
        return self.lines > 0 and self.chat >= MIN_CHAT * self.lines


def diagnose(paths: Sequence[Path], names: Sequence[str], *, encoding: str | None) -> Diagnosis:
    """Read files and look at each of their lines, in memory that does not grow with them.

    Args:
        names: of the files, for places.
        encoding: as ``data.encoding``.
    """
    found: dict[str, list[Place]] = {"gutenberg": [], "rights": [], "mojibake": []}
    scripts: Counter[str] = Counter()
    characters = lines = wrong = chat = longest = 0
    longest_at: Place | None = None
    for path, name in zip(paths, names, strict=True):
        read = 0
        for number, line in enumerate(split_lines(read_blocks(path, encoding=encoding)), 1):
            line = line.removesuffix("\n")
            place = Place(name, number)
            characters, read = characters + len(line) + 1, read + len(line)
            lines += bool(line.strip())
            if len(line) > longest:
                longest, longest_at = len(line), place
            if read <= RUN_IN:
                scripts.update(filter(None, map(script_of, line)))
            matches = len(_MOJIBAKE.findall(line))
            wrong += matches
            chat += _CHAT.match(line) is not None
            for kind, matched in (
                ("gutenberg", has_gutenberg_mark(line)),
                ("rights", _RIGHTS.search(line) is not None),
                ("mojibake", matches > 0),
            ):
                if matched and len(found[kind]) < MAX_PLACES:
                    found[kind].append(place)
    return Diagnosis(
        characters=characters,
        lines=lines,
        longest=longest,
        longest_at=longest_at,
        scripts=tuple(scripts.most_common()),
        gutenberg=tuple(found["gutenberg"]),
        rights=tuple(found["rights"]),
        mojibake=tuple(found["mojibake"]),
        wrong=wrong,
        chat=chat,
    )


def script_of(character: str) -> str:
    """The script of a letter by its Unicode name, such as ``Latin``; empty if it is none."""
    if character.isascii():
        return "Latin" if character.isalpha() else ""
    if not character.isalpha():
        return ""
    word = unicodedata.name(character, "").partition(" ")[0]
    return {"CJK": "Han", "HIRAGANA": "Kana", "KATAKANA": "Kana"}.get(word, word.capitalize())
