"""The part of a training that needs no torch: the text, checked and made ready."""

from dataclasses import replace
from pathlib import Path

from lstmgen.config.loader import Loaded
from lstmgen.config.schema import BASES, DataConfig, fill_in, is_set
from lstmgen.errors import ConfigError, Problem
from lstmgen.run.init_from import base_of, entries_of_base, inherit, open_base, with_base_stems
from lstmgen.run.presets import bases_folder
from lstmgen.text.copy_index import MOST_TOKENS, CopyIndex, build_copy_index
from lstmgen.text.matching import match_vocabularies
from lstmgen.text.prepared import Corpus, Progress, TextSettings, keep_stdin, prepare
from lstmgen.text.reading import find_files, short_names
from lstmgen.training.recipes import fine_tuning

PREPARED = ".prepared"
BUNDLED = BASES[0]
ENOUGH = 0.8  # share of a text's tokens from which on it is started from unasked


def settle_stdin(loaded: Loaded, runs: Path) -> Loaded:
    """Put a copy of standard input in the place of ``data.train: -``.

    The copy stays under the runs folder, so that the run can be resumed and scored.
    """
    data = loaded.config.data
    if data.train != "-":
        return loaded
    path = keep_stdin(runs / PREPARED)
    data = data.model_copy(update={"train": str(path.absolute())})
    return replace(loaded, config=loaded.config.model_copy(update={"data": data}))


def prepare_training(
    loaded: Loaded, runs: Path, *, progress: Progress | None = None, choose_base: bool = False
) -> tuple[Loaded, Corpus]:
    """A config with all that its base and its text decide, and the text's ids.

    Args:
        choose_base: start from the base that comes along, if the config names none and the
            base has ``ENOUGH`` of the text's words.

    Raises:
        ConfigError, CheckpointError, DataError: as ``open_base``, ``inherit`` and
            ``prepare_text`` do.
    """
    loaded = settle_stdin(loaded, runs)
    if choose_base and not is_set(loaded.config, "train.init_from"):
        loaded = _choose_base(loaded, runs, progress)
    base = base_of(loaded.config)
    if base is None:
        if loaded.config.data.vocabulary_from != "text":
            value = loaded.config.data.vocabulary_from
            message = "there is no base. Name one: train.init_from=RUN, or leave this key out"
            raise ConfigError([Problem("", "data.vocabulary_from", value, message)])
        return loaded, prepare_text(loaded.config.data, runs, progress=progress)
    loaded = inherit(loaded, base)
    data, corpus = loaded.config.data, None
    if data.vocabulary_from == "both":
        corpus = prepare_text(data, runs, progress=progress)
    entries = entries_of_base(loaded.config, base, corpus)
    corpus = prepare_text(data, runs, progress=progress, entries=entries)
    values = fine_tuning(corpus.train.tokens, own_words=data.vocabulary_from == "text")
    if loaded.config.train.max_steps is not None:  # it says when to end
        del values["train.epochs"]
    loaded = replace(loaded, config=fill_in(loaded.config, values))
    return loaded, with_base_stems(corpus, base)


def _choose_base(loaded: Loaded, runs: Path, progress: Progress | None) -> Loaded:
    """A config that starts from the base that comes along, where that knows the text's words."""
    if not (bases_folder() / BUNDLED).is_dir():
        return loaded
    started = fill_in(loaded.config, {"train.init_from": BUNDLED})
    base = open_base(BUNDLED)
    try:
        candidate = inherit(replace(loaded, config=started), base)
    except ConfigError:
        return loaded  # its sizes are to be others
    corpus = prepare_text(candidate.config.data, runs, progress=progress)
    theirs, kind = base.opened.vocabulary, candidate.config.data.tokenizer
    covered = match_vocabularies(corpus.vocabulary, theirs, kind=kind).covered
    if covered < ENOUGH:
        return loaded
    return replace(loaded, config=started, text=f"{loaded.text}train:\n  init_from: {BUNDLED}\n")


def prepare_text(
    data: DataConfig,
    runs: Path,
    *,
    progress: Progress | None = None,
    entries: tuple[str, ...] | None = None,
) -> Corpus:
    """The ids of a config's text, kept under the runs folder.

    Args:
        entries: of the vocabulary, where it is not the text's own.

    Raises:
        ConfigError: where no text is named. DataError: where it cannot be used.
    """
    if data.train is None:
        raise ConfigError(
            [Problem("", "data.train", "", "no text is named. Write a path: data.train=story.txt")]
        )
    if data.test is not None:
        find_files(data.test, key="data.test")
    settings = TextSettings(
        train=data.train,
        valid=data.valid,
        valid_fraction=data.valid_fraction,
        tokenizer=data.tokenizer,
        lowercase=data.lowercase,
        vocabulary_size=data.vocabulary_size,
        min_count=data.min_count,
        vocabulary=data.vocabulary,
        entries=entries,
    )
    return prepare(settings, folder=runs / PREPARED, progress=progress)


def index_copies(data: DataConfig, corpus: Corpus) -> tuple[CopyIndex | None, str]:
    """The index of a training text, and why there is none."""
    if not data.copy_index:
        return None, ""
    if data.tokenizer == "character":
        return None, "no copy index is kept of a text read by characters"
    if len(corpus.train.ids) > MOST_TOKENS:
        return None, (
            f"the training text has more than {MOST_TOKENS:,} tokens: no copy index is kept, so "
            "copied words cannot be told"
        )
    index = build_copy_index(
        corpus.train.ids,
        corpus.line_ends,
        corpus.vocabulary,
        kind=data.tokenizer,
        file_starts=corpus.file_starts,
        names=short_names(find_files(data.train or "", key="data.train")),
    )
    return index, ""
