"""``lstmgen generate``."""

import os
import secrets
import stat
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from lstmgen.cli.options import Run, RunsDir
from lstmgen.cli.outcome import reported, warn
from lstmgen.errors import UsageError

if TYPE_CHECKING:
    from lstmgen.generation.continuing import Piece


@reported
def generate(
    run: Run = None,
    cue: Annotated[
        str | None,
        typer.Option("--cue", "-c", help="The text to continue (default: what is piped)."),
    ] = None,
    samples: Annotated[
        int, typer.Option("-n", "--samples", min=1, max=10_000, help="How many continuations.")
    ] = 1,
    words: Annotated[
        int | None,
        typer.Option("--words", help="At most so many new words."),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="0 takes the likeliest word each time.")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option("--top-k", help="Choose among the k likeliest words.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option("--top-p", help="Choose among the likeliest words of this probability."),
    ] = None,
    stop: Annotated[
        str | None, typer.Option("--stop", help="End at a story's or a sentence's end, or words.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Same seed, same text (default: a new one).")
    ] = None,
    no_cue: Annotated[
        bool, typer.Option("--no-cue", help="Print the continuation without the cue.")
    ] = False,
    runs_dir: RunsDir = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Continue a cue; the text goes to stdout, everything else to stderr.

    Example: lstmgen generate --cue "The old miller" -n 3 --words 60
    """
    from lstmgen.config.loader import override_sample
    from lstmgen.run.folders import runs_folder
    from lstmgen.run.generating import make_generator, open_found

    text = cue if cue is not None else _piped()
    opened, weights = open_found(run, runs_folder(runs_dir))
    path = opened.checkpoint.path
    generator = make_generator(opened.config, opened.vocabulary, weights, source=str(path))
    given = {"words": words, "temperature": temperature, "top_k": top_k, "top_p": top_p,
             "stop": stop}  # fmt: skip
    settings = override_sample(
        opened.config.sample, {k: v for k, v in given.items() if v is not None}
    )
    chosen = secrets.randbelow(2**31) if seed is None else seed
    read = generator.read_cue(text)
    if seed is None and not quiet:
        warn(f"{path}, --seed {chosen}")
    if read.unknown and not quiet:
        as_what = "<unk>" if opened.vocabulary.models_unknown else "a rare word"
        names = ", ".join(read.unknown)
        warn(f"note: not in the vocabulary, each read as {as_what}: {names}")
    pieces = generator.run(read, settings, samples=samples, seed=chosen)
    _print(pieces, samples=samples, cue="" if no_cue else read.text)


def _print(pieces: "Iterator[Piece]", *, samples: int, cue: str) -> None:
    """Print the cue and what follows it: one sample as it comes, several when all are there."""
    from lstmgen.generation.continuing import continuations

    if samples > 1:
        for number, text in enumerate(continuations(pieces, samples)):
            sys.stdout.write("---\n" if number else "")
            sys.stdout.write(cue + (text if cue else text.lstrip(" ")) + "\n")
        return
    sys.stdout.write(cue)
    begun = bool(cue)
    for piece in pieces:
        sys.stdout.write(piece.text if begun else piece.text.lstrip(" "))
        begun = True
        if sys.stdout.isatty():
            sys.stdout.flush()
    sys.stdout.write("\n")


def _piped() -> str:
    """The text on standard input where that is a pipe or a file, else nothing."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return ""
    if not (stat.S_ISFIFO(mode) or stat.S_ISREG(mode)):
        return ""
    data = sys.stdin.buffer.read()
    try:
        return data.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"the piped cue is not UTF-8 (byte {error.start})") from None
