"""What a training run tells whoever watches it, one frozen record each."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Created:
    """The run folder is there."""

    run: Path


@dataclass(frozen=True)
class Notice:
    """Something that was decided without being asked for."""

    text: str


@dataclass(frozen=True)
class Started:
    """All sizes are known; the first step comes next.

    Attributes:
        parameters: trained numbers.
        output: softmax or adaptive, as the config says: their perplexities are two models'.
        shared: who of several ranks reads what of a step; empty where one process trains.
        uniform, unigram, ngram: perplexities to beat, on the validation text; NaN where there
            is none. The last two are Kneser-Ney models', of order 1 and ``ngram_order``.
        base: the name of the model that the first weights are of; empty from scratch.
        base_found, base_covered: entries that it has, and their share of the text's tokens.
        base_perplexity: on the validation text, before the first step; NaN where there is none.
        resumed_at: the step from which training goes on; None at a fresh start.
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
        train_nats: per word, over the steps since the last row.
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
        learning_rate: of the step before; None right after a resumption.
        zero_state_perplexity: by windows from a zero state, for ``order: random`` only.
        best: the best evaluation so far.
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
    """A checkpoint is on the disk."""

    step: int


@dataclass(frozen=True)
class Finished:
    """The run has come to its end, or was asked to stop.

    Attributes:
        reason: in words.
        best_step, best_nats: None without a validation text.
        interrupted: there is more to train.
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


Event = Created | Notice | Started | Stepped | Evaluated | Sampled | Saved | Finished
