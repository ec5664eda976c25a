"""The text that a command looks at: a file, or a run's own."""

import tempfile
from pathlib import Path
from typing import Literal

from lstmgen.config.loader import load
from lstmgen.config.schema import Config, DataConfig
from lstmgen.errors import CheckpointError, UsageError
from lstmgen.generation.load import LoadedCheckpoint
from lstmgen.runs import folders
from lstmgen.text.corpus import Part
from lstmgen.text.prepare import prepare_text
from lstmgen.text.prepared import encode_files, save_stdin
from lstmgen.text.vocabulary import Vocabulary

Split = Literal["train", "valid", "test"]


def find_part(
    loaded: LoadedCheckpoint, *, text: str | None, split: Split, runs: Path
) -> tuple[Part, str]:
    """The ids of a text by a checkpoint's vocabulary, and what to call it.

    Args:
        text: a file, - for standard input; None is a split of the run's own text.
        runs: where prepared texts are kept.

    Raises:
        DataError: where it cannot be read. UsageError: where there is no such text.
        CheckpointError: where the run's text is not the one that it learnt.
    """
    if text is not None:
        return encode_text(text, loaded.config, loaded.vocabulary)
    data = _run_data(loaded)
    if split == "test":
        if data.test is None:
            raise UsageError("--split test: the run's config names no data.test. Use --text FILE")
        part = _encode(data.test, loaded.config, loaded.vocabulary, key="data.test")
        return part, "the test text"
    entries = None if data.vocabulary_from == "text" else loaded.vocabulary.entries
    corpus = prepare_text(data, runs, entries=entries)
    if corpus.vocabulary != loaded.vocabulary:
        raise CheckpointError(
            "the run's text has changed since it was trained on. Name a file with --text FILE"
        )
    if split == "train":
        return corpus.train, "the training text"
    if corpus.valid is None:
        raise UsageError(
            "the run has no validation text, so there is nothing to tune on either: train with "
            "data.valid, or data.valid_fraction above 0. Score with --split train or --text FILE"
        )
    return corpus.valid, "the validation text"


def encode_text(text: str, config: Config, vocabulary: Vocabulary) -> tuple[Part, str]:
    """A file, or standard input for -, by a vocabulary, and what to call it."""
    if text != "-":
        return _encode(text, config, vocabulary, key="--text"), text
    with tempfile.TemporaryDirectory() as folder:
        path = str(save_stdin(Path(folder)))
        return _encode(path, config, vocabulary, key="--text"), "standard input"


def _encode(sources: str | list[str], config: Config, vocabulary: Vocabulary, *, key: str) -> Part:
    data = config.data
    return encode_files(sources, vocabulary, kind=data.tokenizer, lowercase=data.lowercase, key=key)


def _run_data(loaded: LoadedCheckpoint) -> DataConfig:
    """The config section with paths, which a run folder has and a checkpoint has not."""
    resolved = loaded.checkpoint.path.absolute().parent.parent / folders.RESOLVED
    if not resolved.is_file():
        raise UsageError("this checkpoint stands alone, without its run's text. Use --text FILE")
    # A checkpoint of lstmgen 0.1 says by which tokenizer its text is cut.
    data = load(resolved).config.data
    return data.model_copy(update={"tokenizer": loaded.config.data.tokenizer})
