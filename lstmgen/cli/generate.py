"""``lstmgen generate``."""

import itertools
import os
import secrets
import select
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from lstmgen.cli.options import NO_SETTINGS, Quiet, Run, RunsDir, find_named, sample_options
from lstmgen.cli.outcome import reported, warn, write_text
from lstmgen.config.loader import option_of, override_sample
from lstmgen.config.schema import SampleConfig
from lstmgen.config.word_bias import biased_words
from lstmgen.errors import DataError, UsageError, encodable, printable
from lstmgen.generation.chosen import needs_copies
from lstmgen.generation.generator import Generator
from lstmgen.generation.line_results import continue_lines
from lstmgen.generation.load import load_generator
from lstmgen.generation.next_word import CueReader
from lstmgen.generation.receipts import check_receipt_path, replay_receipt, write_receipt
from lstmgen.generation.sample_results import Result, generate_samples, sample_json
from lstmgen.generation.sampling_loop import continue_cue
from lstmgen.generation.word_entries import unmatched_notes
from lstmgen.reporting.json_text import json_text
from lstmgen.runs.checkpoint import Checkpoint
from lstmgen.runs.folders import Choice, describe_step, runs_folder
from lstmgen.text.cue_lines import read_cue_lines
from lstmgen.text.finding import check_readable
from lstmgen.text.reading import read_stream, remove_control

PATIENCE = 2.0  # seconds before a note says that standard input is awaited
BEAMS_NOTE = (
    "note: --beams searches for the most likely text, which is seldom the most readable. For text "
    "to read, leave it out"
)

Cue = Annotated[
    str | None, typer.Option("--cue", "-c", help="The text to continue (default: piped input).")
]
Cues = Annotated[
    str | None,
    typer.Option("--cues", help="A file of cues, one a line, or - for standard input."),
]
Samples = Annotated[
    int | None, typer.Option("-n", "--samples", min=1, max=10_000, help="Number of continuations.")
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, max=2**63 - 1, help="Same seed, same text (default: a new one)."),
]
NoCue = Annotated[bool, typer.Option("--no-cue", help="Print the continuation without the cue.")]
ShowCopied = Annotated[
    bool,
    typer.Option(
        "--show-copied",
        help="Mark passages of 5 or more words copied from the training text (15 characters in "
        "scripts without spaces).",
    ),
]
ShowProbs = Annotated[
    bool, typer.Option("--show-probs", help="Show each word's probability, rank and alternatives.")
]
Color = Annotated[
    bool, typer.Option("--color", help="Shade words by probability; underline those below 5 %.")
]
Svg = Annotated[Path | None, typer.Option("--svg", help="Also save the output as an SVG file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object for each sample.")]
Receipt = Annotated[
    Path | None,
    typer.Option("--receipt", help="Write a receipt from which the text can be regenerated."),
]
Last = Annotated[
    bool, typer.Option("--last", help="Use the last checkpoint of the run instead of the best.")
]
Step = Annotated[
    int | None,
    typer.Option(
        "--step", metavar="N", min=0, help="Use the checkpoint of this step instead of the best."
    ),
]
Replay = Annotated[
    Path | None, typer.Option("--replay", help="Regenerate the text recorded in this receipt.")
]


