"""``lstmgen write``."""

import io
import os
import secrets
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lstmgen.cli.options import NO_SETTINGS, Run, RunsDir, find_named, sample_options
from lstmgen.cli.outcome import reported, warn, write_text
from lstmgen.cli.terminal import read_line
from lstmgen.cli.writing_session import WritingSession, report_unmatched
from lstmgen.config.loader import override_sample
from lstmgen.config.word_bias import biased_words
from lstmgen.errors import UsageError, printable
from lstmgen.generation.drafts import SETTINGS, UNSAVED, read_draft
from lstmgen.generation.load import load_generator
from lstmgen.generation.writing import Writer
from lstmgen.runs.folders import find_run, runs_folder

DraftFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DRAFT]", help="A text file or a saved draft to continue (before RUN or after)."
    ),
]


@sample_options(*SETTINGS, *UNSAVED)
@reported
def write(
    run: Run = None,
    draft: DraftFile = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seed of the random choices.")
    ] = None,
    settings: dict[str, Any] = NO_SETTINGS,
    runs_dir: RunsDir = None,
) -> None:
    """Write a text together with a model, word by word.

    Lines are read from standard input, which may be a pipe: a number accepts a suggestion, Enter
    the first one, text is added, /lines suggests sentences, /help lists the commands. The text
    goes to stdout at the end; a draft is changed by /save only.

    Example: printf 'The old miller\\n/go 20\\n/quit\\n' | lstmgen write
    """
    runs = runs_folder(runs_dir)
    run, draft = _tell_apart([path for path in (run, draft) if path is not None], runs)
    opened = None if draft is None else read_draft(draft)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # bad bytes are reported line by line
    generator, checkpoint = load_generator(find_named(run, runs), runs, copies=True)
    saved = opened.settings if opened is not None else {}
    sample = override_sample(generator.config.sample, {**saved, **settings})
    writer = Writer(generator, sample, seed=secrets.randbelow(2**31) if seed is None else seed)
    session = WritingSession(writer, checkpoint)
    report_unmatched("--bias", generator, biased_words(sample.bias))
    warn(f"{checkpoint.path}, --seed {writer.seed}; type /help for the commands")
    if draft is not None and opened is not None:
        session.open(draft, opened)
    try:
        while session.running:
            session.show_suggestions()
            line = read_line("> ")
            if line is None:
                break
            session.execute(line)
    finally:
        write_text(writer.current.text + "\n")
        session.report_unsaved()


def _tell_apart(paths: list[Path], runs: Path) -> tuple[Path | None, Path | None]:
    """The run, a folder or a name, and the draft, a file.

    Raises:
        UsageError: if there is no such thing, or two of a kind.
    """
    for path in paths:
        if not os.path.exists(find_run(path, runs)):
            raise UsageError(
                f"{printable(path)}: no such run folder and no such draft. "
                "To begin a new text, leave it out and type /save FILE later"
            )
    drafts = [path for path in paths if os.path.exists(path) and not os.path.isdir(path)]
    named = [path for path in paths if path not in drafts]
    for kind, found in (("run", named), ("draft", drafts)):
        if len(found) > 1:
            names = ", ".join(map(printable, found))
            raise UsageError(f"{names}: one {kind} at a time. Write: lstmgen write [RUN] [DRAFT]")
    return next(iter(named), None), next(iter(drafts), None)
