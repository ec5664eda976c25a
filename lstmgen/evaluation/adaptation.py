"""Scoring a checkpoint with adaptive mixtures, tuned on the validation text."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from lstmgen.errors import CheckpointError, LstmgenError, UsageError, printable
from lstmgen.evaluation.adaptive_mixtures import (
    LINES,
    Adaptation,
    Line,
    ProgressCallback,
    adapt,
    measure,
    tune,
)
from lstmgen.evaluation.baseline import count_ngrams
from lstmgen.evaluation.dynamic import Sizes
from lstmgen.evaluation.score_checkpoint import Scoring
from lstmgen.evaluation.scored_text import find_part
from lstmgen.ngrams.kneser_ney import MAX_ORDER, KneserNey
from lstmgen.runs import folders
from lstmgen.safe_files import read_plain

FILE_NAME = "adaptation.json"  # in the run folder
MAX_BYTES = 100_000
# The numbers of weights of each line, without and with n-grams.
FITTING = (
    [len(parts) for parts in LINES if "ngram" not in parts],
    [len(parts) for parts in LINES],
)


@with_config(ConfigDict(extra="forbid", allow_inf_nan=False))
@dataclass(frozen=True)
class TunedAdaptation:
    """The contents of the file in the run folder.

    Attributes:
        digest, step: of the checkpoint it was tuned for.
        order: of the n-grams.
    """

    digest: str
    step: int
    order: int
    adaptation: Adaptation


@dataclass(frozen=True)
class AdaptiveScores:
    """The scores of all mixtures.

    Attributes:
        words: of the scored text.
        stale: the step that the parameters were tuned for, if it is another one.
    """

    lines: tuple[Line, ...]
    words: int
    tuned: TunedAdaptation
    stale: int | None


def tune_run(scoring: Scoring, *, order: int, progress: ProgressCallback) -> AdaptiveScores:
    """Tune on the validation text, and save the result in the run folder.

    Args:
        scoring: of the validation text.
        order: of the n-grams.

    Raises:
        UsageError: if the run's own text is missing.
    """
    ngrams, sizes = _ngrams_and_sizes(scoring, order, option="--tune")
    adaptation, lines = tune(
        scoring.model, scoring.part.ids, ngrams=ngrams, sizes=sizes, progress=progress
    )
    checkpoint = scoring.loaded.checkpoint
    tuned = TunedAdaptation(checkpoint.digest, checkpoint.step, order, adaptation)
    folders.replace_text(_file(scoring), json.dumps(asdict(tuned), indent=1) + "\n")
    return AdaptiveScores(tuple(lines), adaptation.words, tuned, None)


def adapt_run(scoring: Scoring, *, order: int, progress: ProgressCallback) -> AdaptiveScores:
    """Score a text with parameters tuned before.

    Raises:
        UsageError: if nothing was tuned, or with other n-grams, or the run's own text is
            missing. CheckpointError: if the file of parameters is damaged.
    """
    tuned = _read(_file(scoring), order)
    ngrams, sizes = _ngrams_and_sizes(scoring, order, option="--adapt")
    ids = scoring.part.ids
    lines = adapt(
        scoring.model, ids, tuned.adaptation, ngrams=ngrams, sizes=sizes, progress=progress
    )
    stale = None if tuned.digest == scoring.loaded.checkpoint.digest else tuned.step
    return AdaptiveScores(tuple(lines), len(ids) - 1, tuned, stale)


def _file(scoring: Scoring) -> Path:
    return scoring.loaded.checkpoint.path.absolute().parent.parent / FILE_NAME


def _ngrams_and_sizes(
    scoring: Scoring, order: int, *, option: str
) -> tuple[KneserNey | None, Sizes]:
    """The n-gram model and the gradient sizes of the training text."""
    try:
        train, _ = find_part(scoring.loaded, text=None, split="train")
    except LstmgenError as error:
        raise UsageError(
            f"{option} needs the run's training text, for n-grams and gradient sizes: {error}"
        ) from None
    ngrams = count_ngrams(train, scoring.loaded.vocabulary, order=order)
    return ngrams, measure(scoring.model, train.ids)


def _is_usable(tuned: TunedAdaptation) -> bool:
    """Whether every number of a file is one that tuning can find."""
    found, dynamic = tuned.adaptation, tuned.adaptation.dynamic
    return (
        [len(weights) for weights in found.weights] in FITTING
        and all(0 <= weight <= 1 for weights in found.weights for weight in weights)
        and all(abs(sum(weights) - 1) < 1e-6 for weights in found.weights)
        and 1 <= tuned.order <= MAX_ORDER
        and 1 <= found.cache_window <= 1_000_000
        and 0 <= found.cache_theta <= 10_000
        and 0 <= dynamic.rate <= 100
        and 0 <= dynamic.decay <= 1
        and 1 <= dynamic.segment <= 100_000
    )


def _read(path: Path, order: int) -> TunedAdaptation:
    if not path.is_file():
        raise UsageError(
            f"{printable(path)}: does not exist, nothing was tuned for this run. Run lstmgen "
            "evaluate RUN --tune first, where RUN is its run folder"
        )
    try:
        data = read_plain(path, limit=MAX_BYTES)
        tuned = TypeAdapter(TunedAdaptation).validate_json(data, strict=True)
        if not _is_usable(tuned):
            raise ValueError
    except (OSError, ValidationError, ValueError, RecursionError):
        raise CheckpointError(
            f"{printable(path)}: is damaged, or of another version of lstmgen. Run "
            "lstmgen evaluate --tune again"
        ) from None
    if tuned.order != order:
        raise UsageError(
            f"--order {order}: the weights were tuned with n-grams of order {tuned.order}. Use "
            f"--order {tuned.order}, or tune again with lstmgen evaluate --tune --order {order}"
        )
    return tuned