@sample_options()
@reported
def generate(
    run: Run = None,
    cue: Cue = None,
    cues: Cues = None,
    samples: Samples = None,
    settings: dict[str, Any] = NO_SETTINGS,
    seed: Seed = None,
    no_cue: NoCue = False,
    show_copied: ShowCopied = False,
    show_probs: ShowProbs = False,
    color: Color = False,
    svg: Svg = None,
    as_json: AsJson = False,
    receipt: Receipt = None,
    replay: Replay = None,
    last: Last = False,
    step: Step = None,
    runs_dir: RunsDir = None,
    quiet: Quiet = False,
) -> None:
    """Continue a cue.

    The text goes to stdout, everything else to stderr.

    Example: lstmgen generate --cue "The old miller" -n 3 --words 60 --max-copied 4
    """
    _check_encoding([("--cue", cue), *_texts(settings)])
    output = _Output(no_cue, show_copied, show_probs, color, svg, as_json, quiet)
    if output.as_json and output.is_page:
        raise UsageError("--json has all the details. Leave the other display options out")
    runs = runs_folder(runs_dir)
    run = find_named(run, runs, note=output.note)
    if cues is not None:
        _check_with_cues(cues, output, cue=cue, replay=replay, receipt=receipt)
    if replay is not None:
        if settings or last or any(v is not None for v in (cue, samples, seed, receipt, step)):
            raise UsageError(
                "--replay takes cue, seed, settings and checkpoint from the receipt. Leave them out"
            )
        _replay(replay, run, runs, output)
        return
    if receipt is not None:
        check_receipt_path(receipt)
    blocks = [cue or ""] if cue is not None or cues is not None else _piped(output)
    details = output.needs_details or receipt is not None
    generator, checkpoint = load_generator(
        run,
        runs,
        copies=details or needs_copies(SampleConfig().model_copy(update=settings)),
        step=_choice(last, step),
    )
    sample = override_sample(generator.config.sample, settings)
    if show_copied:
        generator.require_copies("--show-copied")
    _note_settings(generator, sample, output)
    seed = secrets.randbelow(2**31) if seed is None else seed
    output.note_source(checkpoint, seed=seed)
    if cues is not None:
        source = "standard input" if cues == "-" else cues
        with _open_cues(cues, output) as stream:
            results = continue_lines(
                generator, checkpoint, read_cue_lines(stream, name=printable(source)), sample,
                samples=samples or 1, seed=seed, details=details, source=source,
            )  # fmt: skip
            _show_lines(results, output, source=source)
        return
    collected = details or samples not in (None, 1)
    if not collected and sample.beams is None and not sample.must_include:
        _stream(CueReader(generator, sample), blocks, output, seed=seed)
        return
    result = generate_samples(
        generator, checkpoint, "".join(blocks), sample, samples=samples or 1, seed=seed,
        details=details,
    )  # fmt: skip
    _note_unknown(generator, result.replacements, output)
    _show(result, output)
    if receipt is not None:  # last, so that a full disk does not cost the text
        write_receipt(receipt, result)


@dataclass(frozen=True)
class _Output:
    no_cue: bool
    copied: bool
    probabilities: bool
    color: bool
    svg: Path | None
    as_json: bool
    quiet: bool

    @property
    def is_page(self) -> bool:
        """Whether more than the text is printed."""
        return self.copied or self.probabilities or self.color or self.svg is not None

    @property
    def needs_details(self) -> bool:
        """Whether the details of each word are printed."""
        return self.is_page or self.as_json

    def note(self, text: str) -> None:
        """Print a line on stderr, unless ``--quiet`` is set."""
        if not self.quiet:
            warn(text)

    def note_source(self, checkpoint: Checkpoint, *, seed: int) -> None:
        """Print which checkpoint and seed a text is generated with."""
        quantized = f" (quantized: {checkpoint.quantized})" if checkpoint.quantized else ""
        step = describe_step(checkpoint.path, checkpoint.step)
        self.note(f"{step}{quantized}, --seed {seed}")


def _choice(last: bool, step: int | None) -> Choice:
    """The checkpoint of a run that ``--last`` and ``--step`` select."""
    if last and step is not None:
        raise UsageError(f"--last and --step {step} name two checkpoints. Leave one out")
    return "last" if last else "best" if step is None else step


