"""Saving a training as a checkpoint, and taking it up from one."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lstmgen import __version__
from lstmgen.config.loader import dump, from_portable
from lstmgen.config.schema import Config, all_keys, value_of
from lstmgen.errors import CheckpointError, ConfigError, DamagedError, StorageError, printable
from lstmgen.generation.load import describe_tokenizer
from lstmgen.model.factory import load_weights, to_arrays
from lstmgen.runs import checkpoint, folders
from lstmgen.runs.checkpoint import Index, SharedFile
from lstmgen.text.corpus import Corpus
from lstmgen.training.distributed import ALONE, World
from lstmgen.training.events import Notice, Saved
from lstmgen.training.loop import TrainState, check_finite
from lstmgen.training.progress import Progress
from lstmgen.training.state import checkpoint_bytes, gather_state, restore_state
from lstmgen.windows.plans import Fit


@dataclass
class CheckpointManager:
    """Writes and reads the checkpoints of one run.

    Attributes:
        world: the processes that train; the first of them writes.
        origin: what checkpoints say of the text and the base (``run.init_from``).
        copy_index: of the training text, for all checkpoints; None without one.
        bf16: whether training takes products in bfloat16 now, and whether it did when
            the checkpoint that was taken up was written.
        schedule_steps: the length of the learning-rate schedule; a resumption keeps it.
        saved_step: the step of the newest checkpoint; None before the first.
        saved_at: when it was written, on the monotonic clock.
    """

    run: Path
    config: Config
    corpus: Corpus
    fit: Fit
    schedule_steps: int
    world: World = ALONE
    origin: dict[str, Any] = field(default_factory=dict)
    copy_index: SharedFile | None = None
    bf16: bool = False
    bf16_before: bool | None = None
    saved_step: int | None = None
    saved_at: float = field(default_factory=time.monotonic)

    @property
    def checkpoints(self) -> Path:
        """The folder of the step folders."""
        return self.run / folders.CHECKPOINTS

    def save(self, state: TrainState) -> Iterator[Saved | Notice]:
        """Write a checkpoint of the current step, unless there is one.

        Raises:
            DivergedError: where a weight is not finite. StorageError: where the disk is full.
        """
        step = state.progress.step
        if self.saved_step == step:
            return
        check_finite(state)
        states = self.world.gather_states(state.states, accumulate=self.fit.accumulate)
        if not self.world.is_main:
            self.saved_step, self.saved_at = step, time.monotonic()
            return
        data, average = self.config.data, state.average
        facts = {"bf16": self.bf16, "progress": state.progress.as_json()}
        if average is not None:
            facts["average"] = {"start": average.start, "steps": average.steps}
        with state.averaged() as model:
            weights = to_arrays(dict(model.named_parameters()))
        checkpoint.write_checkpoint(
            self.checkpoints,
            step,
            model=weights,
            state=gather_state(state, states),
            progress=self._facts() | facts,
            config=dump(self.config, portable=True),
            vocabulary=self.corpus.vocabulary.as_json(),
            tokenizer=describe_tokenizer(data),
            origin=self.origin,
            copy_index=self.copy_index,
        )
        self.saved_step, self.saved_at = step, time.monotonic()
        index = self.write_index(state.progress)
        yield Saved(step)
        keep = self.config.train.keep
        for failure in checkpoint.delete_old(self.checkpoints, index=index, keep=keep):
            yield Notice(failure)

    def write_index(self, progress: Progress) -> Index:
        """Name the best and the last checkpoint; without a best one the last is the best."""
        last, best = progress.step, progress.best_step
        if best is None or not checkpoint.step_folder(self.checkpoints, best).is_dir():
            best = last
        index = Index(best=best, last=last)
        checkpoint.write_index(self.checkpoints, index)
        return index

    def restore_newest(self, state: TrainState) -> list[str]:
        """Take up a training at its newest checkpoint that is whole.

        Returns:
            What was passed over, as sentences.

        Raises:
            CheckpointError: where none is whole, or they belong to another text.
        """
        passed_over: list[str] = []
        for step in sorted(checkpoint.saved_steps(self.checkpoints), reverse=True):
            try:
                self.restore(state, step)
            except DamagedError as error:
                passed_over.append(str(error))
                continue
            if passed_over:
                passed_over.append(f"training goes on from the checkpoint of step {step:,}")
            try:
                named = checkpoint.read_index(self.checkpoints)
            except DamagedError as error:
                passed_over.append(f"{error}. It is made anew")
                named = None
            if self.world.is_main and (named is None or named.last != step):
                self.write_index(state.progress)
            return passed_over
        raise CheckpointError("\n".join([*passed_over, "no checkpoint of this run is whole"]))

    def restore(self, state: TrainState, step: int) -> None:
        """Take up a training at a checkpoint.

        Raises:
            CheckpointError: where it is damaged or belongs to another text.
        """
        path = checkpoint.step_folder(self.checkpoints, step)
        found = checkpoint.open_checkpoint(path)
        if self.world.is_main:
            checkpoint.clean_up(self.checkpoints)
        saved = found.read_json(checkpoint.PROGRESS)
        try:
            facts = {key: saved[key] for key in self._facts()}
            progress = Progress.from_json(saved["progress"])
            self.schedule_steps = _count(saved["schedule_steps"])
            self.bf16_before = bool(saved["bf16"])
            if state.average is not None:
                state.average.start = _count(saved["average"]["start"])
                state.average.steps = _count(saved["average"]["steps"])
        except (KeyError, TypeError, ValueError):
            raise checkpoint.damaged(path, "state.json lacks a counter") from None
        if not step == found.step == progress.step:
            raise checkpoint.damaged(path, f"it is of step {progress.step}, not of {step}")
        tokenizer = found.read_json(checkpoint.TOKENIZER)
        self._check_unchanged(found.read(checkpoint.CONFIG), facts, tokenizer, source=path)
        weights = found.read_tensors(checkpoint.MODEL)
        try:
            load_weights(state.model, weights, source=checkpoint.MODEL)
        except CheckpointError as error:
            raise checkpoint.damaged(path, str(error)) from None
        if checkpoint.ORIGIN in found.files:
            self.origin = found.read_json(checkpoint.ORIGIN)
        streams = self.config.train.order == "streams"
        restore_state(
            state,
            found.read_tensors(checkpoint.STATE),
            path=path,
            begun=progress.step > 0,
            parts=self.fit.accumulate if streams and progress.epoch_step else 0,
            batch_size=self.fit.batch_size,
        )
        whole = state.states
        state.states = self.world.shard_states(whole, accumulate=self.fit.accumulate)
        state.progress = progress
        self.saved_step = step

    def _check_unchanged(
        self, config: bytes, facts: dict[str, Any], tokenizer: Any, *, source: Path
    ) -> None:
        """Go on with the same training only.

        Raises:
            CheckpointError: naming what has changed, what it was and what it is.
        """
        try:
            before = from_portable(config.decode(), source=checkpoint.CONFIG)
        except (UnicodeDecodeError, ConfigError) as error:
            raise checkpoint.damaged(source, f"{checkpoint.CONFIG}: {error}") from None
        refused = f"{printable(self.run)} cannot be resumed"
        for key in all_keys().values():
            was, now = value_of(before, key.name), value_of(self.config, key.name)
            if key.on_resume == "fixed" and was != now:
                raise CheckpointError(
                    f"{refused}: {key.name} was {printable(was)} and is now {printable(now)}. "
                    "Put it back, or start a new run"
                )
        if tokenizer != describe_tokenizer(self.config.data):
            raise CheckpointError(
                f"{refused}: its text was cut into words by an older lstmgen. "
                "It can be generated from and evaluated; to train on, start a new run"
            )
        if facts["text"] != self.corpus.fingerprint:
            raise CheckpointError(
                f"{refused}: the text, or its vocabulary file, is not the one that it was trained "
                "on. Put that back, or start a new run"
            )

    def _facts(self) -> dict[str, Any]:
        """What must be the same for a resumption to be the same training."""
        return {
            "lstmgen": __version__,
            "text": self.corpus.fingerprint,
            "schedule_steps": self.schedule_steps,
            "window": self.fit.window,
            "stride": self.fit.stride,
            "batch_size": self.fit.batch_size,
            "accumulate": self.fit.accumulate,
        }


def _count(value: Any) -> int:
    """A whole number from a file.

    Raises:
        ValueError: where it is none.
    """
    if type(value) is not int or not 0 <= value < 2**62:
        raise ValueError("no whole number")
    return value


def check_disk_space(place: Path, state: TrainState, *, checkpoints: int) -> None:
    """Refuse to train for hours towards a checkpoint that the disk will not take.

    Args:
        place: where the run is to be; it need not be there yet.
        checkpoints: how many more of them must find room at the same time.

    Raises:
        StorageError: where there is less.
    """
    there = next(folder for folder in (place, *place.absolute().parents) if folder.is_dir())
    each, free = checkpoint_bytes(state), shutil.disk_usage(there).free
    if free < each * checkpoints:
        raise StorageError(
            f"{printable(place)}: {checkpoints} checkpoints of {each:,} bytes each need "
            f"{each * checkpoints:,} bytes there, {free:,} are free. Free some, lower train.keep, "
            "or choose another place with --runs-dir"
        )
