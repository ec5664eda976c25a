"""The text of a config: checked, prepared, and indexed for copies."""

from dataclasses import replace
from pathlib import Path

from lstmgen.config.loader import Loaded
from lstmgen.config.schema import DataConfig
from lstmgen.errors import ConfigError, Problem
from lstmgen.text.copy_index import MOST_TOKENS, CopyIndex, build_copy_index
from lstmgen.text.corpus import Corpus, Progress
from lstmgen.text.prepared import keep_stdin, prepare
from lstmgen.text.reading import find_files, short_names

PREPARED = ".prepared"


def resolve_stdin(loaded: Loaded, runs: Path) -> Loaded:
    """Put a copy of standard input in the place of ``data.train: -``.

    The copy stays under the runs folder, so that the run can be resumed and scored.
    """
    data = loaded.config.data
    if data.train != "-":
        return loaded
    path = keep_stdin(runs / PREPARED)
    data = data.model_copy(update={"train": str(path.absolute())})
    return replace(loaded, config=loaded.config.model_copy(update={"data": data}))


def prepare_text(
    data: DataConfig,
    runs: Path,
    *,
    progress: Progress | None = None,
    entries: tuple[str, ...] | None = None,
) -> Corpus:
    """The ids of a config's text, kept under the runs folder.

    Args:
        entries: of the vocabulary, where it is not the text's own.

    Raises:
        ConfigError: where no text is named. DataError: where it cannot be used.
    """
    if data.train is None:
        raise ConfigError(
            [Problem("", "data.train", "", "no text is named. Write a path: data.train=story.txt")]
        )
    if data.test is not None:
        find_files(data.test, key="data.test")
    return prepare(data, folder=runs / PREPARED, entries=entries, progress=progress)


def index_copies(data: DataConfig, corpus: Corpus) -> tuple[CopyIndex | None, str]:
    """The index of a training text, and why there is none."""
    if not data.copy_index:
        return None, ""
    if data.tokenizer == "character":
        return None, "no copy index is kept of a text read by characters"
    if len(corpus.train.ids) > MOST_TOKENS:
        return None, (
            f"the training text has more than {MOST_TOKENS:,} tokens: no copy index is kept, so "
            "copied words cannot be told"
        )
    index = build_copy_index(
        corpus.train.ids,
        corpus.line_ends,
        corpus.vocabulary,
        kind=data.tokenizer,
        file_starts=corpus.file_starts,
        names=short_names(find_files(data.train or "", key="data.train")),
    )
    return index, ""
