"""The measures of generated text, as a table and as JSON."""

from collections.abc import Callable
from typing import Any, TypeVar

from lstmgen.errors import counted
from lstmgen.evaluation.grammar import Lints, has_harper
from lstmgen.evaluation.minimal_pairs import Agreement
from lstmgen.evaluation.ngram_perplexity import ORDER, NgramScore
from lstmgen.evaluation.pair_novelty import PairNovelty
from lstmgen.evaluation.sample_quality import SampleQuality
from lstmgen.evaluation.text_quality import TextQuality
from lstmgen.reporting.number_format import percent, perplexity
from lstmgen.reporting.sample_page import copied_summary

T = TypeVar("T")
Row = tuple[str, str, str]  # label, value of the samples, value of the held-out text

GET_HARPER = "lints per 100 words need Harper: pip install 'lstmgen[grammar]'"


def quality_json(quality: SampleQuality) -> dict[str, object]:
    """All measures; null where there is no figure."""
    novelty, copies = quality.novelty, quality.has_copies
    text, held_out = quality.text, quality.held_out_text
    return {
        "sampled_words": text.words,
        "copied_unit": novelty.unit.name,
        "copied_share": novelty.copied_fraction if copies else None,
        "longest_run": novelty.longest if copies else None,
        "distinct_2": novelty.distinct_2,
        "samples": {
            "number": quality.samples,
            "seed": quality.seed,
            "words": text.words,
            "tokens": quality.tokens,
            "held_out_words": None if held_out is None else held_out.words,
            "held_out_tokens": quality.held_out_tokens or None,
            "settings": quality.settings.model_dump(exclude={"cues"}),
            "novel_pairs": _both(_pairs_json, quality.pairs, quality.held_out_pairs),
            "ngram_order": ORDER,
            "forward_perplexity": _both(_perplexity, quality.forward, quality.held_out_forward),
            "reverse_perplexity": {
                "samples": _perplexity(quality.reverse),
                "training_text": _perplexity(quality.reverse_train),
            },
            "sentence_words": _both(_sentences_json, text, held_out),
            "dialogue_paragraphs": _both(_dialogue, text, held_out),
            "unbalanced_paragraphs": _both(_unbalanced, text, held_out),
            "unfinished_samples": text.unfinished_fraction,
            "agreement": _agreement_json(quality.agreement),
            "lints_per_100_words": _both(_lints_json, quality.lints, quality.held_out_lints),
        },
    }


def quality_table(quality: SampleQuality) -> str:
    """All measures that have a figure, beside those of the held-out text."""
    settings, held_out = quality.settings, quality.held_out_text
    beams = "" if settings.beams is None else f", {settings.beams} beams"
    novelty, unit = quality.novelty, quality.novelty.unit.name
    top = [
        ("samples", f"{quality.samples:,}, seed {quality.seed}, temperature "
         f"{settings.temperature:g}, top-p {settings.top_p:g}{beams}"),
        (f"{unit} sampled", f"{quality.text.words:,}"),
        ("tokens sampled", f"{quality.tokens:,}"),
        *([copied_summary(novelty)] if quality.has_copies else []),
        ("distinct-2", f"{novelty.distinct_2:.3f}"),
    ]  # fmt: skip
    lines = [f"{label:<36}{value}" for label, value in top]
    head = "" if held_out is None else f"held-out text ({held_out.words:,} {unit})"
    compared = [row for row in _rows(quality) if row[1]]
    lines += [f"{'':<36}{'samples':<22}{head}".rstrip()] if compared else []
    lines += [f"{label:<36}{value:<22}{other}".rstrip() for label, value, other in compared]
    agreement = quality.agreement
    if agreement is not None and agreement.fraction is not None:
        pairs = counted(sum(agreement.pairs.values()), "pair")
        value = f"{percent(agreement.fraction)} of {pairs} of held-out text"
        lines.append(f"{'agreement: right form likelier':<36}{value}")
    if quality.english and not has_harper():
        lines.append(GET_HARPER)
    return "\n".join(lines)


def _rows(quality: SampleQuality) -> list[Row]:
    """The measures that held-out text has too; a value is empty where there is no figure."""
    text, held_out = quality.text, quality.held_out_text
    as_much = _format(perplexity, _perplexity(quality.reverse_train))
    return [
        _row("novel pairs of tokens", percent, _fraction, quality.pairs, quality.held_out_pairs),
        _row(f"forward {ORDER}-gram perplexity", perplexity, _perplexity, quality.forward,
             quality.held_out_forward),
        (f"reverse {ORDER}-gram perplexity", _format(perplexity, _perplexity(quality.reverse)),
         f"({as_much} from as many tokens of training text)" if as_much else ""),
        (f"{quality.novelty.unit.name} per sentence (quartiles)", _sentences(text),
         _sentences(held_out)),
        _row("paragraphs with a quotation", percent, _dialogue, text, held_out),
        _row("paragraphs with unbalanced marks", percent, _unbalanced, text, held_out),
        ("samples that end inside a sentence", _format(percent, text.unfinished_fraction), ""),
        _row("lints per 100 words", "{:.2f}".format, _lints, quality.lints,
             quality.held_out_lints),
    ]  # fmt: skip


def _row(
    label: str,
    style: Callable[[float], str],
    value: Callable[[T | None], float | None],
    samples: T | None,
    held_out: T | None,
) -> Row:
    return label, _format(style, value(samples)), _format(style, value(held_out))


def _format(style: Callable[[float], str], value: float | None) -> str:
    return "" if value is None else style(value)


def _both(value: Callable[[T | None], Any], samples: T | None, held_out: T | None) -> Any:
    return {"samples": value(samples), "held_out": value(held_out)}


def _fraction(pairs: PairNovelty | None) -> float | None:
    return pairs.fraction if pairs is not None and pairs.pairs else None


def _pairs_json(pairs: PairNovelty | None) -> object:
    return None if pairs is None else {"fraction": _fraction(pairs), "pairs": pairs.pairs}


def _perplexity(score: NgramScore | None) -> float | None:
    return score.perplexity if score is not None and score.words else None


def _sentences_json(text: TextQuality | None) -> object:
    if text is None:
        return None
    return {
        "mean": text.mean_sentence,
        "quartiles": text.sentence_quartiles,
        "sentences": len(text.sentence_lengths),
    }


def _sentences(text: TextQuality | None) -> str:
    if text is None or text.mean_sentence is None:
        return ""
    quartiles = text.sentence_quartiles or ()
    inside = ", ".join(f"{value:.0f}" for value in quartiles)
    return f"{text.mean_sentence:.1f}" + (f" ({inside})" if inside else "")


def _dialogue(text: TextQuality | None) -> float | None:
    return None if text is None else text.dialogue_fraction


def _unbalanced(text: TextQuality | None) -> float | None:
    return None if text is None else text.unbalanced_fraction


def _agreement_json(agreement: Agreement | None) -> object:
    if agreement is None:
        return None
    return {
        "fraction": agreement.fraction,
        "pairs": sum(agreement.pairs.values()),
        "kinds": {
            kind: {"right": agreement.right[kind], "pairs": pairs}
            for kind, pairs in agreement.pairs.items()
        },
    }


def _lints(lints: Lints | None) -> float | None:
    return None if lints is None else lints.per_hundred_words


def _lints_json(lints: Lints | None) -> object:
    return None if lints is None else {"rate": _lints(lints), **lints.kinds, "words": lints.words}
