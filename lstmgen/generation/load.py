"""From a checkpoint folder to an engine with its vocabulary, without torch."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lstmgen.config.loader import from_portable
from lstmgen.config.schema import Config, DataConfig, SampleConfig
from lstmgen.errors import CheckpointError, ConfigError, UsageError
from lstmgen.runs import checkpoint, folders
from lstmgen.runs.checkpoint import Checkpoint
from lstmgen.text.reading import remove_control

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lstmgen.cells.step import Array
    from lstmgen.generation.constraints import BoundWords, Constraints
    from lstmgen.generation.continuing import Ending, Piece
    from lstmgen.generation.cue import Cue
    from lstmgen.generation.engine import Engine
    from lstmgen.generation.sampling import Settings
    from lstmgen.generation.writing import Writer
    from lstmgen.text.copy_index import CopyIndex
    from lstmgen.text.vocabulary import Vocabulary

    Weights = Mapping[str, Array]

T = TypeVar("T")

SMALL = 30_000_000  # bytes of weights up to which one BLAS thread is the fastest
SAMPLE_WORDS = 40  # of a cue continued while training
ATTEMPTS = 100  # at a run whose old checkpoints are being deleted


@dataclass(frozen=True)
class Opened:
    """A checkpoint, checked, with its config and vocabulary."""

    checkpoint: Checkpoint
    config: Config
    vocabulary: "Vocabulary"


@dataclass(frozen=True)
class Generator:
    """Everything that continues cues.

    Attributes:
        copies: the index of the training text's words; None where there is none.
    """

    config: Config
    vocabulary: "Vocabulary"
    engine: "Engine"
    copies: "CopyIndex | None" = None

    def open_cue(self, text: "str | Iterable[str]", settings: SampleConfig) -> "Cue":
        """A cue as this model reads it, once.

        Args:
            text: whole, or in blocks as ``read_blocks`` cuts them.
        """
        from lstmgen.generation.cue import Cue

        data = self.config.data
        return Cue(
            [text] if isinstance(text, str) else text,
            self.vocabulary,
            kind=data.tokenizer,
            lowercase=data.lowercase,
            oov=settings.oov,
        )

    def run(
        self,
        cue: "Cue",
        settings: SampleConfig,
        *,
        samples: int,
        seed: int,
        details: bool = False,
    ) -> "Iterator[Piece]":
        """Continue a cue as a config's section ``sample`` says.

        Pieces come as they are drawn (``generation.continuing``); those of a beam
        search when it is over, sample by sample.

        Raises:
            UsageError: where ``max_copied`` is asked for and there is no index.
        """
        if settings.max_copied is not None:
            self.require_copies("--max-copied")
        constraints = self._constraints(settings)
        ending = _ending(settings)
        if settings.beams is not None:
            from lstmgen.generation.beams import beam_pieces

            yield from beam_pieces(
                self.engine,
                self.vocabulary,
                cue,
                samples=samples,
                beams=settings.beams,
                length_penalty=settings.length_penalty,
                settings=_filters(settings),
                ending=ending,
                constraints=constraints,
                index=self.copies,
                details=details,
            )
            return
        from lstmgen.generation.cache import CacheSettings
        from lstmgen.generation.continuing import continue_cue

        yield from continue_cue(
            self.engine,
            self.vocabulary,
            cue,
            samples=samples,
            seed=seed,
            settings=_filters(settings),
            ending=ending,
            constraints=constraints,
            cache=CacheSettings(settings.cache_weight, settings.cache_window, settings.cache_theta),
            index=self.copies,
            details=details,
        )

    def writer(self, settings: SampleConfig, *, seed: int) -> "Writer":
        """A text to be written together (``generation.writing``)."""
        from lstmgen.generation.writing import Writer

        if settings.max_copied is not None:
            self.require_copies("--max-copied")
        return Writer(
            self.engine,
            self.vocabulary,
            kind=self.config.data.tokenizer,
            lowercase=self.config.data.lowercase,
            settings=_filters(settings),
            constraints=self._constraints(settings),
            index=self.copies,
            seed=seed,
        )

    def written(self, word: int) -> str:
        """A word by its id, as it is written."""
        from lstmgen.text.spacing import surface_of

        return surface_of(self.vocabulary.entries[word], self.config.data.tokenizer)

    def unmatched(self, words: "Iterable[str]") -> list[str]:
        """Those of some words that no entry of the vocabulary writes."""
        from lstmgen.generation.constraints import unmatched_words

        return unmatched_words(words, self.vocabulary, kind=self.config.data.tokenizer)

    def require_copies(self, option: str) -> "CopyIndex":
        """The index of the training text's words.

        Raises:
            UsageError: where there is none; ``option`` is what asks for it.
        """
        if self.copies is None:
            raise UsageError(
                f"{option}: this checkpoint holds no index of its training words "
                "(data.copy_index: false, a text of characters, or more than 5 million tokens)"
            )
        return self.copies

    def _constraints(self, settings: SampleConfig) -> "Constraints":
        from lstmgen.generation.constraints import Constraints, find_words

        return Constraints(
            banned=find_words(settings.banned, self.vocabulary, kind=self.config.data.tokenizer),
            no_repeat_ngram=settings.no_repeat_ngram,
            max_copied=settings.max_copied,
            repetition_span=settings.repetition_span,
            bound=self._bound_words,
        )

    @cached_property
    def _bound_words(self) -> "BoundWords | None":
        from lstmgen.generation.constraints import find_bound_words

        return find_bound_words(self.vocabulary) if self.config.data.tokenizer == "word" else None


def _filters(settings: SampleConfig) -> "Settings":
    from lstmgen.generation.sampling import Settings

    return Settings(
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        min_p=settings.min_p,
        repetition_penalty=settings.repetition_penalty,
    )


def _ending(settings: SampleConfig) -> "Ending":
    from lstmgen.generation.continuing import Ending

    return Ending(settings.words, settings.min_words, settings.stop, settings.stop_at)


def make_engine(
    config: Config, vocabulary: "Vocabulary", weights: "Weights", *, source: str = "the model"
) -> "Engine":
    """A config's model with given weights, ready to be stepped.

    Raises:
        CheckpointError: where the weights do not fit; ``source`` names them.
    """
    from lstmgen.generation.engine import Engine
    from lstmgen.text.clusters import frequency_clusters

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


def continue_cues(
    config: Config, vocabulary: "Vocabulary", weights: "Weights", *, index: "CopyIndex | None"
) -> list[str]:
    """A config's cues, each with one continuation by given weights.

    Always with the seed of the training, so that steps can be compared.
    """
    from lstmgen.generation.continuing import continuations

    generator = Generator(config, vocabulary, make_engine(config, vocabulary, weights), index)
    words = min(config.sample.words, SAMPLE_WORDS)
    settings = config.sample.model_copy(
        update={"words": words, "min_words": min(config.sample.min_words, words)}
    )
    texts = []
    for text in settings.cues:
        cue = generator.open_cue(text, settings)
        pieces = generator.run(cue, settings, samples=1, seed=config.train.seed)
        texts.append(remove_control(text) + continuations(pieces, 1)[0])
    return texts


def open_generator(given: Path | None, runs: Path, *, copies: bool) -> tuple[Generator, Checkpoint]:
    """The generator that a command line means.

    Args:
        given: a run or step folder; None is the newest run.
        copies: read the index of training words too, where there is one.

    Raises:
        CheckpointError: where the checkpoint is damaged or not there.
    """
    (opened, weights), index = _open(given, runs, lambda opened: _read_copies(opened, copies))
    found = opened.checkpoint
    engine = make_engine(opened.config, opened.vocabulary, weights, source=str(found.path))
    return Generator(opened.config, opened.vocabulary, engine, index), found


def _read_copies(opened: Opened, wanted: bool) -> "CopyIndex | None":
    """The index of training words, where it is wanted or needed, and there."""
    wanted = wanted or opened.config.sample.max_copied is not None
    if not wanted or checkpoint.COPY_INDEX not in opened.checkpoint.files:
        return None
    from lstmgen.text.copy_index import from_arrays

    found: Any = opened.checkpoint.read_tensors(checkpoint.COPY_INDEX)
    try:
        return from_arrays(found, entries=len(opened.vocabulary))
    except ValueError as error:
        raise checkpoint.damaged(
            opened.checkpoint.path, f"{checkpoint.COPY_INDEX}: {error}"
        ) from None


def open_step(path: Path) -> Opened:
    """Read a checkpoint's config and vocabulary.

    Raises:
        CheckpointError: where it is damaged or fits no model.
    """
    from lstmgen.text.vocabulary import from_json

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
    return Opened(found, config, vocabulary)


def describe_tokenizer(data: DataConfig) -> dict[str, Any]:
    """What a checkpoint says of its tokenizer."""
    from lstmgen.text.tokenizer import VERSION

    facts = {"tokenizer": data.tokenizer, "lowercase": data.lowercase}
    return facts | {"version": VERSION} if data.tokenizer == "word" else facts


def open_found(given: Path | None, runs: Path, *, threads: bool = True) -> "tuple[Opened, Weights]":
    """Open the checkpoint that a command line means, and read its weights.

    Args:
        threads: keep BLAS to one thread where the model is small; a training needs them all.
    """
    return _open(given, runs, lambda _: None, threads=threads)[0]


def _open(
    given: Path | None, runs: Path, more: "Callable[[Opened], T]", *, threads: bool = True
) -> "tuple[tuple[Opened, Weights], T]":
    """Open a checkpoint, and read its weights and what else is wanted of it.

    A run that trains at the same time may delete the step between two reads;
    then its index is read again.
    """
    for attempt in range(ATTEMPTS):
        step = folders.find_step(given, runs)
        try:
            if threads:
                _choose_threads(step)
            opened = open_step(step)
            weights: Any = opened.checkpoint.read_tensors(checkpoint.MODEL)
            _check_finite(weights, step)
            weights = {name: _full(array) for name, array in weights.items()}
            return (opened, weights), more(opened)
        except CheckpointError:
            if step.exists() or attempt + 1 == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _check_finite(weights: "Weights", path: Path) -> None:
    """Training never saves such weights, so whoever did was another."""
    import numpy as np

    for name, array in weights.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise checkpoint.damaged(path, f"{name} holds what is no finite number")


def _full(array: "Array") -> "Array":
    """Weights that are kept in half precision, as they are computed with."""
    return array.astype("float32") if array.dtype == "float16" else array


def keep_to_one_thread() -> None:
    """One BLAS thread, for small products; it must be said before numpy is loaded."""
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def _choose_threads(step: Path) -> None:
    """One BLAS thread for a small model."""
    model = step / checkpoint.MODEL
    if model.is_file() and model.stat().st_size <= SMALL:
        keep_to_one_thread()
