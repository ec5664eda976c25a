"""Scoring a checkpoint on a text."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmgen.errors import CheckpointError, DataError, counted, printable
from lstmgen.evaluation.baseline import count_run
from lstmgen.evaluation.perplexity import Evaluation, evaluate, evaluate_from_zero
from lstmgen.evaluation.scored_text import Split, find_part
from lstmgen.generation.load import LoadedCheckpoint, load_checkpoint
from lstmgen.model.factory import build_model, load_weights
from lstmgen.model.language_model import LanguageModel
from lstmgen.model.memory_check import min_weights
from lstmgen.ngrams.kneser_ney import build_unigram
from lstmgen.runs import checkpoint
from lstmgen.text.corpus import Part


@dataclass(frozen=True)
class ScoreResult:
    """A checkpoint's scores on a text.

    Attributes:
        path: of the checkpoint's folder.
        text: name of what was scored.
        zero_state: by windows from a zero state; None unless trained in random order.
        output: softmax or adaptive.
        unigram: perplexity of the same words by their counts in the training text.
        order, ngram: of the Kneser-Ney model of the training text, and its perplexity; NaN
            if that text is not available or too long to count.
        init_from: the checkpoint's record of its base; None from scratch.
        quantized: how its weights are stored; None for floats.
    """

    path: Path
    step: int
    text: str
    carried: Evaluation
    zero_state: Evaluation | None
    output: str
    unigram: float
    order: int
    ngram: float
    scores_unknown: bool
    init_from: dict[str, Any] | None
    quantized: str | None


@dataclass(frozen=True)
class Scoring:
    """A checkpoint's model and a text encoded with its vocabulary."""

    loaded: LoadedCheckpoint
    model: LanguageModel
    part: Part
    name: str


def open_scoring(folder: Path | None, *, text: str | None, split: Split, runs: Path) -> Scoring:
    """Load a checkpoint and the text to score.

    Args:
        folder: a run or step folder; None: the newest run.
        text: a file, or - for standard input; None: a split of the run's own text.
        runs: the folder in which to find the newest run.

    Raises:
        DataError, CheckpointError: if the text or the checkpoint cannot be used.
    """
    loaded = load_checkpoint(folder, runs, limit_threads=False)
    part, name = find_part(loaded, text=text, split=split)
    return Scoring(loaded, build_loaded(loaded), part, name)


def build_loaded(loaded: LoadedCheckpoint) -> LanguageModel:
    """The model of a checkpoint.

    Raises:
        CheckpointError: if the weights do not fit the config.
    """
    weights = loaded.weights
    needed = min_weights(loaded.config, vocab_size=len(loaded.vocabulary))
    stored = sum(array.size for array in weights.values())
    if needed > stored:  # before an untrusted config allocates memory
        path = printable(loaded.checkpoint.path)
        raise CheckpointError(
            f"{path}: the weights do not fit the config ({stored:,} numbers, it asks for "
            f"{needed:,})"
        )
    model = build_model(loaded.config.model, loaded.vocabulary, seed=0)
    load_weights(model, weights, source=str(loaded.checkpoint.path))
    return model


def score(scoring: Scoring, *, exact: bool, order: int) -> ScoreResult:
    """Score a text with a checkpoint.

    Args:
        exact: one pass instead of parallel lanes.
        order: of the n-gram model to compare with.

    Raises:
        DataError: if no word of the text is known.
    """
    loaded, model, part, name = scoring.loaded, scoring.model, scoring.part, scoring.name
    vocabulary, config = loaded.vocabulary, loaded.config
    carried = evaluate(model, part, unknown_id=vocabulary.unknown_id, exact=exact)
    zero_state = None
    if config.train.order == "random":
        zero_state = evaluate_from_zero(
            model, part, unknown_id=vocabulary.unknown_id, window=_window(loaded)
        )
    if not carried.words or math.isnan(carried.nats):
        raise DataError(
            f"{name}: none of its {counted(part.tokens, 'word')} is known, nothing to score"
        )
    ngrams = count_run(loaded, order=order)
    return ScoreResult(
        path=loaded.checkpoint.path,
        step=loaded.checkpoint.step,
        text=name,
        carried=carried,
        zero_state=zero_state,
        output=config.model.output,
        unigram=build_unigram(vocabulary.counts).perplexity(part.ids),
        order=order,
        ngram=math.nan if ngrams is None else ngrams.perplexity(part.ids),
        scores_unknown=vocabulary.models_unknown,
        init_from=loaded.checkpoint.read_origin().get("init_from"),
        quantized=loaded.checkpoint.quantized,
    )


def _window(loaded: LoadedCheckpoint) -> int:
    """The window in training, which a short text may have made smaller than the config's."""
    largest, source = loaded.config.train.window, loaded.checkpoint
    if checkpoint.PROGRESS not in source.files:
        return largest  # an exported model
    window: int = source.read_counters().get("window", 0)
    if not 1 <= window <= largest:
        raise checkpoint.damaged(source.path, f"state.json: the window is not in 1..{largest}")
    return window
