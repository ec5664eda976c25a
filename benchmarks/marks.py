"""Faults of punctuation in generated text, for one book in three kinds of quotation marks.

    python -m benchmarks marks --text book.txt [--words 20000]

The book is written with “curly” quotation marks. It is trained on from scratch with the default
settings in three versions: in straight quotation marks and apostrophes, in curly ones, and in
guillemets with curly apostrophes. Each model generates samples of about 100 words
(``lstmgen generate --words 100``, the other settings at their defaults) until there are --words
words. Counted in them:

- Malformed contractions. An apostrophe word is a run of letters, digits and apostrophes that has
  a letter and an apostrophe; apostrophes that open and close a quotation in the same paragraph do
  not belong to it. It is malformed if it does not occur in the book and is not a word of the book
  followed by 's (as "'t" of "don 't", and "'s" with nothing before it), or if the tokens that
  were drawn are not those of the tokenized sample.
- Marks on the wrong side of a space: a space before one of , . ; : ! ? ) ] ” » or after one
  of ( [ “ «, except where the book has the same mark, space and next character (as the dots of
  an ellipsis with spaces). Straight quotation marks open and close by turns in a paragraph.
- Unbalanced paragraphs: those with a kind of quotation marks or brackets that is not in pairs,
  beside those of the book.
- Samples that end inside a sentence: not with a mark that ends one, and its closing marks.
"""

import json
import re
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Table
from benchmarks.trainings import train
from lstmgen.generation.api import Model, Sample, load
from lstmgen.text.marks import unbalanced_families
from lstmgen.text.sentences import ends_inside, split_paragraphs
from lstmgen.text.spacing import split_form
from lstmgen.text.tokenizer import tokenize

BATCH = 100  # samples
LENGTH = 100  # words of a sample
EXAMPLES = 12  # faults of a kind that are printed
APOSTROPHE_WORD = re.compile(r"(?:[^\W_]|['’])*(?:[^\W_]['’]|['’][^\W_])(?:[^\W_]|['’])*")
CLIPPED = r"(?!(?i:em|tis|twas|twill|twould|twere|cause|til)\b)"  # words without their beginning
OPENING = re.compile(rf"(?<![\w'’])['‘]{CLIPPED}(?=\w)")
CLOSING = re.compile(r"(?<=[^\s'‘’])['’](?!\w)")
POSSESSIVES = ("'s", "’s")
WRONG_SIDE = re.compile(r" [,.;:!?)\]”»].?|[(\[“«] .?")
STRAIGHT = str.maketrans("“”‘’", "\"\"''")
GUILLEMETS = str.maketrans("“”", "«»")


@dataclass(frozen=True, slots=True)
class Book:
    """What the faults of samples are compared with.

    Attributes:
        words: that occur, in lower case, apostrophe words among them.
        spaced: each mark beside a space with the next character, as it occurs.
        unbalanced: fraction of the paragraphs.
    """

    words: frozenset[str]
    spaced: frozenset[str]
    unbalanced: float


def versions(text: str) -> dict[str, str]:
    """A book in curly quotation marks, in each kind of marks."""
    curly = re.sub(rf"(?<![^\s(\[“—-])'{CLIPPED}(?=\w)", "‘", text).replace("'", "’")
    return {
        "straight": text.translate(STRAIGHT),
        "curly": curly,
        "guillemets": curly.translate(GUILLEMETS),
    }


def without_quotations(paragraph: str) -> str:
    """A paragraph without the apostrophes that open and close a quotation."""
    characters, start = list(paragraph), 0
    for opening in OPENING.finditer(paragraph):
        closing = CLOSING.search(paragraph, max(start, opening.end()))
        if closing is None:
            break
        if opening.start() >= start:
            characters[opening.start()] = characters[closing.start()] = " "
            start = closing.end()
    return "".join(characters)


def apostrophe_words(text: str) -> Iterator[str]:
    """The apostrophe words of a text, in lower case."""
    for paragraph in text.split("\n"):
        for found in APOSTROPHE_WORD.finditer(without_quotations(paragraph)):
            yield found[0].lower()


def read_book(text: str, *, wrapped: bool) -> Book:
    """What is compared of a book."""
    plain = (word.lower() for word in re.findall(r"[^\W_]+", text))
    paragraphs = split_paragraphs(text, wrapped=wrapped)
    unbalanced = sum(1 for paragraph in paragraphs if unbalanced_families(paragraph))
    return Book(
        frozenset([*plain, *apostrophe_words(text)]),
        frozenset(WRONG_SIDE.findall(text)),
        unbalanced / len(paragraphs),
    )


