"""Scoring a checkpoint on a text."""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lstmgen import checkpoint
from lstmgen.config.loader import load
from lstmgen.config.schema import DataConfig
from lstmgen.errors import CheckpointError, DataError, UsageError
from lstmgen.evaluation.perplexity import Evaluation, evaluate, evaluate_from_zero
from lstmgen.ngrams.unigram import unigram_perplexity
from lstmgen.run import folders
from lstmgen.run.generating import Opened, open_found
from lstmgen.run.models import build_model, load_weights
from lstmgen.run.preparing import prepare_text
from lstmgen.text.prepared import Part, encode_files, keep_stdin

Split = Literal["train", "valid", "test"]


@dataclass(frozen=True)
class Scored:
    """A text's figures under one checkpoint.

    Attributes:
        text: what was scored, in words.
        zero_state: by windows from a zero state; None unless trained in random order.
        unigram: perplexity of the same words by their counts in the training text.
    """

    step: int
    text: str
    carried: Evaluation
    zero_state: Evaluation | None
    unigram: float
    scores_unknown: bool


def evaluate_found(
    given: Path | None, *, text: str | None, split: Split, runs: Path, exact: bool
) -> Scored:
    """Score a checkpoint.

    Args:
        given: a run or step folder; None is the newest run.
        text: a file to score, - for standard input; None scores a split of the run's own text.
        runs: where prepared texts are kept.
        exact: one pass from end to end instead of parallel lanes.

    Raises:
        DataError, CheckpointError: where the text or the checkpoint cannot be used.
    """
    opened, weights = open_found(given, runs)
    vocabulary, config = opened.vocabulary, opened.config
    part, name = _find_part(opened, text=text, split=split, runs=runs)
    model = build_model(config.model, vocabulary, seed=0)
    load_weights(model, weights, source=str(opened.checkpoint.path))
    carried = evaluate(model, part, unknown_id=vocabulary.unknown_id, exact=exact)
    zero_state = None
    if config.train.order == "random":
        zero_state = evaluate_from_zero(
            model,
            part,
            unknown_id=vocabulary.unknown_id,
            window=int(opened.checkpoint.read_json(checkpoint.PROGRESS)["window"]),
        )
    if not carried.words or math.isnan(carried.nats):
        raise DataError(f"{name}: none of its {part.tokens:,} words is known, nothing to score")
    return Scored(
        step=opened.checkpoint.step,
        text=name,
        carried=carried,
        zero_state=zero_state,
        unigram=unigram_perplexity(vocabulary.counts, part.ids, unknown_id=vocabulary.unknown_id),
        scores_unknown=vocabulary.models_unknown,
    )


def _find_part(opened: Opened, *, text: str | None, split: Split, runs: Path) -> tuple[Part, str]:
    if text == "-":
        with tempfile.TemporaryDirectory() as folder:
            return _encode(opened, str(keep_stdin(Path(folder))), key="--text"), "standard input"
    if text is not None:
        return _encode(opened, text, key="--text"), text
    data = _run_data(opened)
    if split == "test":
        if data.test is None:
            raise UsageError("--split test: the run's config names no data.test. Use --text FILE")
        return _encode(opened, data.test, key="data.test"), "the test text"
    corpus = prepare_text(data, runs)
    if corpus.vocabulary != opened.vocabulary:
        raise CheckpointError(
            "the run's text has changed since it was trained on. Score a file with --text FILE"
        )
    if split == "train":
        return corpus.train, "the training text"
    if corpus.valid is None:
        raise UsageError("the run has no validation text. Use --split train or --text FILE")
    return corpus.valid, "the validation text"


def _encode(opened: Opened, sources: str | list[str], *, key: str) -> Part:
    data = opened.config.data
    return encode_files(
        sources, opened.vocabulary, kind=data.tokenizer, lowercase=data.lowercase, key=key
    )


def _run_data(opened: Opened) -> DataConfig:
    """The config section with paths, which a run folder has and a checkpoint has not."""
    resolved = opened.checkpoint.path.absolute().parent.parent / folders.RESOLVED
    if not resolved.is_file():
        raise UsageError("this checkpoint stands alone, without its run's text. Use --text FILE")
    return load(resolved).config.data
