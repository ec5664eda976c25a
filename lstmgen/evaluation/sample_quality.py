"""Measures of generated text, beside those of the text that the model was not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lstmgen.config.schema import SampleConfig
from lstmgen.evaluation.english import is_english
from lstmgen.evaluation.grammar import Lints, count_lints, has_harper
from lstmgen.evaluation.held_out import HeldOut, read_held_out, read_train_ids
from lstmgen.evaluation.minimal_pairs import Agreement, find_minimal_pairs, score_minimal_pairs
from lstmgen.evaluation.ngram_perplexity import (
    NgramScore,
    NgramScorer,
    estimate_scorer,
    spread_passages,
)
from lstmgen.evaluation.pair_novelty import PairNovelty, find_pairs
from lstmgen.evaluation.text_quality import TextQuality, measure_texts
from lstmgen.generation.continuation import Endings
from lstmgen.generation.generator import Generator
from lstmgen.generation.load import load_checkpoint, make_generator
from lstmgen.generation.novelty import Novelty, measure_novelty
from lstmgen.generation.sample_results import Result, generate_samples
from lstmgen.ngrams.kneser_ney import Ids
from lstmgen.runs.checkpoint import Checkpoint
from lstmgen.text.spacing import split_form
from lstmgen.text.style import TextStyle, learn_style
from lstmgen.text.tokenizer import tokenize
from lstmgen.text.vocabulary import STORY

MIN_STYLE = 100  # tokens of a text from which its style can be learned


@dataclass(frozen=True)
class SampleQuality:
    """Measures of samples, and the same of held-out text where there is one.

    Attributes:
        novelty: without copied passages if the checkpoint has no index of its training text.
        has_copies: whether it has one.
        samples: their number.
        tokens: of all samples, ``<story>`` before each included.
        held_out_tokens: of the held-out text; 0 without one.
        pairs, forward: None without the training text.
        reverse: the samples' model of the held-out text; None without that.
        reverse_train: the same of a model of as much training text, spread over all of it.
        english: whether the held-out text is English; without one, whether the samples are.
        agreement: None without English held-out text.
        lints: None if the text is not English or Harper is not installed.
    """

    settings: SampleConfig
    seed: int
    samples: int
    tokens: int
    held_out_tokens: int
    novelty: Novelty
    has_copies: bool
    pairs: PairNovelty | None
    held_out_pairs: PairNovelty | None
    forward: NgramScore | None
    held_out_forward: NgramScore | None
    reverse: NgramScore | None
    reverse_train: NgramScore | None
    text: TextQuality
    held_out_text: TextQuality | None
    english: bool
    agreement: Agreement | None
    lints: Lints | None
    held_out_lints: Lints | None


def measure_samples(
    generator: Generator,
    checkpoint: Checkpoint,
    settings: SampleConfig,
    held_out: HeldOut | None,
    train: Ids | None,
    *,
    samples: int,
    seed: int,
) -> SampleQuality:
    """Generate stories and measure them.

    Args:
        held_out: the text to compare with (``held_out.read_held_out``).
        train: ids of the training text (``held_out.read_train_ids``).
    """
    result = generate_samples(generator, checkpoint, "", settings, samples=samples, seed=seed)
    ids, texts = _ids_of(result), [result.text(k) for k in range(samples)]
    tokens = sum(map(len, ids))
    held, held_texts = ([], []) if held_out is None else ([held_out.ids], held_out.texts)
    known = None if train is None else find_pairs(train, len(generator.vocabulary))
    real = None if train is None else _scorer(generator, [train])
    matched = None if train is None else _scorer(generator, spread_passages(train, tokens))
    english = is_english("\n".join(held_texts or texts))
    checked = english and has_harper()
    style = _Style.of(generator, held_texts)
    return SampleQuality(
        settings=settings,
        seed=seed,
        samples=samples,
        tokens=tokens,
        held_out_tokens=sum(map(len, held)),
        novelty=measure_novelty(result.samples, generator.passage_unit),
        has_copies=generator.copies is not None,
        pairs=None if known is None else known.novelty(ids),
        held_out_pairs=None if known is None or not held else known.novelty(held),
        forward=_score(real, ids),
        held_out_forward=_score(real, held),
        reverse=_score(_scorer(generator, ids), held),
        reverse_train=_score(matched, held),
        text=style.measure(texts),
        held_out_text=style.measure(held_texts) if held else None,
        english=english,
        agreement=measure_agreement(generator, held_out) if english and held_out else None,
        lints=count_lints(texts) if checked else None,
        held_out_lints=count_lints(held_texts) if checked and held else None,
    )


def measure_checkpoint(step: Path, *, samples: int, seed: int, runs: Path) -> SampleQuality:
    """Measure stories that a checkpoint generates with its own settings.

    Those without the words of ``must_include`` count too.
    """
    loaded = load_checkpoint(step, runs, copies=True, ngrams=True)
    generator = make_generator(loaded)
    settings = generator.config.sample.model_copy(update={"must_include": []})
    return measure_samples(
        generator, loaded.checkpoint, settings, read_held_out(loaded), read_train_ids(loaded),
        samples=samples, seed=seed,
    )  # fmt: skip


def measure_agreement(generator: Generator, held_out: HeldOut) -> Agreement | None:
    """The model's agreement in English held-out text; None if that has no minimal pairs."""
    entries = generator.vocabulary.entries
    pairs = find_minimal_pairs(held_out.ids, entries)
    return score_minimal_pairs(generator.engine, held_out.ids, pairs) if pairs else None


def _ids_of(result: Result) -> list[Ids]:
    """The ids of each sample after ``<story>``."""
    story = result.generator.vocabulary.ids[STORY]
    return [
        np.array([story, *(p.details.word for p in pieces if p.details is not None)], np.uint32)
        for pieces in result.samples
    ]


def _scorer(generator: Generator, texts: Sequence[Ids]) -> NgramScorer | None:
    vocabulary = generator.vocabulary
    return estimate_scorer(texts, vocab_size=len(vocabulary), specials=vocabulary.specials)


def _score(scorer: NgramScorer | None, texts: Sequence[Ids]) -> NgramScore | None:
    return None if scorer is None or not texts else scorer.score(texts)


@dataclass(frozen=True)
class _Style:
    """How texts are measured."""

    endings: Endings
    families: tuple[str, ...]
    paragraphs: bool  # whether texts have line ends

    @classmethod
    def of(cls, generator: Generator, texts: Sequence[str]) -> "_Style":
        """The style of a checkpoint's training text; if that is unknown, of held-out texts."""
        paragraphs = generator.kind != "whitespace"
        style = generator.vocabulary.style
        if style is not None:
            return cls(generator.endings, tuple(style.openers), paragraphs)
        forms = tokenize("\n".join(texts))
        entries = [STORY, *dict.fromkeys(forms)]
        numbers = {entry: number for number, entry in enumerate(entries)}
        ids = np.array([0, *map(numbers.__getitem__, forms)], dtype=np.uint32)
        style = learn_style(entries, ids) if len(ids) > MIN_STYLE else TextStyle()
        words = frozenset(split_form(entries[word])[0] for word in style.abbreviations)
        return cls(Endings(style.wrapped, style.cased, words), tuple(style.openers), paragraphs)

    def measure(self, texts: Sequence[str]) -> TextQuality:
        """Measure texts; nothing in paragraphs if they have none."""
        found = measure_texts(texts, endings=self.endings, families=self.families)
        return found if self.paragraphs else replace(found, paragraphs=0, dialogue=0, unbalanced=0)
