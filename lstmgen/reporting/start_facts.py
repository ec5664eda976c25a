"""The facts of a run before its first step, for people."""

import math

from lstmgen.errors import counted
from lstmgen.reporting import number_format
from lstmgen.training.events import Started


def start_facts(card: Started) -> list[tuple[str, str]]:
    """What is trained on what and how, as labels and values."""
    files = counted(card.files, "file")
    valid = f", {card.valid_tokens:,} for validation" if card.valid_tokens else ""
    scored = card.batch_size * card.accumulate * card.stride
    batch = counted(card.batch_size * card.accumulate, "sequence")
    if card.accumulate > 1:
        batch = f"{card.batch_size} x {card.accumulate} = {batch}"
    kind = "dense" if card.stride == card.window else "overlapping"
    if card.stride == 1 and card.window > 1:
        kind = "many-to-one"
    parameters = f"{counted(card.parameters, 'parameter')}{number_format.output_label(card.output)}"
    units = "unit" if card.sizes == "1" else "units"
    window = counted(card.window, "word")
    rows = [
        ("text", f"{counted(card.train_tokens, 'token')} in {files}{valid}"),
        ("vocabulary", counted(card.vocab_size, "entry", "entries")),
        ("model", f"{card.cell}, {card.sizes} {units}, {parameters}"),
        ("window", f"{window}, {card.stride} scored ({kind}), {card.order}"),
        ("one step", f"{batch}, {counted(scored, 'word')} scored"),
        *([("shared by", card.shared)] if card.shared else []),
        ("steps", f"{card.steps:,} ({number_format.epochs(card.epochs)})"),
        ("device", card.device),
        ("baselines", _describe_baselines(card)),
        ("run", str(card.run)),
    ]
    if card.base:
        rows.insert(-1, ("started from", _describe_base(card)))
    if card.valid_tokens and card.unknown_share:
        unknown = number_format.percent(card.unknown_share)
        rows.insert(2, ("unknown words", f"{unknown} of validation"))
    if card.resumed_at is not None:
        rows.append(("resumed at", f"step {card.resumed_at:,}"))
    return rows


def ngram_name(card: Started) -> str:
    """The name of the n-gram baseline."""
    return f"{card.ngram_order}-gram"


def _describe_baselines(card: Started) -> str:
    baselines = f"{card.uniform:,.0f} uniform"
    if not math.isnan(card.unigram):
        baselines += f", {number_format.perplexity(card.unigram)} unigram"
    if not math.isnan(card.ngram):
        baselines += f", {number_format.perplexity(card.ngram)} {ngram_name(card)} (Kneser-Ney)"
    return baselines


def _describe_base(card: Started) -> str:
    entries = counted(card.vocab_size, "entry", "entries")
    coverage = (
        f"{card.base}, which has {card.base_found:,} of {entries} "
        f"({number_format.percent(card.base_covered)} of the text)"
    )
    if math.isnan(card.base_perplexity):
        return coverage
    return (
        f"{coverage}; perplexity {number_format.perplexity(card.base_perplexity)} before training"
    )
