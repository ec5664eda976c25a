"""The commands of ``lstmgen write``; everything is shown on stderr."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from lstmgen.cli.outcome import warn
from lstmgen.cli.terminal import fit_tail, is_interactive, on_one_line, terminal_columns, wrap
from lstmgen.errors import ConfigError, StorageError, UsageError, encodable
from lstmgen.generation.drafts import SETTINGS, Draft, read_draft, write_draft
from lstmgen.generation.generator import Generator
from lstmgen.generation.word_entries import unmatched_notes
from lstmgen.generation.writing import SUGGESTIONS, Sentence, Writer
from lstmgen.runs.checkpoint import Checkpoint

LINES = (
    (f"1 to {SUGGESTIONS}", "accept a suggestion"),
    ("Enter", "accept the first suggestion"),
    ("other text", "add it as typed, after a space if it needs one"),
    ("(space)text", "add any text, even a number"),
    ("//text", "add /text"),
)
NONE_LEFT = "no word is left to draw: raise /cap"


class Command(NamedTuple):
    """A command and its line in /help."""

    usage: str  # its name and its argument
    summary: str
    run: Callable[[str], None]  # with the argument, which may be empty


class WritingSession:
    """Executes the lines that a person writes."""

    def __init__(self, writer: Writer, checkpoint: Checkpoint) -> None:
        self.writer, self.checkpoint = writer, checkpoint
        self.draft: Path | None = None  # the file that /save without a name replaces
        self.saved_text = writer.current.text
        self.sentences: list[Sentence] = []  # offered by /lines for the next line
        self.running = True
        commands = (
            Command("/go N", "let the model write N words (10)", self._go),
            Command("/reroll", "draw the words of the last /go again", self._reroll),
            Command("/lines N", "suggest N whole sentences (3)", self._lines),
            Command("/undo", "undo the last step", lambda _: writer.undo()),
            Command("/paragraph", "begin a paragraph", lambda _: writer.begin_paragraph()),
            Command("/text", "show the full text", lambda _: warn(writer.current.text)),
            Command("/temp X", "set the temperature (0: the most likely word)",
                    lambda value: self._set("/temp", "temperature", value)),
            Command("/top-p X", "draw from the words that make up this probability (1: all)",
                    lambda value: self._set("/top-p", "top_p", value)),
            Command("/min-p X", "draw from words this likely, relative to the first (0: all)",
                    lambda value: self._set("/min-p", "min_p", value)),
            Command("/cap N", "copy at most N words in a row from the training text (off: any)",
                    lambda value: self._set("/cap", "max_copied", value)),
            Command("/bias W:X", "add X nats to the logits of word W (off: no bias)", self._bias),
            Command("/settings", "show the settings", self._settings),
            Command("/save FILE", "save the text; in FILE.json, with the settings", self._save),
            Command("/load FILE", "replace the text by a saved one", self._load),
            Command("/help", "show this help", self._help),
            Command("/quit", "exit and print the text", self._quit),
        )  # fmt: skip
        self.commands = {command.usage.split()[0]: command for command in commands}

    def show_suggestions(self) -> None:
        """Show the end of the text and what may come next."""
        columns = terminal_columns()
        words = [
            f"{number} {on_one_line(word.surface)} {word.probability:.0%}"
            for number, word in enumerate(() if self.sentences else self.writer.suggest(), start=1)
        ]
        shown = [fit_tail(self.writer.current.text, columns=columns)]
        for number, sentence in enumerate(self.sentences, start=1):
            items = f"{number} {on_one_line(sentence.text.strip(' '))}".split(" ")
            shown.append(wrap(items, columns=columns, indent="  "))
        if not self.sentences:
            shown.append(wrap(words, columns=columns, separator="  ") if words else NONE_LEFT)
        warn("\n" + "\n".join(filter(None, shown)))

    def execute(self, line: str) -> None:
        """Execute a line; errors are reported and leave the text unchanged."""
        sentences, self.sentences = self.sentences, []
        try:
            self._execute(line, sentences)
        except (UsageError, StorageError) as error:
            warn(f"error: {error}")
        except KeyboardInterrupt:
            if not is_interactive():
                raise
            warn("\ninterrupted, the text is as before")

    def report_unsaved(self) -> None:
        """Report changes that the draft does not hold."""
        if self.draft is not None and self.writer.current.text != self.saved_text:
            warn(f"note: {self.draft} does not hold the last changes")

    def _execute(self, line: str, sentences: list[Sentence]) -> None:
        word, argument = [*line.split(maxsplit=1), "", ""][:2]
        if not encodable(line):
            raise UsageError("the line holds bytes that are not UTF-8, so it is not added")
        if not word:
            self._pick("1", sentences)
        elif line[0] == " " or line.startswith("//"):
            self._type(line[1:])
        elif word in self.commands:
            self.commands[word].run(argument.rstrip())
        elif word.startswith("/"):
            raise UsageError(
                f"{word}: no such command. /help lists them, and /{word} adds it as text"
            )
        elif word.isdecimal() and not argument:
            self._pick(word, sentences)
        else:
            self._type(line)

    def _pick(self, number: str, sentences: list[Sentence]) -> None:
        count = len(sentences or self.writer.suggest())
        if not count:
            raise UsageError(NONE_LEFT)
        choice = int(number[:9])
        if not 1 <= choice <= count:
            what = "sentence" if sentences else "suggestion"
            there_are = f"there are {what}s 1 to {count}" if count > 1 else f"there is one {what}"
            raise UsageError(f"{number}: {there_are}. To add it as text, type a space before it")
        if sentences:
            self.writer.accept(sentences[choice - 1])
        else:
            self.writer.pick(choice)

    def _type(self, text: str) -> None:
        _report_unknown(self.writer.type(text))

    def _go(self, argument: str) -> None:
        before = len(self.writer.current.text)
        self.writer.go(_count(argument or "10", "/go", most=100_000))
        self._show_drawn(before)

    def _reroll(self, _: str) -> None:
        self.writer.reroll()
        self._show_drawn(len(self.writer.snapshots[-2].text))

    def _show_drawn(self, start: int) -> None:
        """Show what was drawn, unless the tail of the text shows all of it."""
        drawn = self.writer.current.text[start:]
        if fit_tail(drawn, columns=terminal_columns() - 2) != on_one_line(drawn):
            warn(drawn.strip(" "))

    def _lines(self, argument: str) -> None:
        count = _count(argument or "3", "/lines", most=SUGGESTIONS)
        self.sentences = self.writer.suggest_sentences(count)
        if not self.sentences:
            raise UsageError(NONE_LEFT)

    def _set(self, command: str, key: str, argument: str) -> None:
        value = None if (key, argument) == ("max_copied", "off") else _number(argument)
        try:
            self.writer.configure({key: value})
        except ConfigError as error:
            old = getattr(self.writer.sample, key)
            example = f"{command} {'4 or /cap off' if key == 'max_copied' else f'{old:g}'}"
            message = error.problems[0].message
            raise UsageError(f"{command} {argument}: {message}, as in {example}") from None

    def _bias(self, argument: str) -> None:
        if argument == "off":
            self.writer.configure({"bias": []})
            return
        word = argument.rpartition(":")[0]
        others = [b for b in self.writer.sample.bias if b.rpartition(":")[0] != word]
        try:
            self.writer.configure({"bias": [*others, argument]})
        except ConfigError as error:
            raise UsageError(f"/bias {argument}: {error.problems[0].message}") from None
        report_unmatched("/bias", self.writer.model, [word])

    def _settings(self, _: str) -> None:
        sample = self.writer.sample
        cap = "off" if sample.max_copied is None else sample.max_copied
        warn(
            f"/temp {sample.temperature:g}  /top-p {sample.top_p:g}  /min-p {sample.min_p:g}  "
            f"/cap {cap}  {''.join(f'/bias {entry}  ' for entry in sample.bias)}"
            f"--seed {self.writer.seed}\n{self.checkpoint.path}\n"
            f"draft: {self.draft or 'none, /save FILE makes one'}"
        )

    def _save(self, argument: str) -> None:
        path = _path(argument) if argument else self.draft
        if path is None:
            raise UsageError("/save: name a file, as in /save story.txt")
        text = self.writer.current.text
        settings = self.writer.sample.model_dump(include=set(SETTINGS))
        write_draft(path, Draft(text, settings, self.checkpoint.digest))
        self.draft, self.saved_text = path, text
        warn(f"saved: {path}")

    def _load(self, argument: str) -> None:
        if not argument:
            raise UsageError("/load: name a file, as in /load story.txt")
        path = _path(argument)
        draft = read_draft(path)
        self.writer.configure(draft.settings)  # first, because it may fail
        self.open(path, draft)

    def open(self, path: Path, draft: Draft) -> None:
        """Replace the text by a draft's."""
        if draft.checkpoint not in ("", self.checkpoint.digest):
            warn("note: the text was written with another checkpoint")
        if len(draft.text) > 200_000:
            warn(f"reading {len(draft.text):,} characters")
        _report_unknown(self.writer.replace(draft.text))
        self.draft, self.saved_text = path, self.writer.current.text

    def _help(self, _: str) -> None:
        rows = [*LINES, *((command.usage, command.summary) for command in self.commands.values())]
        warn("\n".join(f"{usage:<12} {summary}" for usage, summary in rows))

    def _quit(self, _: str) -> None:
        self.running = False


def report_unmatched(option: str, generator: Generator, words: Iterable[str]) -> None:
    """Report words that no entry of the vocabulary spells."""
    for note in unmatched_notes(option, words, generator.vocabulary, kind=generator.kind):
        warn(note)


def _report_unknown(words: list[str]) -> None:
    different = list(dict.fromkeys(words))
    if different:
        more = f" and {len(different) - 20} more" if len(different) > 20 else ""
        warn(f"note: not in the vocabulary, read as unknown: {', '.join(different[:20])}{more}")


def _path(argument: str) -> Path:
    """A file by its name, which may begin with ``~``."""
    try:
        return Path(argument).expanduser()
    except RuntimeError:  # no such user
        return Path(argument)


def _number(text: str) -> object:
    """A number, or a text that the schema then reports as none."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _count(text: str, command: str, *, most: int) -> int:
    """A number of words or sentences."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value <= most:
        raise UsageError(f"{command} {text}: write a number from 1 to {most:,}")
    return value
