"""Continuations with all that made them, and as JSON."""

import time
from dataclasses import dataclass
from typing import Any

from lstmgen import __version__
from lstmgen.config.schema import Config, SampleConfig
from lstmgen.generation.continuing import continue_cue
from lstmgen.generation.generator import Generator
from lstmgen.generation.load import Weights, make_engine
from lstmgen.generation.novelty import copied_runs, measure_novelty
from lstmgen.generation.pieces import Piece, join_pieces
from lstmgen.generation.stepping import CueReader
from lstmgen.runs.checkpoint import Checkpoint
from lstmgen.text.copy_index import CopyIndex
from lstmgen.text.reading import remove_control
from lstmgen.text.vocabulary import Vocabulary

CUE_WORDS = 40  # of a cue continued during training


@dataclass(frozen=True)
class Result:
    """Continuations of one cue, and how they came about.

    Attributes:
        cue: as printed.
        samples: the pieces of each, with details.
        replaced: the cue's unknown words, and what each was read as (None: unknown).
        seconds: of all samples together, the cue's reading included.
    """

    generator: Generator
    checkpoint: Checkpoint
    cue: str
    settings: SampleConfig
    seed: int
    samples: tuple[tuple[Piece, ...], ...]
    replaced: dict[str, str | None]
    seconds: float

    def text(self, sample: int) -> str:
        """A continuation, without the cue."""
        return "".join(piece.text for piece in self.samples[sample])

    def word(self, index: int) -> str:
        """A word by its id, as it is written."""
        return self.generator.written(index)


def generate_samples(
    generator: Generator,
    found: Checkpoint,
    cue: str,
    settings: SampleConfig,
    *,
    samples: int,
    seed: int,
    details: bool = True,
) -> Result:
    """Continue a cue and keep everything; without details, the text only."""
    begun = time.perf_counter()
    reader = CueReader(generator, settings, cue)
    collected: list[list[Piece]] = [[] for _ in range(samples)]
    for piece in continue_cue(reader, samples=samples, seed=seed, details=details):
        collected[piece.sample].append(piece)
    return Result(
        generator=generator,
        checkpoint=found,
        cue=remove_control(cue),
        settings=settings,
        seed=seed,
        samples=tuple(map(tuple, collected)),
        replaced=reader.cue.replaced,
        seconds=time.perf_counter() - begun,
    )


def continue_cues(
    config: Config, vocabulary: Vocabulary, weights: Weights, *, index: CopyIndex | None
) -> list[str]:
    """A config's cues, each with one continuation by given weights.

    Always with the seed of the training, so that steps can be compared.
    """
    generator = Generator(config, vocabulary, make_engine(config, vocabulary, weights), index)
    words = min(config.sample.words, CUE_WORDS)
    sample = config.sample.model_copy(
        update={"words": words, "min_words": min(config.sample.min_words, words)}
    )
    texts = []
    for text in sample.cues:
        pieces = continue_cue(CueReader(generator, sample, text), samples=1, seed=config.train.seed)
        texts.append(remove_control(text) + join_pieces(pieces, 1)[0])
    return texts


def sample_json(result: Result, sample: int) -> dict[str, Any]:
    """One sample: words with what the model thought of each, copied runs, and the makings."""
    pieces = result.samples[sample]
    novelty = measure_novelty([pieces])
    has_copies = result.generator.copies is not None
    runs = copied_runs(pieces)
    return {
        "sample": sample,
        "cue": result.cue,
        "text": result.text(sample),
        "words": [_word_json(result, piece) for piece in pieces if piece.drawn is not None],
        "log_probability": sum(p.drawn.log_probability for p in pieces if p.drawn is not None),
        "copied": {
            "share": novelty.copied_share,
            "longest": novelty.longest,
            "runs": [
                {
                    "words": run.words,
                    "text": "".join(p.text for p in pieces[run.first : run.last + 1]).strip(),
                    "file": run.location.file,
                    "line": run.location.line,
                }
                for run in runs
            ],
        }
        if has_copies
        else None,
        "distinct_2": novelty.distinct_2,
        "unknown_words": result.replaced,
        "seed": result.seed,
        "settings": result.settings.model_dump(exclude={"cues"}),
        "checkpoint": {
            "path": str(result.checkpoint.path),
            "step": result.checkpoint.step,
            "digest": result.checkpoint.digest,
        },
        "lstmgen": __version__,
        "seconds": result.seconds,
        "words_per_second": measure_novelty(result.samples).words / result.seconds,
    }


def _word_json(result: Result, piece: Piece) -> dict[str, Any]:
    drawn = piece.drawn
    if drawn is None:
        raise ValueError("a piece without details has no JSON")
    return {
        "text": piece.text,
        "log_probability": drawn.log_probability,
        "entropy": drawn.entropy,
        "rank": drawn.rank,
        "alternatives": [[result.word(i), p] for i, p in drawn.alternatives],
        "run": drawn.run,
    }
