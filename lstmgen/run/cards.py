"""The facts that stand on a training's start card."""

import math
from pathlib import Path

from lstmgen.config.schema import Config, ModelConfig
from lstmgen.ngrams.unigram import unigram_perplexity
from lstmgen.run.events import Started
from lstmgen.text.prepared import Corpus
from lstmgen.windows.plans import Fit


def start_card(
    run: Path,
    config: Config,
    corpus: Corpus,
    fit: Fit,
    *,
    parameters: int,
    epochs: float,
    steps: int,
    device: str,
    resumed_at: int | None,
) -> Started:
    """The card of a run whose sizes are all known."""
    vocabulary, valid = corpus.vocabulary, corpus.valid
    unigram = math.nan
    if valid is not None:
        unigram = unigram_perplexity(vocabulary.counts, valid.ids, unknown_id=vocabulary.unknown_id)
    return Started(
        run=run,
        files=corpus.files,
        train_tokens=corpus.train.tokens,
        valid_tokens=valid.tokens if valid else 0,
        unknown_share=valid.unknown / valid.tokens if valid else 0.0,
        vocab_size=len(vocabulary),
        parameters=parameters,
        cell=_name_cell(config.model),
        sizes=" + ".join(str(size) for size in config.model.hidden_sizes),
        output=config.model.output,
        window=fit.window,
        stride=fit.stride,
        order=config.train.order,
        batch_size=fit.batch_size,
        accumulate=fit.accumulate,
        epochs=epochs,
        steps=steps,
        device=device,
        uniform=float(len(vocabulary)),
        unigram=unigram,
        resumed_at=resumed_at,
    )


def _name_cell(model: ModelConfig) -> str:
    names = {"elman": "Elman", "gru": "GRU", "lstm": "LSTM"}
    return names.get(model.cell) or f"LSTM with {model.peephole or 'diagonal'} peepholes"