def _texts(settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The settings that are texts, by their options."""
    for key, value in settings.items():
        values = value if isinstance(value, list) else [value]
        yield from ((option_of(key), text) for text in values if isinstance(text, str))


def _check_encoding(texts: Iterable[tuple[str, str | None]]) -> None:
    for option, text in texts:
        if text is not None and not encodable(text):
            raise UsageError(f"{option} {printable(text)}: holds bytes that are not UTF-8")


def _check_with_cues(
    cues: str, output: _Output, *, cue: str | None, replay: Path | None, receipt: Path | None
) -> None:
    """Check that a file of cues can be read, and that no option excludes one."""
    others = {
        "--cue": cue is not None,
        "--replay": replay is not None,
        "--receipt": receipt is not None,
        "--show-copied": output.copied,
        "--show-probs": output.probabilities,
        "--color": output.color,
        "--svg": output.svg is not None,
    }
    excluded = [option for option, is_set in others.items() if is_set]
    if excluded:
        raise UsageError(
            f"--cues {printable(cues)}: prints the text or --json of one cue after another. "
            f"Leave {', '.join(excluded)} out"
        )
    if cues != "-":
        check_readable(Path(cues), key="--cues")


def _replay(path: Path, run: Path | None, runs: Path, output: _Output) -> None:
    result, changes = replay_receipt(path, run=run, runs=runs)
    for change in changes:
        output.note(f"note: {change}, and the text is the same")
    output.note_source(result.checkpoint, seed=result.seed)
    output.note(f"the same text as in {path}")
    _show(result, output)


def _show(result: Result, output: _Output) -> None:
    for number in range(len(result.samples)):
        if output.as_json:
            typer.echo(json_text(sample_json(result, number)))
        elif not output.is_page:
            _write_sample(result, number, output, separate=number > 0)
    if not output.is_page:
        return
    from lstmgen.reporting.sample_page import PageOptions, draw_page, print_page  # rich

    options = PageOptions(not output.no_cue, output.copied, output.probabilities, output.color)
    typer.echo(print_page(result, options), nl=False, color=True)
    if output.svg is not None:
        draw_page(result, output.svg, options)
        warn(f"saved: {output.svg}")


def _write_sample(result: Result, number: int, output: _Output, *, separate: bool) -> None:
    text, cue = result.text(number), "" if output.no_cue else result.cue
    sys.stdout.write("---\n" if separate else "")
    write_text(cue + (text if cue else text.lstrip(" ")) + "\n")


def _show_lines(results: Iterable[tuple[int, Result]], output: _Output, *, source: str) -> None:
    """Print the samples of each line of a file of cues as they come."""
    separate = False
    for line, result in results:
        place = f"{source}: line {line}: "
        _note_unknown(result.generator, result.replacements, output, place=place)
        for number in range(len(result.samples)):
            if output.as_json:
                content = {"line": line} | sample_json(result, number)
                typer.echo(json_text(content))
            else:
                _write_sample(result, number, output, separate=separate)
            separate = True
        sys.stdout.flush()
    if not separate:
        output.note(f"note: {source}: has no line, so there is nothing to continue")


def _open_cues(cues: str, output: _Output) -> AbstractContextManager[IO[bytes]]:
    """A file of cues, or standard input for -, which is left open."""
    if cues != "-":
        return Path(cues).open("rb")
    if sys.stdin is None:
        raise UsageError("--cues -: standard input is closed. Name a file")
    _note_waiting(output, "cues on standard input, one a line")
    return nullcontext(sys.stdin.buffer)


def _stream(reader: CueReader, blocks: Iterable[str], output: _Output, *, seed: int) -> None:
    """Print the cue block by block while it is read, and one sample word by word."""
    at_start, replacements, reported, previous = True, reader.cue.replacements, 0, ""
    for block in itertools.chain(blocks, [None]):
        if block is None:
            reader.finish()
        else:
            reader.read(block)
        _note_unknown(reader.generator, dict(list(replacements.items())[reported:]), output)
        reported = len(replacements)
        if previous and not output.no_cue:  # after the notes, which begin at a line's start
            write_text(remove_control(previous))
            at_start = False
        previous = block or ""
    for piece in continue_cue(reader, samples=1, seed=seed):
        write_text(piece.text.lstrip(" ") if at_start else piece.text)
        at_start = False
        if sys.stdout.isatty():
            sys.stdout.flush()
    sys.stdout.write("\n")


def _note_settings(generator: Generator, sample: SampleConfig, output: _Output) -> None:
    """Report settings without effect, and what beams are for."""
    for option, words in (("--banned", sample.banned), ("--bias", biased_words(sample.bias))):
        for note in unmatched_notes(option, words, generator.vocabulary, kind=generator.kind):
            output.note(note)
    if sample.beams is not None:
        output.note(BEAMS_NOTE)


def _note_unknown(
    generator: Generator, replacements: dict[str, str | None], output: _Output, *, place: str = ""
) -> None:
    """Report what each unknown word of the cue was read as; ``place`` is that of the cue."""
    if not replacements:
        return
    unknown = "<unk>" if generator.vocabulary.models_unknown else "a rare word"
    notes = [
        f"{word} ({'left out' if other == '' else 'read as ' + (other or unknown)})"
        for word, other in list(replacements.items())[:20]
    ]
    more = f" and {len(replacements) - 20} more" if len(replacements) > 20 else ""
    output.note(f"note: {place}not in the vocabulary: {', '.join(notes)}{more}")


def _piped(output: _Output) -> Iterable[str]:
    """Standard input in blocks, unless it is a terminal or a device; else an empty text."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return [""]
    return [""] if stat.S_ISCHR(mode) else _piped_blocks(output)


def _note_waiting(output: _Output, what: str) -> None:
    """Note what is awaited, if standard input is silent for some time."""
    if not select.select([0], [], [], PATIENCE)[0]:
        output.note(f"waiting for {what}")


def _piped_blocks(output: _Output) -> Iterator[str]:
    """Standard input without its last line end."""
    previous = ""
    _note_waiting(output, "a cue on standard input. For none, write --cue ''")
    try:
        for block in read_stream(sys.stdin.buffer, name="the piped cue: standard input"):
            if previous:
                yield previous
            previous = block
    except DataError as error:
        raise UsageError(str(error)) from None
    yield previous.removesuffix("\n")
