"""The n-gram model of a run's training text: the baseline to beat."""

from lstmgen.config.schema import DataConfig
from lstmgen.errors import LstmgenError
from lstmgen.evaluation.scored_text import find_part
from lstmgen.generation.load import LoadedCheckpoint
from lstmgen.ngrams.kneser_ney import MAX_WORDS, KneserNey, build_kneser_ney
from lstmgen.text.corpus import Part
from lstmgen.text.vocabulary import Vocabulary

MAX_STORED = 1_000_000  # tokens of a training text whose n-grams are kept in checkpoints


def count_ngrams(train: Part, vocabulary: Vocabulary, *, order: int) -> KneserNey | None:
    """The n-gram model of a training text; None if that is too long to count."""
    if len(train.ids) > MAX_WORDS:
        return None
    return build_kneser_ney(train.ids, order=order, vocab_size=len(vocabulary))


def stores_ngrams(data: DataConfig, train: Part) -> bool:
    """Whether the checkpoints of a text keep its n-gram model."""
    return data.ngrams and data.tokenizer != "character" and len(train.ids) <= MAX_STORED


def count_run(loaded: LoadedCheckpoint, *, order: int) -> KneserNey | None:
    """The n-gram model of a checkpoint's training text; None if that is not available."""
    try:
        train, _ = find_part(loaded, text=None, split="train")
    except LstmgenError:
        return None
    return count_ngrams(train, loaded.vocabulary, order=order)
