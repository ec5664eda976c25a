"""The errors that lstmgen raises for its users, and the exit code of each.

LstmgenError                exit 1   anything foreseeable that has no code of its own
|-- UsageError              exit 2   a command that cannot be carried out as typed
|   |-- ConfigError                  a config file or override, all its problems at once
|   |-- DataError                    a text, or a place where a text should be
|   `-- CheckpointError              a run or a checkpoint: missing, of another make
|       `-- DamagedError             a checkpoint that is not what was written
|-- DivergedError           exit 3   training left the finite numbers
`-- StorageError            exit 1   the disk would not take what had to be written

Every message names the thing, its value and the way out. The command line
prints it as it stands, without a traceback.
"""

from dataclasses import dataclass


class LstmgenError(Exception):
    """The root of all errors that carry a message for the user."""

    exit_code = 1


class UsageError(LstmgenError):
    """A command that cannot be carried out as typed."""

    exit_code = 2


class DataError(UsageError):
    """A text that cannot be read or used."""


class CheckpointError(UsageError):
    """A run folder or a checkpoint that cannot be used."""


class DamagedError(CheckpointError):
    """A checkpoint that is not what was written."""


class DivergedError(LstmgenError):
    """Training met a number that is not finite.

    Args:
        facts: numbers and names of the step, for the run's events.
    """

    exit_code = 3

    def __init__(self, message: str, facts: dict[str, object] | None = None) -> None:
        self.facts = facts or {}
        super().__init__(message)


class StorageError(LstmgenError):
    """A file that could not be written."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a config: where it stands, what it says, what to do."""

    place: str  # "story.yaml:12", or "command line"
    key: str  # "train.window", or "" where no key is to blame
    value: str  # as it should be shown, or "" where there is none
    message: str

    def __str__(self) -> str:
        named = f"{self.key} = {self.value}" if self.value else self.key
        return ": ".join(part for part in (self.place, named, self.message) if part)


class ConfigError(UsageError):
    """A config with one or more problems, all of them told at once."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


def printable(text: object) -> str:
    """Make any text safe for a terminal: control characters become escapes.

    Newlines and tabs stay. Everything that lstmgen says about a file name, a
    config value or a word goes through here before it reaches a terminal.
    """
    return "".join(
        character
        if character in "\n\t" or character.isprintable()
        else character.encode("unicode_escape").decode("ascii")
        for character in str(text)
    )
