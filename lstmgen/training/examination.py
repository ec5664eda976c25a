"""Examining a text before training on it: what it is like, and which config fits."""

import math
import resource
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from lstmgen.config.loader import LoadedConfig
from lstmgen.config.schema import Config, fill_in
from lstmgen.evaluation.baseline import count_ngrams
from lstmgen.ngrams.kneser_ney import DEFAULT_ORDER
from lstmgen.runs.bundled import bases_folder
from lstmgen.text.config_text import index_copies
from lstmgen.text.copy_index import RunMeter, bare_word
from lstmgen.text.corpus import Corpus, Progress
from lstmgen.text.diagnosis import Diagnosis, diagnose
from lstmgen.text.finding import find_files, short_names
from lstmgen.text.passage_unit import passage_unit
from lstmgen.training.complete_config import BUNDLED, complete
from lstmgen.training.init_from import match_base, open_base

COMPARED = 20_000  # words of the validation text that are searched in the training text
REPEATED = 10  # words of a passage that occurs in both parts
WARM_UP = 3  # untimed steps of the probe


@dataclass(frozen=True)
class Probe:
    """A few seconds of training with the chosen config.

    Attributes:
        words_per_second: scored. total_words: scored in the whole training.
        memory: the largest resident memory of the process, in bytes.
    """

    device: str
    parameters: int
    words_per_second: float
    total_words: float
    memory: int

    @property
    def seconds(self) -> float:
        """Expected duration of the training, without evaluations and samples."""
        return self.total_words / self.words_per_second


@dataclass(frozen=True)
class Examination:
    """What a text is like; only the properties divide.

    Attributes:
        loaded: the completed config. chosen: the keys that the size of the text has decided.
        diagnosis: of its lines.
        words: of the training text. once: entries that occur once.
        repeated: words of the validation text in passages of ``REPEATED`` words that the
            training text has too. compared: words that were searched; 0 without an index.
        ngram: perplexity of the n-grams on the validation text; NaN without one.
        base_covered: fraction of the tokens that the bundled base knows; NaN without a base.
        probe: None if it was not requested.
    """

    loaded: LoadedConfig
    chosen: tuple[str, ...]
    corpus: Corpus
    diagnosis: Diagnosis
    words: int
    once: int
    repeated: int
    compared: int
    ngram: float
    base_covered: float
    probe: Probe | None

    @property
    def config(self) -> Config:
        """The completed config."""
        return self.loaded.config

    @property
    def once_fraction(self) -> float:
        """Fraction of the vocabulary entries that occur once."""
        return self.once / max(1, len(self.corpus.vocabulary))

    @property
    def repeated_fraction(self) -> float:
        """Fraction of the searched validation words in repeated passages."""
        return self.repeated / self.compared if self.compared else 0.0


def examine(
    loaded: LoadedConfig, runs: Path, *, seconds: float, progress: Progress | None = None
) -> Examination:
    """Examine the text of a config without settings, and complete the config.

    Args:
        runs: the text is prepared there, as for a training.
        seconds: of training to probe; 0 for none.

    Raises:
        LstmgenError: as ``lstmgen train`` would.
    """
    files = find_files(loaded.config.data.train or "", key="data.train").files
    diagnosis = diagnose(files, short_names(files), encoding=loaded.config.data.encoding)
    if diagnosis.gutenberg:
        config = fill_in(loaded.config, {"data.strip_gutenberg": True})
        loaded = replace(loaded, config=config)
    completed, corpus, chosen = complete(loaded, runs, progress, choose_base=True)
    vocabulary = corpus.vocabulary
    repeated, compared = _count_repeated(completed.config, corpus)
    ngrams = count_ngrams(corpus.train, vocabulary, order=DEFAULT_ORDER)
    valid = corpus.valid
    return Examination(
        loaded=completed,
        chosen=tuple(chosen),
        corpus=corpus,
        diagnosis=diagnosis,
        words=_count_words(completed.config, corpus),
        once=sum(
            count == 1 for i, count in enumerate(vocabulary.counts) if i not in vocabulary.specials
        ),
        repeated=repeated,
        compared=compared,
        ngram=math.nan if ngrams is None or valid is None else ngrams.perplexity(valid.ids),
        base_covered=_coverage(corpus),
        probe=_probe(completed, corpus, seconds=seconds) if seconds else None,
    )


def _count_words(config: Config, corpus: Corpus) -> int:
    """The words of the training text, from the counts of its vocabulary."""
    kind, vocabulary = config.data.tokenizer, corpus.vocabulary
    return sum(
        count
        for entry, count in zip(vocabulary.entries, vocabulary.counts, strict=True)
        if bare_word(entry, kind)
    )


def _count_repeated(config: Config, corpus: Corpus) -> tuple[int, int]:
    """Words of the validation text in passages of the training text, and words searched."""
    if corpus.valid is None:
        return 0, 0
    index, _ = index_copies(config.data, corpus)
    if index is None:
        return 0, 0
    least = REPEATED * passage_unit(corpus.vocabulary, kind=config.data.tokenizer).per_word
    meter, repeated, counted_until, words = RunMeter(index), 0, 0, 0
    for token in corpus.valid.ids[:COMPARED].tolist():
        if token >= len(corpus.vocabulary):
            meter.break_run()
            words += 1
        elif meter.add(token):
            words += 1
            if meter.run >= least:
                repeated += min(meter.run, words - counted_until)
                counted_until = words
    return repeated, words


def _coverage(corpus: Corpus) -> float:
    if not (bases_folder() / BUNDLED).is_dir():
        return math.nan
    return match_base(corpus, open_base(BUNDLED)).covered


def _probe(loaded: LoadedConfig, corpus: Corpus, *, seconds: float) -> Probe:
    """Train for some seconds in memory; nothing is saved."""
    from lstmgen.training.build import build_training  # torch

    setup = build_training(loaded.config, corpus)
    words, timed = 0, 0.0
    for report in setup.steps(until=sys.maxsize, schedule_steps=setup.until):
        if report.step > WARM_UP:
            words, timed = words + report.words, timed + report.seconds
        if timed >= seconds:
            break
    scale = 1 if sys.platform == "darwin" else 1024
    return Probe(
        device=setup.device,
        parameters=sum(p.numel() for p in setup.state.model.parameters()),
        words_per_second=words / timed,
        total_words=setup.epochs * len(corpus.train.ids),
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale,
    )
