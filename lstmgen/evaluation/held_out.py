"""The texts of a run with which generated text is compared."""

from dataclasses import dataclass
from functools import cached_property

from lstmgen.errors import LstmgenError
from lstmgen.evaluation.scored_text import find_part, run_data
from lstmgen.generation.load import LoadedCheckpoint
from lstmgen.ngrams.kneser_ney import MAX_WORDS
from lstmgen.text.corpus import Ids
from lstmgen.text.in_memory import read_last_forms
from lstmgen.text.spacing import Kind, detokenize
from lstmgen.text.vocabulary import STORY

MAX_TOKENS = 50_000  # of a held-out text that are read


@dataclass(frozen=True)
class HeldOut:
    """Text that a model was not trained on.

    Attributes:
        ids: (tokens,) with ``<story>``; larger ids are unknown words.
        forms: of the same tokens, unknown words as they are written.
    """

    ids: Ids
    forms: tuple[str, ...]
    kind: Kind

    @cached_property
    def texts(self) -> list[str]:
        """The text of each document."""
        documents: list[list[str]] = [[]]
        for form in self.forms:
            if form == STORY:
                documents.append([])
            else:
                documents[-1].append(form)
        return [detokenize(forms, kind=self.kind) for forms in documents if forms]


def read_held_out(loaded: LoadedCheckpoint) -> HeldOut | None:
    """The beginning of a run's validation text; None if it has none or its text is gone."""
    try:
        part, _ = find_part(loaded, text=None, split="valid")
        data = run_data(loaded)
        sources, key = data.valid, "data.valid"
        if sources is None:
            sources, key = data.train or "", "data.train"
        forms = read_last_forms(sources, len(part.ids), data=data, key=key)
    except LstmgenError:
        return None
    forms[0] = STORY  # of a part that begins inside a file, this is the token before it
    return HeldOut(part.ids[:MAX_TOKENS], tuple(forms[:MAX_TOKENS]), data.tokenizer)


def read_train_ids(loaded: LoadedCheckpoint) -> Ids | None:
    """The ids of a run's training text; None if it is gone or too long to count."""
    try:
        train, _ = find_part(loaded, text=None, split="train")
    except LstmgenError:
        return None
    return train.ids if len(train.ids) <= MAX_WORDS else None
