"""The facts on a training's start card."""

import math
from pathlib import Path

from lstmgen.cells.registry import CELLS
from lstmgen.evaluation.perplexity import evaluate
from lstmgen.ngrams.kneser_ney import DEFAULT_ORDER, KneserNey, build_unigram
from lstmgen.training.build import TrainingSetup
from lstmgen.training.distributed import World
from lstmgen.training.events import Started


def start_card(
    run: Path,
    setup: TrainingSetup,
    world: World,
    ngrams: KneserNey | None,
    *,
    resumed_at: int | None,
) -> Started:
    """The start card of a training; it scores the n-gram baselines, so it takes a while.

    Args:
        ngrams: the n-gram model of the training text; None if that is too long.
    """
    config, corpus, fit = setup.config, setup.corpus, setup.fit
    vocabulary, valid = corpus.vocabulary, corpus.valid
    unigram = ngram = math.nan
    if valid is not None:
        unigram = build_unigram(vocabulary.counts).perplexity(valid.ids)
        ngram = math.nan if ngrams is None else ngrams.perplexity(valid.ids)
    init, base_perplexity = setup.init, math.nan
    if init is not None and valid is not None:
        model = setup.state.model
        base_perplexity = evaluate(model, valid, unknown_id=vocabulary.unknown_id).perplexity
    return Started(
        run=run,
        files=corpus.files,
        train_tokens=corpus.train.tokens,
        valid_tokens=valid.tokens if valid else 0,
        unknown_share=valid.unknown / valid.tokens if valid else 0.0,
        vocab_size=len(vocabulary),
        parameters=sum(p.numel() for p in setup.state.model.parameters()),
        cell=CELLS[config.model.cell].title.format(peephole=config.model.peephole or "diagonal"),
        sizes=" + ".join(str(size) for size in config.model.hidden_sizes),
        output=config.model.output,
        window=fit.window,
        stride=fit.stride,
        order=config.train.order,
        batch_size=fit.batch_size,
        accumulate=fit.accumulate,
        shared=world.share(batch_size=fit.batch_size, accumulate=fit.accumulate),
        epochs=setup.epochs,
        steps=setup.until,
        device=setup.device,
        uniform=float(len(vocabulary)),
        unigram=unigram,
        ngram=ngram,
        ngram_order=DEFAULT_ORDER,
        base="" if init is None else init.name,
        base_found=0 if init is None else init.match.found,
        base_covered=0.0 if init is None else init.match.covered,
        base_perplexity=base_perplexity,
        resumed_at=resumed_at,
    )
