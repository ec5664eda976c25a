"""The text to evaluate: a file, or a split of the run's own text."""

import tempfile
from pathlib import Path
from typing import Literal

from lstmgen.config.schema import Config, DataConfig
from lstmgen.errors import CheckpointError, StorageError, UsageError
from lstmgen.generation.load import LoadedCheckpoint
from lstmgen.runs import folders
from lstmgen.runs.resolved import load_resolved
from lstmgen.text.config_text import prepare_text
from lstmgen.text.corpus import Corpus, Part
from lstmgen.text.in_memory import encode_files
from lstmgen.text.standard_input import save_stdin
from lstmgen.text.vocabulary import Vocabulary

Split = Literal["train", "valid", "test"]
NAMES = {"train": "the training text", "valid": "the validation text", "test": "the test text"}
NAME_A_TEXT = "Use --text FILE"


def find_part(loaded: LoadedCheckpoint, *, text: str | None, split: Split) -> tuple[Part, str]:
    """Encode a text with a checkpoint's vocabulary; also its name.

    Args:
        text: a file, or - for standard input; None: a split of the run's own text, which is
            prepared beside the run.

    Raises:
        DataError: if it cannot be read. UsageError: if there is no such text.
        CheckpointError: if the run's text has changed since training.
    """
    if text is not None:
        return encode_text(text, loaded.config, loaded.vocabulary)
    if split == "test":
        part = _encode(find_test(loaded), loaded.config, loaded.vocabulary, key="data.test")
        return part, NAMES[split]
    return split_part(find_corpus(loaded), split), NAMES[split]


def find_test(loaded: LoadedCheckpoint) -> str | list[str]:
    """The sources of the run's test text.

    Raises:
        UsageError: if there is none, or the checkpoint is outside a run folder.
    """
    sources = run_data(loaded).test
    if sources is None:
        raise UsageError("--split test: the run's config names no data.test. Use --text FILE")
    return sources


def split_part(corpus: Corpus, split: Split) -> Part:
    """The part of a run's text for training or validation.

    Raises:
        UsageError: if there is no validation text.
    """
    if split == "train":
        return corpus.train
    if corpus.valid is None:
        raise UsageError(
            "the run has no validation text, so there is nothing to score or tune on: train with "
            "data.valid, or data.valid_fraction above 0. Use --text FILE, or evaluate --split train"
        )
    return corpus.valid


def find_corpus(loaded: LoadedCheckpoint, *, way_out: str = NAME_A_TEXT) -> Corpus:
    """The run's own text, prepared beside the run.

    Args:
        way_out: the end of the message if the text is not there.

    Raises:
        DataError: if it cannot be read. UsageError: if the checkpoint is outside a run folder.
        CheckpointError: if the run's text has changed since training.
    """
    corpus = _prepare(run_data(loaded, way_out=way_out), loaded)
    expected = loaded.checkpoint.read_fingerprint() or corpus.fingerprint
    if corpus.vocabulary != loaded.vocabulary or corpus.fingerprint != expected:
        raise CheckpointError(f"the run's text has changed since it was trained on. {way_out}")
    return corpus


def encode_text(text: str, config: Config, vocabulary: Vocabulary) -> tuple[Part, str]:
    """Encode a file, or standard input for -, with a vocabulary; also its name."""
    if text != "-":
        return _encode(text, config, vocabulary, key="--text"), text
    with tempfile.TemporaryDirectory() as folder:
        path = str(save_stdin(Path(folder)))
        return _encode(path, config, vocabulary, key="--text"), "standard input"


def _prepare(data: DataConfig, loaded: LoadedCheckpoint) -> Corpus:
    """Prepare a run's text beside the run, or in a temporary folder if that fails."""
    entries = None if data.vocabulary_from == "text" else loaded.vocabulary.entries
    run, expected = _run_folder(loaded), loaded.checkpoint.read_fingerprint()
    try:
        return prepare_text(data, run.parent, entries=entries, expected=expected)
    except StorageError:  # such as a read-only disk
        with tempfile.TemporaryDirectory() as folder:  # its files stay readable while mapped
            return prepare_text(data, Path(folder), entries=entries)


def _encode(sources: str | list[str], config: Config, vocabulary: Vocabulary, *, key: str) -> Part:
    return encode_files(sources, vocabulary, data=config.data, key=key)


def run_data(loaded: LoadedCheckpoint, *, way_out: str = NAME_A_TEXT) -> DataConfig:
    """The run's data section, since a checkpoint's has no paths; ``way_out`` ends the message.

    Raises:
        UsageError: if the checkpoint is outside a run folder.
    """
    run = _run_folder(loaded)
    if not (run / folders.RESOLVED).is_file():
        raise UsageError(
            f"this checkpoint is outside a run folder, without its run's text. {way_out}"
        )
    # For a checkpoint of lstmgen 0.1 the tokenizer of its own config holds.
    data = load_resolved(run).config.data
    return data.model_copy(update={"tokenizer": loaded.config.data.tokenizer})


def _run_folder(loaded: LoadedCheckpoint) -> Path:
    """The folder of a checkpoint's run, if the checkpoint is in one."""
    return loaded.checkpoint.path.absolute().parent.parent
