"""Clean Project Gutenberg's books, to train a base on.

    python -m benchmarks clean_books SOURCE TARGET

Each ``*.txt`` of SOURCE (UTF-8 or Latin-1) is written to TARGET without license and transcriber's
lines, hard-wrapped lines joined to paragraphs, typography in one spelling (straight
quotes, em dashes, three full stops), single spaces, and an empty line between paragraphs.
"""

import hashlib
import re
from argparse import ArgumentParser, Namespace
from pathlib import Path

from benchmarks.report import Table

LICENCE_END = re.compile(r"^.*\*END.{0,3}THE SMALL PRINT.*$", re.M)
NOT_THE_BOOK = re.compile(
    r"^\W*(produced by|transcribed (from|by)|html version by|e-?text prepared|note: .*\betext\b|"
    r"transcriber'?s? note|end of (the )?project gutenberg|the end\W*$|contents\W*$|"
    r"\[?illustration)",
    re.I,
)
SPELLINGS = str.maketrans(
    {"’": "'", "‘": "'", "“": '"', "”": '"', "…": "...", "–": "—", "\u00a0": " ", "`": "'"}
)


def is_wrapped(text: str) -> bool:
    """Whether nearly all lines are short: paragraphs are then separated by empty lines."""
    lines = [line for line in text.splitlines() if line]
    return sum(len(line) <= 80 for line in lines) > 0.95 * len(lines)


def unwrap(text: str) -> str:
    """A book with one paragraph per line."""
    text = re.sub(r"^.*?\*\*\* ?START OF[^\n]*\n", "", text, count=1, flags=re.S)
    text = re.split(r"\*\*\* ?END OF|End of (?:the )?Project Gutenberg", text)[0]
    text = text.replace("_", "")
    return "\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text))


def clean(text: str) -> str:
    """The text of a book alone, in normalized typography."""
    text = unwrap(text) if is_wrapped(text) else text
    ends = list(LICENCE_END.finditer(text))
    text = text[ends[-1].end() :] if ends else text
    text = text.translate(SPELLINGS)
    text = re.sub(r"\s*-{2,}\s*", "—", text.replace("_", ""))
    text = re.sub(r" ?— ?", "—", text)
    paragraphs = (" ".join(line.split()) for line in text.splitlines())
    lines = [line for line in paragraphs if line and not NOT_THE_BOOK.match(line)]
    return "\n\n".join(lines) + "\n"


def add_options(parser: ArgumentParser) -> None:
    """Add the two folders."""
    parser.add_argument("source", type=Path, help="folder of the books")
    parser.add_argument("target", type=Path, help="folder to write to")


def run(args: Namespace) -> list[Table]:
    """Clean a folder of books and print a line for each; there is no table."""
    args.target.mkdir(parents=True, exist_ok=True)
    for path in sorted(args.source.glob("*.txt")):
        data = path.read_bytes()
        try:
            text = clean(data.decode("utf-8-sig"))
        except UnicodeDecodeError:
            text = clean(data.decode("latin-1"))
        (args.target / path.name).write_text(text, encoding="utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        print(f"{digest[:16]}  {len(text.split()):>8,} words  {path.stem}")
    return []
