"""A loaded model with its vocabulary and config."""

from dataclasses import dataclass
from functools import cached_property

from lstmgen.config.schema import Config, SampleConfig
from lstmgen.errors import UsageError, printable
from lstmgen.generation.constraints import (
    BoundWords,
    Constraints,
    find_bound_words,
    resolve_constraints,
)
from lstmgen.generation.continuation import Endings
from lstmgen.generation.ngram_guide import find_guide, unseen_pairs
from lstmgen.generation.numpy_engine import Engine
from lstmgen.ngrams.kneser_ney import KneserNey
from lstmgen.ngrams.unseen_pairs import UnseenPairs
from lstmgen.text.copy_index import CopyIndex
from lstmgen.text.passage_unit import PassageUnit, passage_unit
from lstmgen.text.spacing import Kind, surface_of
from lstmgen.text.vocabulary import STORY, Vocabulary


@dataclass(frozen=True)
class Generator:
    """What ``continuing.continue_cue`` needs of a checkpoint."""

    config: Config
    vocabulary: Vocabulary
    engine: Engine
    copies: CopyIndex | None = None  # the index of the training text, if there is one
    ngrams: KneserNey | None = None  # of the training text, if there are any

    @property
    def kind(self) -> Kind:
        """The kind of tokenizer."""
        return self.config.data.tokenizer

    def constraints(self, sample: SampleConfig) -> Constraints:
        """Resolve the constraints of a sampling config.

        Raises:
            CheckpointError, UsageError: if no word is left to draw, or a setting needs an index
                or n-grams that the checkpoint lacks.
        """
        if sample.max_copied is not None:
            self.require_copies("--max-copied")
        for option, value in (
            ("--ngram-weight", sample.ngram_weight),
            ("--pair-penalty", sample.pair_penalty),
        ):
            if value and self.ngrams is None:
                raise UsageError(
                    f"{option} {value:g}: this checkpoint holds no n-grams of its training text "
                    "(data.ngrams: false, a text of characters, more than a million tokens, "
                    "exported without them, or made by an older lstmgen). Leave the option out"
                )
        return resolve_constraints(
            sample,
            self.vocabulary,
            kind=self.kind,
            bound=self._bound_words,
            unit=self.passage_unit,
            guide=find_guide(sample, self.ngrams, self._unseen_pairs),
        )

    def start_ids(self, sample: SampleConfig) -> list[int]:
        """The ids with which a text begins: of ``<story>``, and of the tag if one is chosen.

        Raises:
            UsageError: if the model has no such tag.
        """
        story, tags = self.vocabulary.ids[STORY], self.vocabulary.tags
        if sample.tag is None:
            return [story]
        if not tags:
            raise UsageError(
                f"--tag {printable(sample.tag)}: this model has no tags. Leave the option out, or "
                "train with data.tags=true"
            )
        if sample.tag not in tags:
            names = ", ".join(map(printable, tags))
            raise UsageError(
                f"--tag {printable(sample.tag)}: the model has no such tag. There are {names}"
            )
        return [story, tags[sample.tag]]

    def surface(self, word: int) -> str:
        """The text of a word, given its id."""
        return surface_of(self.vocabulary.entries[word], self.kind)

    def require_copies(self, option: str) -> CopyIndex:
        """The index of the training text, which ``option`` needs.

        Raises:
            UsageError: if the checkpoint has none.
        """
        if self.copies is None:
            raise UsageError(
                f"{option}: this checkpoint holds no index of its training text "
                "(data.copy_index: false, a text of characters, more than 5 million tokens, or "
                "exported without it)"
            )
        return self.copies

    @cached_property
    def passage_unit(self) -> PassageUnit:
        """The unit of copied passages."""
        return passage_unit(self.vocabulary, kind=self.kind)

    @cached_property
    def endings(self) -> Endings:
        """How sentences and paragraphs end in the training text."""
        style = self.vocabulary.style
        if style is None:
            return Endings()
        words = frozenset(map(self.surface, style.abbreviations))
        return Endings(style.wrapped, style.cased, words)

    @cached_property
    def _unseen_pairs(self) -> UnseenPairs | None:
        if self.ngrams is None:
            return None
        return unseen_pairs(self.ngrams, self.vocabulary, kind=self.kind)

    @cached_property
    def _bound_words(self) -> BoundWords | None:
        return find_bound_words(self.vocabulary) if self.kind == "word" else None
