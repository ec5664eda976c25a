"""Measures of generated text, beside those of the text that the model was not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lstmgen.config.schema import SampleConfig
from lstmgen.evaluation.english import is_english
from lstmgen.evaluation.grammar import Lints, count_lints, has_harper
from lstmgen.evaluation.held_out import HeldOut
from lstmgen.evaluation.minimal_pairs import Agreement, find_minimal_pairs, score_minimal_pairs
from lstmgen.evaluation.ngram_perplexity import (
    NgramScore,
    NgramScorer,
    estimate_scorer,
    spread_passages,
)
from lstmgen.evaluation.pair_novelty import PairNovelty, find_pairs
from lstmgen.evaluation.text_quality import TextQuality, measure_texts
from lstmgen.generation.generator import Generator
from lstmgen.generation.novelty import Novelty, measure_novelty
from lstmgen.generation.sample_results import Result, generate_samples
from lstmgen.ngrams.kneser_ney import Ids
from lstmgen.runs.checkpoint import Checkpoint
from lstmgen.text.marks import OPENERS
from lstmgen.text.vocabulary import STORY


@dataclass(frozen=True)
class SampleQuality:
    """Measures of samples, and the same of held-out text where there is one.

    Attributes:
        novelty: without copied passages if the checkpoint has no index of its training text.
        has_copies: whether it has one.
        tokens: of all samples, ``<story>`` before each included.
        pairs, forward: None without the training text.
        reverse: the samples' model of the held-out text; None without that.
        reverse_train: the same of a model of as much training text, spread over all of it.
        english: whether the held-out text is English; without one, whether the samples are.
        agreement: None without English held-out text.
        lints: None if the text is not English or Harper is not installed.
    """

    settings: SampleConfig
    seed: int
    tokens: int
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
    vocab_size = len(generator.vocabulary)
    held = [] if held_out is None else [held_out.ids]
    english = is_english("\n".join(texts if held_out is None else held_out.texts))
    checked = english and has_harper()
    known = None if train is None else find_pairs(train, vocab_size)
    real = None if train is None else _scorer(generator, [train])
    generated = _scorer(generator, ids)
    tokens = sum(map(len, ids))
    matched = None if train is None else _scorer(generator, spread_passages(train, tokens))
    return SampleQuality(
        settings=settings,
        seed=seed,
        tokens=tokens,
        novelty=measure_novelty(result.samples, generator.passage_unit),
        has_copies=generator.copies is not None,
        pairs=None if known is None else known.novelty(ids),
        held_out_pairs=None if known is None or not held else known.novelty(held),
        forward=_score(real, ids),
        held_out_forward=_score(real, held),
        reverse=_score(generated, held),
        reverse_train=_score(matched, held),
        text=_measure_texts(generator, texts),
        held_out_text=None if held_out is None else _measure_texts(generator, held_out.texts),
        english=english,
        agreement=measure_agreement(generator, held_out) if english and held_out else None,
        lints=count_lints(texts) if checked else None,
        held_out_lints=count_lints(held_out.texts) if checked and held_out else None,
    )


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


def _measure_texts(generator: Generator, texts: Sequence[str]) -> TextQuality:
    style = generator.vocabulary.style
    families = OPENERS if style is None else style.openers
    return measure_texts(texts, endings=generator.endings, families=tuple(families))
