"""Opening the model and the words to inspect, from a checkpoint or an untrained config."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmgen.config.loader import load
from lstmgen.config.schema import Config
from lstmgen.errors import ConfigError, UsageError, counted, printable
from lstmgen.evaluation.scored_text import encode_text, find_part
from lstmgen.generation.cue import find_entry, read_cue
from lstmgen.generation.load import load_checkpoint, make_engine
from lstmgen.generation.numpy_engine import Engine
from lstmgen.inspection import deep_breathe
from lstmgen.inspection.tracing import (
    GateTrace,
    GradientTrace,
    trace_gates,
    trace_gradient,
    untrained_elman,
)
from lstmgen.inspection.window_explanation import Explanation, explain
from lstmgen.runs import folders
from lstmgen.runs.bundled import find_config
from lstmgen.text.corpus import Part
from lstmgen.text.reading import normalize
from lstmgen.text.spacing import Kind, surface_of
from lstmgen.text.vocabulary import Vocabulary
from lstmgen.training.complete_config import prepare_training
from lstmgen.training.init_from import base_of, init_from_base

if TYPE_CHECKING:
    from lstmgen.cells.cell import Layer

PASSAGE = 200  # words in which predictions of low and high loss are searched


@dataclass(frozen=True)
class Request:
    """The model and the words that a command line selects."""

    model: str | None  # run, step folder, or config of an untrained model; None is the newest run
    overrides: tuple[str, ...]  # of the config, as in ``train.window=5``
    cue: str | None  # the words themselves; None takes them from a text
    text: str | None  # a file, - for standard input; None is the model's training text
    start: int  # the first word of the text, counted from 0
    window: int  # number of words from a text
    layer: int  # counted from 1 at the input
    units: tuple[int, ...]  # empty leaves the choice to the command
    runs: Path
    like: "Subject | None" = None  # to compare with: its words are read if there are no others

    @property
    def names_words(self) -> bool:
        """Whether the words are those of a cue or of another model, not of a text."""
        return self.cue is not None or (self.like is not None and self.text is None)


@dataclass(frozen=True)
class Subject:
    """A model and the words to inspect it on."""

    name: str  # of the model, as displayed
    cell: str
    one_hot: bool
    seed: int
    engine: Engine  # in float64
    tokenizer: Kind
    entries: tuple[str, ...]  # the vocabulary
    words: tuple[str, ...]  # its entries as they are written
    passage: NDArray[np.int64]  # ids: the window, the word to predict, and perhaps more
    window: int
    train_window: int  # the number of words that gradients flow back in training
    notes: tuple[str, ...]  # to print about the passage

    def word(self, index: int) -> str:
        """The text of a word; ``<unknown>`` if it is not in the vocabulary."""
        return self.words[index] if index < len(self.words) else "<unknown>"


class TracedModel(NamedTuple):
    """The gradient of one loss through time, in a model and in untrained Elman layers."""

    subject: Subject
    model: GradientTrace
    elman: GradientTrace


def explain_window(request: Request) -> tuple[Subject, Explanation]:
    """The forward and backward pass of one window.

    Raises:
        UsageError: if the words, the layer or the units do not exist.
    """
    subject = _open_subject(request, target=True)
    return subject, explain(subject.engine, subject.passage, window=subject.window)


def explain_deep_breathe(*, layers: int, start: int | None) -> tuple[Subject, Explanation]:
    """The worked example of "LSTM internals".

    Raises:
        UsageError: if the window does not fit into the text.
    """
    begin = deep_breathe.START if start is None else start
    if begin not in deep_breathe.starts():
        last = deep_breathe.starts()[-1]
        raise UsageError(f"--start {begin}: the example's windows start at 0 to {last}")
    vocabulary, _ = deep_breathe.words()
    subject = Subject(
        name="the Deep-Breathe example, before its first step",
        cell="lstm",
        one_hot=True,
        seed=0,
        engine=deep_breathe.make_engine(layers=layers),
        tokenizer="whitespace",
        entries=vocabulary,
        words=vocabulary,
        passage=deep_breathe.text_ids()[begin:],
        window=deep_breathe.WINDOW,
        train_window=deep_breathe.WINDOW,
        notes=(),
    )
    return subject, explain(subject.engine, subject.passage, window=subject.window)


def inspect_gates(request: Request) -> tuple[Subject, GateTrace]:
    """The gates of one layer, word by word."""
    subject = _open_subject(request, target=False)
    ids = subject.passage[: subject.window]
    return subject, trace_gates(subject.engine, ids, layer=request.layer - 1)


def inspect_gradients(request: Request) -> TracedModel:
    """The gradient of the loss of one word through the words before it."""
    subject = _open_subject(request, target=True)
    ids, target = subject.passage[: subject.window], int(subject.passage[subject.window])

    def trace(layers: "list[Layer] | None") -> GradientTrace:
        return trace_gradient(subject.engine, ids, target, layer=request.layer - 1, layers=layers)

    elman = untrained_elman(subject.engine, seed=subject.seed)
    return TracedModel(subject, trace(None), trace(elman))


def _open_subject(request: Request, *, target: bool) -> Subject:
    """Open a model and its words; with ``target``, a word after the window is predicted."""
    if request.model is None or is_run(Path(request.model)):
        name, config, vocabulary, engine, part = _open_trained(request)
    else:
        name, config, vocabulary, engine, part = _open_untrained(request, request.model)
    sizes = config.model.hidden_sizes
    if not 1 <= request.layer <= len(sizes):
        raise UsageError(
            f"--layer {request.layer}: the model has {len(sizes)}, counted from 1 at the input"
        )
    wrong = [unit for unit in request.units if unit >= sizes[request.layer - 1]]
    if wrong:
        raise UsageError(
            f"--units {wrong[0]}: layer {request.layer} has units 0 to "
            f"{sizes[request.layer - 1] - 1}"
        )
    if request.like is not None:
        _check_tokenizer(name, config, request.like)
    passage, window, notes = _read_words(request, config, vocabulary, part, target=target)
    if target and passage[window] >= len(vocabulary):
        raise UsageError(
            "the word to predict is not in the vocabulary, so it has no loss. "
            "End the cue with a known word, or choose another --start"
        )
    return Subject(
        name=name,
        cell=config.model.cell,
        one_hot=config.model.input == "one_hot",
        seed=config.train.seed,
        engine=engine,
        tokenizer=config.data.tokenizer,
        entries=vocabulary.entries,
        words=tuple(surface_of(e, config.data.tokenizer) for e in vocabulary.entries),
        passage=passage,
        window=window,
        train_window=config.train.window,
        notes=notes,
    )


def _read_words(
    request: Request, config: Config, vocabulary: Vocabulary, part: Part | None, *, target: bool
) -> tuple[NDArray[np.int64], int, tuple[str, ...]]:
    """The passage, the length of its window, and notes about it; ``part`` is the text, if any."""
    if part is not None:
        return _cut_window(request, vocabulary, part, target=target)
    if request.cue is None and request.like is not None:
        passage = _find_words(request.like, config, vocabulary)
        window = len(passage) - target
        return passage, window, _unknown_note(passage[:window], vocabulary)
    passage, notes = _read_cue(request.cue or "", config, vocabulary, target=target)
    return passage, len(passage) - target, notes


def _cut_window(
    request: Request, vocabulary: Vocabulary, part: Part, *, target: bool
) -> tuple[NDArray[np.int64], int, tuple[str, ...]]:
    ids = part.ids
    window = min(request.window, len(ids) - request.start - target)
    if window < 1:
        raise UsageError(
            f"--start {request.start}: the text has {counted(len(ids), 'word')}, including "
            f"<story>, and at least {'two' if target else 'one'} must follow. "
            "Choose a lower --start"
        )
    end = request.start + max(window + target, PASSAGE)
    passage = np.asarray(ids[request.start : end], dtype=np.int64)
    return passage, window, _unknown_note(passage[:window], vocabulary)


def is_run(path: Path) -> bool:
    """Whether a path is a run or step folder; a preset may have the same name as a folder."""
    if (path / "manifest.json").exists() or (path / folders.CHECKPOINTS).is_dir():
        return True
    try:
        find_config(str(path))
    except ConfigError:
        return path.is_dir()
    return False


def check_no_overrides(request: Request) -> None:
    """Raise a UsageError if a request for a trained model has overrides."""
    if request.overrides:
        raise UsageError(
            f"{printable(request.overrides[0])}: the settings of a trained model cannot be "
            "changed. Use overrides with a config or a preset"
        )


def _open_trained(request: Request) -> tuple[str, Config, Vocabulary, Engine, Any]:
    check_no_overrides(request)
    loaded = load_checkpoint(None if request.model is None else Path(request.model), request.runs)
    part = None
    if not request.names_words:
        part, _ = find_part(loaded, text=request.text, split="train")
    config, vocabulary = loaded.config, loaded.vocabulary
    path = loaded.checkpoint.path
    engine = _exact_engine(config, vocabulary, loaded.weights, source=str(path))
    return str(path), config, vocabulary, engine, part


def _open_untrained(request: Request, name: str) -> tuple[str, Config, Vocabulary, Engine, Any]:
    """A config's model with its initial weights."""
    if not Path(name).is_file() and not name.endswith(".yaml"):
        try:
            find_config(name)
        except ConfigError:
            raise UsageError(
                f"{printable(name)}: neither a run folder nor a config or preset"
            ) from None
    loaded, corpus = prepare_training(load(find_config(name), request.overrides), request.runs)
    config = loaded.config
    from lstmgen.model.factory import build_model, to_arrays  # torch, only for untrained models

    model = build_model(config.model, corpus.vocabulary, seed=config.train.seed)
    base = base_of(config)
    if base is not None:
        init_from_base(model, config, corpus, base)
    weights = to_arrays(dict(model.named_parameters()))
    engine = _exact_engine(config, corpus.vocabulary, weights, source=name)
    part = None
    if not request.names_words:
        part = corpus.train
        if request.text is not None:
            part, _ = encode_text(request.text, config, corpus.vocabulary)
    model_name = f"{' '.join([name, *request.overrides])}, not trained"
    return model_name, config, corpus.vocabulary, engine, part


