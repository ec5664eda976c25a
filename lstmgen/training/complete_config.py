"""Completing a config with what its base and its text decide, without torch."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from lstmgen.config.loader import LoadedConfig
from lstmgen.config.schema import BASES, fill_in, is_set
from lstmgen.errors import ConfigError, Problem
from lstmgen.runs.bundled import bases_folder
from lstmgen.text.config_text import prepare_text, resolve_lowercase, resolve_stdin
from lstmgen.text.corpus import Corpus, Progress
from lstmgen.training.init_from import (
    Base,
    base_of,
    entries_of_base,
    inherit,
    match_base,
    open_base,
    with_base_stems,
)
from lstmgen.training.size_defaults import early_stop, fine_tuning, from_scratch

BUNDLED = BASES[0]
MIN_COVERAGE = 0.8  # of a text's words, to start from the bundled base by default


def prepare_training(
    loaded: LoadedConfig, runs: Path, *, progress: Progress | None = None, choose_base: bool = False
) -> tuple[LoadedConfig, Corpus]:
    """Complete a config with what its base and its text decide, and prepare the text.

    Args:
        choose_base: start from the bundled base, if the config names none and the base covers
            ``MIN_COVERAGE`` of the text's words.

    Raises:
        ConfigError, CheckpointError, DataError: as ``open_base``, ``inherit`` and
            ``prepare_text`` do.
    """
    loaded = resolve_stdin(loaded, runs)
    data = resolve_lowercase(loaded.config.data)
    loaded = replace(loaded, config=loaded.config.model_copy(update={"data": data}))
    notices: tuple[str, ...] = ()
    if choose_base and not is_set(loaded.config, "train.init_from"):
        loaded, base, notices = _choose_base(loaded, runs, progress)
    else:
        base = base_of(loaded.config)
    if base is None:
        if loaded.config.data.vocabulary_from != "text":
            value = loaded.config.data.vocabulary_from
            message = "there is no base. Name one: train.init_from=RUN, or leave this key out"
            raise ConfigError([Problem("", "data.vocabulary_from", value, message)])
        corpus = prepare_text(loaded.config.data, runs, progress=progress)
        recipe = from_scratch(
            corpus.train.tokens,
            entries=len(corpus.vocabulary),
            characters=loaded.config.data.tokenizer == "character",
        )
        corpus = replace(corpus, notices=(*notices, *corpus.notices))
        return _with_recipe(loaded, recipe, corpus), corpus
    loaded = inherit(loaded, base)
    data = loaded.config.data
    own = prepare_text(data, runs, progress=progress) if data.vocabulary_from == "both" else None
    entries = entries_of_base(loaded.config, base, own)
    corpus = prepare_text(data, runs, progress=progress, entries=entries)
    match = match_base(corpus, base)
    recipe = fine_tuning(
        corpus.train.tokens,
        entries=len(corpus.vocabulary),
        covered=match.covered,
        own_words=data.vocabulary_from == "text",
        characters=data.tokenizer == "character",
    )
    return _with_recipe(loaded, recipe, corpus), with_base_stems(corpus, base, match)


def _with_recipe(loaded: LoadedConfig, recipe: dict[str, Any], corpus: Corpus) -> LoadedConfig:
    """Fill in a recipe's values, and the patience, for the keys that a config leaves open.

    Dropout and noise go together: if a config sets one of them, the others keep their defaults.
    """
    config, settings, excluded = loaded.config, loaded.config.train, set()
    characters = config.data.tokenizer == "character"
    values = recipe | early_stop(corpus.train.tokens, characters=characters)
    dropout = {key for key in values if key.startswith(("model.dropout.", "train.noise"))}
    if any(is_set(loaded.config, key) for key in dropout):
        excluded |= dropout
    if settings.max_steps is not None:  # which sets the end
        excluded.add("train.epochs")
    if settings.optimizer != "adamw":  # the recipe's rate and decay are for AdamW
        excluded |= {"train.learning_rate", "train.weight_decay"}
    # It was measured at ends of epochs; the other schedules and averages improve late.
    steady = settings.schedule in ("cosine", "constant") and settings.average is None
    if settings.eval_every is not None or not steady:
        excluded.add("train.patience")
    values = {key: value for key, value in values.items() if key not in excluded}
    return replace(loaded, config=fill_in(loaded.config, values))


def _choose_base(
    loaded: LoadedConfig, runs: Path, progress: Progress | None
) -> tuple[LoadedConfig, Base | None, tuple[str, ...]]:
    """Start a config from the bundled base, if that covers the text's words.

    Returns:
        The config and the base; or the unchanged config, no base and a notice that says why.
    """
    if not (bases_folder() / BUNDLED).is_dir():
        return loaded, None, ()
    started = fill_in(loaded.config, {"train.init_from": BUNDLED})
    base = open_base(BUNDLED)
    try:
        candidate = inherit(replace(loaded, config=started), base)
    except ConfigError as error:
        keys = ", ".join(f"{problem.key} = {problem.value}" for problem in error.problems)
        return loaded, None, (f"training starts from scratch: {keys} does not fit {BUNDLED}",)
    corpus = prepare_text(candidate.config.data, runs, progress=progress)
    covered = match_base(corpus, base).covered
    if covered < MIN_COVERAGE:
        notice = f"training starts from scratch: {BUNDLED} knows {covered:.0%} of this text's words"
        return loaded, None, (notice,)
    text = f"{loaded.text}train:\n  init_from: {BUNDLED}\n"
    return replace(loaded, config=started, text=text), base, ()
