"""Starting from another model's weights (``train.init_from``)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lstmgen.config.loader import LoadedConfig
from lstmgen.config.schema import Config, fill_in, find_conflicts, is_set, value_of
from lstmgen.errors import CheckpointError, ConfigError, DataError, Problem, printable
from lstmgen.generation.load import LoadedCheckpoint, load_checkpoint
from lstmgen.runs import checkpoint
from lstmgen.runs.bundled import bases_folder
from lstmgen.runs.folders import CHECKPOINTS
from lstmgen.text.clusters import frequency_clusters
from lstmgen.text.corpus import Corpus
from lstmgen.text.finding import find_files, short_names
from lstmgen.text.vocabulary import STORY, UNKNOWN
from lstmgen.text.vocabulary_match import Match, match_vocabularies
from lstmgen.training.size_defaults import FITTING

if TYPE_CHECKING:
    from lstmgen.model.language_model import LanguageModel

KEY = "train.init_from"
INHERITED = (  # keys that take the base's value, since its weights depend on them
    "data.tokenizer",
    "data.lowercase",
    "model.cell",
    "model.peephole",
    "model.hidden_sizes",
    "model.input",
    "model.embedding_dim",
    "model.tie_weights",
    "model.output",
)
DIAGONAL = {None, "diagonal"}  # equivalent values of model.peephole


@dataclass(frozen=True)
class Base:
    """A model to start from.

    Attributes:
        name: of the bundled base, or of the run.
        origin: its checkpoint's record of its own text and base.
    """

    name: str
    loaded: LoadedCheckpoint
    origin: Mapping[str, Any]

    def facts(self) -> dict[str, Any]:
        """The record of this base in the checkpoints of models that start from it."""
        model = self.loaded.checkpoint
        theirs = {key: self.origin.get(key) for key in ("texts", "tokens", "init_from")}
        return {**theirs, "name": self.name, "digest": model.digest, "step": model.step}


@dataclass(frozen=True)
class InitReport:
    """How a model was initialized from a base: its name, and its match with the text's words."""

    name: str
    match: Match


def base_of(config: Config) -> Base | None:
    """The model that a config starts from; None: from scratch."""
    return None if config.train.base is None else open_base(config.train.base)


def open_base(source: str) -> Base:
    """Open a model to start from, by path or name.

    Raises:
        ConfigError: if there is no such model. CheckpointError: if it is damaged or untrained.
    """
    path = _find_base(source)
    try:
        loaded = load_checkpoint(path, path.parent, limit_threads=False)
    except CheckpointError as error:
        raise type(error)(f"{KEY} = {printable(source)}: {error}") from None
    if loaded.checkpoint.step == 0:
        raise CheckpointError(
            f"{KEY} = {printable(source)}: this model was never trained (step 0). Name another one"
        )
    origin = loaded.checkpoint.read_origin()
    folder = path.absolute()
    in_run = folder.parent.name == CHECKPOINTS
    name = f"{folder.parent.parent.name}/{folder.name}" if in_run else folder.name
    return Base(name, loaded, origin)


def _find_base(source: str) -> Path:
    """A run or step folder by path, or a bundled base by name."""
    bundled = bases_folder()
    names = sorted(path.name for path in bundled.glob("*") if path.is_dir())
    if source in names:
        return bundled / source
    if os.path.isdir(source):
        return Path(source)
    known = f" Bundled bases: {', '.join(names)}." if names else ""
    problem = f"no such run or step folder.{known} `none` starts from scratch"
    raise ConfigError([Problem("", KEY, printable(source), problem)])


def describe_origin(config: Config, corpus: Corpus, base: Base | None) -> dict[str, Any]:
    """The checkpoints' record of a training's text and base."""
    files = find_files(config.data.train or "", key="data.train").files
    return {
        "texts": [printable(name) for name in short_names(files)],
        "tokens": corpus.train.tokens,
        "init_from": None if base is None else base.facts(),
    }


