"""Starting a training from its config, or resuming it, on one rank or several."""

import platform
import sys
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lstmgen import __version__, safe_files
from lstmgen.config.loader import LoadedConfig, dump
from lstmgen.config.schema import Config, all_keys
from lstmgen.errors import CheckpointError, ConfigError, DataError, Problem, printable
from lstmgen.generation.load import load_step
from lstmgen.runs import checkpoint, folders
from lstmgen.runs.resolved import load_resolved, write_resolved
from lstmgen.text.config_text import index_bytes, prepare_text
from lstmgen.text.corpus import Corpus
from lstmgen.text.vocabulary import Vocabulary
from lstmgen.training.build import TrainingSetup, build_training
from lstmgen.training.checkpoint_manager import check_disk_space
from lstmgen.training.distributed import ALONE, World
from lstmgen.training.events import Created, Event
from lstmgen.training.rank_agreement import check_ranks_agree, job_name, run_main_first, run_on_all
from lstmgen.training.signals import StopRequests
from lstmgen.training.tensorboard_log import check_log
from lstmgen.training.trainer import Trainer, most_checkpoints

FOLDERS = (folders.CHECKPOINTS, "plots", "tensorboard")  # in a run folder
FILES = (
    folders.LOCK, folders.RESOLVED, folders.ENVIRONMENT, "config.yaml", "metrics.csv",
    "events.jsonl", "samples.md", "log.txt", "plots/loss.png", "report.html",
)  # fmt: skip


def train(
    loaded: LoadedConfig, corpus: Corpus, *, name: str | None, runs: Path, requests: StopRequests,
    world: World = ALONE,
) -> Iterator[Event]:  # fmt: skip
    """Train a config from its first step to its last.

    Args:
        corpus: the config's prepared text.
        name: of the run; default: the config file's.
        runs: the folder to create the run folder in.
        requests: set by signals.
        world: the training processes; all of them must call this.
    """
    config = loaded.config
    setup = run_on_all(world, lambda: _build_and_check(config, corpus, runs, world))
    facts = {"text": corpus.fingerprint, "precision (train.precision)": setup.bf16}
    check_ranks_agree(world, {"config": dump(config, portable=True), **facts})

    def create() -> Path:
        if not world.is_main:
            return runs  # replaced by rank 0's folder
        stem = loaded.path.stem.lstrip(".")[:80] if loaded.path else ""
        stem = "".join(character for character in stem if character.isprintable())
        return folders.create_run(runs, name or stem or "run")

    run = world.broadcast(run_on_all(world, create))
    with folders.locked(run) if world.is_main else nullcontext():
        if world.is_main:
            (run / "config.yaml").write_text(loaded.text, encoding="utf-8")
            write_resolved(run, config)
            folders.write_environment(run, _environment(setup, world))
        yield Created(run)
        trainer = Trainer(run, setup, requests, world)
        with closing(trainer.journal):
            yield from trainer.events(resumed=False)


def _build_and_check(config: Config, corpus: Corpus, runs: Path, world: World) -> TrainingSetup:
    setup = build_training(config, corpus, world)
    if world.is_main:
        check_disk_space(
            runs,
            setup.state,
            checkpoints=most_checkpoints(config, setup),
            shared=index_bytes(config.data, corpus),
        )
    return setup


def resume(
    path: Path | None,
    overrides: list[str],
    *,
    runs: Path,
    requests: StopRequests,
    world: World = ALONE,
) -> Iterator[Event]:
    """Resume a run from its last checkpoint, bit-equal to an uninterrupted run.

    Args:
        path: the run folder; None: the newest run.
        world: the training processes, which must all see the run's folder; their number may
            have changed.
    """
    run = run_on_all(world, lambda: _find_run(path, overrides, runs))
    with folders.locked(run) if world.is_main else nullcontext():
        config = run_on_all(world, lambda: _load_config(run, overrides))
        corpus = run_main_first(world, lambda: _prepare_same_text(config, run))
        setup = run_on_all(world, lambda: build_training(config, corpus, world, resumed=True))
        trainer = Trainer(run, setup, requests, world)
        run_on_all(world, trainer.restore)
        same = {"config": dump(config, portable=True), "precision (train.precision)": setup.bf16}
        check_ranks_agree(world, {"checkpoint": trainer.progress.step, **same})
        if overrides and world.is_main:  # so that they hold for the next resume too
            write_resolved(run, config)
        yield Created(run)
        with closing(trainer.journal):
            yield from trainer.events(resumed=True)


def _find_run(path: Path | None, overrides: list[str], runs: Path) -> Path:
    run = folders.newest_run(runs) if path is None else path
    if not (run / folders.RESOLVED).is_file():
        raise CheckpointError(f"{run}: is not a run folder, there is nothing to resume")
    _check_overrides(overrides)
    safe_files.check_plain(run, files=FILES, folders=FOLDERS)
    return run


def _load_config(run: Path, overrides: list[str]) -> Config:
    if not checkpoint.saved_steps(run / folders.CHECKPOINTS):
        raise CheckpointError(f"{run}: has no checkpoint to resume from")
    config = load_resolved(run, overrides).config
    check_log(config)
    return config


def _prepare_same_text(config: Config, run: Path) -> Corpus:
    """Prepare a run's text, from its old path or an overriding one."""
    stored, expected = _stored_text(run)
    entries = None
    if config.data.vocabulary_from != "text" and stored is not None:
        entries = stored.entries
    try:
        corpus = prepare_text(
            config.data, run.absolute().parent, entries=entries, expected=expected
        )
        if stored == corpus.vocabulary:  # which also has the base's possessive stems
            corpus = replace(corpus, vocabulary=stored)
        return corpus
    except DataError as error:
        raise DataError(
            f"{error}. Where the text was moved: lstmgen train --resume {printable(run)} "
            "data.train=PATH"
        ) from None


def _stored_text(run: Path) -> tuple[Vocabulary | None, str | None]:
    """The vocabulary and the text's fingerprint of a run's newest intact checkpoint, if any."""
    checkpoints = run / folders.CHECKPOINTS
    for step in sorted(checkpoint.saved_steps(checkpoints), reverse=True):
        try:
            loaded = load_step(checkpoint.step_folder(checkpoints, step))
            return loaded.vocabulary, loaded.checkpoint.read_fingerprint()
        except CheckpointError:
            continue  # reported when it is restored
    return None, None


def _check_overrides(overrides: list[str]) -> None:
    keys = [override.partition("=")[0].strip() for override in overrides]
    free = sorted(key.name for key in all_keys().values() if key.on_resume == "free")
    wrong = [key for key in keys if key not in free]
    if wrong:
        allowed = ", ".join(free)
        problem = f"cannot change when a run is resumed; these can: {allowed}"
        raise ConfigError([Problem("command line", key, "", problem) for key in wrong])


def _environment(setup: TrainingSetup, world: World) -> dict[str, Any]:
    return {
        "lstmgen": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": setup.device,
        "threads": torch.get_num_threads(),
        "command": sys.argv,
        "ranks": world.size,
        "job": job_name(),
    }
