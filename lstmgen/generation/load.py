"""Loading checkpoints for generation, without torch."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from lstmgen.cells.building_blocks import Array
from lstmgen.config.loader import from_portable
from lstmgen.config.schema import Config, DataConfig
from lstmgen.errors import CheckpointError, ConfigError
from lstmgen.generation.chosen import ChosenSampling, needs_copies, resolve_sample
from lstmgen.generation.generator import Generator
from lstmgen.generation.numpy_engine import Engine
from lstmgen.ngrams import kneser_ney
from lstmgen.ngrams.kneser_ney import KneserNey
from lstmgen.runs import checkpoint, folders
from lstmgen.runs.checkpoint import Checkpoint
from lstmgen.runs.folders import Choice
from lstmgen.runs.quantizing import dequantize
from lstmgen.text import copy_index
from lstmgen.text.clusters import frequency_clusters
from lstmgen.text.copy_index import CopyIndex
from lstmgen.text.tokenizer import VERSION, has_flag_parts
from lstmgen.text.vocabulary import Vocabulary, from_json

Weights = Mapping[str, Array]
T = TypeVar("T")

SMALL_MODEL = 30_000_000  # bytes of weights up to which one BLAS thread is the fastest
LARGEST_WEIGHT = 1e15  # so that no sum of products overflows; training stays far below
ATTEMPTS = 100  # to open a run whose old checkpoints are being deleted


@dataclass(frozen=True)
class LoadedCheckpoint:
    """A validated checkpoint and the parts read from it."""

    checkpoint: Checkpoint
    config: Config
    vocabulary: Vocabulary
    weights: Weights = field(default_factory=dict)  # by name; empty if not loaded
    copies: CopyIndex | None = None  # the index of the training text, if loaded
    ngrams: KneserNey | None = None  # of the training text, if loaded


def load_checkpoint(
    path: Path | None,
    runs: Path,
    *,
    step: Choice = "best",
    copies: bool = False,
    ngrams: bool = False,
    limit_threads: bool = True,
) -> LoadedCheckpoint:
    """Load a checkpoint with its weights.

    A concurrent training may delete the step between two reads; then the run's index is
    read again.

    Args:
        path: a run or step folder; None is the newest run.
        step: which checkpoint of a run.
        copies: also load the index of the training text, if there is one.
        ngrams: also load its n-grams, if there are any.
        limit_threads: use one BLAS thread if the model is small; not for training.

    Raises:
        CheckpointError: if the checkpoint is damaged or missing.
        UsageError: if a step is chosen from a step folder.
    """
    for attempt in range(ATTEMPTS):
        folder = folders.find_step(path, runs, step=step)
        try:
            model = folder / checkpoint.MODEL
            if limit_threads and model.is_file() and model.stat().st_size <= SMALL_MODEL:
                limit_blas_threads()
            loaded = load_step(folder)
            weights = _read_weights(loaded.checkpoint)
            with_copies = copies or needs_copies(loaded.config.sample)
            return replace(
                loaded,
                weights=weights,
                copies=_read_copies(loaded) if with_copies else None,
                ngrams=_read_ngrams(loaded) if ngrams else None,
            )
        except CheckpointError:
            if folder.exists() or attempt + 1 == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def load_step(path: Path) -> LoadedCheckpoint:
    """Load a step folder's config and vocabulary, without its weights.

    Raises:
        CheckpointError: if it is damaged.
    """
    opened = checkpoint.open_checkpoint(path)
    text = opened.read(checkpoint.CONFIG).decode("utf-8", errors="replace")
    try:
        config = from_portable(text, source=checkpoint.CONFIG)
    except ConfigError as error:
        raise checkpoint.other_version(path, str(error)) from None
    vocabulary = from_json(opened.read_json(checkpoint.VOCABULARY), source=str(path))
    tokenizer: Any = opened.read_json(checkpoint.TOKENIZER)
    if tokenizer == {"tokenizer": "word", "lowercase": config.data.lowercase}:
        data = config.data.model_copy(update={"tokenizer": "word_v1"})  # made by lstmgen 0.1
        config = config.model_copy(update={"data": data})
        return LoadedCheckpoint(opened, config, vocabulary)
    ours = describe_tokenizer(config.data)
    current = {"version": VERSION} if "version" in ours else {}
    if not isinstance(tokenizer, dict) or tokenizer | current != ours:
        raise checkpoint.damaged(path, "tokenizer.json and config.yaml disagree")
    version = tokenizer.get("version")
    same_tokens = version == 2 and not has_flag_parts(vocabulary.entries)
    if tokenizer != ours and not same_tokens:
        raise checkpoint.other_version(path, f"version {version} of the tokenizer")
    return LoadedCheckpoint(opened, config, vocabulary)


def load_generator(
    path: Path | None, runs: Path, *, copies: bool, step: Choice = "best"
) -> tuple[Generator, Checkpoint]:
    """Load a generator and its checkpoint; arguments and errors as for ``load_checkpoint``."""
    loaded = load_checkpoint(path, runs, step=step, copies=copies, ngrams=True)
    return make_generator(loaded), loaded.checkpoint


def make_generator(loaded: LoadedCheckpoint) -> Generator:
    """The generator of a loaded checkpoint; the null settings of its ``sample`` are resolved."""
    source = str(loaded.checkpoint.path)
    engine = make_engine(loaded.config, loaded.vocabulary, loaded.weights, source=source)
    sample = resolve_sample(
        loaded.config.sample, _read_chosen(loaded.checkpoint), has_ngrams=loaded.ngrams is not None
    )
    config = loaded.config.model_copy(update={"sample": sample})
    return Generator(config, loaded.vocabulary, engine, loaded.copies, loaded.ngrams)


def make_engine(
    config: Config, vocabulary: Vocabulary, weights: Weights, *, source: str = "the model"
) -> Engine:
    """Build the inference engine of a config from weights.

    Raises:
        CheckpointError: if the weights do not fit; ``source`` names them.
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
    """The contents of a checkpoint's tokenizer.json."""
    facts = {"tokenizer": data.tokenizer, "lowercase": data.lowercase}
    return facts | {"version": VERSION} if data.tokenizer == "word" else facts


