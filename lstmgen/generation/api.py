"""The Python API: load a checkpoint and continue cues, without torch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lstmgen.cells.building_blocks import State
from lstmgen.config.loader import override_sample
from lstmgen.config.schema import SampleConfig
from lstmgen.errors import UsageError, counted, encodable
from lstmgen.generation.generator import Generator
from lstmgen.generation.load import load_generator
from lstmgen.generation.next_word import CueReader
from lstmgen.generation.numpy_engine import States
from lstmgen.generation.sample_results import generate_samples
from lstmgen.generation.sampling import highest, log_sum_exp, probabilities
from lstmgen.generation.sampling_loop import continue_cue
from lstmgen.runs.checkpoint import Checkpoint
from lstmgen.runs.folders import runs_folder
from lstmgen.text.reading import normalize
from lstmgen.text.spacing import surface_of
from lstmgen.text.tokenizer import tokenize

SHOWN = 60  # characters of a sample in its repr


@dataclass(frozen=True)
class Score:
    """How well one token of a text was predicted."""

    text: str  # as it is written
    nats: float  # -ln of its probability
    rank: int  # 1 if it was the most likely token

    @property
    def probability(self) -> float:
        """The probability that the model gave it."""
        return math.exp(-self.nats)


@dataclass(frozen=True)
class Word:
    """One token of a continuation."""

    text: str  # with the space before it
    log_probability: float  # by the model, before any filter, in nats
    run: int  # length in words (docs/generating.md) of the copied passage that ends here, or 0


@dataclass(frozen=True, repr=False)
class Sample:
    """One continuation: its text, without the cue, and its tokens."""

    text: str
    words: tuple[Word, ...]

    def __repr__(self) -> str:
        shown = self.text if len(self.text) <= SHOWN else f"{self.text[:SHOWN]}..."
        return f"<Sample of {len(self.words)} tokens: {shown!r}>"


@dataclass(frozen=True, repr=False)
class Model:
    """A trained model that continues cues.

    ``settings`` are keys of the config section ``sample`` (``words=60, temperature=0.7,
    max_copied=4``); the defaults are those of the model's config.
    """

    generator: Generator
    checkpoint: Checkpoint

    def __repr__(self) -> str:
        model = self.generator.config.model
        sizes = " + ".join(map(str, model.hidden_sizes))
        entries = counted(len(self.generator.vocabulary), "entry", "entries")
        return f"<Model {self.checkpoint.path}: {model.cell}, {sizes} units, {entries}>"

    def generate(
        self, cue: str = "", *, samples: int = 1, seed: int = 0, **settings: Any
    ) -> list[Sample]:
        """Continue a cue, as ``lstmgen generate`` does.

        Raises:
            LstmgenError: with the message that the command line would print.
        """
        sample = self._resolve_settings(settings)
        _check_arguments(cue, samples=samples, seed=seed)
        result = generate_samples(
            self.generator, self.checkpoint, cue, sample, samples=samples, seed=seed
        )
        return [
            Sample(
                result.text(number),
                tuple(
                    Word(piece.text, piece.details.log_probability, piece.details.run)
                    for piece in pieces
                    if piece.details is not None
                ),
            )
            for number, pieces in enumerate(result.samples)
        ]

    def words(self, cue: str = "", *, seed: int = 0, **settings: Any) -> Iterator[str]:
        """Stream the tokens of one continuation, each with the space before it."""
        sample = self._resolve_settings(settings)
        _check_arguments(cue, seed=seed)
        reader = CueReader(self.generator, sample, cue)
        for piece in continue_cue(reader, samples=1, seed=seed):
            if piece.text:
                yield piece.text

    def score(self, text: str) -> list[Score]:
        """Score each token of a text, read from the start of a story.

        Tokens that the vocabulary lacks are read as unknown; they are scored where the model
        predicts unknown words, else left out.

        Raises:
            UsageError: if the text is no valid Unicode.
        """
        _check_arguments(text)
        ids, forms = self._encode(text)
        engine, vocabulary = self.generator.engine, self.generator.vocabulary
        states, scores = engine.zero_states(1), []
        for word in self.generator.start_ids(self.generator.config.sample):
            states = engine.read(np.array([word]), states)
        for word, surface in zip(ids, forms, strict=True):
            logits = engine.logits(states)[0].astype(np.float64)
            if word < len(vocabulary):
                nats = float(log_sum_exp(logits)[0] - logits[word])
                rank = 1 + int((logits > logits[word]).sum())
                scores.append(Score(surface, max(0.0, nats), rank))
            states = engine.read(np.array([word]), states)
        return scores

    def next_words(self, cue: str = "", count: int = 5) -> list[tuple[str, float]]:
        """The most likely tokens after a cue and their probabilities, the most likely first.

        The probabilities are the model's own, before temperature and filters. A token is as it
        is written; the end of a story is ``<story>``.
        """
        _check_arguments(cue, count=count)
        logits = self.generator.engine.logits(self._read(cue))[0].astype(np.float64)
        p = probabilities(logits[None])[0]
        return [(self.generator.surface(int(i)), float(p[i])) for i in highest(logits, count)]

    def state(self, cue: str = "") -> list[State]:
        """The state of each layer after a cue, from the input up.

        Returns:
            ``hidden`` and ``cell``, (units,) each; ``cell`` is empty if the cell type has none.
        """
        _check_arguments(cue)
        return [State(state.hidden[0], state.cell[0]) for state in self._read(cue)]

    def _read(self, cue: str) -> States:
        """The states after a cue, read as ``generate`` reads it."""
        sample = self.generator.config.sample.model_copy(update={"start_with": ""})
        reader = CueReader(self.generator, sample, cue)
        reader.finish()
        return reader.states

    def _encode(self, text: str) -> tuple[list[int], list[str]]:
        """The ids of a text's tokens, as in training, and the tokens as they are written."""
        data, vocabulary = self.generator.config.data, self.generator.vocabulary
        forms = tokenize(normalize(text, lowercase=data.lowercase), kind=data.tokenizer)
        ids = [vocabulary.lookup(form) for form in forms]
        return ids, [surface_of(form, data.tokenizer) for form in forms]

    def _resolve_settings(self, settings: dict[str, Any]) -> SampleConfig:
        unknown = set(settings) - set(SampleConfig.model_fields)
        if unknown:
            known = ", ".join(SampleConfig.model_fields)
            raise UsageError(f"{min(unknown)}: no such setting. There are {known}")
        return override_sample(self.generator.config.sample, settings)


