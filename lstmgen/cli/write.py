"""``lstmgen write``."""

import json
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from lstmgen.cli.options import NO_SETTINGS, Run, RunsDir, sample_options
from lstmgen.cli.outcome import reported, warn
from lstmgen.config.loader import override_sample
from lstmgen.errors import StorageError, UsageError, printable
from lstmgen.generation.load import load_generator
from lstmgen.generation.writing import Writer
from lstmgen.runs.folders import runs_folder

HELP = """1 to 9         accept a suggestion          other text     added as typed
/go N          let the model write N words   /reroll        draw its last words again
/undo          undo the last step            /text          show the full text
/temp X        set the temperature           /cap N         maximum words copied; off: any
/save FILE     save text and settings        /load FILE     load them
/quit          exit and print the text       /help          show this help"""


@sample_options("temperature", "max_copied")
@reported
def write(
    run: Run = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seed of the random choices.")
    ] = None,
    settings: dict[str, Any] = NO_SETTINGS,
    runs_dir: RunsDir = None,
) -> None:
    """Write a text together with a model, word by word.

    Lines are read from standard input, which may be a pipe: a number accepts a
    suggestion, text is added, /help lists the commands. The text goes to stdout at the end.

    Example: printf 'The old miller\\n/go 20\\n/quit\\n' | lstmgen write
    """
    generator, checkpoint = load_generator(run, runs_folder(runs_dir), copies=True)
    sample = override_sample(generator.config.sample, settings)
    writer = Writer(generator, sample, seed=secrets.randbelow(2**31) if seed is None else seed)
    session = _Session(writer, digest=checkpoint.digest)
    warn(f"{checkpoint.path}; type /help for the commands")
    try:
        while session.running:
            session.show_suggestions()
            line = sys.stdin.readline() if sys.stdin is not None else ""
            if not line:
                break
            session.execute(line.rstrip("\r\n"))
    finally:
        sys.stdout.write(writer.current.text + "\n")


class _Session:
    """An interactive session; everything but the final text goes to stderr."""

    def __init__(self, writer: Writer, *, digest: str) -> None:
        self.writer, self.digest, self.running = writer, digest, True
        self.commands: dict[str, Callable[[str], None]] = {
            "/go": self._go, "/reroll": self._reroll, "/undo": lambda _: writer.undo(),
            "/text": self._text, "/temp": self._temperature, "/cap": self._cap,
            "/save": self._save, "/load": self._load, "/quit": self._quit,
            "/help": lambda _: warn(HELP),
        }  # fmt: skip

    def show_suggestions(self) -> None:
        """Show the end of the text and the most likely next words."""
        tail = self.writer.current.text.rsplit("\n", 1)[-1][-70:]
        suggestions = "  ".join(
            f"{number} {printable(word.surface).replace(chr(10), '/')} {word.probability:.0%}"
            for number, word in enumerate(self.writer.suggest(), start=1)
        )
        warn(f"\n{tail} ...\n{suggestions or 'no word is left: raise /cap'}")

    def execute(self, line: str) -> None:
        """Execute a line; errors are reported and leave the text unchanged."""
        word, _, argument = line.strip().partition(" ")
        try:
            if word in self.commands:
                self.commands[word](argument.strip())
            elif word.startswith("/"):
                raise UsageError(f"{word}: no such command. /help lists them")
            elif line.strip().isdecimal() and len(line.strip()) == 1 and line.strip() != "0":
                self.writer.pick(int(line))
            elif line:
                self._type(line)
        except (UsageError, StorageError) as error:
            warn(f"error: {error}")

    def _type(self, text: str) -> None:
        unknown = self.writer.type(text)
        if unknown:
            warn(f"note: not in the vocabulary, read as unknown: {', '.join(unknown)}")

    def _go(self, argument: str) -> None:
        self.writer.go(_number(argument or "10", "/go", kind=int, least=1, most=100_000))
        self._text("")

    def _reroll(self, _: str) -> None:
        self.writer.reroll()
        self._text("")

    def _text(self, _: str) -> None:
        warn(self.writer.current.text)

    def _temperature(self, argument: str) -> None:
        value = _number(argument, "/temp", kind=float, least=0, most=1e9)
        self.writer.configure({"temperature": value})

    def _cap(self, argument: str) -> None:
        off = argument == "off"
        words = None if off else _number(argument, "/cap", kind=int, least=0, most=10**6)
        self.writer.configure({"max_copied": words})

    def _save(self, argument: str) -> None:
        if not argument:
            raise UsageError("/save: name a file, as in /save story.json")
        content = {
            "text": self.writer.current.text,
            "temperature": self.writer.sample.temperature,
            "max_copied": self.writer.sample.max_copied,
            "checkpoint": self.digest,
        }
        try:
            Path(argument).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise StorageError(f"/save {argument}: {error.strerror}") from None
        except ValueError:
            raise UsageError(f"/save {argument}: is not a file name") from None
        warn(f"saved: {argument}")

    def _load(self, argument: str) -> None:
        try:
            saved: Any = json.loads(Path(argument).read_text(encoding="utf-8"))
            text, cap = str(saved["text"]), saved["max_copied"]
            temperature = _number(str(saved["temperature"]), "/load", kind=float, least=0, most=1e9)
            cap = None if cap is None else _number(str(cap), "/load", kind=int, least=0, most=10**6)
        except OSError as error:
            raise UsageError(f"/load {argument}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise UsageError(f"/load {argument}: is not a file written by /save") from None
        if saved.get("checkpoint") != self.digest:
            warn("note: the text was written with another checkpoint")
        self.writer.configure({"max_copied": cap, "temperature": temperature})  # may fail
        self.writer.replace(text)

    def _quit(self, _: str) -> None:
        self.running = False


def _number(text: str, command: str, *, kind: Any, least: float, most: float) -> Any:
    """Parse a number within bounds."""
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        raise UsageError(f"{command} {text}: write a number from {least:g} to {most:g}")
    return value
