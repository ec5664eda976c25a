"""From a checkpoint folder to a generator, without torch."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from lstmgen.cells.step import Array
from lstmgen.config.loader import from_portable
from lstmgen.config.schema import Config, DataConfig
from lstmgen.errors import CheckpointError, ConfigError
from lstmgen.generation.engine import Engine
from lstmgen.generation.generator import Generator
from lstmgen.runs import checkpoint, folders
from lstmgen.runs.checkpoint import Checkpoint
from lstmgen.text import copy_index
from lstmgen.text.clusters import frequency_clusters
from lstmgen.text.copy_index import CopyIndex
from lstmgen.text.tokenizer import VERSION
from lstmgen.text.vocabulary import Vocabulary, from_json

Weights = Mapping[str, Array]

SMALL = 30_000_000  # bytes of weights up to which one BLAS thread is the fastest
ATTEMPTS = 100  # at a run whose old checkpoints are being deleted


@dataclass(frozen=True)
class LoadedCheckpoint:
    """A checkpoint, checked, with what was read of it.

    Attributes:
        weights: by name; empty where they were not asked for.
        copies: the index of the training text; None where there is none, or it was not asked for.
    """

    checkpoint: Checkpoint
    config: Config
    vocabulary: Vocabulary
    weights: Weights = field(default_factory=dict)
    copies: CopyIndex | None = None


def load_checkpoint(
    given: Path | None, runs: Path, *, copies: bool = False, limit_threads: bool = True
) -> LoadedCheckpoint:
    """Load the checkpoint that a command line names, with its weights.

    A run that trains at the same time may delete the step between two reads; then the
    run's index is read again.

    Args:
        given: a run or step folder; None is the newest run.
        copies: read the index of the training text too, where there is one.
        limit_threads: keep BLAS to one thread where the model is small; not for a training.

    Raises:
        CheckpointError: where the checkpoint is damaged or missing.
    """
    for attempt in range(ATTEMPTS):
        step = folders.find_step(given, runs)
        try:
            if limit_threads:
                _choose_threads(step)
            loaded = load_step(step)
            weights: Any = loaded.checkpoint.read_tensors(checkpoint.MODEL)
            _check_finite(weights, step)
            wanted = copies or loaded.config.sample.max_copied is not None
            return replace(
                loaded,
                weights={name: _full(array) for name, array in weights.items()},
                copies=_read_copies(loaded) if wanted else None,
            )
        except CheckpointError:
            if step.exists() or attempt + 1 == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def load_step(path: Path) -> LoadedCheckpoint:
    """A step folder's config and vocabulary, without its weights.

    Raises:
        CheckpointError: where it is damaged or fits no model.
    """
    found = checkpoint.open_checkpoint(path)
    text = found.read(checkpoint.CONFIG).decode("utf-8", errors="replace")
    try:
        config = from_portable(text, source=checkpoint.CONFIG)
    except ConfigError as error:
        raise checkpoint.damaged(path, str(error)) from None
    vocabulary = from_json(found.read_json(checkpoint.VOCABULARY), source=str(path))
    tokenizer: Any = found.read_json(checkpoint.TOKENIZER)
    if tokenizer == {"tokenizer": "word", "lowercase": config.data.lowercase}:
        data = config.data.model_copy(update={"tokenizer": "word_v1"})  # made by lstmgen 0.1
        config = config.model_copy(update={"data": data})
    elif tokenizer != describe_tokenizer(config.data):
        raise checkpoint.damaged(path, "tokenizer.json and config.yaml disagree")
    return LoadedCheckpoint(found, config, vocabulary)


def load_generator(given: Path | None, runs: Path, *, copies: bool) -> tuple[Generator, Checkpoint]:
    """The generator that a command line names, and its checkpoint.

    Args, Raises: as ``load_checkpoint``.
    """
    loaded = load_checkpoint(given, runs, copies=copies)
    found = loaded.checkpoint
    engine = make_engine(loaded.config, loaded.vocabulary, loaded.weights, source=str(found.path))
    return Generator(loaded.config, loaded.vocabulary, engine, loaded.copies), found


def make_engine(
    config: Config, vocabulary: Vocabulary, weights: Weights, *, source: str = "the model"
) -> Engine:
    """A config's model with given weights, ready to be stepped.

    Raises:
        CheckpointError: where the weights do not fit; ``source`` names them.
    """
    adaptive = config.model.output == "adaptive"
    return Engine(
        weights,
        vocab_size=len(vocabulary),
        hidden_sizes=config.model.hidden_sizes,
        cell=config.model.cell,
        seen_once=vocabulary.seen_once,
        clusters=frequency_clusters(vocabulary.counts) if adaptive else None,
        source=source,
    )


def describe_tokenizer(data: DataConfig) -> dict[str, Any]:
    """What a checkpoint records of its tokenizer."""
    facts = {"tokenizer": data.tokenizer, "lowercase": data.lowercase}
    return facts | {"version": VERSION} if data.tokenizer == "word" else facts


def limit_blas_threads() -> None:
    """One BLAS thread, for small matmuls, unless the environment sets a number."""
    if not {"OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"} & set(os.environ):
        threadpool_limits(1, "blas")


def _choose_threads(step: Path) -> None:
    model = step / checkpoint.MODEL
    if model.is_file() and model.stat().st_size <= SMALL:
        limit_blas_threads()


def _read_copies(loaded: LoadedCheckpoint) -> CopyIndex | None:
    found = loaded.checkpoint
    if checkpoint.COPY_INDEX not in found.files:
        return None
    arrays: Any = found.read_tensors(checkpoint.COPY_INDEX)
    try:
        return copy_index.from_arrays(arrays, entries=len(loaded.vocabulary))
    except ValueError as error:
        raise checkpoint.damaged(found.path, f"{checkpoint.COPY_INDEX}: {error}") from None


def _check_finite(weights: Weights, path: Path) -> None:
    """Training never saves such weights, so whoever did was another program."""
    for name, array in weights.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise checkpoint.damaged(path, f"{name} holds what is no finite number")


def _full(array: Array) -> Array:
    """Weights that are kept in half precision, as they are computed with."""
    return array.astype("float32") if array.dtype == "float16" else array
