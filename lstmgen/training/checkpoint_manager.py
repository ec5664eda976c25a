"""Saving a training as checkpoints, and restoring it."""

import shlex
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lstmgen import __version__
from lstmgen.config.loader import dump, from_portable
from lstmgen.config.schema import Config, all_keys, value_of
from lstmgen.errors import (
    CheckpointError,
    ConfigError,
    DamagedError,
    StorageError,
    counted,
    printable,
)
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

PROGRESS_FORMAT = 1  # of state.json; a change of its keys or of a text's fingerprint is a new one


@dataclass
class CheckpointManager:
    """Writes and reads the checkpoints of one run.

    Attributes:
        world: the training processes; rank 0 writes.
        origin: the checkpoints' record of the text and the base (``training.init_from``).
        shared: files that all checkpoints link to, such as the copy index.
        bf16, bf16_before: whether matmuls are in bfloat16 now, and whether they were when the
            restored checkpoint was written.
        until: the step at which the config ends.
        schedule_steps: the length of the learning-rate schedule; a resumed run keeps it.
        version_before: of lstmgen, which wrote the restored checkpoint.
        saved_step: the step of the newest checkpoint; None before the first.
        saved_at: when it was written, on the monotonic clock.
    """

    run: Path
    config: Config
    corpus: Corpus
    fit: Fit
    until: int
    world: World = ALONE
    origin: dict[str, Any] = field(default_factory=dict)
    shared: tuple[SharedFile, ...] = ()
    bf16: bool = False
    bf16_before: bool | None = None
    version_before: str = __version__
    saved_step: int | None = None
    saved_at: float = field(default_factory=time.monotonic)
    schedule_steps: int = field(init=False)

    def __post_init__(self) -> None:
        self.schedule_steps = self.until

    @property
    def checkpoints(self) -> Path:
        """The folder that contains the step folders."""
        return self.run / folders.CHECKPOINTS

    def save(self, state: TrainState) -> Iterator[Saved | Notice]:
        """Write a checkpoint of the current step, unless there is one.

        Raises:
            DivergedError: if a weight is not finite. StorageError: if the disk is full.
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
            progress={"format": PROGRESS_FORMAT} | self._facts() | facts,
            config=dump(self.config, portable=True),
            vocabulary=self.corpus.vocabulary.as_json(),
            tokenizer=describe_tokenizer(data),
            origin=self.origin,
            shared=self.shared,
        )
        self.saved_step, self.saved_at = step, time.monotonic()
        index = self.write_index(state.progress)
        yield Saved(step)
        keep = self.config.train.keep
        for failure in checkpoint.delete_old(self.checkpoints, index=index, keep=keep):
            yield Notice(failure)

    def write_index(self, progress: Progress) -> Index:
        """Record the best and the last checkpoint; without a best one the last is the best."""
        last, best = progress.step, progress.best_step
        if best is None or not checkpoint.step_folder(self.checkpoints, best).is_dir():
            best = last
        index = Index(best=best, last=last)
        checkpoint.write_index(self.checkpoints, index)
        return index

    def restore_newest(self, state: TrainState) -> list[str]:
        """Restore a training from its newest intact checkpoint.

        Returns:
            Notices about damaged checkpoints that were skipped, and about another version.

        Raises:
            CheckpointError: if none is intact, or they belong to another text.
        """
        skipped: list[str] = []
        for step in sorted(checkpoint.saved_steps(self.checkpoints), reverse=True):
            try:
                self.restore(state, step)
            except DamagedError as error:
                skipped.append(str(error))
                continue
            if skipped:
                skipped.append(f"training continues from the checkpoint of step {step:,}")
            if self.version_before != __version__:
                skipped.append(
                    f"the checkpoint was written by lstmgen {printable(self.version_before)}, "
                    f"this is {__version__}"
                )
            try:
                index = checkpoint.read_index(self.checkpoints)
            except DamagedError as error:
                skipped.append(f"{error}. It is rewritten")
                index = None
            if self.world.is_main and (index is None or index.last != step):
                self.write_index(state.progress)
            return skipped
        raise CheckpointError("\n".join([*skipped, "no checkpoint of this run is intact"]))

    def restore(self, state: TrainState, step: int) -> None:
        """Restore a training from one checkpoint.

        Raises:
            CheckpointError: if it is damaged or belongs to another text.
        """
        path = checkpoint.step_folder(self.checkpoints, step)
        source = checkpoint.open_checkpoint(path)
        if self.world.is_main:
            checkpoint.clean_up(self.checkpoints)
        saved = self._read_counters(source)
        progress = self._restore_counters(state, saved, path=path)
        if not step == source.step == progress.step:
            raise checkpoint.damaged(path, f"it is of step {progress.step}, not of {step}")
        tokenizer = source.read_json(checkpoint.TOKENIZER)
        self._check_unchanged(source, saved, tokenizer)
        weights = source.read_tensors(checkpoint.MODEL)
        try:
            load_weights(state.model, weights, source=checkpoint.MODEL)
        except CheckpointError as error:
            raise checkpoint.damaged(path, str(error)) from None
        if checkpoint.ORIGIN in source.files:
            self.origin = source.read_origin()
        streams = self.config.train.order == "streams"
        restore_state(
            state,
            source.read_tensors(checkpoint.STATE),
            path=path,
            started=progress.step > 0,
            parts=self.fit.accumulate if streams and progress.epoch_step else 0,
            batch_size=self.fit.batch_size,
        )
        self._check_schedule(progress.step)
        state.states = self.world.shard_states(state.states, accumulate=self.fit.accumulate)
        state.progress = progress
        self.saved_step = step

    def _restore_counters(
        self, state: TrainState, saved: dict[str, Any], *, path: Path
    ) -> Progress:
        """Restore what state.json holds besides the training's progress, which is returned."""
        try:
            progress = Progress.from_json(saved["progress"])
            self.schedule_steps = _count(saved["schedule_steps"])
            self.bf16_before = bool(saved["bf16"])
            self.version_before = str(saved.get("lstmgen"))[:40]
            if state.average is not None:
                state.average.start = _count(saved["average"]["start"])
                state.average.steps = _count(saved["average"]["steps"])
        except (KeyError, TypeError, ValueError) as error:
            raise checkpoint.damaged(path, f"state.json: {error}") from None
        return progress

    def _read_counters(self, source: checkpoint.Checkpoint) -> dict[str, Any]:
        """The contents of state.json.

        Raises:
            CheckpointError: if another version of lstmgen has written it.
        """
        saved = source.read_counters()
        if not isinstance(saved.get("progress", {}), dict):
            raise checkpoint.damaged(source.path, "state.json does not hold counters")
        version = saved.get("format", PROGRESS_FORMAT)  # without one: of the first format
        missing = [key for key in (*self._facts(), "bf16", "progress") if key not in saved]
        differing = set(saved.get("progress", {})) ^ set(Progress().as_json())
        keys = [*missing, *(f"progress.{key}" for key in sorted(differing) if not missing)]
        if version == PROGRESS_FORMAT and not keys:
            return saved
        reason = f"format {version} of state.json, this one reads {PROGRESS_FORMAT}"
        if version == PROGRESS_FORMAT:
            reason = f"state.json differs in {', '.join(keys)}"
        raise self._other_version(reason)

    def _other_version(self, reason: str) -> CheckpointError:
        run = shlex.quote(str(self.run))
        return CheckpointError(
            f"{printable(self.run)} cannot be resumed: it was written by another version of "
            f"lstmgen ({printable(reason)}). It can be generated from and evaluated; to train on, "
            f"start from its weights: lstmgen train CONFIG train.init_from={printable(run)}"
        )

    def _check_unchanged(
        self, source: checkpoint.Checkpoint, facts: dict[str, Any], tokenizer: Any
    ) -> None:
        """Check that config, tokenizer and text allow this run to be resumed.

        Raises:
            CheckpointError: naming what has changed, its old and its new value.
        """
        try:
            config = source.read(checkpoint.CONFIG).decode()
            before = from_portable(config, source=checkpoint.CONFIG)
        except UnicodeDecodeError as error:
            raise checkpoint.damaged(source.path, f"{checkpoint.CONFIG}: {error}") from None
        except ConfigError as error:
            raise checkpoint.other_version(source.path, str(error)) from None
        problem = f"{printable(self.run)} cannot be resumed"
        for key in all_keys().values():
            was, now = value_of(before, key.name), value_of(self.config, key.name)
            if key.on_resume == "fixed" and was != now:
                raise CheckpointError(
                    f"{problem}: {key.name} was {printable(was)} and is now {printable(now)}. "
                    "Put it back, or start a new run"
                )
        if tokenizer != describe_tokenizer(self.config.data):
            raise CheckpointError(
                f"{problem}: its text was tokenized by an older lstmgen. "
                "It can be generated from and evaluated; to train further, start a new run"
            )
        if facts["text"] != self.corpus.fingerprint:
            if source.format < checkpoint.FINGERPRINT_FORMAT:
                reason = f"format {source.format}, whose record of the text is another"
                raise self._other_version(reason)
            raise CheckpointError(
                f"{problem}: the text, or its vocabulary file, is not the one it was trained on. "
                "Put that back, or start a new run"
            )

    def _check_schedule(self, step: int) -> None:
        """Check that the learning rate is not 0 before the config's last step.

        Args:
            step: of the checkpoint.

        Raises:
            CheckpointError: if the schedule ends earlier, with the command that trains on.
        """
        settings, end, until = self.config.train, self.schedule_steps, self.until
        if settings.schedule not in ("cosine", "one_cycle") or until <= end:
            return
        by_steps = settings.max_steps == until
        limit = f"train.max_steps = {until:,}" if by_steps else f"train.epochs = {settings.epochs}"
        run = shlex.quote(str(self.run))
        command = f"lstmgen train {run}/{folders.RESOLVED} train.init_from={run}"
        if settings.epochs is not None:
            command += " train.epochs=null"
        if settings.move_biases:  # the weights know the text's words already
            command += " train.move_biases=0"
        first = f"resume the run without {limit.split()[0]}, then " if step < end else ""
        raise CheckpointError(
            f"{printable(self.run)}: {limit} cannot make this run longer, because its "
            f"{settings.schedule} schedule ends at step {end:,} with a learning rate of 0: "
            f"{counted(until - end, 'step')} would learn nothing. To train on, {first}start from "
            f"its weights: {printable(command)} train.max_steps={until - end}"
        )

    def _facts(self) -> dict[str, Any]:
        """What must be unchanged for a resumed run to be the same training."""
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
    """A nonnegative integer read from a file."""
    if type(value) is not int or not 0 <= value < 2**62:
        raise ValueError("not a count")
    return value


def check_disk_space(place: Path, state: TrainState, *, checkpoints: int, shared: int = 0) -> None:
    """Check, before training for hours, that the disk can hold the checkpoints.

    Args:
        place: the run folder, which need not exist yet.
        checkpoints: number of further checkpoints on disk at the same time.
        shared: bytes of the files that they share, which are still to be written.

    Raises:
        StorageError: if it cannot.
    """
    existing = next(folder for folder in (place, *place.absolute().parents) if folder.is_dir())
    each, free = checkpoint_bytes(state), shutil.disk_usage(existing).free
    needed = each * checkpoints + shared
    if free < needed:
        index = f" and a copy index of {shared:,}" if shared else ""
        raise StorageError(
            f"{printable(place)}: {counted(checkpoints, 'checkpoint')} of {each:,} bytes{index} "
            f"need {needed:,} bytes there, {free:,} are free. Free some, lower train.keep, "
            "or choose another place with --runs-dir"
        )