def malformed(sample: Sample, book: Book) -> list[str]:
    """The malformed contractions of a sample."""
    found = [
        word
        for word in apostrophe_words(sample.text)
        if word in POSSESSIVES
        or (word not in book.words and not (word[-2:] in POSSESSIVES and word[:-2] in book.words))
    ]  # fmt: skip
    drawn = [re.sub(r"^ (?=\S)", "", word.text) for word in sample.words]
    read = [split_form(token)[0] for token in tokenize(sample.text)]
    if drawn != read:
        found += [each for each in {*drawn} ^ {*read} if "'" in each or "’" in each]
    return found


def wrong_side(text: str, book: Book) -> list[str]:
    """The marks of a text that are on the wrong side of a space."""
    found = [each for each in WRONG_SIDE.findall(text) if each not in book.spaced]
    for paragraph in text.split("\n"):
        for number, mark in enumerate(re.finditer('"', paragraph)):
            before = paragraph[: mark.start()][-1:]
            if before == " " if number % 2 else paragraph[mark.end() :][:1] == " ":
                found.append(paragraph[max(0, mark.start() - 5) : mark.end() + 5])
    return found


def generate(model: Model, words: int) -> list[Sample]:
    """Samples of a model that have a number of words together."""
    samples, seed, found = [], 0, 0
    while found < words:
        for sample in model.generate(samples=BATCH, seed=seed, words=LENGTH, stop="story"):
            if found < words:
                samples.append(sample)
                found += count_words(sample)
        seed += 1
    return samples


def count_words(sample: Sample) -> int:
    """The tokens with a letter or digit."""
    return sum(any(map(str.isalnum, word.text)) for word in sample.words)


def measure(samples: Sequence[Sample], book: Book, *, wrapped: bool) -> tuple[str, ...]:
    """The table cells of a version; examples of the faults go to stderr."""
    paragraphs = [p for s in samples for p in split_paragraphs(s.text, wrapped=wrapped)]
    faults = {
        "malformed contractions": [each for s in samples for each in malformed(s, book)],
        "wrong side of a space": [each for s in samples for each in wrong_side(s.text, book)],
        "unbalanced": [p for p in paragraphs if unbalanced_families(p)],
        "end inside a sentence": [s.text[-60:] for s in samples if ends_inside(s.text)],
    }
    shown = {kind: found[:EXAMPLES] for kind, found in faults.items()}
    print(json.dumps(shown, ensure_ascii=False, indent=1), file=sys.stderr, flush=True)
    contractions = sum(1 for s in samples for _ in apostrophe_words(s.text))
    unbalanced, ends = len(faults["unbalanced"]), len(faults["end inside a sentence"])
    return (
        f"{sum(map(count_words, samples)):,}",
        f"{len(faults['malformed contractions'])} of {contractions:,}",
        str(len(faults["wrong side of a space"])),
        f"{unbalanced / len(paragraphs):.1%} of {len(paragraphs):,}",
        f"{book.unbalanced:.1%}",
        f"{ends / len(samples):.1%} of {len(samples)}",
    )


def add_options(parser: ArgumentParser) -> None:
    """Add its options."""
    parser.add_argument("--text", required=True, type=Path, help="a book in curly quotation marks")
    parser.add_argument("--words", type=int, default=20_000, help="to generate from each version")


def run(args: Namespace) -> list[Table]:
    """Train on every version, generate, and count."""
    text = args.text.read_text(encoding="utf-8")
    if "“" not in text:
        raise SystemExit(f"{args.text}: no curly quotation marks (“) in this text")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, version in versions(text).items():
            path = Path(folder) / f"{name}.txt"
            path.write_text(version, encoding="utf-8")
            trained = train(None, f"data.train={path}", "train.init_from=none", runs=Path(folder))
            model = load(trained.run)
            wrapped = model.generator.endings.wrapped
            book = read_book(version, wrapped=wrapped)
            cells = measure(generate(model, args.words), book, wrapped=wrapped)
            rows.append((name, f"{trained.best:.1f}", *cells))
    heads = (
        "quotation marks", "perplexity", "words", "malformed contractions",
        "wrong side of a space", "unbalanced paragraphs", "in the book", "end inside a sentence",
    )  # fmt: skip
    return [Table("marks", heads, rows)]
