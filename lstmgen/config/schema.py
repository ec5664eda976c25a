"""Every key of a config: its type, range, unit and default, each stated once.

One frozen model per YAML section. Nothing here builds an object or imports
torch.
"""

import functools
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

Sources = str | list[str]
BASES = ("english-fiction",)  # that come along, for train.init_from; the first one unasked
Fraction = Annotated[float, Field(ge=0, lt=1)]


def key(default: Any, description: str, *, unit: str = "", **limits: Any) -> Any:
    """One key of a section: its default, what it does, its unit, its range."""
    return Field(default, description=description, json_schema_extra={"unit": unit}, **limits)


class Section(BaseModel):
    """What all sections share: frozen, no unknown keys, no silent conversions."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=()
    )


class DataConfig(Section):
    """Which text, and how it becomes words."""

    train: Sources | None = key(
        None, "the text to learn: a file, a folder (its *.txt), a glob, a list of these, or -"
    )
    valid: Sources | None = key(None, "a text for validation; none: the end of `train` is held out")
    test: Sources | None = key(None, "a text that only `lstmgen evaluate --split test` reads")
    valid_fraction: float = key(
        0.1, "share of the tokens held out at the end, moved back to a line end", ge=0, le=0.5
    )
    tokenizer: Literal["word", "word_v1", "whitespace", "character"] = key(
        "word",
        "word: lossless words and punctuation (word_v1: as lstmgen 0.1 cut them); "
        "whitespace: a text tokenised before",
    )
    lowercase: bool = key(False, "read the text in lower case")
    vocabulary_size: int | None = key(
        None, "at most so many entries, special ones included; none: all", ge=3, unit="entries"
    )
    min_count: int = key(1, "words seen less often become `<unk>`", ge=1, unit="times")
    vocabulary: str | None = key(None, "a file with one entry a line, instead of the text's words")
    vocabulary_from: Literal["text", "base", "both"] = key(
        "text", "with `train.init_from`: whose words the model has, the text's, the base's or both"
    )
    copy_index: bool = key(
        True, "keep the training words in checkpoints, to tell copies (up to 5 million tokens)"
    )


class DropoutConfig(Section):
    """Shares that training does without: one mask per sequence and window, of weights per step."""

    input: Fraction = key(0.2, "dropout on the word vectors", unit="share")
    hidden: Fraction = key(0.2, "dropout between two layers", unit="share")
    output: Fraction = key(0.3, "dropout before the output layer", unit="share")
    words: Fraction = key(0.0, "whole words that a sequence is read without", unit="share")
    recurrent: Fraction = key(
        0.0, "recurrent weights that a step does without (DropConnect)", unit="share"
    )


class ModelConfig(Section):
    """The network."""

    cell: Literal["elman", "gru", "lstm", "lstm_peephole"] = key(
        "lstm", "the cell of all layers: elman, gru, lstm or lstm_peephole"
    )
    peephole: Literal["diagonal", "full"] | None = key(
        None, "of lstm_peephole: each unit sees its own cell, or all; none: diagonal"
    )
    hidden_sizes: list[Annotated[int, Field(ge=1, le=65536)]] = key(
        [256],
        "one layer for each number, from the input up",
        min_length=1,
        max_length=30,
        unit="units",
    )
    input: Literal["embedding", "one_hot"] = key("embedding", "how a word enters the first layer")
    embedding_dim: int = key(
        128, "length of a word vector; not used by one_hot", ge=1, le=65536, unit="units"
    )
    tie_weights: bool = key(True, "use the word vectors as the output matrix too; not with one_hot")
    output: Literal["softmax", "adaptive"] = key(
        "softmax", "softmax: exact; adaptive: rare words by narrower vectors, fast, not tied"
    )
    backend: Literal["auto", "fused", "loop"] = key(
        "auto", "fused: torch's kernel; loop: written out; auto: fused where there is one"
    )
    dropout: DropoutConfig = key(DropoutConfig(), "see below")


class TrainConfig(Section):
    """How the network learns."""

    init_from: str | None = key(
        None,
        "start from another model's weights: a run, a step folder, or the name of a base that "
        "comes along; none: from scratch",
    )
    move_biases: float = key(
        0.0, "with `init_from`: how far output biases start at the text's own word rates", ge=0,
        le=1, unit="share",
    )  # fmt: skip
    order: Literal["streams", "random"] = key(
        "streams", "streams: read on, the state carried; random: each window from a zero state"
    )
    window: int = key(
        32, "read in one go, so how far the gradient flows back", ge=1, le=100_000, unit="words"
    )
    stride: int | None = key(
        None, "moved on and scored per window; 1: many-to-one; none: the window", ge=1, unit="words"
    )
    batch_size: int = key(32, "sequences in one micro-batch", ge=1, le=1_000_000, unit="sequences")
    accumulate: int = key(1, "micro-batches in one step", ge=1, le=1_000_000, unit="micro-batches")
    epochs: int | None = key(
        None,
        "passes over the text; none: as many as make some 1,000 steps, 5 to 200",
        ge=1,
        le=100_000,
    )
    max_steps: int | None = key(None, "stop after so many steps", ge=1, unit="steps")
    max_minutes: float | None = key(
        None, "stop after so long, evaluations included", gt=0, unit="minutes"
    )
    optimizer: Literal["adamw", "sgd"] = key("adamw", "how gradients become steps")
    learning_rate: float = key(0.006, "the highest rate, after the warm-up", ge=0, le=1000)
    schedule: Literal["constant", "cosine", "one_cycle", "plateau"] = key(
        "cosine",
        "cosine: down to 0 at the last step; one_cycle: up first; plateau: halved when stuck",
    )
    warmup_steps: int = key(50, "the rate grows from 0 over so many steps", ge=0, unit="steps")
    weight_decay: float = key(0.01, "pulls matrices, not biases, to zero", ge=0, le=100)
    epsilon: float = key(
        3e-5, "of adamw: added to a gradient's size before it divides by it", gt=0, le=1
    )
    clip_norm: float | None = key(1.0, "longest gradient of a step; none: not clipped", gt=0)
    ar: float = key(0.0, "activation regularisation: weight of the outputs' squares", ge=0, le=1e3)
    tar: float = key(
        0.0, "temporal activation regularisation: weight of their changes' squares", ge=0, le=1e3
    )
    noise: Fraction = key(
        0.0, "Kneser-Ney noising: words read as another one, most where many words may follow",
        unit="share",
    )  # fmt: skip
    average: Literal["ema", "swa", "nt"] | None = key(
        None, "of the weights: ema: moving; swa: of the last steps; nt: once validation stalls"
    )
    average_decay: float = key(
        0.999, "of ema: what the average keeps of itself at each step", ge=0, lt=1
    )
    average_start: float = key(
        0.75, "of swa: the share of all steps after which it begins", ge=0, lt=1, unit="share"
    )
    patience: int | None = key(
        None, "stop after so many evaluations without a new best", ge=1, unit="evaluations"
    )
    precision: Literal["auto", "fp32", "bf16"] = key(
        "auto", "of matrix products in training; auto: bf16 where the device has units for it"
    )
    compression: Literal["bf16", "powersgd"] | None = key(
        None, "of gradients between ranks: bf16: half the bytes; powersgd: far fewer, approximate"
    )
    threads: int | None = key(
        None, "of the CPU; none: one a core. Fewer where other work shares the cores", ge=1, le=1024
    )
    device: Literal["auto", "cpu", "cuda"] = key("auto", "auto: CUDA where there is a GPU")
    seed: int = key(0, "of the initial weights, the dropout and the order", ge=0, lt=2**63)
    eval_every: int | None = key(
        None,
        "evaluate so often; none: at most some 20 times, at ends of epochs",
        ge=1,
        unit="steps",
    )
    save_every: int | None = key(
        None,
        "save so often (in any case every 10 minutes); none: at each evaluation",
        ge=1,
        unit="steps",
    )
    sample_every: int | None = key(
        None, "continue the cues so often; none: five times a run", ge=1, unit="steps"
    )
    keep: int = key(2, "newest checkpoints kept, beside the best", ge=1, unit="checkpoints")

    @property
    def base(self) -> str | None:
        """Whose weights are the first ones; None from scratch."""
        return None if self.init_from in (None, "", "none") else self.init_from

    @property
    def scored(self) -> int:
        """Words that one window scores and moves on by: the stride, in full."""
        return self.window if self.stride is None else self.stride


class SampleConfig(Section):
    """How `generate`, and the samples during training, choose words."""

    cues: list[str] = key([], "continued now and then while training", unit="")
    words: int = key(100, "at most so many new words", ge=0, le=10_000_000, unit="words")
    min_words: int = key(0, "no end before so many", ge=0, le=10_000_000, unit="words")
    stop: Literal["story", "paragraph", "sentence", "words"] = key(
        "story", "ends with the story, the paragraph, the sentence, or after `words` only"
    )
    stop_at: str = key("", "a text that ends a continuation, itself included; empty: none")
    temperature: float = key(
        0.8, "below 1: safer words; above 1: bolder; 0: the likeliest one", ge=0, le=1e9
    )
    top_k: int | None = key(None, "choose among the k likeliest; none: all", ge=1, unit="words")
    top_p: float = key(
        0.95, "choose among the likeliest that have this probability together", gt=0, le=1
    )
    min_p: float = key(
        0.0, "choose among words at least so likely, as a share of the likeliest's", ge=0, le=1
    )
    repetition_penalty: float = key(
        1.0, "above 1: recent words become less likely", ge=0.01, le=100
    )
    repetition_span: int = key(
        64, "recent words that the penalty is for", ge=1, le=1_000_000, unit="words"
    )
    no_repeat_ngram: int | None = key(
        None, "no so many tokens in a row twice; none: they may", ge=1, le=100, unit="tokens"
    )
    cache_weight: float = key(
        0.0, "of the last words in a mixture with the model, so that they come again", ge=0, lt=1,
        unit="share",
    )  # fmt: skip
    cache_window: int = key(500, "words that this cache holds", ge=1, le=1_000_000, unit="words")
    cache_theta: float = key(
        10.0, "of the cache: above 0, words in a context like this one count more", ge=0, le=1000
    )
    banned: list[str] = key([], "words that are never drawn, in whatever case")
    max_copied: int | None = key(
        None, "longest run of words copied from the training text; none: any", ge=0, unit="words"
    )
    oov: Literal["nearest", "unk", "skip", "error"] = key(
        "nearest", "an unknown word of a cue: the nearest one, unknown, left out, or an error"
    )
    beams: int | None = key(
        None, "search for the likeliest text with so many beams; none: draw", ge=1, le=1000
    )
    length_penalty: float = key(
        1.0, "beams: log-probability is divided by length to this power", ge=0, le=10
    )


class Config(Section):
    """A whole config file."""

    data: DataConfig = key(DataConfig(), "which text, and how it becomes words")
    model: ModelConfig = key(ModelConfig(), "the network")
    train: TrainConfig = key(TrainConfig(), "how the network learns")
    sample: SampleConfig = key(SampleConfig(), "how words are chosen")

    @model_validator(mode="after")
    def _check_conflicts(self) -> "Config":
        conflicts = find_conflicts(self)
        if conflicts:
            raise ConflictError(conflicts)
        return self


class Conflict(NamedTuple):
    """Keys that are fine alone and cannot stand together."""

    keys: tuple[str, ...]  # the one to blame first
    value: object
    message: str


class ConflictError(ValueError):
    """Raised while validating; the loader turns it into problems with lines."""

    def __init__(self, conflicts: list[Conflict]) -> None:
        self.conflicts = conflicts
        super().__init__("; ".join(f"{c.keys[0]} = {c.value}: {c.message}" for c in conflicts))


def find_conflicts(config: "Config") -> list[Conflict]:
    """Every pair of settings that cannot stand together."""
    conflicts = []
    train, model = config.train, config.model
    if train.stride is not None and train.stride > train.window:
        conflicts.append(
            Conflict(
                ("train.stride", "train.window"),
                train.stride,
                f"must lie in 1..train.window ({train.window}). "
                "Lower train.stride or raise train.window",
            )
        )
    conflicts += _model_conflicts(model)
    sample = config.sample
    if sample.min_words > sample.words:
        conflicts.append(
            Conflict(
                ("sample.min_words", "sample.words"),
                sample.min_words,
                f"must be at most sample.words ({sample.words}). Raise sample.words",
            )
        )
    if sample.cache_weight and sample.beams is not None:
        message = "a beam search reads no cache. Set sample.cache_weight: 0, or leave beams out"
        keys = ("sample.cache_weight", "sample.beams")
        conflicts.append(Conflict(keys, sample.cache_weight, message))
    if config.data.vocabulary is not None:
        for key, value, free in (
            ("data.vocabulary_size", config.data.vocabulary_size, None),
            ("data.min_count", config.data.min_count, 1),
        ):
            if value != free:
                message = "data.vocabulary lists the entries already. Remove one of the two"
                conflicts.append(Conflict((key, "data.vocabulary"), value, message))
    return conflicts


def _model_conflicts(model: ModelConfig) -> list[Conflict]:
    conflicts = []
    if model.tie_weights and model.input == "one_hot":
        conflicts.append(
            Conflict(
                ("model.input", "model.tie_weights"),
                "one_hot",
                "one-hot input has no word vectors that the output could share. "
                "Set model.tie_weights: false",
            )
        )
    if model.tie_weights and model.output == "adaptive":
        conflicts.append(
            Conflict(
                ("model.output", "model.tie_weights"),
                "adaptive",
                "the adaptive softmax gives rare words narrower vectors than the input does, so "
                "the two cannot be one. Set model.tie_weights: false",
            )
        )
    if model.peephole is not None and model.cell != "lstm_peephole":
        conflicts.append(
            Conflict(
                ("model.peephole", "model.cell"),
                model.peephole,
                f"model.cell: {model.cell} has no peepholes. "
                "Set model.cell: lstm_peephole, or leave model.peephole out",
            )
        )
    if model.backend == "fused" and model.cell == "lstm_peephole":
        conflicts.append(
            Conflict(
                ("model.backend", "model.cell"),
                "fused",
                "torch has no kernel for peepholes. Set model.backend: loop, or leave it out",
            )
        )
    return conflicts


def is_set(config: "Config", key: str) -> bool:
    """Whether somebody gave a value to a dotted key: it is not the schema's default."""
    *sections, name = key.split(".")
    section = functools.reduce(getattr, sections, config)
    held = all(
        part in functools.reduce(getattr, sections[:depth], config).model_fields_set
        for depth, part in enumerate(sections)
    )
    return held and name in section.model_fields_set


def fill_in(config: "Config", values: Mapping[str, Any]) -> "Config":
    """A config with values for those of some dotted keys to which nobody gave one."""
    for key, value in values.items():
        if not is_set(config, key):
            config = _with_value(config, key.split("."), value)
    return config


def _with_value(section: Any, path: list[str], value: Any) -> Any:
    inner = _with_value(getattr(section, path[0]), path[1:], value) if path[1:] else value
    return section.model_copy(update={path[0]: inner})


def section_fields(section: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys of a section with their default, description and unit."""
    return section.model_fields


def subsection(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a key that is itself a section, else None."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def all_keys(section: type[BaseModel] = Config, prefix: str = "") -> dict[str, FieldInfo]:
    """Every dotted key that holds a value, in the order of the schema."""
    keys: dict[str, FieldInfo] = {}
    for name, field in section_fields(section).items():
        inner = subsection(field)
        if inner is None:
            keys[prefix + name] = field
        else:
            keys |= all_keys(inner, f"{prefix}{name}.")
    return keys


def value_of(config: Config, key: str) -> Any:
    """What a config holds at a dotted key."""
    return functools.reduce(getattr, key.split("."), config)
