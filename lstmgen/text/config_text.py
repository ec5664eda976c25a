"""The text of a config: checked, prepared, and indexed for copies."""

from dataclasses import replace
from pathlib import Path

from lstmgen.config.loader import LoadedConfig
from lstmgen.config.schema import DataConfig
from lstmgen.errors import ConfigError, DataError, Problem
from lstmgen.text.copy_index import MAX_TOKENS, CopyIndex, build_copy_index
from lstmgen.text.corpus import Corpus, Progress
from lstmgen.text.finding import find_files, short_names
from lstmgen.text.prepared import prepare
from lstmgen.text.reading import is_turkish, read_blocks
from lstmgen.text.standard_input import save_stdin

PREPARED = ".prepared"


def resolve_stdin(loaded: LoadedConfig, runs: Path) -> LoadedConfig:
    """Replace ``data.train: -`` by a copy of standard input.

    The copy is kept in the runs folder, so that the run can be resumed and evaluated.
    """
    data = loaded.config.data
    if data.train != "-":
        return loaded
    path = save_stdin(runs / PREPARED)
    data = data.model_copy(update={"train": str(path.absolute())})
    return replace(loaded, config=loaded.config.model_copy(update={"data": data}))


def resolve_lowercase(data: DataConfig) -> DataConfig:
    """Replace ``data.lowercase: true`` by ``turkish`` for a text of Turkish or Azeri."""
    if data.lowercase is not True or data.train is None:
        return data
    files = find_files(data.train, key="data.train").files
    blocks = (block for path in files for block in read_blocks(path, encoding=data.encoding))
    try:
        turkish = is_turkish(blocks)
    except DataError:
        return data  # preparing the text reports it
    return data.model_copy(update={"lowercase": "turkish"}) if turkish else data


def prepare_text(
    data: DataConfig,
    runs: Path,
    *,
    progress: Progress | None = None,
    entries: tuple[str, ...] | None = None,
    expected: str | None = None,
) -> Corpus:
    """The ids of a config's text, cached in the runs folder.

    Args:
        entries: a vocabulary to use instead of the text's own.
        expected: the fingerprint of the only text that may be cached.

    Raises:
        ConfigError: no text is named. DataError: a text cannot be used.
    """
    if data.train is None:
        raise ConfigError(
            [Problem("", "data.train", "", "no text is named. Write a path: data.train=story.txt")]
        )
    if data.test is not None:
        find_files(data.test, key="data.test")
    return prepare(
        data, folder=runs / PREPARED, entries=entries, progress=progress, expected=expected
    )


def index_bytes(data: DataConfig, corpus: Corpus) -> int:
    """The most bytes that the index of a training text takes on the disk; 0 if none is kept."""
    is_kept = _why_no_index(data, corpus) is None
    return 8 * len(corpus.train.ids) if is_kept else 0  # two numbers for each word


def index_copies(data: DataConfig, corpus: Corpus) -> tuple[CopyIndex | None, str]:
    """The index of a training text, or None and the reason."""
    reason = _why_no_index(data, corpus)
    if reason is not None:
        return None, reason
    index = build_copy_index(
        corpus.train.ids,
        corpus.line_ends,
        corpus.vocabulary,
        kind=data.tokenizer,
        file_starts=corpus.file_starts,
        names=short_names(find_files(data.train or "", key="data.train").files),
    )
    return index, ""


def _why_no_index(data: DataConfig, corpus: Corpus) -> str | None:
    """Why no index is kept of a text, empty if the config asks for none; None if one is kept."""
    if not data.copy_index:
        return ""
    if data.tokenizer == "character":
        return "no copy index is kept of a text read by characters"
    if len(corpus.train.ids) > MAX_TOKENS:
        return (
            f"the training text has more than {MAX_TOKENS:,} tokens: no copy index is kept, so "
            "copied passages cannot be detected"
        )
    return None
