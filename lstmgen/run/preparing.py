"""The part of a training that needs no torch: the text, checked and made ready."""

from pathlib import Path

from lstmgen.config.schema import DataConfig
from lstmgen.errors import ConfigError, Problem
from lstmgen.text.prepared import Corpus, Progress, TextSettings, prepare

PREPARED = ".prepared"


def prepare_text(data: DataConfig, runs: Path, *, progress: Progress | None = None) -> Corpus:
    """The ids of a config's text, kept under the runs folder.

    Raises:
        ConfigError: where no text is named. DataError: where it cannot be used.
    """
    if data.train is None:
        raise ConfigError(
            [Problem("", "data.train", "", "no text is named. Write a path: data.train=story.txt")]
        )
    settings = TextSettings(
        train=data.train,
        valid=data.valid,
        valid_fraction=data.valid_fraction,
        tokenizer=data.tokenizer,
        lowercase=data.lowercase,
        vocabulary_size=data.vocabulary_size,
        min_count=data.min_count,
        vocabulary=data.vocabulary,
    )
    return prepare(settings, folder=runs / PREPARED, progress=progress)
