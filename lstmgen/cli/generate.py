"""``lstmgen generate``."""

import json
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lstmgen.cli.options import NONE_GIVEN, Run, RunsDir, sample_options
from lstmgen.cli.outcome import reported, warn
from lstmgen.errors import DataError, UsageError, printable
from lstmgen.text.reading import encodable

if TYPE_CHECKING:
    from lstmgen.config.schema import SampleConfig
    from lstmgen.generation.continuing import Piece
    from lstmgen.generation.load import Generator
    from lstmgen.generation.samples import Result


@sample_options()
@reported
def generate(
    run: Run = None,
    cue: Annotated[
        str | None,
        typer.Option("--cue", "-c", help="The text to continue (default: what is piped)."),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option("-n", "--samples", min=1, max=10_000, help="Number of continuations."),
    ] = None,
    settings: dict[str, Any] = NONE_GIVEN,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", min=0, max=2**63 - 1, help="Same seed, same text (default: a new one)."
        ),
    ] = None,
    no_cue: Annotated[
        bool, typer.Option("--no-cue", help="Print the continuation without the cue.")
    ] = False,
    show_copied: Annotated[
        bool,
        typer.Option(
            "--show-copied", help="Mark passages of 5 or more words copied from the training text."
        ),
    ] = False,
    show_probs: Annotated[
        bool,
        typer.Option("--show-probs", help="Show each word's probability, rank and alternatives."),
    ] = False,
    color: Annotated[
        bool, typer.Option("--color", help="Shade words by probability; underline those below 5 %.")
    ] = False,
    svg: Annotated[
        Path | None, typer.Option("--svg", help="Also save what is shown as an SVG file.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each sample.")
    ] = False,
    receipt: Annotated[
        Path | None,
        typer.Option("--receipt", help="Write a receipt from which the text can be regenerated."),
    ] = None,
    replay: Annotated[
        Path | None, typer.Option("--replay", help="Regenerate the text recorded in this receipt.")
    ] = None,
    runs_dir: RunsDir = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Continue a cue.

    The text goes to stdout, everything else to stderr.

    Example: lstmgen generate --cue "The old miller" -n 3 --words 60 --max-copied 4
    """
    texts = [("--cue", cue), ("--stop-at", settings.get("stop_at"))]
    _check_bytes([*texts, *(("--banned", word) for word in settings.get("banned", ()))])
    shown = _Shown(no_cue, show_copied, show_probs, color, svg, as_json)
    if shown.as_json and shown.page:
        raise UsageError("--json holds all of it. Leave the other options of what is shown out")
    from lstmgen.runs.folders import runs_folder

    runs = runs_folder(runs_dir)
    if replay is not None:
        if settings or any(v is not None for v in (cue, samples, seed, receipt)):
            raise UsageError(
                "--replay takes cue, seed and settings from the receipt. Leave them out"
            )
        _replay(replay, run, runs, shown, quiet=quiet)
        return
    from lstmgen.config.loader import override_sample
    from lstmgen.generation.load import open_generator

    if receipt is not None:
        from lstmgen.generation.receipts import check_place, write_receipt

        check_place(receipt)
    blocks = [cue] if cue is not None else _piped()
    wants = shown.details or receipt is not None
    generator, found = open_generator(run, runs, copies=wants or "max_copied" in settings)
    sample = override_sample(generator.config.sample, settings)
    chosen = secrets.randbelow(2**31) if seed is None else seed
    for word in generator.unmatched(sample.banned) if not quiet else ():
        warn(f"note: --banned {word}: the model has no such word, so that this changes nothing")
    if show_copied:
        generator.require_copies("--show-copied")
    announced = f"{found.path}, --seed {chosen}" if seed is None and not quiet else ""
    if not wants and (samples or 1) == 1 and sample.beams is None:
        _stream(
            generator, blocks, sample, seed=chosen, no_cue=no_cue, quiet=quiet,
            announced=announced,
        )  # fmt: skip
        return
    from lstmgen.generation.samples import generate_samples

    result = generate_samples(
        generator, found, "".join(blocks), sample, samples=samples or 1, seed=chosen,
        details=wants,
    )  # fmt: skip
    _tell(generator, result.replaced, quiet=quiet, announced=announced)
    _show(result, shown)
    if receipt is not None:  # behind the text, which a full disk must not cost
        write_receipt(receipt, result)


@dataclass(frozen=True)
class _Shown:
    """What of the samples is printed."""

    no_cue: bool
    copied: bool
    probabilities: bool
    color: bool
    svg: Path | None
    as_json: bool

    @property
    def page(self) -> bool:
        """More than the text."""
        return self.copied or self.probabilities or self.color or self.svg is not None

    @property
    def details(self) -> bool:
        """Something that only details of each word tell."""
        return self.page or self.as_json


def _check_bytes(texts: Iterable[tuple[str, str | None]]) -> None:
    """Refuse options that hold bytes which are no text."""
    for option, text in texts:
        if text is not None and not encodable(text):
            raise UsageError(f"{option} {printable(text)}: holds bytes that are not UTF-8")


def _replay(path: Path, run: Path | None, runs: Path, shown: _Shown, *, quiet: bool) -> None:
    from lstmgen.generation.receipts import replay

    result, changed = replay(path, given=run, runs=runs)
    for change in changed if not quiet else ():
        warn(f"note: {change}, and the text is the same")
    if not quiet:
        warn(f"the same text as in {path}")
    _show(result, shown)


def _show(result: "Result", shown: _Shown) -> None:
    from lstmgen.generation.samples import sample_json

    for number in range(len(result.samples)):
        if shown.as_json:
            typer.echo(json.dumps(sample_json(result, number), allow_nan=False))
        elif not shown.page:
            text, cue = result.text(number), "" if shown.no_cue else result.cue
            sys.stdout.write("---\n" if number else "")
            sys.stdout.write(cue + (text if cue else text.lstrip(" ")) + "\n")
    if not shown.page:
        return
    from lstmgen.reporting.continuations import draw_page, print_page

    options: dict[str, Any] = {
        "cue": not shown.no_cue,
        "copied": shown.copied,
        "probabilities": shown.probabilities,
        "color": shown.color,
    }
    typer.echo(print_page(result, **options), nl=False, color=True)
    if shown.svg is not None:
        draw_page(result, shown.svg, **options)
        warn(f"drawn: {shown.svg}")


def _stream(
    generator: "Generator",
    blocks: Iterable[str],
    settings: "SampleConfig",
    *,
    seed: int,
    no_cue: bool,
    quiet: bool,
    announced: str,
) -> None:
    """Print one sample as it comes, and the cue as it is read."""
    from lstmgen.text.reading import remove_control

    begun, told = False, 0

    def echoed() -> Iterator[str]:
        """Blocks of the cue; when one has been read, what is to be said of it, then itself."""
        nonlocal begun, told
        for number, block in enumerate(blocks):
            yield block
            new = dict(list(cue.replaced.items())[told:])
            told = len(cue.replaced)
            _tell(generator, new, quiet=quiet, announced="" if number else announced)
            if not no_cue and block:
                sys.stdout.write(remove_control(block))
                begun = True

    cue = generator.open_cue(echoed(), settings)
    pieces: Iterator[Piece] = generator.run(cue, settings, samples=1, seed=seed)
    for piece in pieces:
        sys.stdout.write(piece.text if begun else piece.text.lstrip(" "))
        begun = True
        if sys.stdout.isatty():
            sys.stdout.flush()
    sys.stdout.write("\n")


def _tell(
    generator: "Generator", replaced: dict[str, str | None], *, quiet: bool, announced: str
) -> None:
    """Say which checkpoint and seed, and what each unknown word of the cue was read as."""
    if announced:
        warn(announced)
    if quiet or not replaced:
        return
    unknown = "<unk>" if generator.vocabulary.models_unknown else "a rare word"
    told = []
    for word, by in list(replaced.items())[:20]:
        told.append(f"{word} ({'left out' if by == '' else 'read as ' + (by or unknown)})")
    more = f" and {len(replaced) - 20} more" if len(replaced) > 20 else ""
    warn(f"note: not in the vocabulary: {', '.join(told)}{more}")


def _piped() -> Iterable[str]:
    """The text on standard input where that is a pipe or a file, in blocks; else nothing."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return [""]
    return _piped_blocks() if stat.S_ISFIFO(mode) or stat.S_ISREG(mode) else [""]


def _piped_blocks() -> Iterator[str]:
    """Standard input, by way of a file so that it is read like any text, without its last
    line end.
    """
    from lstmgen.text.reading import read_blocks

    with tempfile.NamedTemporaryFile(prefix="lstmgen-cue-") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        held = ""
        try:
            for block in read_blocks(Path(file.name)):
                if held:
                    yield held
                held = block
        except DataError as error:
            message = str(error).replace(file.name, "standard input")
            raise UsageError(f"the piped cue: {message}") from None
        yield held.rstrip("\r\n")
