"""The Python API of training: ``lstmgen.train``."""

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from lstmgen.config.loader import LoadedConfig, load_values
from lstmgen.errors import UsageError
from lstmgen.reporting.number_format import nats
from lstmgen.reporting.training_console import TrainingConsole
from lstmgen.runs.folders import runs_folder
from lstmgen.training.events import Created, Event, Finished, Started, Stepped
from lstmgen.training.signals import StopRequests, listening
from lstmgen.training.source import prepare_source

Source = str | Path | Mapping[str, Any]
Overrides = Sequence[str] | Mapping[str, Any]


class Training:
    """A training that has not begun: iterate over its events, or ``finish`` it.

    Attributes:
        run: the run folder, once it exists.
        finished: the last event, once the training has ended.
    """

    def __init__(
        self, source: Source, overrides: Sequence[str], *, name: str | None, runs: Path
    ) -> None:
        self._source, self._overrides, self._name, self._runs = source, overrides, name, runs
        self.run: Path | None = None
        self.finished: Finished | None = None

    def __repr__(self) -> str:
        state = "not begun" if self.run is None else f"in {self.run}"
        return f"<Training, {state}{', finished' if self.finished else ''}>"

    def __iter__(self) -> Iterator[Event]:
        """Train, and yield the events of ``lstmgen.training.events``.

        The records of the run, its plot and its page are written as by ``lstmgen train``.
        Leaving the loop ends the training without saving; the last checkpoint remains.

        Raises:
            LstmgenError: with the message that the command line would print.
        """
        yield from self._events(StopRequests())

    def finish(self, *, progress: bool = True) -> Path:
        """Train to the end and return the run folder.

        The first Ctrl-C finishes the step, saves and returns, as on the command line.

        Args:
            progress: show a bar, in notebooks too (``tqdm.auto``).
        """
        with ExitStack() as stack:
            in_main_thread = threading.current_thread() is threading.main_thread()
            requests = stack.enter_context(listening()) if in_main_thread else StopRequests()
            bar = stack.enter_context(tqdm(unit="step", disable=not progress))
            for event in self._events(requests):
                _show(event, bar)
        assert self.run is not None  # the first event
        return self.run

    def _events(self, requests: StopRequests) -> Iterator[Event]:
        from lstmgen.training import devices, start  # torch

        if self.run is not None:
            raise UsageError(f"this training has run already, in {self.run}. Call lstmgen.train")
        loaded, corpus = self._prepare()
        console = TrainingConsole(quiet=True)
        events = start.train(loaded, corpus, name=self._name, runs=self._runs, requests=requests)
        try:
            for event in events:
                if isinstance(event, Created):
                    self.run = event.run
                console.show(event)
                if isinstance(event, Finished):
                    self.finished = event
                yield event
        finally:
            devices.keep_denormals()

    def _prepare(self) -> tuple[LoadedConfig, Any]:
        if not isinstance(self._source, Mapping):
            return prepare_source(str(self._source), self._overrides, runs=self._runs)
        from lstmgen.training.complete_config import prepare_training  # numpy

        return prepare_training(load_values(self._source, self._overrides), self._runs)


def train(
    source: Source,
    overrides: Overrides = (),
    *,
    name: str | None = None,
    runs_dir: str | Path | None = None,
) -> Training:
    """Set up a training; iterate over its events, or call ``finish``.

    Args:
        source: a config file, a preset's name, a text, or a config as nested dictionaries
            (``{"data": {"train": "story.txt"}, "train": {"epochs": 2}}``).
        overrides: ``["train.epochs=2"]`` or ``{"train.epochs": 2}``.
        name: of the run; default: the config's.
        runs_dir: the folder of runs; None is ``$LSTMGEN_RUNS_DIR``, else ``runs``.
    """
    runs = runs_folder(None if runs_dir is None else Path(runs_dir))
    return Training(source, _as_lines(overrides), name=name, runs=runs)


def _as_lines(overrides: Overrides) -> list[str]:
    """Overrides as on the command line."""
    if isinstance(overrides, str):
        raise UsageError(f"overrides = {overrides!r}: must be a list or a dictionary")
    if not isinstance(overrides, Mapping):
        return list(overrides)
    return [f"{key}={_as_yaml(key, value)}" for key, value in overrides.items()]


def _as_yaml(key: str, value: Any) -> str:
    """A value as it is written on the command line; JSON is YAML in which strings are quoted."""
    try:
        return json.dumps(value, ensure_ascii=False, default=_plain)
    except TypeError as error:
        raise UsageError(f"overrides[{key!r}] = {value!r}: cannot be a setting ({error})") from None


def _plain(value: Any) -> Any:
    """A path as text, a numpy number as a number."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no text, number or list")


def _show(event: Event, bar: Any) -> None:
    match event:
        case Started():
            bar.reset(total=event.steps)
        case Stepped():
            bar.set_description(f"loss {nats(event.train_nats)}", refresh=False)
            bar.update(event.step - bar.n)
        case Finished():
            bar.update(event.step - bar.n)
