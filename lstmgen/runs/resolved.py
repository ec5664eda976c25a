"""The complete config of a run, as its folder holds it."""

from collections.abc import Sequence
from pathlib import Path

from lstmgen.config.loader import LoadedConfig, load
from lstmgen.errors import CheckpointError, ConfigError, printable
from lstmgen.runs.folders import RESOLVED


def load_resolved(run: Path, overrides: Sequence[str] = ()) -> LoadedConfig:
    """Load a run's config, with overrides.

    Raises:
        ConfigError: an override is wrong.
        CheckpointError: the file is not a config of this version of lstmgen.
    """
    try:
        return load(run / RESOLVED, overrides)
    except ConfigError as error:
        if not any(problem.place.startswith(RESOLVED) for problem in error.problems):
            raise
        raise CheckpointError(
            f"{printable(run / RESOLVED)} was written by another version of lstmgen, or changed. "
            f"Use the version that wrote it, or put it right:\n{error}"
        ) from None
