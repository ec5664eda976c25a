"""Generating samples, and their JSON form."""

import time
from dataclasses import dataclass
from typing import Any

from lstmgen import __version__
from lstmgen.config.schema import Config, SampleConfig
from lstmgen.generation.chosen import resolve_sample
from lstmgen.generation.generator import Generator
from lstmgen.generation.load import Weights, make_engine
from lstmgen.generation.next_word import CueReader
from lstmgen.generation.novelty import copied_runs, measure_novelty
from lstmgen.generation.pieces import Piece, join_pieces
from lstmgen.generation.sampling_loop import continue_cue
from lstmgen.ngrams.kneser_ney import KneserNey
from lstmgen.runs.checkpoint import Checkpoint
from lstmgen.text.copy_index import CopyIndex
from lstmgen.text.reading import remove_control
from lstmgen.text.vocabulary import Vocabulary

MAX_TRAINING_WORDS = 40  # of a sample during training


@dataclass(frozen=True)
class Result:
    """Continuations of one cue, with the settings that produced them."""

    generator: Generator
    checkpoint: Checkpoint
    cue: str  # as printed
    settings: SampleConfig
    seed: int
    samples: tuple[tuple[Piece, ...], ...]  # the pieces of each
    replacements: dict[str, str | None]  # as in Cue
    seconds: float  # for all samples and reading the cue

    def text(self, sample: int) -> str:
        """A continuation, without the cue."""
        return "".join(piece.text for piece in self.samples[sample])


def generate_samples(
    generator: Generator,
    checkpoint: Checkpoint,
    cue: str,
    settings: SampleConfig,
    *,
    samples: int,
    seed: int,
    details: bool = True,
) -> Result:
    """Continue a cue and collect all samples."""
    started = time.perf_counter()
    reader = CueReader(generator, settings, cue)
    pieces: list[list[Piece]] = [[] for _ in range(samples)]
    for piece in continue_cue(reader, samples=samples, seed=seed, details=details):
        pieces[piece.sample].append(piece)
    return Result(
        generator=generator,
        checkpoint=checkpoint,
        cue=remove_control(cue),
        settings=settings,
        seed=seed,
        samples=tuple(map(tuple, pieces)),
        replacements=reader.cue.replacements,
        seconds=time.perf_counter() - started,
    )


def continue_cues(
    config: Config,
    vocabulary: Vocabulary,
    weights: Weights,
    *,
    index: CopyIndex | None,
    ngrams: KneserNey | None,
) -> list[str]:
    """Continue each cue of a config once, always with the training seed, so that steps can be
    compared."""
    engine = make_engine(config, vocabulary, weights)
    generator = Generator(config, vocabulary, engine, index, ngrams)
    words = min(config.sample.words, MAX_TRAINING_WORDS)
    sample = resolve_sample(config.sample, None, has_ngrams=ngrams is not None).model_copy(
        update={
            "words": words,
            "min_words": min(config.sample.min_words, words),
            "must_include": [],  # no reason to stop a training
            "tag": config.sample.tag if config.sample.tag in vocabulary.tags else None,
        }
    )
    texts = []
    for text in sample.cues:
        pieces = continue_cue(CueReader(generator, sample, text), samples=1, seed=config.train.seed)
        texts.append(remove_control(text) + join_pieces(pieces, 1)[0])
    return texts


def sample_json(result: Result, sample: int) -> dict[str, Any]:
    """One sample with the details of its words, copied passages and settings."""
    pieces = result.samples[sample]
    unit = result.generator.passage_unit
    novelty = measure_novelty([pieces], unit)
    copied = {
        "unit": unit.name,
        "share": novelty.copied_fraction,
        "longest": novelty.longest,
        "runs": [
            {
                unit.name: run.length,
                "text": "".join(p.text for p in pieces[run.first : run.last + 1]).strip(),
                "file": run.location.file,
                "line": run.location.line,
            }
            for run in copied_runs(pieces, unit)
        ],
    }
    return {
        "sample": sample,
        "cue": result.cue,
        "text": result.text(sample),
        "words": [
            {
                "text": piece.text,
                "log_probability": piece.details.log_probability,
                "entropy": piece.details.entropy,
                "rank": piece.details.rank,
                "alternatives": [
                    [result.generator.surface(i), p] for i, p in piece.details.alternatives
                ],
                "run": piece.details.run,
            }
            for piece in pieces
            if piece.details is not None
        ],
        "log_probability": sum(p.details.log_probability for p in pieces if p.details is not None),
        "copied": None if result.generator.copies is None else copied,
        "distinct_2": novelty.distinct_2,
        "unknown_words": result.replacements,
        "seed": result.seed,
        "settings": result.settings.model_dump(exclude={"cues"}),
        "checkpoint": {
            "path": str(result.checkpoint.path),
            "step": result.checkpoint.step,
            "digest": result.checkpoint.digest,
            "quantized": result.checkpoint.quantized,
        },
        "lstmgen": __version__,
        "seconds": result.seconds,
        "words_per_second": measure_novelty(result.samples, unit).words / result.seconds,
    }
