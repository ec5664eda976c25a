"""Completing a config with what its base and its text decide, without torch."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from lstmgen.config import yaml_lines
from lstmgen.config.json_schema import REFERENCE
from lstmgen.config.loader import LoadedConfig
from lstmgen.config.schema import BASES, all_keys, fill_in, is_set, value_of
from lstmgen.errors import ConfigError, Problem, counted
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
from lstmgen.training.tensorboard_log import check_log

BUNDLED = BASES[0]
UNTIED = (
    "model.input = one_hot: there are no word vectors to share, so the output layer has its own "
    "weights (model.tie_weights: false)"
)
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
    check_log(loaded.config)
    completed, corpus, chosen = complete(loaded, runs, progress, choose_base=choose_base)
    model = completed.config.model
    if model.input == "one_hot" and not is_set(loaded.config, "model.tie_weights"):
        corpus = replace(corpus, notices=(*corpus.notices, UNTIED))
    if choose_base:
        completed, notice = _with_text(completed, chosen, tokens=corpus.train.tokens)
        corpus = replace(corpus, notices=(*corpus.notices, notice))
    return completed, corpus


def complete(
    loaded: LoadedConfig, runs: Path, progress: Progress | None = None, *, choose_base: bool
) -> tuple[LoadedConfig, Corpus, list[str]]:
    """Complete a config, as ``prepare_training`` does.

    Returns:
        The config, its text, and the names of the keys that the text's size has decided.
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
        loaded, chosen = _with_recipe(loaded, recipe, corpus)
        return loaded, corpus, chosen
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
    loaded, chosen = _with_recipe(loaded, recipe, corpus)
    return loaded, with_base_stems(corpus, base, match), chosen


def _with_text(loaded: LoadedConfig, chosen: list[str], *, tokens: int) -> tuple[LoadedConfig, str]:
    """Write the config of a text without one, and say which settings its size has decided."""
    config = loaded.config
    sections: dict[str, Any] = {}
    for name in all_keys():
        if is_set(config, name):
            *path, last = name.split(".")
            node = sections
            for part in path:
                node = node.setdefault(part, {})
            node[last] = value_of(config, name)
    head = "# Chosen for this text. To change it, copy the file: lstmgen train my.yaml\n"
    text = REFERENCE + head + yaml_lines.write(sections)
    settings = " ".join(f"{name}={value_of(config, name)}" for name in chosen) or "the defaults"
    notice = (
        f"settings for a text of {counted(tokens, 'token')}: {settings}. To change them, add "
        "key=value, or train a copy of the run's config.yaml"
    )
    return replace(loaded, text=text), notice


def _with_recipe(
    loaded: LoadedConfig, recipe: dict[str, Any], corpus: Corpus
) -> tuple[LoadedConfig, list[str]]:
    """Fill in a recipe's values, and the patience, for the keys that a config leaves open.

    Returns:
        The config, and the names of the keys that were filled in.

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
    chosen = [key for key in values if not is_set(config, key)]
    return replace(loaded, config=fill_in(config, values)), chosen


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
    return replace(loaded, config=started), base, ()
