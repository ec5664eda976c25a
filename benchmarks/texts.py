"""Texts for a benchmark as both sides read them: tokens on one line, one vocabulary."""

from pathlib import Path

from benchmarks import STORIES
from lstmgen.text.reading import read_blocks
from lstmgen.text.tokenizer import Tokenizer

HELD_OUT = 0.1


def stories() -> str:
    """The bundled stories, one after another."""
    return "".join(path.read_text("utf-8") for path in sorted(STORIES.glob("*.txt")))


def lay_out(source: Path, folder: Path) -> None:
    """Write train.txt, valid.txt, test.txt and vocabulary.txt into a folder.

    Args:
        source: a folder with train.txt and valid.txt of tokens between white space, and
            optionally vocabulary.txt; or a plain text, which is tokenized by lstmgen, with a
            mark for each line end, and its last tenth held out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        parts = {n: (source / f"{n}.txt").read_text("utf-8").split() for n in ("train", "valid")}
        listed = source / "vocabulary.txt"
    else:
        tokenizer = Tokenizer("word")
        numbers = [n for block in read_blocks(source) for n in tokenizer.encode(block)]
        forms = [mark(form) for form in tokenizer.forms()]
        tokens = [forms[n] for n in numbers]
        cut = int(len(tokens) * (1 - HELD_OUT))
        parts, listed = {"train": tokens[:cut], "valid": tokens[cut:]}, None
    parts["test"] = parts["valid"]  # the peer wants one; nobody looks at it here
    for name, tokens in parts.items():
        (folder / f"{name}.txt").write_text(" ".join(tokens) + "\n", encoding="utf-8")
    words = dict.fromkeys(parts["train"] + parts["valid"])
    if listed is not None and listed.is_file():
        words = dict.fromkeys(listed.read_text("utf-8").split())
    (folder / "vocabulary.txt").write_text("\n".join(words) + "\n", encoding="utf-8")


def mark(form: str) -> str:
    """A token without white space."""
    return form.replace("\n", "<line>").replace(" ", "<space>").replace("\t", "<tab>")
