"""Opening a trained model for the inspections that need one: ``--memory`` and ``--why``."""

from dataclasses import dataclass
from pathlib import Path

from lstmgen.config.loader import override_sample
from lstmgen.errors import UsageError, printable
from lstmgen.evaluation.scored_text import find_corpus, find_part, run_data
from lstmgen.generation.load import LoadedCheckpoint, load_checkpoint, make_engine, make_generator
from lstmgen.inspection.memory import MemoryCurve, measure_memory
from lstmgen.inspection.subject import Request, check_no_overrides, is_run
from lstmgen.inspection.training_contexts import SampleOrigins, TrainingText, trace_sample
from lstmgen.text.finding import find_files, short_names

NEEDS_TEXT = "--why reads the text that the model was trained on, so name a run that has it"


@dataclass(frozen=True)
class MeasuredMemory:
    """How many words a model uses, and what that was measured on."""

    model: str  # its step folder
    text: str  # its name
    unit: str  # word or character
    window: int  # that it was trained with, in units
    curve: MemoryCurve


@dataclass(frozen=True)
class TracedSample:
    """A continuation by a model, and where its words come from."""

    model: str  # its step folder
    origins: SampleOrigins


def inspect_memory(request: Request) -> MeasuredMemory:
    """How many words a model uses of its validation text, or of another text.

    Raises:
        UsageError: if the model is not trained, or there is no such text.
    """
    loaded = _open(request, option="--memory")
    part, name = find_part(loaded, text=request.text, split="valid")
    engine = make_engine(
        loaded.config, loaded.vocabulary, loaded.weights, source=str(loaded.checkpoint.path)
    )
    curve = measure_memory(engine, part.ids)
    return MeasuredMemory(
        model=str(loaded.checkpoint.path),
        text=name,
        unit="character" if loaded.config.data.tokenizer == "character" else "word",
        window=loaded.config.train.window,
        curve=curve,
    )


def inspect_origins(request: Request, *, seed: int, words: int) -> TracedSample:
    """Where the words of a continuation come from.

    Args:
        words: new words, as in ``generate --words``.

    Raises:
        UsageError: if the model is not trained, or its training text is gone.
    """
    loaded = _open(request, option="--why")
    text = read_training_text(loaded, way_out=NEEDS_TEXT)
    generator = make_generator(loaded)
    settings = generator.config.sample
    least = min(settings.min_words, words)
    sample = override_sample(settings, {"words": words, "min_words": least})
    origins = trace_sample(generator, text, request.cue or "", sample=sample, seed=seed)
    return TracedSample(str(loaded.checkpoint.path), origins)


def read_training_text(loaded: LoadedCheckpoint, *, way_out: str) -> TrainingText:
    """A run's prepared text; ``way_out`` ends the message if it is not there."""
    corpus = find_corpus(loaded, way_out=way_out)
    files = find_files(run_data(loaded).train or "", key="data.train").files
    return TrainingText(corpus, tuple(short_names(files)))


def _open(request: Request, *, option: str) -> LoadedCheckpoint:
    path = None if request.model is None else Path(request.model)
    if path is not None and not is_run(path):
        raise UsageError(
            f"{option} needs a trained model, and {printable(path)} is not a run folder. "
            "Train it first, or leave it out to use the newest run"
        )
    check_no_overrides(request)
    return load_checkpoint(path, request.runs, ngrams=option == "--why")