def _check_arguments(cue: object, **numbers: object) -> None:
    """Check a text, and whole numbers: 0 or more for ``seed``, else 1 or more."""
    if not isinstance(cue, str) or not encodable(cue):
        raise UsageError(f"cue = {cue!r}: must be a string of valid Unicode")
    for name, value in numbers.items():
        least = 0 if name == "seed" else 1
        if not isinstance(value, int) or not least <= value < 2**63:
            raise UsageError(f"{name} = {value!r}: must be a whole number, {least} or more")


def load(
    path: str | Path | None = None,
    *,
    step: int | Literal["best", "last"] = "best",
    runs_dir: str | Path | None = None,
) -> Model:
    """Load a checkpoint of a run, or a step folder.

    Args:
        path: a run or step folder; None is the newest run.
        step: which checkpoint of a run: the best, the last, or that of a step.
        runs_dir: the folder of runs; None is ``$LSTMGEN_RUNS_DIR``, else ``runs``.

    Raises:
        LstmgenError: if the checkpoint is missing or damaged.
    """
    runs = runs_folder(None if runs_dir is None else Path(runs_dir))
    if step not in ("best", "last") and type(step) is not int:
        raise UsageError(f"step = {step!r}: must be a whole number, 'best' or 'last'")
    source = None if path is None else Path(path)
    return Model(*load_generator(source, runs, copies=True, step=step))
