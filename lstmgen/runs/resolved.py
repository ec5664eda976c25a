"""The complete config of a run, as its folder holds it.

Its first line names the schema for editors, a copy of which is beside it, so that a run can be
moved. The copy is that of the version that wrote the run.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lstmgen.config.json_schema import FILE, REFERENCE, schema_text
from lstmgen.config.loader import LoadedConfig, dump, load
from lstmgen.config.schema import Config
from lstmgen.errors import CheckpointError, ConfigError, printable
from lstmgen.runs.folders import RESOLVED, replace_text
from lstmgen.safe_files import check_plain


def write_resolved(run: Path, config: Config) -> None:
    """Write a run's complete config, and the schema that its first line names."""
    with suppress(OSError):  # editors can do without it
        replace_text(run / FILE, schema_text())
    replace_text(run / RESOLVED, REFERENCE + dump(config))


def load_resolved(run: Path, overrides: Sequence[str] = ()) -> LoadedConfig:
    """Load a run's config, with overrides.

    Raises:
        ConfigError: an override is wrong.
        CheckpointError: the file is a link, a pipe or no config of this version of lstmgen.
    """
    check_plain(run, files=(RESOLVED,), folders=())
    try:
        return load(run / RESOLVED, overrides)
    except ConfigError as error:
        if not any(problem.place.startswith(RESOLVED) for problem in error.problems):
            raise
        raise CheckpointError(
            f"{printable(run / RESOLVED)} was written by another version of lstmgen, or changed. "
            f"Use the version that wrote it, or put it right:\n{error}"
        ) from None
