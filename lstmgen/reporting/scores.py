"""The output of ``lstmgen evaluate``, as a table and as JSON."""

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from lstmgen.errors import counted, printable
from lstmgen.evaluation.sample_quality import SampleQuality
from lstmgen.reporting.number_format import (
    compare_with_ngram,
    output_label,
    percent,
    perplexity,
    unknown_label,
)
from lstmgen.reporting.sample_scores import quality_json, quality_table

if TYPE_CHECKING:  # torch
    from lstmgen.evaluation.adaptation import AdaptiveScores
    from lstmgen.evaluation.score_checkpoint import ScoreResult


def scores_json(
    scored: "ScoreResult", adapted: "AdaptiveScores | None", quality: SampleQuality | None
) -> dict[str, object]:
    """All results of an evaluation."""
    return (
        _score_json(scored)
        | ({} if quality is None else quality_json(quality))
        | _adapted_json(adapted)
    )


def scores_page(
    scored: "ScoreResult", adapted: "AdaptiveScores | None", quality: SampleQuality | None
) -> str:
    """The tables of an evaluation."""
    tables = [_score_table(scored)]
    if adapted is not None:
        tables.append(_adapted_table(adapted, scored.output))
    if quality is not None:
        tables.append(quality_table(quality))
    return "\n".join(tables)


def _name(parts: tuple[str, ...], order: int) -> str:
    names = {"dynamic": "dynamic evaluation", "ngram": f"{order}-gram"}
    return " + ".join(names.get(part, part) for part in parts)


def _adapted_json(adapted: "AdaptiveScores | None") -> dict[str, object]:
    if adapted is None:
        return {}
    return {
        "adapted": [
            {"parts": line.parts, "weights": line.weights, "perplexity": line.perplexity}
            for line in adapted.lines
        ],
        "adapted_words": adapted.words,
        "tuned": asdict(adapted.tuned),
    }


def _adapted_table(adapted: "AdaptiveScores", output: str) -> str:
    tuned = adapted.tuned.adaptation
    rows = [
        (
            _name(line.parts, adapted.tuned.order),
            f"{perplexity(line.perplexity):>8}   "
            + " ".join(f"{weight:.2f}" for weight in line.weights),
        )
        for line in adapted.lines
    ]
    cache, segment = counted(tuned.cache_window, "word"), counted(tuned.dynamic.segment, "word")
    parameters = (
        f"cache of {cache}, theta {tuned.cache_theta:g}; dynamic evaluation "
        f"({tuned.dynamic.rule}) every {segment}, rate {tuned.dynamic.rate:g}, "
        f"decay {tuned.dynamic.decay:g}; tuned on {counted(tuned.words, 'word')} of validation"
    )
    if adapted.stale is not None:
        parameters += f", for step {adapted.stale:,}: lstmgen evaluate --tune tunes for this one"
    scope = f"in one pass, {counted(adapted.words, 'word')}{output_label(output)}"
    head = f"{scope:<38}{'perplexity':>8}   weights"
    return "\n".join([head, *(f"{label:<40}{value}" for label, value in rows), parameters])


def _score_json(scored: "ScoreResult") -> dict[str, object]:
    figures, zero = scored.carried, scored.zero_state
    return {
        "step": scored.step,
        "text": scored.text,
        "words": figures.words,
        "nats_per_word": figures.nats_per_word,
        "perplexity": figures.perplexity,
        "output": scored.output,
        "bits_per_character": figures.bits_per_character,
        "accuracy": figures.accuracy,
        "tokens": figures.tokens,
        "unknown": figures.unknown,
        "unknown_scored": scored.scores_unknown,
        "unigram_perplexity": scored.unigram,
        "ngram_order": scored.order,
        "ngram_perplexity": None if math.isnan(scored.ngram) else scored.ngram,
        "zero_state_perplexity": None if zero is None else zero.perplexity,
        "init_from": scored.init_from,
        "quantized": scored.quantized,
    }


def _score_table(scored: "ScoreResult") -> str:
    figures = scored.carried
    scores_them = "scored" if scored.scores_unknown else "not scored"
    unknown = f"{percent(figures.unknown_share)} ({figures.unknown:,} of "
    unknown += f"{counted(figures.tokens, 'token')}, {scores_them})"
    label = unknown_label(figures.unknown_share)
    ngram = []
    if not math.isnan(scored.ngram):
        comparison = compare_with_ngram(figures.perplexity, scored.ngram)
        ngram = [(f"{scored.order}-gram perplexity", comparison)]
    rows = [
        ("text", f"{printable(scored.text)}, by step {scored.step:,}"),
        ("words scored", f"{figures.words:,}"),
        ("nats per word", f"{figures.nats_per_word:.4f}"),
        ("perplexity", perplexity(figures.perplexity) + output_label(scored.output) + label),
        ("unigram perplexity", perplexity(scored.unigram) + label),
        *ngram,
        ("bits per character", f"{figures.bits_per_character:.4f}"),
        ("top-1 accuracy", percent(figures.accuracy)),
        ("unknown words", unknown),
    ]
    if scored.zero_state is not None:
        rows.insert(4, ("from a zero state", perplexity(scored.zero_state.perplexity)))
    if scored.quantized is not None:
        rows.insert(1, ("weights", f"quantized ({scored.quantized})"))
    if scored.init_from is not None:
        name, digest = scored.init_from["name"], str(scored.init_from.get("digest", ""))
        rows.insert(1, ("started from", printable(f"{name} ({digest[:16]})")))
    return "\n".join(f"{label:<20}{value}" for label, value in rows)
