"""Every key of a config, declared once.

A declaration has the type, range, unit, default and description of a key, whether it names a
file, whether it is specific to one machine, and whether a resumed run may change it. The options
of ``lstmgen generate`` are derived from it (``cli.options``), docs/config.md and the comments of
configs/story.yaml are generated (``config.reference``).

One frozen model per YAML section.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from lstmgen.config.word_bias import MAX_BIAS, parse_bias
from lstmgen.errors import encodable, printable

Sources = str | list[str]
PEEPHOLE_CELLS = ("lstm_peephole",)  # model.peephole applies to these
LOOP_CELLS = ("lstm_peephole",)  # torch has no fused kernel for these
MAX_BEAM_WORDS = 10_000_000  # sample.beams times sample.words
TEXTS = ("cues", "tag", "start_with", "stop_at", "banned", "bias", "must_include")  # of `sample`
BASES = ("english-fiction",)  # bundled models for train.init_from, the default first
Lowercase = bool | Literal["turkish"]
Fraction = Annotated[float, Field(ge=0, lt=1)]
OnResume = Literal["fixed", "free", "ignored"]


def key(
    default: Any,
    description: str,
    *,
    unit: str = "",
    path: bool = False,
    names: tuple[str, ...] = (),
    portable: bool = True,
    on_resume: OnResume | None = None,
    **limits: Any,
) -> Any:
    """Declare one key of a section.

    Args:
        description: a complete phrase; also the help text of the key's option.
        path: the value names a file or folder, relative to the config file.
        names: values that are names rather than paths, even if a file has that name.
        portable: the value holds on any machine; others, like paths, are left out of
            checkpoints.
        on_resume: whether a resumed run must have the same value (``fixed``) or may change it
            (``free``), or it has no effect then (``ignored``). Default: the section's.
        limits: of the value, as for pydantic's ``Field``.
    """
    extra: dict[str, Any] = {
        "unit": unit,
        "path": path,
        "names": list(names),
        "portable": portable and not path,
        "on_resume": on_resume,
    }
    return Field(default, description=description, json_schema_extra=extra, **limits)


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no conversions but 1e3 to 1000."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=()
    )
    on_resume: ClassVar[OnResume] = "fixed"  # default of the section's keys

    @model_validator(mode="before")
    @classmethod
    def _convert_whole_floats(cls, values: Any) -> Any:
        """Turn floats such as 1e3 into integers where a key takes integers."""
        if not isinstance(values, dict):
            return values
        return {
            name: _whole_floats_as_int(value) if name in _integer_keys(cls) else value
            for name, value in values.items()
        }


@functools.cache
def _integer_keys(section: type[Section]) -> frozenset[str]:
    """The keys of a section that take integers, or lists of them, but no other numbers."""
    return frozenset(
        name
        for name, field in section.model_fields.items()
        if int in (types := set(_inner_types(field.annotation))) and float not in types
    )


def _inner_types(annotation: Any) -> Iterator[Any]:
    """A type and the types that it is made of."""
    yield annotation
    for inner in get_args(annotation):
        yield from _inner_types(inner)


def _whole_floats_as_int(value: Any) -> Any:
    if isinstance(value, list):
        return [_whole_floats_as_int(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class DataConfig(Section):
    """The text, and its tokenization."""

    train: Sources | None = key(
        None,
        "Text to learn: a file, a folder (its .txt, .text and .md files), a glob, a list of these, "
        "or - for standard input.",
        path=True, on_resume="free",
    )  # fmt: skip
    valid: Sources | None = key(
        None, "Text for validation (null: the end of `train` is held out).",
        path=True, on_resume="free",
    )  # fmt: skip
    test: Sources | None = key(
        None, "Text that only `lstmgen evaluate --split test` reads.", path=True, on_resume="free"
    )
    encoding: str | None = key(
        None, "Encoding of files that are not UTF-8, such as windows-1252 (null: UTF-8, or UTF-16 "
        "with a byte order mark).", portable=False,
    )  # fmt: skip
    valid_fraction: float = key(
        0.1, "Fraction of the tokens held out at the end, rounded to a line end.", ge=0, le=0.5
    )
    tokenizer: Literal["word", "word_v1", "whitespace", "character"] = key(
        "word",
        "How text is cut into tokens. word: words and punctuation, lossless; word_v1: the same as "
        "in lstmgen 0.1; whitespace: for text that is tokenized already.",
    )
    documents: str = key(
        "file", "Where a document ends, and with it a continuation: file, line, blank_line, or a "
        "marker that stands between documents, such as <|endoftext|>.", min_length=1,
    )  # fmt: skip
    tags: bool = key(
        False, "Open each document with a tag, the name of its file's folder (of the file, if all "
        "are in one folder), to generate in one voice of several with `sample.tag`.",
    )  # fmt: skip
    strip_gutenberg: bool = key(
        False, "Cut off the header and licence of Project Gutenberg, if a file has its marks."
    )
    lowercase: Lowercase = key(
        False, "Convert the text to lower case. turkish: I to ı and İ to i, which true does in a "
        "text of Turkish or Azeri.",
    )  # fmt: skip
    vocabulary_size: int | None = key(
        None, "Maximum number of vocabulary entries, special ones included (null: no limit).",
        ge=3, unit="entries",
    )  # fmt: skip
    min_count: int = key(1, "Words seen less often than this become `<unk>`.", ge=1)
    vocabulary: str | None = key(
        None, "File with one vocabulary entry a line, used instead of the text's words.",
        path=True, on_resume="free",
    )  # fmt: skip
    vocabulary_from: Literal["text", "base", "both"] = key(
        "text", "With `train.init_from`: whether the vocabulary has the text's words, the base's "
        "words, or both.", portable=False, on_resume="ignored",
    )  # fmt: skip
    copy_index: bool = key(
        True, "Keep an index of the training text in checkpoints, to detect copied passages (up to "
        "5 million tokens).", on_resume="ignored",
    )  # fmt: skip
    ngrams: bool = key(
        True, "Keep the n-grams of the training text in checkpoints, which help to choose words "
        "(up to a million tokens).", on_resume="ignored",
    )  # fmt: skip


class DropoutConfig(Section):
    """Dropout rates: one mask per sequence and window; for weights, one per step."""

    input: Fraction = key(0.2, "Dropout rate of the word vectors.")
    hidden: Fraction = key(0.2, "Dropout rate between two layers.")
    output: Fraction = key(0.3, "Dropout rate before the output layer.")
    words: Fraction = key(0.0, "Word dropout: rate at which words are dropped from a sequence.")
    recurrent: Fraction = key(0.0, "DropConnect: dropout rate of the recurrent weights, per step.")


class ModelConfig(Section):
    """The network."""

    cell: Literal["elman", "gru", "lstm", "lstm_peephole"] = key("lstm", "Cell of all layers.")
    peephole: Literal["diagonal", "full"] | None = key(
        None, "For lstm_peephole: whether a gate sees its own cell or all cells (null: diagonal)."
    )
    hidden_sizes: list[Annotated[int, Field(ge=1, le=65536)]] = key(
        [256], "Hidden size of each layer, from the input up.",
        min_length=1, max_length=30, unit="units",
    )  # fmt: skip
    input: Literal["embedding", "one_hot"] = key("embedding", "How a word enters the first layer.")
    embedding_dim: int = key(
        128, "Length of a word vector (unused with one_hot).", ge=1, le=65536, unit="units"
    )
    tie_weights: bool = key(
        True,
        "Use the word vectors as the output matrix too (not with adaptive; false with one_hot).",
    )
    output: Literal["softmax", "adaptive"] = key(
        "softmax",
        "Output layer. softmax: exact; adaptive: shorter vectors for rare words, faster for large "
        "vocabularies.",
    )
    backend: Literal["auto", "fused", "loop"] = key(
        "auto",
        "fused: PyTorch's kernel; loop: a written-out loop; auto: fused where the cell has one.",
    )
    dropout: DropoutConfig = key(DropoutConfig(), "Dropout rates.")

    @model_validator(mode="after")
    def _untie_one_hot(self) -> "ModelConfig":
        """One-hot inputs have no vectors to share, so by default their output has its own."""
        if self.input == "one_hot" and "tie_weights" not in self.model_fields_set:
            object.__setattr__(self, "tie_weights", False)  # the section is frozen
        return self


class TrainConfig(Section):
    """How the network is trained."""

    init_from: str | None = key(
        None,
        "Start from the weights of another model: a run, a step folder, or a bundled base "
        "(english-fiction). null or none: from scratch.",
        path=True, names=BASES, on_resume="ignored",
    )  # fmt: skip
    move_biases: float = key(
        0.0, "With `init_from`: how far output biases are moved to the text's own word "
        "frequencies before training (0: not at all, 1: fully).", ge=0, le=1,
    )  # fmt: skip
    order: Literal["streams", "random"] = key(
        "streams",
        "streams: windows in the order of the text, with the state carried; random: each window "
        "from a random place and a zero state.",
    )
    window: int = key(
        32, "Words read per window: how far back gradients flow (truncated BPTT).",
        ge=1, le=100_000, unit="words",
    )  # fmt: skip
    stride: int | None = key(
        None, "Words scored per window (1: many-to-one; null: the whole window).",
        ge=1, unit="words",
    )  # fmt: skip
    batch_size: int = key(32, "Sequences per micro-batch.", ge=1, le=1_000_000, unit="sequences")
    accumulate: int = key(
        1, "Micro-batches per step (gradient accumulation).", ge=1, le=1_000_000,
        unit="micro-batches",
    )  # fmt: skip
    epochs: int | None = key(
        None,
        "Passes over the text (null: chosen by its size; 5 to 200 for about 1,000 steps).",
        ge=1, le=100_000, on_resume="free",
    )  # fmt: skip
    max_steps: int | None = key(
        None, "Maximum number of steps.", ge=1, unit="steps", on_resume="free"
    )
    max_minutes: float | None = key(
        None, "Maximum training time, evaluations included.", gt=0, unit="minutes",
        on_resume="free",
    )  # fmt: skip
    optimizer: Literal["adamw", "sgd"] = key("adamw", "Optimizer.")
    learning_rate: float = key(0.006, "Peak learning rate, after the warm-up.", ge=0, le=1000)
    schedule: Literal["constant", "cosine", "one_cycle", "plateau"] = key(
        "cosine",
        "Learning-rate schedule. cosine: decays to 0 at the last step; one_cycle: rises first; "
        "plateau: halves when validation stalls.",
    )
    warmup_steps: int = key(
        50, "Steps over which the learning rate rises from 0.", ge=0, unit="steps"
    )
    weight_decay: float = key(0.01, "Weight decay of matrices (never of biases).", ge=0, le=100)
    epsilon: float = key(
        3e-5, "Epsilon of AdamW, added to the denominator of each update.", gt=0, le=1
    )
    clip_norm: float | None = key(1.0, "Maximum gradient norm (null: no clipping).", gt=0)
    ar: float = key(0.0, "Activation regularization: weight of the squared outputs.", ge=0, le=1e3)
    tar: float = key(
        0.0, "Temporal activation regularization: weight of the squared changes of the outputs.",
        ge=0, le=1e3,
    )  # fmt: skip
    noise: Fraction = key(
        0.0, "Kneser-Ney noising: rate of words read as another word, higher where many words "
        "can follow.",
    )  # fmt: skip
    average: Literal["ema", "swa", "nt"] | None = key(
        None,
        "Weight averaging. ema: exponential moving average; swa: mean of the last steps; nt: "
        "mean since validation stalled.",
    )
    average_decay: float = key(0.999, "Decay of the moving average (ema), per step.", ge=0, lt=1)
    average_start: float = key(
        0.75, "Fraction of all steps after which averaging (swa) begins.", ge=0, lt=1,
    )  # fmt: skip
    patience: int | None = key(
        None,
        "Stop after this many evaluations without a new best (left out: chosen by the size of the "
        "text; null: never).",
        ge=1, unit="evaluations", on_resume="free",
    )  # fmt: skip
    precision: Literal["auto", "fp32", "bf16"] = key(
        "auto", "Precision of matmuls in training. auto: bf16 where the hardware supports it.",
        on_resume="free",
    )  # fmt: skip
    compression: Literal["bf16", "powersgd"] | None = key(
        None,
        "Compression of gradients sent between ranks. bf16: half the bytes; powersgd: far fewer, "
        "approximate.",
        on_resume="free",
    )  # fmt: skip
    threads: int | None = key(
        None, "CPU threads (null: one per core).", ge=1, le=1024, on_resume="free"
    )
    device: Literal["auto", "cpu", "cuda"] = key(
        "auto", "Device to train on. auto: CUDA if there is a GPU.",
        portable=False, on_resume="free",
    )  # fmt: skip
    seed: int = key(
        0, "Seed of the initial weights, dropout and the order of windows.", ge=0, lt=2**63
    )
    eval_every: int | None = key(
        None,
        "Steps between evaluations (null: at ends of epochs, at most about 20 times).",
        ge=1, unit="steps", on_resume="free",
    )  # fmt: skip
    save_every: int | None = key(
        None,
        "Steps between checkpoints (null: at each evaluation; in any case every 10 minutes).",
        ge=1, unit="steps", on_resume="free",
    )  # fmt: skip
    sample_every: int | None = key(
        None, "Steps between samples of the cues (null: five times a run).", ge=1, unit="steps",
        on_resume="free",
    )  # fmt: skip
    keep: int = key(
        2, "Newest checkpoints to keep, besides the best.", ge=1, unit="checkpoints",
        on_resume="free",
    )  # fmt: skip
    report: Literal["auto"] | None = key(
        "auto",
        "Page of the run, report.html, at the end of training. auto: with the model inside, up to "
        "5 MB of weights; null or none: no page.",
        portable=False, on_resume="free",
    )  # fmt: skip
    log: list[Literal["tensorboard"]] = key(
        [],
        "Further records of the training. tensorboard: event files for TensorBoard, in the run "
        "folder.",
        portable=False, on_resume="free",
    )  # fmt: skip

    @property
    def base(self) -> str | None:
        """The model that training starts from; None to start from scratch."""
        return None if self.init_from in (None, "", "none") else self.init_from

    @property
    def scored(self) -> int:
        """Words scored per window, which is also the step to the next window."""
        return self.window if self.stride is None else self.stride


class SampleConfig(Section):
    """How words are sampled by `generate` and during training."""

    on_resume: ClassVar[OnResume] = "ignored"

    cues: list[str] = key([], "Cues to continue now and then during training.")
    tag: str | None = key(
        None, "Voice to continue in: a tag of the training text (see `data.tags`)."
    )
    words: int = key(
        100, "Number of new words, after which a continuation ends with its sentence, at most half "
        "as many words later.", ge=0, le=10_000_000, unit="words",
    )  # fmt: skip
    start_with: str = key("", "Text that each continuation begins with, after the cue.")
    hard_limit: bool = key(
        False, "Cut a continuation at the number of words, even inside a sentence."
    )
    min_words: int = key(0, "Minimum number of new words.", ge=0, le=10_000_000, unit="words")
    stop: Literal["story", "paragraph", "line", "sentence", "words"] = key(
        "story",
        "Where a continuation ends. paragraph: at a line end, or at a blank line in text that is "
        "wrapped by hand; words: after the number of words, even inside a sentence.",
    )
    stop_at: str = key("", "Stop after this text has been generated.")
    temperature: float | None = key(
        None, "Sampling temperature (0: always the most likely word; null: chosen when training "
        "ends, by how new samples are beside held-out text, else 0.8).", ge=0, le=1e9,
    )  # fmt: skip
    best_of: int | None = key(
        None, "Draw this many candidates for each sentence and keep the best (1: draw words only; "
        "null: 1).", ge=1, le=1000, unit="sentences",
    )  # fmt: skip
    top_k: int | None = key(None, "Keep only the k most likely words.", ge=1, unit="words")
    top_p: float = key(
        0.95, "Nucleus sampling: keep the most likely words whose probabilities add up to this.",
        gt=0, le=1,
    )  # fmt: skip
    min_p: float = key(
        0.0, "Keep words at least this likely, relative to the most likely one.", ge=0, le=1
    )
    ngram_weight: float | None = key(
        None, "Weight of the n-gram model in a log-linear mixture (null: chosen when training "
        "ends; 0: off).", ge=0, lt=1,
    )  # fmt: skip
    pair_penalty: float | None = key(
        None, "Penalty on pairs of words that the training text lacks, for each time that chance "
        "would give the pair (null: 3, if the checkpoint has n-grams; 0: off).", ge=0, le=100,
        unit="nats",
    )  # fmt: skip
    repetition_penalty: float = key(1.0, "Penalty on recent words (1: none).", ge=0.01, le=100)
    repetition_span: int = key(
        64, "Number of recent words that the penalty covers.", ge=1, le=1_000_000, unit="words"
    )
    no_repeat_ngram: int | None = key(
        None, "Never repeat an n-gram of this length (0: repeat any; null: 3 words and no whole "
        "sentence with `beams`, else any).", ge=0, le=100, unit="tokens",
    )  # fmt: skip
    cache_weight: float = key(0.0, "Weight of a cache of recent words (0: off).", ge=0, lt=1)
    cache_window: int = key(500, "Number of words in the cache.", ge=1, le=1_000_000, unit="words")
    cache_theta: float = key(
        10.0, "Sharpness of the cache: above 0, words from similar contexts count more.",
        ge=0, le=1000,
    )  # fmt: skip
    cache_last_word: bool = key(
        False, "Let the cache make the last word more likely too, as the cache of `evaluate` does."
    )
    banned: list[str] = key([], "Words never to generate, in any letter case.")
    bias: list[str] = key(
        [], "Make a word more or less likely, in any letter case: WORD:NATS, as in sea:1.5 or "
        "said:-1, adds the nats to its logits.",
    )  # fmt: skip
    must_include: list[str] = key(
        [], "Words that each continuation must include, in any letter case."
    )
    balance_quotes: bool = key(
        True, "Close quotation marks and brackets before their paragraph ends, and close none that "
        "is not open (where the training text does so).",
    )  # fmt: skip
    max_copied: int | None = key(
        None, "Longest passage that may be copied from the training text, in words; in Han, kana, "
        "Thai, Lao, Khmer and Burmese text a word counts as 3 characters.", ge=0, unit="words",
    )  # fmt: skip
    oov: Literal["nearest", "unk", "skip", "error"] = key(
        "nearest", "What to do with unknown words of a cue."
    )
    beams: int | None = key(None, "Beam width (instead of sampling).", ge=1, le=1000)
    length_penalty: float = key(
        1.0, "Length penalty of the beam search (0: prefers short texts).", ge=0, le=10
    )

    @property
    def cuts(self) -> bool:
        """Whether a continuation is cut after ``words``, rather than ended with its sentence."""
        return self.hard_limit or self.stop == "words"


class Config(Section):
    """A config file."""

    data: DataConfig = key(DataConfig(), "The text.")
    model: ModelConfig = key(ModelConfig(), "The network.")
    train: TrainConfig = key(TrainConfig(), "How the network is trained.")
    sample: SampleConfig = key(SampleConfig(), "How words are chosen.")

    @model_validator(mode="after")
    def _check_conflicts(self) -> "Config":
        conflicts = find_conflicts(self)
        if conflicts:
            raise ConflictError(conflicts)
        return self


class Conflict(NamedTuple):
    """Settings that are valid alone but contradict each other."""

    keys: tuple[str, ...]  # the one to report first
    value: object
    message: str


class ConflictError(ValueError):
    """Raised in validation; the loader converts it to problems with line numbers."""

    def __init__(self, conflicts: list[Conflict]) -> None:
        self.conflicts = conflicts
        # pydantic cannot pass on a message with halves of characters
        shown = (f"{c.keys[0]} = {printable(c.value)}: {c.message}" for c in conflicts)
        super().__init__("; ".join(shown))


def find_conflicts(config: "Config") -> list[Conflict]:
    """All settings that contradict each other."""
    train, data, conflicts = config.train, config.data, []
    if train.stride is not None and train.stride > train.window:
        message = (
            f"must lie in 1..train.window ({train.window}). "
            "Lower train.stride or raise train.window"
        )
        conflicts.append(Conflict(("train.stride", "train.window"), train.stride, message))
    if data.encoding is not None and not _is_text_encoding(data.encoding):
        message = "no such encoding. Write windows-1252, latin-1, shift_jis, gb18030 or another one"
        conflicts.append(Conflict(("data.encoding",), data.encoding, message))
    for key, value, default in (
        ("data.vocabulary_size", data.vocabulary_size, None),
        ("data.min_count", data.min_count, 1),
    ):
        if data.vocabulary is not None and value != default:
            message = "data.vocabulary lists the entries already. Remove one of the two"
            conflicts.append(Conflict((key, "data.vocabulary"), value, message))
    return [*conflicts, *_model_conflicts(config.model), *sample_conflicts(config.sample)]


def _is_text_encoding(name: str) -> bool:
    try:
        "a".encode(name)
    except (LookupError, ValueError):  # unknown, not of texts, or no name at all
        return False
    return True


def sample_conflicts(sample: SampleConfig) -> list[Conflict]:
    """Conflicts within the section ``sample``, which command-line options can change."""
    conflicts = []
    if sample.min_words > sample.words:
        message = f"must be at most sample.words ({sample.words}). Raise sample.words"
        keys = ("sample.min_words", "sample.words")
        conflicts.append(Conflict(keys, sample.min_words, message))
    if sample.cache_weight and sample.beams is not None:
        message = (
            "a beam search reads no cache. Set sample.cache_weight to 0, or leave sample.beams out"
        )
        keys = ("sample.cache_weight", "sample.beams")
        conflicts.append(Conflict(keys, sample.cache_weight, message))
    if sample.beams is not None and sample.beams * sample.words > MAX_BEAM_WORDS:
        message = (
            f"sample.beams ({sample.beams:,}) times sample.words ({sample.words:,}) is at most "
            f"{MAX_BEAM_WORDS:,}. Lower one of them"
        )
        conflicts.append(Conflict(("sample.beams", "sample.words"), sample.beams, message))
    for name in TEXTS:
        value = getattr(sample, name)
        if not all(map(encodable, [value] if isinstance(value, str) else value or [])):
            message = "has bytes that are no text. Write it in UTF-8"
            conflicts.append(Conflict((f"sample.{name}",), value, message))
    for entry in sample.bias:
        if parse_bias(entry) is None:
            message = (
                "must be WORD:NATS with a number from "
                f"{-MAX_BIAS:g} to {MAX_BIAS:g}, as in sea:1.5 or said:-1"
            )
            conflicts.append(Conflict(("sample.bias",), entry, message))
    return conflicts


def _model_conflicts(model: ModelConfig) -> list[Conflict]:
    conflicts = []
    if model.tie_weights and model.input == "one_hot":
        message = (
            "one-hot input has no word vectors that the output could share. "
            "Set model.tie_weights: false"
        )
        conflicts.append(Conflict(("model.input", "model.tie_weights"), "one_hot", message))
    if model.tie_weights and model.output == "adaptive":
        message = (
            "the adaptive softmax gives rare words narrower vectors than the input does, so "
            "the two cannot be tied. Set model.tie_weights: false"
        )
        conflicts.append(Conflict(("model.output", "model.tie_weights"), "adaptive", message))
    if model.peephole is not None and model.cell not in PEEPHOLE_CELLS:
        message = (
            f"model.cell: {model.cell} has no peepholes. "
            "Set model.cell: lstm_peephole, or leave model.peephole out"
        )
        conflicts.append(Conflict(("model.peephole", "model.cell"), model.peephole, message))
    if model.backend == "fused" and model.cell in LOOP_CELLS:
        message = "torch has no kernel for peepholes. Set model.backend: loop, or leave it out"
        conflicts.append(Conflict(("model.backend", "model.cell"), "fused", message))
    return conflicts


def is_set(config: "Config", key: str) -> bool:
    """Whether a dotted key was set explicitly, rather than by its default."""
    section: Any = config
    for part in key.split("."):
        if part not in section.model_fields_set:
            return False
        section = getattr(section, part)
    return True


def fill_in(config: "Config", values: Mapping[str, Any]) -> "Config":
    """Set those dotted keys that were not set explicitly."""
    for key, value in values.items():
        if not is_set(config, key):
            config = _with_value(config, key.split("."), value)
    return config


def _with_value(section: Any, path: list[str], value: Any) -> Any:
    inner = _with_value(getattr(section, path[0]), path[1:], value) if path[1:] else value
    return section.model_copy(update={path[0]: inner})


@dataclass(frozen=True)
class Key:
    """A key that is not a section, with its declaration."""

    name: str  # dotted, as in train.window
    field: FieldInfo
    default: Any
    description: str
    unit: str
    path: bool
    names: tuple[str, ...]
    portable: bool
    on_resume: OnResume


def subsection(field: FieldInfo) -> type[Section] | None:
    """The model of a key that is a section, else None."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


@functools.cache
def all_keys(section: type[Section] = Config, prefix: str = "") -> dict[str, Key]:
    """Every key that is not a section, by its dotted name, in the order of the schema."""
    keys: dict[str, Key] = {}
    for name, field in section.model_fields.items():
        inner = subsection(field)
        if inner is not None:
            keys |= all_keys(inner, f"{prefix}{name}.")
            continue
        declared: Any = field.json_schema_extra
        extra = declared | {
            "names": tuple(declared["names"]),
            "on_resume": declared["on_resume"] or section.on_resume,
        }
        full = prefix + name
        keys[full] = Key(full, field, field.default, field.description or "", **extra)
    return keys


def value_of(config: Config, key: str) -> Any:
    """The value of a dotted key."""
    return functools.reduce(getattr, key.split("."), config)
