"""Scoring a checkpoint by what adapts to the text, and tuning that on the validation text."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from lstmgen.errors import CheckpointError, LstmgenError, UsageError, printable
from lstmgen.evaluation.adapting import LINES, Adaptation, Line, StopDecision, adapt, measure, tune
from lstmgen.evaluation.baseline import count_ngrams
from lstmgen.evaluation.score import Scoring
from lstmgen.evaluation.sources import find_part
from lstmgen.ngrams.kneser_ney import MAX_ORDER
from lstmgen.runs import folders
from lstmgen.text.corpus import Part

TUNED = "adaptation.json"  # in the run folder
LARGEST = 100_000  # bytes of it


@with_config(ConfigDict(extra="forbid", strict=False, allow_inf_nan=False))
@dataclass(frozen=True)
class Tuned:
    """What the run folder keeps.

    Attributes:
        digest: of the checkpoint that it was tuned for. step: of its training.
        order: of the n-grams.
    """

    digest: str
    step: int
    order: int
    adaptation: Adaptation


@dataclass(frozen=True)
class Adapted:
    """The figures of all mixtures.

    Attributes:
        words: of the text that they are for.
        stale: the step that the parameters were tuned for, where it is another one.
    """

    lines: tuple[Line, ...]
    words: int
    tuned: Tuned
    stale: int | None


def tune_run(scoring: Scoring, *, runs: Path, order: int, told: StopDecision) -> Adapted:
    """Tune on the validation text, and keep that in the run folder.

    Args:
        scoring: of the validation text.
        order: words of the n-grams.
        told: of progress.

    Raises:
        UsageError: where the run's own text is missing.
    """
    train = _training_text(scoring, runs, option="--tune")
    ngrams = count_ngrams(train, scoring.loaded.vocabulary, order=order)
    sizes = measure(scoring.model, train.ids)
    found, lines = tune(scoring.model, scoring.part.ids, ngrams=ngrams, sizes=sizes, told=told)
    checkpoint = scoring.loaded.checkpoint
    tuned = Tuned(checkpoint.digest, checkpoint.step, order, found)
    folders.replace_text(_file(scoring), json.dumps(asdict(tuned), indent=1) + "\n")
    return Adapted(tuple(lines), found.words, tuned, None)


def adapt_run(scoring: Scoring, *, runs: Path, order: int, told: StopDecision) -> Adapted:
    """Score a text by what was tuned before.

    Raises:
        UsageError: where nothing was tuned, or with other n-grams, or the run's own text
            is missing. CheckpointError: where the file of parameters is damaged.
    """
    tuned = _read(_file(scoring), order)
    train = _training_text(scoring, runs, option="--adapt")
    ngrams = count_ngrams(train, scoring.loaded.vocabulary, order=order)
    sizes = measure(scoring.model, train.ids)
    ids = scoring.part.ids
    lines = adapt(scoring.model, ids, tuned.adaptation, ngrams=ngrams, sizes=sizes, told=told)
    stale = None if tuned.digest == scoring.loaded.checkpoint.digest else tuned.step
    return Adapted(tuple(lines), len(ids) - 1, tuned, stale)


def _file(scoring: Scoring) -> Path:
    return scoring.loaded.checkpoint.path.absolute().parent.parent / TUNED


def _training_text(scoring: Scoring, runs: Path, *, option: str) -> Part:
    try:
        return find_part(scoring.loaded, text=None, split="train", runs=runs)[0]
    except LstmgenError as error:
        raise UsageError(
            f"{option} needs the text that the run was trained on, for n-grams and the sizes of "
            f"gradients: {error}"
        ) from None


def _read(path: Path, order: int) -> Tuned:
    """What ``--tune`` left in the run folder."""
    if not path.is_file():
        raise UsageError(
            f"{printable(path)}: is not there, nothing was tuned for this run. Run lstmgen "
            "evaluate RUN --tune first, where RUN is its run folder"
        )
    try:
        with path.open("rb") as file:
            tuned = TypeAdapter(Tuned).validate_json(file.read(LARGEST))
        fits = {len(LINES), sum("ngram" not in parts for parts in LINES)}
        if len(tuned.adaptation.weights) not in fits or not 1 <= tuned.order <= MAX_ORDER:
            raise ValueError
    except (OSError, ValidationError, ValueError, RecursionError):
        raise CheckpointError(
            f"{printable(path)}: is damaged. Run lstmgen evaluate --tune again"
        ) from None
    if tuned.order != order:
        raise UsageError(
            f"--order {order}: the weights were tuned with n-grams of order {tuned.order}. Say "
            f"--order {tuned.order}, or tune again with lstmgen evaluate --tune --order {order}"
        )
    return tuned
