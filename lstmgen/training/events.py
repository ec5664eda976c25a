"""The events of a training run, one frozen record each."""

from dataclasses import dataclass
from pathlib import Path

from lstmgen.generation.chosen import ChosenSampling
from lstmgen.training.memorizing import Memorizing


@dataclass(frozen=True)
class Created:
    """The run folder exists."""

    run: Path


@dataclass(frozen=True)
class Notice:
    """An automatic decision, or something the user should know."""

    text: str


@dataclass(frozen=True)
class Started:
    """All sizes are known; the first step comes next.

    Attributes:
        output: softmax or adaptive, whose perplexities are not comparable.
        shared: how several ranks divide a step; empty for a single process.
        uniform, unigram, ngram: baseline perplexities on the validation text, NaN without
            one. The last two are of Kneser-Ney models of order 1 and ``ngram_order``.
        base: the name of the model that the weights come from; empty from scratch.
        base_found, base_covered: vocabulary entries that it has, and the fraction of the
            text's tokens that they cover.
        base_perplexity: on the validation text, before the first step; NaN without one.
        resumed_at: the step from which training continues; None at a fresh start.
    """

    run: Path
    files: int
    train_tokens: int
    valid_tokens: int
    unknown_share: float
    vocab_size: int
    parameters: int
    cell: str
    sizes: str
    output: str
    window: int
    stride: int
    order: str
    batch_size: int
    accumulate: int
    shared: str
    epochs: float
    steps: int
    device: str
    uniform: float
    unigram: float
    ngram: float
    ngram_order: int
    base: str
    base_found: int
    base_covered: float
    base_perplexity: float
    resumed_at: int | None


@dataclass(frozen=True)
class Stepped:
    """One step is done.

    Attributes:
        train_nats: per word, since the last row of metrics.
        words_per_second: scored, over the same steps.
    """

    step: int
    steps: int
    epoch: float
    train_nats: float
    words_per_second: float


@dataclass(frozen=True)
class Evaluated:
    """The validation text was scored.

    Attributes:
        learning_rate: of the previous step; None right after resuming.
        zero_state_perplexity: by windows from a zero state, for ``order: random`` only.
        best: whether it is the best evaluation so far.
    """

    step: int
    epoch: float
    train_nats: float
    nats: float
    perplexity: float
    zero_state_perplexity: float | None
    learning_rate: float | None
    words_per_second: float
    seconds: float
    best: bool


@dataclass(frozen=True)
class Sampled:
    """The config's cues were continued."""

    step: int
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Saved:
    """A checkpoint was written."""

    step: int


@dataclass(frozen=True)
class Finished:
    """The run has ended.

    Attributes:
        best_step, best_nats: None without a validation text.
        patience: of the config.
        memorizing: None if there is no sign of it.
        report: whether the config asks for a page of the run (``train.report``).
        interrupted: stopped by a signal, with more to train.
        sampling: the settings chosen for this text; None if none were.
    """

    run: Path
    step: int
    reason: str
    best_step: int | None
    best_nats: float | None
    valid_nats: tuple[float, ...]
    seconds: float
    words: int
    interrupted: bool
    report: bool
    patience: int | None
    memorizing: Memorizing | None
    sampling: ChosenSampling | None


Event = Created | Notice | Started | Stepped | Evaluated | Sampled | Saved | Finished
