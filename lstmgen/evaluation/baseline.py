"""The n-gram model of a run's training text: the baseline to beat."""

from lstmgen.errors import LstmgenError
from lstmgen.evaluation.scored_text import find_part
from lstmgen.generation.load import LoadedCheckpoint
from lstmgen.ngrams.kneser_ney import MAX_WORDS, KneserNey, build_kneser_ney
from lstmgen.text.corpus import Part
from lstmgen.text.vocabulary import Vocabulary


def count_ngrams(train: Part, vocabulary: Vocabulary, *, order: int) -> KneserNey | None:
    """The n-gram model of a training text; None if that is too long to count."""
    if len(train.ids) > MAX_WORDS:
        return None
    return build_kneser_ney(train.ids, order=order, vocab_size=len(vocabulary))


def count_run(loaded: LoadedCheckpoint, *, order: int) -> KneserNey | None:
    """The n-gram model of a checkpoint's training text; None if that is not available."""
    try:
        train, _ = find_part(loaded, text=None, split="train")
    except LstmgenError:
        return None
    return count_ngrams(train, loaded.vocabulary, order=order)
