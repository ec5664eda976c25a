"""Proof, on a user's own config, that a training interrupted is the training uninterrupted."""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lstmgen.config.loader import LoadedConfig
from lstmgen.errors import UsageError
from lstmgen.runs import checkpoint, folders
from lstmgen.runs.checkpoint import Checkpoint
from lstmgen.text.corpus import Corpus, Progress
from lstmgen.training.events import Event, Finished, Saved
from lstmgen.training.resolve import prepare_training
from lstmgen.training.signals import StopRequests
from lstmgen.training.start import resume, train

STOP = 15  # the signal that the interrupted training is told of: SIGTERM
TENSORS = (checkpoint.MODEL, checkpoint.STATE)


@dataclass(frozen=True)
class ResumeCheck:
    """What two trainings have in common.

    Attributes:
        steps: that each took. stopped_at: the step after which one was interrupted.
        tensors, numbers: compared: weights, optimiser and carried states; counters and losses.
        differing: their names; empty where the two are one.
    """

    steps: int
    stopped_at: int
    tensors: int
    numbers: int
    differing: tuple[str, ...]


def check_resume(
    loaded: LoadedConfig, *, steps: int, tell: Callable[[str], None], progress: Progress
) -> ResumeCheck:
    """Train straight, and in two halves, in a folder that is deleted; compare all that is saved.

    Args:
        steps: to train at the most; a config with fewer ends as it says.
        tell: is told what happens.
        progress: of preparing the text.

    Raises:
        UsageError: where a config ends before it can be interrupted.
    """
    with tempfile.TemporaryDirectory(prefix="lstmgen-check-") as name:
        runs = Path(name)
        steps = min(steps, loaded.config.train.max_steps or steps)
        limits = {"max_steps": steps, "max_minutes": None, "keep": 1}
        loaded, corpus = prepare_training(loaded, runs, progress=progress)
        tell(f"training straight, up to {steps:,} steps")
        straight = _train(_changed(loaded, save_every=steps, **limits), corpus, runs)
        total = _open_last(straight).step
        half = total // 2
        if not half:
            raise UsageError(
                f"this training ends after {total} step{'s' * (total != 1)}: it takes 2 to "
                "interrupt one. Raise --steps, train.epochs or train.max_steps"
            )
        tell(f"training again, to be interrupted after step {half:,}")
        halves = _train(_changed(loaded, save_every=half, **limits), corpus, runs, stop_at=half)
        tell(f"going on to step {total:,}")
        device = f"train.device={loaded.config.train.device}"  # whatever the environment says
        settings = [f"train.save_every={steps}", device]
        for _ in resume(halves, settings, runs=runs, requests=StopRequests()):
            pass
        return _compare(_open_last(straight), _open_last(halves), stopped_at=half)


def _changed(loaded: LoadedConfig, **changes: Any) -> LoadedConfig:
    config = loaded.config
    settings = config.train.model_copy(update=changes)
    return replace(loaded, config=config.model_copy(update={"train": settings}))


def _train(loaded: LoadedConfig, corpus: Corpus, runs: Path, *, stop_at: int | None = None) -> Path:
    """Train; at the checkpoint of one step the training is told to stop."""
    requests = StopRequests()
    finished = None
    events: Iterator[Event] = train(loaded, corpus, name="check", runs=runs, requests=requests)
    for event in events:
        if isinstance(event, Saved) and event.step == stop_at:
            requests.stop = STOP
        if isinstance(event, Finished):
            finished = event.run
    if finished is None:  # a training ends with that event, or with an error
        raise RuntimeError("a training without an end")
    return finished


def _open_last(run: Path) -> Checkpoint:
    checkpoints = run / folders.CHECKPOINTS
    step = max(checkpoint.saved_steps(checkpoints))
    return checkpoint.open_checkpoint(checkpoint.step_folder(checkpoints, step))


def _compare(straight: Checkpoint, halves: Checkpoint, *, stopped_at: int) -> ResumeCheck:
    """Every tensor by its bits, every number of the counters."""
    differing = []
    tensors = 0
    for name in TENSORS:
        a, b = straight.read_tensors(name), halves.read_tensors(name)
        tensors += len(a)
        same = {key for key in set(a) & set(b) if _same(a[key], b[key])}
        differing += sorted((set(a) | set(b)) - same)
    first, second = (
        dict(_leaves("", each.read_json(checkpoint.PROGRESS))) for each in (straight, halves)
    )
    keys = set(first) | set(second)
    differing += sorted(key for key in keys if first.get(key) != second.get(key))
    return ResumeCheck(straight.step, stopped_at, tensors, len(first), tuple(differing))


def _same(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """The numbers and words of a JSON value, by their paths."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from _leaves(f"{name}.{key}".lstrip("."), inner)
    else:
        yield name, json.dumps(value)
