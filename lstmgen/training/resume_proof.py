"""Proof, on a user's own config, that an interrupted training equals an uninterrupted one."""

import json
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lstmgen.config.loader import LoadedConfig
from lstmgen.errors import UsageError, counted
from lstmgen.runs import checkpoint, folders
from lstmgen.runs.checkpoint import Checkpoint
from lstmgen.text.corpus import Corpus, Progress
from lstmgen.training.complete_config import prepare_training
from lstmgen.training.events import Event, Finished, Saved
from lstmgen.training.signals import StopRequests
from lstmgen.training.start import resume, train

TENSORS = (checkpoint.MODEL, checkpoint.STATE)


@dataclass(frozen=True)
class ResumeCheck:
    """A comparison of two trainings.

    Attributes:
        steps: of each. stopped_at: the step after which one was interrupted.
        tensors: compared: weights, optimizer state and carried states.
        numbers: compared: counters and losses.
        differing: names of what differs.
    """

    steps: int
    stopped_at: int
    tensors: int
    numbers: int
    differing: tuple[str, ...]


def check_resume(
    loaded: LoadedConfig, *, steps: int, report: Callable[[str], None], progress: Progress
) -> ResumeCheck:
    """Train without and with an interruption, in a temporary folder; compare all that is saved.

    Args:
        steps: the maximum number; a config may end earlier.
        report: called with each stage, in words.
        progress: of preparing the text.

    Raises:
        UsageError: if the config ends before it can be interrupted.
    """
    with tempfile.TemporaryDirectory(prefix="lstmgen-check-") as name:
        runs = Path(name)
        steps = min(steps, loaded.config.train.max_steps or steps)
        limits = {"max_steps": steps, "max_minutes": None, "keep": 1}
        loaded, corpus = prepare_training(loaded, runs, progress=progress)
        report(f"training without interruption, up to {counted(steps, 'step')}")
        uninterrupted = _train(_changed(loaded, save_every=steps, **limits), corpus, runs)
        total = _open_last(uninterrupted).step
        half = total // 2
        if not half:
            raise UsageError(
                f"this training ends after {counted(total, 'step')}: it takes 2 to "
                "interrupt one. Raise --steps, train.epochs or train.max_steps"
            )
        report(f"training again, interrupted after step {half:,}")
        resumed = _train(_changed(loaded, save_every=half, **limits), corpus, runs, stop_at=half)
        report(f"resuming up to step {total:,}")
        device = f"train.device={loaded.config.train.device}"  # whatever the environment says
        settings = [f"train.save_every={steps}", device]
        for _ in resume(resumed, settings, runs=runs, requests=StopRequests()):
            pass
        return _compare(_open_last(uninterrupted), _open_last(resumed), stopped_at=half)


def _changed(loaded: LoadedConfig, **changes: Any) -> LoadedConfig:
    config = loaded.config
    settings = config.train.model_copy(update=changes)
    return replace(loaded, config=config.model_copy(update={"train": settings}))


def _train(loaded: LoadedConfig, corpus: Corpus, runs: Path, *, stop_at: int | None = None) -> Path:
    """Train, and request a stop at the checkpoint of step ``stop_at``."""
    requests = StopRequests()
    run = None
    events: Iterator[Event] = train(loaded, corpus, name="check", runs=runs, requests=requests)
    for event in events:
        if isinstance(event, Saved) and event.step == stop_at:
            requests.stop = signal.SIGTERM
        if isinstance(event, Finished):
            run = event.run
    if run is None:  # a training ends with that event or an error
        raise RuntimeError("a training without an end")
    return run


def _open_last(run: Path) -> Checkpoint:
    checkpoints = run / folders.CHECKPOINTS
    step = max(checkpoint.saved_steps(checkpoints))
    return checkpoint.open_checkpoint(checkpoint.step_folder(checkpoints, step))


def _compare(uninterrupted: Checkpoint, resumed: Checkpoint, *, stopped_at: int) -> ResumeCheck:
    """Compare tensors bit by bit, and all counters."""
    differing = []
    tensors = 0
    for name in TENSORS:
        a, b = uninterrupted.read_tensors(name), resumed.read_tensors(name)
        tensors += len(a)
        same = {key for key in a.keys() & b.keys() if _bits(a[key]) == _bits(b[key])}
        differing += sorted((a.keys() | b.keys()) - same)
    first, second = (
        dict(_leaves("", each.read_json(checkpoint.PROGRESS))) for each in (uninterrupted, resumed)
    )
    differing += sorted(
        key for key in first.keys() | second.keys() if first.get(key) != second.get(key)
    )
    return ResumeCheck(uninterrupted.step, stopped_at, tensors, len(first), tuple(differing))


def _bits(array: np.ndarray[Any, Any]) -> tuple[object, ...]:
    return array.dtype, array.shape, array.tobytes()


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """The scalars of a JSON value, by path."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from _leaves(f"{name}.{key}".lstrip("."), inner)
    else:
        yield name, json.dumps(value)