def limit_blas_threads() -> None:
    """Use one BLAS thread, for small matmuls, unless the environment sets a number."""
    if not {"OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"} & set(os.environ):
        threadpool_limits(1, "blas")


def _read_copies(loaded: LoadedCheckpoint) -> CopyIndex | None:
    entries = len(loaded.vocabulary)
    return _read_optional(loaded, checkpoint.COPY_INDEX, copy_index.from_arrays, entries=entries)


def _read_ngrams(loaded: LoadedCheckpoint) -> KneserNey | None:
    size = len(loaded.vocabulary)
    return _read_optional(loaded, checkpoint.NGRAMS, kneser_ney.from_arrays, vocab_size=size)


def _read_optional(
    loaded: LoadedCheckpoint, name: str, from_arrays: Callable[..., T], **sizes: int
) -> T | None:
    """Read a file of arrays that a checkpoint may have."""
    source = loaded.checkpoint
    if name not in source.files:
        return None
    arrays = source.read_tensors(name)
    try:
        return from_arrays(arrays, **sizes)
    except ValueError as error:
        raise checkpoint.damaged(source.path, f"{name}: {error}") from None


def _read_chosen(source: Checkpoint) -> ChosenSampling | None:
    if source.sampling is None:
        return None
    try:
        return ChosenSampling.from_json(source.sampling)
    except ValueError as error:
        raise checkpoint.damaged(source.path, f"manifest.json: sampling: {error}") from None


def _read_weights(source: Checkpoint) -> Weights:
    """A model's weights, in float32."""
    tensors: Any = source.read_tensors(checkpoint.MODEL)
    if source.quantized is not None:
        try:
            tensors = dequantize(tensors)
        except ValueError as error:
            raise checkpoint.damaged(source.path, f"{checkpoint.MODEL}: {error}") from None
    _check_finite(tensors, source.path)
    return {name: array.astype("float32", copy=False) for name, array in tensors.items()}


def _check_finite(weights: Weights, path: Path) -> None:
    for name, array in weights.items():  # training never saves such weights
        if array.dtype.kind != "f" or not array.size:
            raise checkpoint.damaged(path, f"{name} has values that are not finite floats")
        largest = max(float(array.max()), -float(array.min()))  # NaN if there is one
        if not math.isfinite(largest):
            raise checkpoint.damaged(path, f"{name} has values that are not finite floats")
        if largest > LARGEST_WEIGHT:
            raise checkpoint.damaged(path, f"{name} has values beyond {LARGEST_WEIGHT:g}")
