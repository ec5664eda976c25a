"""The data of a run's page: what ``reporting/page/*.js`` reads, as JSON values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.cells import CELLS
from lstmgen.config.schema import Config
from lstmgen.errors import counted, printable
from lstmgen.generation.chosen import TEMPERATURE
from lstmgen.generation.cue import TYPED_QUOTES, typed_quote
from lstmgen.generation.generator import Generator
from lstmgen.generation.load import LoadedCheckpoint
from lstmgen.inspection.memory import MemoryCurve
from lstmgen.inspection.training_contexts import SampleOrigins
from lstmgen.inspection.unit_index import StrongestPlaces
from lstmgen.inspection.word_map import map_words
from lstmgen.reporting import number_format
from lstmgen.reporting.packing import pack_floats, pack_numbers
from lstmgen.reporting.start_facts import ngram_name, start_facts
from lstmgen.runs.history import History
from lstmgen.runs.records import training_curve
from lstmgen.text.clusters import frequency_clusters
from lstmgen.text.copy_index import CopyIndex
from lstmgen.text.spacing import rule_tables
from lstmgen.text.tokenizer import ecmascript_pattern
from lstmgen.text.vocabulary import Vocabulary
from lstmgen.training.events import Started

PLOTTED = ("valid_nats", "learning_rate", "gradient_norm", "words_per_second")
MAX_WORDS = 200  # written at a time by default


def run_data(history: History, config: Config) -> dict[str, Any]:
    """The facts, curves and samples of a run."""
    card = _read_started(history)
    baselines = {"unigram": card.unigram, ngram_name(card): card.ngram} if card else {}
    valid = [(row["valid_nats"], row["step"]) for row in history.rows if row["valid_nats"]]
    return {
        "facts": _facts(history, card),
        "command": printable(history.command),
        "curves": {
            name: [[row["step"], row[name]] for row in history.rows if _is_finite(row[name])]
            for name in PLOTTED
        },
        "training": training_curve(history.rows),
        "baselines": [
            {"name": name, "perplexity": number_format.perplexity(value), "nats": math.log(value)}
            for name, value in baselines.items()
            if math.isfinite(value)
        ],
        "best": min(valid)[1] if valid else None,
        "clip_norm": config.train.clip_norm,
        "samples": [{"step": step, "texts": texts} for step, texts in history.samples],
    }


def _read_started(history: History) -> Started | None:
    """The start of the run; None if another version of lstmgen recorded it."""
    names = {field.name for field in fields(Started)}
    values = {name: value for name, value in history.started.items() if name in names}
    for name in ("uniform", "unigram", "ngram", "base_perplexity"):
        if values.get(name, 0) is None:
            values[name] = math.nan
    try:
        card = Started(**values | {"run": history.run})
        start_facts(card)
    except (TypeError, ValueError, AttributeError):
        return None
    return card


def _facts(history: History, card: Started | None) -> list[tuple[str, str]]:
    names = {"baselines": "baseline perplexity"}
    facts = [(names.get(name, name), value) for name, value in start_facts(card)] if card else []
    facts = [(name, value) for name, value in facts if name != "run"]
    valid = [row["valid_nats"] for row in history.rows if row["valid_nats"] is not None]
    if valid:
        best = min(valid)
        facts.append(("best perplexity", number_format.perplexity_of(best)))
        if card and math.isfinite(card.ngram):
            value = math.exp(min(best, 690))
            facts.append((ngram_name(card), number_format.compare_with_ngram(value, card.ngram)))
    seconds = [row["seconds"] for row in history.rows if row["seconds"] is not None]
    if seconds:
        facts.append(("training time", number_format.duration(seconds[-1])))
    reason = history.finished.get("reason")
    facts.append(("ended", reason if isinstance(reason, str) else "not yet"))
    return [(printable(name), printable(value)) for name, value in facts]


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def model_data(loaded: LoadedCheckpoint) -> dict[str, Any]:
    """The model and its weights."""
    config, vocabulary = loaded.config, loaded.vocabulary
    cell, clusters = CELLS[config.model.cell], []
    if config.model.output == "adaptive":
        clusters = frequency_clusters(vocabulary.counts)
    return {
        "cell": cell.name,
        "gates": [
            {"name": name, "letter": cell.gates[name].letter, "squash": cell.gates[name].squash}
            for name in cell.fields._fields
        ],
        "equations": cell.equations,
        "has_cell": cell.has_cell,
        "initial_biases": dict(cell.initial_biases),
        "hidden_sizes": config.model.hidden_sizes,
        "vocab_size": len(vocabulary),
        "seen_once": vocabulary.seen_once,
        "cluster_sizes": [len(ids) for ids in clusters],
        "ranks": np.argsort(np.concatenate(clusters)).tolist() if clusters else [],
        "window": config.train.window,
        "seed": config.train.seed % 2**31,
        "weights": {name: pack_floats(array) for name, array in loaded.weights.items()},
    }


def text_data(vocabulary: Vocabulary, config: Config) -> dict[str, Any]:
    """The vocabulary, and the rules by which a text is split and joined."""
    kind = config.data.tokenizer
    rules: dict[str, Any] = {**rule_tables(kind), "pattern": ecmascript_pattern(kind)}
    rules["typed_quotes"] = {
        mark: [typed_quote(mark, vocabulary, opens=opens) for opens in (True, False)]
        for mark in TYPED_QUOTES
    }
    rules["spellings"] = {
        spelling: i
        for spelling, i in vocabulary.spellings.items()
        if vocabulary.ids.get(spelling) != i
    }
    return {
        "kind": kind,
        "entries": vocabulary.entries,
        "unknown_id": vocabulary.unknown_id,
        "specials": vocabulary.specials,
        "lowercase": config.data.lowercase,
        "rules": rules,
    }


def sample_data(generator: Generator) -> dict[str, Any]:
    """The settings with which the page begins to write."""
    sample = generator.config.sample
    temperature = TEMPERATURE if sample.temperature is None else sample.temperature
    return {
        "cue": sample.cues[0] if sample.cues else "",
        "temperature": round(temperature, 3),
        "top_p": sample.top_p,
        "words": max(1, min(sample.words, MAX_WORDS)),
        "start": generator.start_ids(sample),
        "per_word": generator.passage_unit.per_word,
    }


def map_data(generator: Generator) -> list[list[float]]:
    """The commonest words in the plane: id and coordinates."""
    words = map_words(generator.engine, generator.vocabulary, kind=generator.kind)
    return [[word, round(x, 3), round(y, 3)] for word, x, y in words]


def training_data(
    ids: NDArray[np.integer[Any]],
    index: CopyIndex,
    vocabulary: Vocabulary,
    units: Sequence[StrongestPlaces],
    *,
    complete: bool = True,
) -> dict[str, Any]:
    """The training text, and where each unit is highest in it.

    Args:
        ids: of its tokens; of its words alone if it is not ``complete``.
        units: of each layer; empty if they were not measured.
    """
    line_starts = index.line_starts.astype(np.int64)
    return {
        "ids": pack_numbers(ids.tolist()),
        "complete": complete,
        "canonical": pack_numbers(index.canonical.tolist()),
        "breaks": vocabulary.specials,
        "files": [printable(name) for name in index.names],
        "file_starts": pack_numbers(index.file_starts.tolist()),
        "file_lines": pack_numbers(index.file_lines.tolist()),
        # Gaps, which are small: 1 byte each. Line ends of each file ascend, and so do the files.
        "line_starts": pack_numbers(np.diff(line_starts, prepend=0).tolist()),
        "units": {
            "count": units[0].positions.shape[1],
            "layers": [places.positions.ravel().tolist() for places in units],
        }
        if units
        else None,
    }


def memory_data(curve: MemoryCurve, config: Config) -> dict[str, Any]:
    """The loss when only the last words are known."""
    used, most = curve.words_used, curve.contexts[-1]
    conclusion = (
        f"Knowing more than the last {counted(used, 'word')} changes the loss by at most "
        "0.01 nats per word."
        if used is not None
        else f"Even words more than {most} back make a difference of more than 0.01 nats per word."
    )
    return {
        "words": curve.contexts,
        "nats": curve.nats,
        "all": curve.full,
        "window": config.train.window,
        "conclusion": f"{conclusion} Measured on {counted(curve.scored, 'word')} of the "
        f"validation text; the model was trained with a window of {config.train.window}.",
    }


def origins_data(origins: SampleOrigins) -> dict[str, Any]:
    """A sample, and the training contexts whose states are nearest to those of its words."""
    return {
        "cue": origins.cue,
        "words": [
            {
                "word": origin.word,
                "text": text,
                "contexts": [asdict(context) for context in origin.contexts],
            }
            for origin, text in zip(origins.words, _spaced(origins), strict=True)
        ],
    }


def _spaced(origins: SampleOrigins) -> list[str]:
    """The words of a sample with the white space before each, as in its text."""
    spaced, rest = [], origins.text
    for origin in origins.words:
        before, _, after = rest.partition(origin.word)
        spaced.append(before + origin.word)
        rest = after
    return spaced


def round_numbers(value: Any) -> Any:
    """The same JSON value with floats of six digits, which no reader of a page can tell apart."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {key: round_numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [round_numbers(item) for item in value]
    return value
