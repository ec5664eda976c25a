"""Loading what a training is started with: a config, a preset or a text."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lstmgen.config.loader import LoadedConfig, load, load_text
from lstmgen.errors import UsageError, printable
from lstmgen.runs.bundled import find_config, is_text
from lstmgen.runs.folders import RESOLVED

if TYPE_CHECKING:  # numpy
    from lstmgen.text.corpus import Corpus


def prepare_source(
    source: str,
    overrides: Sequence[str],
    *,
    runs: Path,
    progress: Callable[[int, int], None] | None = None,
    ranks: bool = False,
) -> "tuple[LoadedConfig, Corpus]":
    """Load and check a config, and prepare its text.

    Args:
        source: a config file, a preset, or a text (a file, a folder, a glob, or -).
        runs: the folder of runs. progress: of reading a large text, in bytes.
        ranks: whether several processes read it, which cannot share standard input.
    """
    source_is_text = is_text(source)
    if source_is_text:
        if (Path(source) / RESOLVED).is_file():
            raise UsageError(
                f"{printable(source)}: is a run. To continue it: lstmgen train --resume "
                f"{printable(source)}"
            )
        loaded = load_text(source, overrides)
    else:
        loaded = load(find_config(source), overrides)
    if ranks and loaded.config.data.train == "-":
        raise UsageError("data.train = -: several ranks cannot share standard input. Name a file")
    from lstmgen.training.complete_config import prepare_training  # numpy, after all checks

    return prepare_training(loaded, runs, progress=progress, choose_base=source_is_text)
