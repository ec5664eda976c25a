"""The errors that lstmgen raises for its users, and their exit codes.

LstmgenError                exit 1   expected errors without a code of their own
|-- UsageError              exit 2   a command that cannot be executed as typed
|   |-- ConfigError                  problems of a config file or override, all at once
|   |-- DataError                    a text that is missing or cannot be read
|   `-- CheckpointError              a run or checkpoint that is missing or incompatible
|       `-- DamagedError             a checkpoint whose contents have changed
|-- DivergedError           exit 3   loss or gradients became NaN or infinite
`-- StorageError            exit 1   a file that could not be written

Every message names the thing, its value and the way out. The command line prints it without
a traceback.
"""

import re
from dataclasses import dataclass

NO_TEMPORARY_FOLDER = "no temporary folder can be written. Name one that can be: TMPDIR=FOLDER"


class LstmgenError(Exception):
    """Base class of errors with a message for the user."""

    exit_code = 1


class UsageError(LstmgenError):
    """A command that cannot be executed as typed."""

    exit_code = 2


class DataError(UsageError):
    """A text that cannot be read or used."""


class CheckpointError(UsageError):
    """A run folder or a checkpoint that cannot be used."""


class DamagedError(CheckpointError):
    """A checkpoint whose contents have changed since it was written."""


class DivergedError(LstmgenError):
    """Loss or gradients became NaN or infinite; ``facts`` go into the run's events."""

    exit_code = 3

    def __init__(self, message: str, facts: dict[str, object] | None = None) -> None:
        self.facts = facts or {}
        super().__init__(message)


class StorageError(LstmgenError):
    """A file that could not be written."""


@dataclass(frozen=True)
class Problem:
    """One problem of a config."""

    place: str  # "story.yaml:12", or "command line"
    key: str  # "train.window", or "" if no key is involved
    value: str  # as displayed, or "" if there is none
    message: str

    def __str__(self) -> str:
        setting = f"{self.key} = {self.value}" if self.value else self.key
        return ": ".join(part for part in (self.place, setting, self.message) if part)


class ConfigError(UsageError):
    """All problems of a config."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


def printable(text: object) -> str:
    """Escape control characters except newline and tab, so text is safe for a terminal.

    Applied to every file name, config value and word before it is printed.
    """
    return "".join(
        character
        if character in "\n\t" or character.isprintable()
        else character.encode("unicode_escape").decode("ascii")
        for character in str(text)
    )


def encodable(text: str) -> bool:
    """Whether a text has no lone surrogates, as from invalid bytes on a command line."""
    return re.search("[\ud800-\udfff]", text) is None


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun: 1 step, 2,000 steps."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