def inherit(loaded: LoadedConfig, base: Base) -> LoadedConfig:
    """A config with the values inherited from its base.

    Raises:
        ConfigError: if the config sets another value, naming both.
    """
    config, theirs = loaded.config, base.loaded.config
    problems = []
    for key in INHERITED:
        own, other = value_of(config, key), value_of(theirs, key)
        alike = own == other or (key == "model.peephole" and {own, other} == DIAGONAL)
        if is_set(config, key) and not alike:
            message = (
                f"but {KEY} = {printable(base.name)} has {printable(other)}. "
                f"Leave {key} out, or start from scratch ({KEY}: none)"
            )
            problems.append(Problem("", key, printable(own), message))
    if config.data.vocabulary is not None and config.data.vocabulary_from != "text":
        message = "data.vocabulary lists the entries already. Remove one of the two"
        problems.append(Problem("", "data.vocabulary_from", config.data.vocabulary_from, message))
    if problems:
        raise ConfigError(problems)
    values = {key: value_of(theirs, key) for key in INHERITED}
    filled = fill_in(config, values)
    conflicts = [Problem("", c.keys[0], str(c.value), c.message) for c in find_conflicts(filled)]
    if conflicts:
        raise ConfigError(conflicts)
    return replace(loaded, config=filled)


def entries_of_base(config: Config, base: Base, corpus: Corpus | None) -> tuple[str, ...] | None:
    """The vocabulary entries imposed by the base; None if the text's own are used.

    Args:
        corpus: the text with its own vocabulary, to combine both.
    """
    theirs = base.loaded.vocabulary.entries
    if config.data.vocabulary_from == "base":
        return theirs
    if corpus is None:
        return None
    own = [entry for entry in corpus.vocabulary.entries if entry not in (STORY, UNKNOWN)]
    return (*theirs, *(entry for entry in own if entry not in base.loaded.vocabulary.ids))


def match_base(corpus: Corpus, base: Base) -> Match:
    """Match a text's words with a base's."""
    kind = base.loaded.config.data.tokenizer
    return match_vocabularies(corpus.vocabulary, base.loaded.vocabulary, kind=kind)


def with_base_stems(corpus: Corpus, base: Base, match: Match) -> Corpus:
    """A corpus in which the base's words can take a possessive too."""
    new, old = corpus.vocabulary, base.loaded.vocabulary
    if new.possessive_stems is None or old.possessive_stems is None:
        return corpus
    added = np.flatnonzero(np.isin(match.sources, old.possessive_stems)).tolist()
    stems = tuple(sorted({*new.possessive_stems, *added}))
    return replace(corpus, vocabulary=replace(new, possessive_stems=stems))


def init_from_base(
    model: "LanguageModel", config: Config, corpus: Corpus, base: Base
) -> InitReport:
    """Initialize a fresh model with a base's weights.

    Raises:
        CheckpointError: if its weights do not fit its own config.
        DataError: if it knows no word of the text.
    """
    from lstmgen.model.transfer import move_biases, transfer_weights  # torch

    new, old = corpus.vocabulary, base.loaded.vocabulary
    match = match_base(corpus, base)
    if match.found <= len(new.specials) - len(new.tags):
        raise DataError(
            f"{KEY} = {printable(base.name)}: it knows no word of this text. "
            f"Start from scratch ({KEY}=none), or from a base of this language"
        )
    clusters = None
    if config.model.output == "adaptive":
        clusters = frequency_clusters(new.counts), frequency_clusters(old.counts)
    words: dict[str, Any] = {
        "sources": match.sources, "counts": old.counts, "own_counts": new.counts
    }  # fmt: skip
    try:
        transfer_weights(model, base.loaded.weights, clusters=clusters, **words)
        move_biases(model, weight=config.train.move_biases, **words)
    except (ValueError, LookupError, RuntimeError) as error:
        raise checkpoint.damaged(base.loaded.checkpoint.path, str(error)) from None
    return InitReport(base.name, match)


def describe_fit(report: InitReport) -> str:
    """A notice if a base knows few of the text's words; otherwise empty."""
    if report.match.covered >= FITTING:
        return ""
    return (
        f"{KEY} = {printable(report.name)}: it knows {report.match.covered:.0%} of this text's "
        "words; it may be of another language or subject. Compare with train.init_from=none"
    )
