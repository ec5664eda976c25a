"""What a training would do, without training."""

from collections.abc import Iterator
from pathlib import Path

from lstmgen.config.loader import LoadedConfig
from lstmgen.errors import counted
from lstmgen.evaluation.baseline import count_ngrams
from lstmgen.ngrams.kneser_ney import DEFAULT_ORDER
from lstmgen.text.corpus import Corpus
from lstmgen.training.build import TrainingSetup, build_training
from lstmgen.training.distributed import ALONE
from lstmgen.training.events import Notice, Started
from lstmgen.training.start_card import start_card
from lstmgen.training.state import checkpoint_bytes
from lstmgen.training.trainer import EVALUATIONS, SAMPLES, most_checkpoints


def dry_run(loaded: LoadedConfig, corpus: Corpus) -> Iterator[Notice | Started]:
    """The notices, the start card and the plan of a training; nothing is written.

    Raises:
        LstmgenError: as the training would before its first step.
    """
    setup = build_training(loaded.config, corpus)
    yield from (Notice(text) for text in (*corpus.notices, *setup.notices) if text)
    ngrams = count_ngrams(corpus.train, corpus.vocabulary, order=DEFAULT_ORDER)
    yield start_card(Path("none, this is a dry run"), setup, ALONE, ngrams, resumed_at=None)
    yield Notice(_describe_plan(setup))


def _describe_plan(setup: TrainingSetup) -> str:
    """How often the training evaluates, samples and saves."""
    config, steps = setup.config, setup.until
    settings, parts = config.train, []
    if setup.corpus.valid is not None:
        apart = max(1, round(setup.epochs / EVALUATIONS))
        every = settings.eval_every
        times = steps // every if every else max(1, round(setup.epochs / apart))
        parts.append(f"evaluate about {counted(max(1, times), 'time')}")
        if settings.patience is not None:
            parts.append(f"end after {settings.patience} evaluations without a new best")
    if config.sample.cues:
        every = settings.sample_every or max(1, -(-steps // SAMPLES))
        parts.append(f"continue the cues {counted(max(1, -(-steps // every)), 'time')}")
    kept, size = most_checkpoints(config, setup), checkpoint_bytes(setup.state)
    parts.append(f"keep at most {counted(kept, 'checkpoint')} of {size / 1e6:,.1f} MB")
    return "the training would " + ", ".join(parts)