def _exact_engine(config: Config, vocabulary: Vocabulary, weights: Any, *, source: str) -> Engine:
    exact = {name: array.astype(np.float64) for name, array in weights.items()}
    return make_engine(config, vocabulary, exact, source=source)


def _check_tokenizer(name: str, config: Config, like: Subject) -> None:
    """Check that a model splits text as another one does.

    Raises:
        UsageError: if it does not.
    """
    if config.data.tokenizer != like.tokenizer:
        raise UsageError(
            f"{printable(name)}: data.tokenizer is {config.data.tokenizer}, that of "
            f"{printable(like.name)} is {like.tokenizer}, so they do not read the same words. "
            "Compare models of one tokenizer"
        )


def _find_words(like: Subject, config: Config, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """The ids of the words that another model reads and predicts."""
    kind, ids = config.data.tokenizer, []
    for index in like.passage[: like.window + 1].tolist():
        entry = like.entries[index] if index < len(like.entries) else like.word(index)
        form = normalize(entry, lowercase=config.data.lowercase)
        found = find_entry(form, surface_of(form, kind), vocabulary)
        ids.append(vocabulary.unknown_id if found is None else found)
    return np.array(ids, dtype=np.int64)


def _unknown_note(passage: NDArray[np.int64], vocabulary: Vocabulary) -> tuple[str, ...]:
    note = "<unknown> words are not in the vocabulary, each is read as a rare word"
    return (note,) if (passage >= len(vocabulary)).any() else ()


def _read_cue(
    text: str, config: Config, vocabulary: Vocabulary, *, target: bool
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    data = config.data
    cue, ids = read_cue(text, vocabulary, kind=data.tokenizer, lowercase=data.lowercase)
    if len(ids) < 1 + target:
        raise UsageError("--cue: has no word to predict. Write some words")
    names = ", ".join(cue.replacements)
    return np.array(ids), (f"not in the vocabulary, read as a rare word: {names}",) * bool(names)
