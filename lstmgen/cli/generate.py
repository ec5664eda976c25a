"""``lstmgen generate``."""

import secrets
import sys
from typing import Annotated

import typer

from lstmgen.cli.options import Run, RunsDir
from lstmgen.cli.outcome import reported, warn
from lstmgen.errors import UsageError


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
    from lstmgen.run.generating import open_generator

    text = cue if cue is not None else _piped()
    generator = open_generator(run, runs_folder(runs_dir))
    given = {"words": words, "temperature": temperature, "top_k": top_k, "top_p": top_p,
             "stop": stop}  # fmt: skip
    settings = override_sample(
        generator.opened.config.sample, {k: v for k, v in given.items() if v is not None}
    )
    chosen = secrets.randbelow(2**31) if seed is None else seed
    read = generator.read_cue(text)
    if not quiet:
        if seed is None:
            warn(f"{generator.opened.checkpoint.path}, --seed {chosen}")
        if read.unknown:
            as_what = "<unk>" if generator.opened.vocabulary.models_unknown else "a rare word"
            names = ", ".join(read.unknown)
            warn(f"note: not in the vocabulary, each read as {as_what}: {names}")
    pieces = generator.run(read, settings, samples=samples, seed=chosen)
    if samples == 1:
        begun = not no_cue
        sys.stdout.write("" if no_cue else read.text)
        for piece in pieces:
            sys.stdout.write(piece.text if begun else piece.text.lstrip(" "))
            begun = True
            if sys.stdout.isatty():
                sys.stdout.flush()
        sys.stdout.write("\n")
        return
    from lstmgen.generation.continuing import continuations

    for number, continuation in enumerate(continuations(pieces, samples)):
        if number:
            sys.stdout.write("---\n")
        sys.stdout.write((continuation.lstrip(" ") if no_cue else read.text + continuation) + "\n")


def _piped() -> str:
    """The text on standard input where that is a pipe or a file, else nothing."""
    import os
    import stat

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
