"""The Python API: load a checkpoint and continue cues, without torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lstmgen.config.loader import override_sample
from lstmgen.config.schema import SampleConfig
from lstmgen.errors import UsageError
from lstmgen.generation.generator import Generator
from lstmgen.generation.load import load_generator
from lstmgen.generation.next_word import CueReader
from lstmgen.generation.sample_results import generate_samples
from lstmgen.generation.sampling_loop import continue_cue
from lstmgen.runs.checkpoint import Checkpoint
from lstmgen.runs.folders import runs_folder
from lstmgen.text.reading import encodable


@dataclass(frozen=True)
class Word:
    """One token of a continuation."""

    text: str  # with the space before it
    log_probability: float  # by the model, before any filter, in nats
    run: int  # length in words (docs/generating.md) of the copied passage that ends here, or 0


@dataclass(frozen=True)
class Sample:
    """One continuation: its text, without the cue, and its tokens."""

    text: str
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Model:
    """A trained model that continues cues.

    ``settings`` are keys of the config section ``sample`` (``words=60, temperature=0.7,
    max_copied=4``); the defaults are those of the model's config.
    """

    generator: Generator
    checkpoint: Checkpoint

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
        _check_arguments(cue, samples=1, seed=seed)
        reader = CueReader(self.generator, sample, cue)
        for piece in continue_cue(reader, samples=1, seed=seed):
            if piece.text:
                yield piece.text

    def _resolve_settings(self, settings: dict[str, Any]) -> SampleConfig:
        unknown = set(settings) - set(SampleConfig.model_fields)
        if unknown:
            known = ", ".join(SampleConfig.model_fields)
            raise UsageError(f"{min(unknown)}: no such setting. There are {known}")
        return override_sample(self.generator.config.sample, settings)


def _check_arguments(cue: object, *, samples: object, seed: object) -> None:
    if not isinstance(cue, str) or not encodable(cue):
        raise UsageError(f"cue = {cue!r}: must be a string of valid Unicode")
    for name, value, least in (("samples", samples, 1), ("seed", seed, 0)):
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
