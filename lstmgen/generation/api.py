"""For programs: load a checkpoint and let it continue cues, without torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmgen.config.loader import override_sample
from lstmgen.config.schema import SampleConfig
from lstmgen.errors import UsageError
from lstmgen.generation.continuing import continue_cue
from lstmgen.generation.generator import Generator
from lstmgen.generation.load import load_generator
from lstmgen.generation.samples import generate_samples
from lstmgen.generation.stepping import CueReader
from lstmgen.runs.checkpoint import Checkpoint
from lstmgen.runs.folders import runs_folder
from lstmgen.text.reading import encodable


@dataclass(frozen=True)
class Word:
    """One token of a continuation.

    Attributes:
        text: with the space that stands before it.
        log_probability: by the model's own softmax, nats.
        run: words of the training text that it ends; 0 without an index.
    """

    text: str
    log_probability: float
    run: int


@dataclass(frozen=True)
class Sample:
    """One continuation: its text, without the cue, and its tokens."""

    text: str
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Model:
    """A trained model that continues cues.

    Keywords called ``settings`` are the keys of a config's section ``sample``
    (``words=60, temperature=0.7, max_copied=4``); those left out are the model's own.
    """

    generator: Generator
    checkpoint: Checkpoint

    def generate(
        self, cue: str = "", *, samples: int = 1, seed: int = 0, **settings: Any
    ) -> list[Sample]:
        """Continue a cue, as ``lstmgen generate`` does.

        Raises:
            LstmgenError: whatever the command line would say, in the same words.
        """
        chosen = self._settings(settings)
        _check(cue, samples=samples, seed=seed)
        result = generate_samples(
            self.generator, self.checkpoint, cue, chosen, samples=samples, seed=seed
        )
        return [
            Sample(
                result.text(number),
                tuple(
                    Word(piece.text, piece.drawn.log_probability, piece.drawn.run)
                    for piece in pieces
                    if piece.drawn is not None
                ),
            )
            for number, pieces in enumerate(result.samples)
        ]

    def words(self, cue: str = "", *, seed: int = 0, **settings: Any) -> Iterator[str]:
        """The tokens of one continuation as they are drawn, with the spaces before them."""
        chosen = self._settings(settings)
        _check(cue, samples=1, seed=seed)
        reader = CueReader(self.generator, chosen, cue)
        for piece in continue_cue(reader, samples=1, seed=seed):
            if piece.text:
                yield piece.text

    def _settings(self, given: dict[str, Any]) -> SampleConfig:
        unknown = set(given) - set(SampleConfig.model_fields)
        if unknown:
            known = ", ".join(SampleConfig.model_fields)
            raise UsageError(f"{min(unknown)}: no such setting. There are {known}")
        return override_sample(self.generator.config.sample, given)


def _check(cue: object, *, samples: object, seed: object) -> None:
    if not isinstance(cue, str) or not encodable(cue):
        raise UsageError(f"cue = {cue!r}: must be a text")
    for name, value, least in (("samples", samples, 1), ("seed", seed, 0)):
        if not isinstance(value, int) or not least <= value < 2**63:
            raise UsageError(f"{name} = {value!r}: must be a whole number, {least} or more")


def load(path: str | Path | None = None, *, runs_dir: str | Path | None = None) -> Model:
    """Load a run's best checkpoint, or a step folder's.

    Args:
        path: a run or step folder; None is the newest run.
        runs_dir: where runs are; None is ``$LSTMGEN_RUNS_DIR``, else ``runs``.

    Raises:
        LstmgenError: where there is none, or it is damaged.
    """
    runs = runs_folder(None if runs_dir is None else Path(runs_dir))
    generator, found = load_generator(None if path is None else Path(path), runs, copies=True)
    return Model(generator, found)
