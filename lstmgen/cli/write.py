"""``lstmgen write``."""

import json
import secrets
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lstmgen.cli.options import NONE_GIVEN, Run, RunsDir, sample_options
from lstmgen.cli.outcome import reported, warn
from lstmgen.config.loader import override_sample
from lstmgen.errors import StorageError, UsageError, printable
from lstmgen.generation.load import load_generator
from lstmgen.generation.writing import Writer
from lstmgen.runs.folders import runs_folder

HELP = """1 to 9         take a suggestion            anything else  is added as it is
/go N          let the model write N words   /reroll        draw its last words again
/undo          undo the last step            /text          show the whole text
/temp X        temperature from here on      /cap N         longest copied passage; off: any
/save FILE     save text and settings        /load FILE     load them
/quit          end, and print the text       /help          show this"""


@sample_options("temperature", "max_copied")
@reported
def write(
    run: Run = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seed of the random choices.")
    ] = None,
    settings: dict[str, Any] = NONE_GIVEN,
    runs_dir: RunsDir = None,
) -> None:
    """Write a text together with a model, word by word.

    Lines are read from standard input, which may be a pipe: a number takes a
    suggestion, text is added, /help lists the commands. The text goes to stdout at the end.

    Example: printf 'The old miller\\n/go 20\\n/quit\\n' | lstmgen write
    """
    generator, found = load_generator(run, runs_folder(runs_dir), copies=True)
    sample = override_sample(generator.config.sample, settings)
    writer = Writer(generator, sample, seed=secrets.randbelow(2**31) if seed is None else seed)
    session = _Session(writer, digest=found.digest)
    warn(f"{found.path}; type /help for the commands")
    try:
        while session.going:
            session.offer()
            line = sys.stdin.readline() if sys.stdin is not None else ""
            if not line:
                break
            session.take(line.rstrip("\r\n"))
    finally:
        sys.stdout.write(writer.now.text.lstrip(" ") + "\n")


class _Session:
    """One conversation; everything but the text goes to stderr."""

    def __init__(self, writer: Writer, *, digest: str) -> None:
        self.writer, self.digest, self.going = writer, digest, True
        self.commands = {
            "/go": self._go, "/reroll": self._reroll, "/undo": self._undo, "/text": self._text,
            "/temp": self._temperature, "/cap": self._cap, "/save": self._save,
            "/load": self._load, "/quit": self._quit, "/help": self._help,
        }  # fmt: skip

    def offer(self) -> None:
        """Show the end of the text and what may come next."""
        tail = self.writer.now.text.rsplit("\n", 1)[-1][-70:]
        offered = self.writer.suggest()
        shown = "  ".join(
            f"{number} {printable(word.surface).replace(chr(10), '/')} {word.probability:.0%}"
            for number, word in enumerate(offered, start=1)
        )
        warn(f"\n{tail} ...\n{shown or 'no word is left: raise /cap'}")

    def take(self, line: str) -> None:
        """Do what a line says; an error is reported, and nothing is lost."""
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

    def _undo(self, _: str) -> None:
        self.writer.undo()

    def _text(self, _: str) -> None:
        warn(self.writer.now.text.lstrip(" "))

    def _temperature(self, argument: str) -> None:
        self.writer.set_temperature(_number(argument, "/temp", kind=float, least=0, most=1e9))

    def _cap(self, argument: str) -> None:
        most = 10**6
        off = argument == "off"
        self.writer.set_cap(
            None if off else _number(argument, "/cap", kind=int, least=0, most=most)
        )

    def _save(self, argument: str) -> None:
        if not argument:
            raise UsageError("/save: name a file, as in /save story.json")
        now = self.writer.now
        saved = {
            "text": now.text,
            "temperature": self.writer.sample.temperature,
            "max_copied": self.writer.sample.max_copied,
            "checkpoint": self.digest,
        }
        try:
            Path(argument).write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise StorageError(f"/save {argument}: {error.strerror}") from None
        except ValueError:
            raise UsageError(f"/save {argument}: is no name of a file") from None
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
            raise UsageError(f"/load {argument}: is no text that /save wrote") from None
        if saved.get("checkpoint") != self.digest:
            warn("note: the text was written with another checkpoint")
        self.writer.set_cap(cap)  # first what may fail
        self.writer.clear()
        self.writer.set_temperature(temperature)
        self._type(text)

    def _quit(self, _: str) -> None:
        self.going = False

    def _help(self, _: str) -> None:
        warn(HELP)


def _number(text: str, command: str, *, kind: Any, least: float, most: float) -> Any:
    """A number within bounds.

    Raises:
        UsageError: where it is none.
    """
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        raise UsageError(f"{command} {text}: write a number from {least:g} to {most:g}")
    return value
