"""Scoring a checkpoint by what adapts to the text, and tuning that on the validation text."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lstmgen.errors import CheckpointError, UsageError
from lstmgen.evaluation.adapting import Adaptation, Line, Told, adapt, measure, tune
from lstmgen.evaluation.dynamic import Dynamic
from lstmgen.run import folders
from lstmgen.run.counting import count_ngrams
from lstmgen.run.evaluating import open_scoring
from lstmgen.run.texts import Split, find_part

TUNED = "adaptation.json"  # in the run folder


@dataclass(frozen=True)
class Adapted:
    """The figures of all mixtures.

    Attributes:
        path: of the checkpoint's folder.
        order: of the n-grams.
    """

    path: Path
    lines: tuple[Line, ...]
    tuned: Adaptation
    order: int


def evaluate_adapting(
    given: Path | None,
    *,
    text: str | None,
    split: Split,
    runs: Path,
    order: int,
    tuning: bool,
    told: Told,
) -> Adapted:
    """Score a text by a checkpoint, its cache, dynamic evaluation and n-grams.

    Args:
        tuning: choose the parameters on the validation text, and keep them in the run folder.
        told: of progress.

    Raises:
        UsageError: where nothing was tuned yet, the run's own text is missing, or another
            text than its validation text is to be tuned on.
    """
    if tuning and (text is not None or split != "valid"):
        raise UsageError(
            "--tune: parameters are tuned on the run's validation text only. "
            "Leave --text and --split out, then score the other text with --adapt"
        )
    scoring = open_scoring(given, text=text, split=split, runs=runs)
    path = scoring.opened.checkpoint.path
    kept = path.absolute().parent.parent / TUNED
    before = None if tuning else _read(kept, order)
    train, _ = find_part(scoring.opened, text=None, split="train", runs=runs)
    ngrams = count_ngrams(train, scoring.opened.vocabulary, order=order)
    sizes = measure(scoring.model, train.ids)
    if before is None:
        tuned, lines = tune(scoring.model, scoring.part.ids, ngrams=ngrams, sizes=sizes, told=told)
        folders.replace_text(kept, json.dumps(asdict(tuned) | {"order": order}, indent=1) + "\n")
        return Adapted(path, tuple(lines), tuned, order)
    lines = adapt(scoring.model, scoring.part.ids, before, ngrams=ngrams, sizes=sizes, told=told)
    return Adapted(path, tuple(lines), before, order)


def _read(path: Path, order: int) -> Adaptation:
    """What ``--tune`` left in the run folder."""
    if not path.is_file():
        raise UsageError(
            f"{path}: nothing was tuned for this run yet. Run lstmgen evaluate --tune first"
        )
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        tuned_order = int(found.pop("order"))
        found["dynamic"] = Dynamic(**found["dynamic"])
        found["weights"] = tuple(tuple(map(float, line)) for line in found["weights"])
        tuned = Adaptation(**found)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise CheckpointError(f"{path}: is damaged. Run lstmgen evaluate --tune again") from None
    if tuned_order != order:
        raise UsageError(
            f"--order {order}: the weights were tuned with n-grams of order {tuned_order}. "
            f"Say --order {tuned_order}, or tune again with lstmgen evaluate --tune --order {order}"
        )
    return tuned
