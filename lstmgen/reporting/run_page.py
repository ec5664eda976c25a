"""Making the page of a run: reading its folder, measuring what the page shows, writing a file."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmgen import __version__
from lstmgen.errors import LstmgenError, StorageError, UsageError, counted, printable
from lstmgen.generation.generator import Generator
from lstmgen.generation.load import LoadedCheckpoint, load_checkpoint, make_generator
from lstmgen.inspection.memory import measure_memory
from lstmgen.inspection.trained_model import read_training_text
from lstmgen.inspection.training_contexts import TrainingText, trace_sample
from lstmgen.inspection.unit_index import strongest_places
from lstmgen.reporting import page_data
from lstmgen.reporting.page_file import build_page
from lstmgen.runs import folders
from lstmgen.runs.history import read_history
from lstmgen.safe_files import write_output

NAME = "report.html"  # in the run folder
MAX_WEIGHTS = 5_000_000  # bytes up to which the model is in the page by default
MAX_TEXT = 200_000  # tokens up to which the training text is in the page
MAX_SCORED = 400  # words of the validation text
PLACES = 3  # of each unit
ORIGIN_WORDS = 20  # words of the sample whose origins are shown


@dataclass(frozen=True)
class Contents:
    """What a page holds besides the records of the run."""

    model: bool | None = None  # None: if its weights are not larger than MAX_WEIGHTS
    training_text: bool = True


@dataclass(frozen=True)
class Written:
    """A page that was written."""

    path: Path
    has_model: bool
    size: int  # bytes
    notes: tuple[str, ...]  # what the page lacks, and why


def write_page(
    source: Path | None, runs: Path, *, output: Path | None = None, contents: Contents
) -> Written:
    """Write the page of a run, of one of its steps, or of an exported model.

    Args:
        source: as in ``load_checkpoint``.
        output: the file; None is ``report.html`` in the run folder.

    Raises:
        LstmgenError: if there is no such model, or the file cannot be written.
    """
    loaded = load_checkpoint(source, runs, copies=contents.training_text, ngrams=True)
    run = _run_of(loaded)
    if output is None and run is None:
        raise UsageError(
            f"{printable(loaded.checkpoint.path)}: is outside a run folder. Name a file for the "
            "page: --output FILE"
        )
    path = output or (run or Path()) / NAME
    notes: list[str] = []
    data = collect(loaded, run, contents=contents, note=notes.append)
    name = run.name if run else loaded.checkpoint.path.name
    page = build_page(data, title=f"{printable(name)} · lstmgen").encode(errors="replace")
    _replace(path, page)
    return Written(path, data["model"] is not None, len(page), tuple(notes))


def collect(
    loaded: LoadedCheckpoint,
    run: Path | None,
    *,
    contents: Contents,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """The data of a page.

    Args:
        run: the folder of the run, if the checkpoint is in one.
        note: is called with what the page lacks, and why.
    """
    generator, step = make_generator(loaded), loaded.checkpoint.step
    text = _find_text(loaded, note) if run else None
    size = sum(array.nbytes for array in loaded.weights.values())
    has_model = size <= MAX_WEIGHTS if contents.model is None else contents.model
    if not has_model and run is None:
        raise UsageError(
            f"{printable(loaded.checkpoint.path)}: is outside a run folder, so without its model "
            f"({size:,} bytes of weights) the page would be empty. Add --model"
        )
    if not has_model and contents.model is None:
        note(
            f"the model is not in the page: its weights are {size:,} bytes, more than "
            f"{MAX_WEIGHTS:,}. `lstmgen report --model` includes it"
        )
    history = read_history(run) if run else None
    data: dict[str, Any] = {
        "name": printable(run.name if run else loaded.checkpoint.path.name),
        "made": f"lstmgen {__version__}, step {step:,}",
        "run": history and page_data.run_data(history, loaded.config),
        "memory": None, "origins": None, "model": None, "text": None, "sample": None,
        "training": None, "map": [],
    }  # fmt: skip
    if text is not None and text.corpus.valid is not None and len(text.corpus.valid.ids) > 1:
        with suppress(LstmgenError):  # no known word
            curve = measure_memory(generator.engine, text.corpus.valid.ids, max_scored=MAX_SCORED)
            data["memory"] = page_data.memory_data(curve, loaded.config)
    data = page_data.round_numbers(data)
    if not has_model:
        return data
    data |= {
        "model": page_data.model_data(loaded),
        "text": page_data.text_data(loaded.vocabulary, loaded.config),
        "sample": page_data.sample_data(generator),
        "map": page_data.map_data(generator),
    }
    if contents.training_text:
        data |= _training_parts(loaded, generator, text, note)
    return data


def _training_parts(
    loaded: LoadedCheckpoint,
    generator: Generator,
    text: TrainingText | None,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """What holds the training text or parts of it."""
    index = loaded.copies
    if index is None:
        note("copied passages are not underlined: the checkpoint has no index of its text")
        return {}
    if len(index.words) > MAX_TEXT:
        count = counted(len(index.words), "word")
        note(f"the training text is not in the page: it has {count}, more than {MAX_TEXT:,}")
        return {}
    if text is None:
        return {
            "training": page_data.training_data(
                index.words, index, loaded.vocabulary, [], complete=False
            )
        }
    ids, engine = text.corpus.train.ids, generator.engine
    units = [
        strongest_places(engine, ids, layer=layer, count=PLACES)
        for layer in range(len(engine.layers))
    ]
    parts = {"training": page_data.training_data(ids, index, loaded.vocabulary, units)}
    sample = generator.config.sample
    settings = sample.model_copy(
        update={"words": ORIGIN_WORDS, "min_words": 0, "must_include": [], "start_with": ""}
    )
    cue = sample.cues[0] if sample.cues else ""
    with suppress(LstmgenError):  # a cue that the settings do not allow
        origins = trace_sample(generator, text, cue, sample=settings, seed=loaded.config.train.seed)
        parts["origins"] = page_data.round_numbers(page_data.origins_data(origins))
    return parts


def _find_text(loaded: LoadedCheckpoint, note: Callable[[str], None]) -> TrainingText | None:
    try:
        return read_training_text(loaded, way_out="The page is made without it")
    except LstmgenError as error:
        note(f"what needs the text of the run is not in the page: {error}")
        return None


def _run_of(loaded: LoadedCheckpoint) -> Path | None:
    """The run folder of a checkpoint, if it is in one."""
    path = loaded.checkpoint.path
    if path.parent.name != folders.CHECKPOINTS:
        path = path.absolute()
    run = path.parent.parent
    inside = path.parent.name == folders.CHECKPOINTS and (run / folders.RESOLVED).is_file()
    return run if inside else None


def _replace(path: Path, content: bytes) -> None:
    try:
        write_output(path, content)
    except OSError as error:
        raise StorageError(
            f"{printable(path)}: the page cannot be written ({error.strerror}). Choose another "
            "place with --output"
        ) from error
