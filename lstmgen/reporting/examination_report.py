"""What ``lstmgen init`` says about a text, and the config that it writes."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lstmgen.config import yaml_lines
from lstmgen.config.schema import is_set, value_of
from lstmgen.errors import counted, printable
from lstmgen.reporting import number_format
from lstmgen.text.diagnosis import LONG_LINE, Diagnosis, Place
from lstmgen.text.marks import OPENERS
from lstmgen.text.spacing import detokenize, is_word
from lstmgen.training.complete_config import BUNDLED, MIN_COVERAGE
from lstmgen.training.examination import REPEATED, Examination
from lstmgen.training.size_defaults import LEAST, LONG

MANY_REPEATED = 0.05  # of the validation words, from which the validation text is no test
MANY_ONCE = 0.6  # of the entries that occur once
CUES, CUE_WORDS = 2, 4
REASONS = {
    "data.strip_gutenberg": "without Project Gutenberg's header and licence",
    "model.dropout": "against memorizing: the shorter the text, the stronger",
    "train.noise": "read some words as others; helps short texts from scratch",
    "train.move_biases": "the output starts from this text's word frequencies",
    "train.window": "words read in one go; the gradient flows this far back",
    "train.batch_size": "small: a short text gives few steps",
    "train.epochs": "as measured for texts of this size",
    "train.learning_rate": "as measured for fine-tuning",
    "train.weight_decay": "against memorizing",
    "train.patience": "stop after this number of evaluations without a new best",
}


class Finding(NamedTuple):
    """Something about a text that its owner should know."""

    problem: str
    advice: str


def report_lines(ex: Examination) -> list[str]:
    """The facts, then the findings, then what to expect."""
    width = max(len(label) for label, _ in _facts(ex))
    lines = [f"{label:<{width}}  {value}" for label, value in _facts(ex)]
    for finding in findings(ex):
        lines += ["", f"! {finding.problem}", f"  {finding.advice}"]
    return lines


def _facts(ex: Examination) -> Iterator[tuple[str, str]]:
    d, corpus, config = ex.diagnosis, ex.corpus, ex.config
    valid = f", {counted(corpus.valid.tokens, 'token')} for validation" if corpus.valid else ""
    yield "text", f"{counted(ex.words, 'word')}, {counted(corpus.train.tokens, 'token')}{valid}"
    documents = counted(max(1, corpus.vocabulary.counts[0]), "document")
    yield "files", f"{counted(corpus.files, 'file')}, {documents}, {counted(d.lines, 'line')}"
    entries = counted(len(corpus.vocabulary), "entry", "entries")
    once = number_format.percent(ex.once_fraction)
    yield "vocabulary", f"{entries}, of which {once} occur once"
    if d.longest_at is not None:
        yield "longest line", f"{counted(d.longest, 'character')}, in {_at(d.longest_at)}"
    yield "script", _scripts(ex) or "no letters"
    style = corpus.vocabulary.style
    if style is not None and is_word(config.data.tokenizer):
        yield "quotation", _quotation(ex) or "no quotation marks"
        wrapped = "wrapped by hand, a blank line ends a paragraph"
        yield "lines", wrapped if style.wrapped else "one paragraph each"
    if not math.isnan(ex.base_covered):
        yield "base", f"{BUNDLED} knows {number_format.percent(ex.base_covered)} of the tokens"
    if not math.isnan(ex.ngram):
        yield "3-gram", f"perplexity {number_format.perplexity(ex.ngram)} on the validation text"
    start = config.train.base or "scratch"
    yield "config", f"starts from {printable(start)}"
    if ex.probe is not None:
        probe = ex.probe
        minutes = number_format.duration(probe.seconds)
        yield (
            "training",
            (
                f"about {minutes} and {probe.memory / 1e6:,.0f} MB of memory for "
                f"{counted(probe.parameters, 'parameter')}, on {probe.device}"
            ),
        )


def findings(ex: Examination) -> list[Finding]:
    """What should be fixed, or known, before training."""
    return [*_findings_in_lines(ex.diagnosis), *_findings_in_counts(ex)]


def _findings_in_lines(d: Diagnosis) -> Iterator[Finding]:
    if d.mojibake:
        yield Finding(
            f"{counted(d.wrong, 'character')} of a wrongly decoded text (such as Ã© for é), "
            f"first in {_list(d.mojibake)}",
            "Get the text again as UTF-8, or convert it back: iconv -f UTF-8 -t WINDOWS-1252",
        )
    if d.gutenberg:
        yield Finding(
            f"header and licence of Project Gutenberg, in {_list(d.gutenberg)}",
            "The config cuts them off (data.strip_gutenberg: true)",
        )
    elif d.rights:
        yield Finding(
            f"a notice of rights, in {_list(d.rights)}",
            "Remove imprints and notices: the model would learn to write them",
        )
    if d.is_chat:
        yield Finding(
            "most lines begin with a name or a time, as in a chat log or a play",
            "The model will write these too. Leave out what it should not learn",
        )
    if d.longest >= LONG_LINE and d.longest_at is not None:
        yield Finding(
            f"a line of {counted(d.longest, 'character')}, in {_at(d.longest_at)}",
            "If paragraphs are missing, the model cannot learn to end them",
        )


def _findings_in_counts(ex: Examination) -> Iterator[Finding]:
    if ex.repeated_fraction > MANY_REPEATED:
        yield Finding(
            f"{number_format.percent(ex.repeated_fraction)} of the validation words are in "
            f"passages of {REPEATED} words and more that the training text has too",
            "Remove duplicates, or name another text as data.valid: the validation loss is too "
            "low otherwise",
        )
    if ex.config.train.base is not None:
        return
    tokens = ex.corpus.train.tokens
    if tokens < LEAST:
        yield Finding(
            f"{counted(tokens, 'token')} are too few to learn a language from",
            "Add text: n-grams will predict as well, and the model can only memorize",
        )
    elif ex.once_fraction > MANY_ONCE:
        yield Finding(
            f"{number_format.percent(ex.once_fraction)} of the vocabulary occur once",
            "Samples will make little sense. More text helps",
        )


def config_text(ex: Examination, *, folder: Path) -> str:
    """The config as YAML with the reason for each choice, at most 25 lines.

    Args:
        folder: of the file, to which the text's path is relative.
    """
    config, tokens = ex.config, ex.corpus.train.tokens
    lines = [
        f"# For a text of {counted(tokens, 'token')} and "
        f"{counted(len(ex.corpus.vocabulary), 'entry', 'entries')}, by lstmgen init. "
        "All keys: docs/config.md",
        "data:",
        f"  train: {_flow([_relative(config.data.train, folder)])[1:-1]}",
    ]
    if config.data.strip_gutenberg:
        lines.append(_line("data.strip_gutenberg", True))
    dropout = [key for key in ex.chosen if key.startswith("model.dropout.")]
    if dropout:
        parts = ", ".join(f"{key.split('.')[-1]}: {value_of(config, key):g}" for key in dropout)
        lines += ["model:", f"  dropout: {{{parts}}}  # {REASONS['model.dropout']}"]
    lines += ["train:", *_train_lines(ex)]
    cues = _cues(ex)
    if cues:
        lines += ["sample:", f"  cues: {_flow(cues)}  # continued now and then"]
    return "\n".join(lines) + "\n"


def _train_lines(ex: Examination) -> Iterator[str]:
    config = ex.config
    if config.train.base is None:
        low = not math.isnan(ex.base_covered) and ex.base_covered < MIN_COVERAGE
        known = f"{BUNDLED} knows only {ex.base_covered:.0%} of the text" if low else "from scratch"
        yield f"  init_from: none  # {known}"
    else:
        yield f"  init_from: {config.train.base}  # it knows {ex.base_covered:.0%} of the text"
    keys = [key for key in ex.chosen if key.startswith("train.")]
    for key in keys:
        yield _line(key, value_of(config, key))
    if not keys:
        size = "long" if ex.corpus.train.tokens >= LONG else "very short"
        yield f"  # and the defaults: no setting is known to be better for a {size} text"


def _line(key: str, value: Any) -> str:
    shown = f"{value:g}" if isinstance(value, float) else json.dumps(value)
    return f"  {key.split('.')[-1]}: {shown}  # {REASONS[key]}"


def _flow(texts: list[str]) -> str:
    """Strings as a YAML list in one line."""
    return yaml_lines.write(texts, flow=True, width=10**6).strip()


def _relative(source: Any, folder: Path) -> str:
    return os.path.relpath(str(source), folder)


def _cues(ex: Examination) -> list[str]:
    """The first words of some documents."""
    kind, vocabulary, ids = ex.config.data.tokenizer, ex.corpus.vocabulary, ex.corpus.train.ids
    cues: list[str] = []
    if not is_word(kind):
        return cues
    for start in ex.corpus.file_starts[:50]:
        tokens = [int(i) for i in ids[start : start + 30] if int(i) not in vocabulary.specials]
        forms = [vocabulary.entries[i] for i in tokens if i < len(vocabulary)]
        cue = " ".join(detokenize(forms, kind=kind).split()[:CUE_WORDS])
        if cue and cue not in cues:
            cues.append(cue)
        if len(cues) == CUES:
            break
    return cues


def _scripts(ex: Examination) -> str:
    scripts = ex.diagnosis.scripts
    total = sum(count for _, count in scripts)
    shown = [f"{name} {number_format.percent(n / total)}" for name, n in scripts if n > total / 100]
    return ", ".join(shown[:4])


def _quotation(ex: Examination) -> str:
    """The quotation marks by their number, and which open."""
    style, vocabulary = ex.corpus.vocabulary.style, ex.corpus.vocabulary
    counts: dict[str, int] = {}
    for entry, count in zip(vocabulary.entries, vocabulary.counts, strict=True):
        mark = entry.rstrip("¬")
        if mark in set('"“”„«»‹›「」『』'):
            counts[mark] = counts.get(mark, 0) + count
    if not counts:
        return ""
    marks = ", ".join(f"{mark} {count:,}" for mark, count in sorted(counts.items()))
    openers = style.openers if style else OPENERS
    usual = {mark for mark in openers.values() if mark in counts}
    return f"{marks}; {' and '.join(sorted(usual))} opens" if usual - {'"'} else marks


def _at(place: Place) -> str:
    return f"{printable(place.file)}, line {place.line:,}"


def _list(places: tuple[Place, ...]) -> str:
    return "; ".join(map(_at, places))


def examination_json(ex: Examination, config: str) -> dict[str, Any]:
    """The same as one JSON object."""
    d, corpus, probe = ex.diagnosis, ex.corpus, ex.probe
    return {
        "words": ex.words,
        "tokens": corpus.train.tokens,
        "valid_tokens": corpus.valid.tokens if corpus.valid else 0,
        "entries": len(corpus.vocabulary),
        "entries_seen_once": ex.once,
        "files": corpus.files,
        "documents": corpus.vocabulary.counts[0],
        "lines": d.lines,
        "longest_line": {"characters": d.longest, **_place_json(d.longest_at)},
        "scripts": dict(d.scripts),
        "wrapped": None if corpus.vocabulary.style is None else corpus.vocabulary.style.wrapped,
        "base": {"name": BUNDLED, "covered": _number(ex.base_covered)},
        "ngram_perplexity": _number(ex.ngram),
        "repeated": {"words": ex.repeated, "of": ex.compared},
        "findings": [finding._asdict() for finding in findings(ex)],
        "config": config,
        "chosen": {key: value_of(ex.config, key) for key in ex.chosen if is_set(ex.config, key)},
        "probe": probe
        and {
            "device": probe.device,
            "parameters": probe.parameters,
            "words_per_second": probe.words_per_second,
            "seconds": probe.seconds,
            "memory": probe.memory,
        },
    }


def _place_json(place: Place | None) -> dict[str, Any]:
    return {"file": None, "line": None} if place is None else place._asdict()


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
