"""Choosing among candidate sentences (``sample.best_of``).

From the end of one sentence to the end of the next, several candidates are drawn, and the text
continues with the best. A candidate's score, in nats for a token, is how much likelier its words
are than the model expects of its own (the mean of log-probability plus entropy, both after
n-grams and constraints), minus a penalty for each thing that readers notice: copied words,
repeated words, a sentence that breaks off, a quotation that begins with a small letter, an open
quotation mark. A plain log-probability
would prefer short and common sentences.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from lstmgen.config.schema import SampleConfig
from lstmgen.generation.branch import Branch, Drawing, Logits
from lstmgen.generation.next_word import join_rows, select_rows
from lstmgen.generation.novelty import min_length
from lstmgen.generation.numpy_engine import States
from lstmgen.generation.pieces import Piece
from lstmgen.generation.sampling import NONE_LEFT, Scores, draw, filter_scores, probabilities

MAX_TOKENS = 40  # of a candidate; a longer sentence is chosen in parts
COPIED, REPEATED, BROKEN, LOWER, OPEN = 1.0, 1.0, 1.0, 0.5, 0.1  # nats of each penalty
REPEAT = 3  # tokens in a row that count as repeated if the text has them already
ROWS = 64  # candidates that are drawn at a time


@dataclass
class Text:
    """A text that grows by sentences.

    Attributes:
        states: of the model after it, (1, hidden) each; None once it has ended.
        sequences: all ``REPEAT`` tokens in a row that it has.
    """

    branch: Branch
    states: States | None
    sentences: int = 0
    sequences: set[tuple[int, ...]] = field(default_factory=set)


@dataclass
class Candidate:
    """A sentence that may come next.

    Attributes:
        states: of the model after it, (1, hidden) each; None if the text ends with it.
        surplus: its log-probability plus the entropies before its words, summed.
        copied: number of its words that continue a copied passage.
        sequences: the ``REPEAT`` tokens in a row that end in it.
        broken: whether the text ends with it, inside a sentence.
        lower: number of its quotations that begin with a small letter.
    """

    branch: Branch
    generator: np.random.Generator
    states: States | None = None
    ids: list[int] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    surplus: float = 0.0
    copied: int = 0
    sequences: list[tuple[int, ...]] = field(default_factory=list)
    broken: bool = False
    lower: int = 0

    def score(self, text: Text) -> float:
        """The score after a text, in nats for a token."""
        repeated = sum(sequence in text.sequences for sequence in self.sequences)
        total = self.surplus - COPIED * self.copied - REPEATED * repeated
        penalty = BROKEN * self.broken + LOWER * self.lower + OPEN * self.branch.history.marks_open
        return total / max(1, len(self.ids)) - penalty


def chooses_sentences(sample: SampleConfig) -> bool:
    """Whether sentences are chosen among candidates; at temperature 0 all would be the same."""
    return (sample.best_of or 1) > 1 and sample.temperature != 0


def draw_best(
    drawing: Drawing, branches: Sequence[Branch], states: States, *, details: bool
) -> Iterator[Piece]:
    """Continue texts sentence by sentence.

    Args:
        states: of the model, (branches, hidden) each.
        details: attach the model's view of each word.
    """
    size = max(1, ROWS // (drawing.constraints.sample.best_of or 1))
    rows = [Text(branch, select_rows(states, [row])) for row, branch in enumerate(branches)]
    for start in range(0, len(rows), size):
        texts = rows[start : start + size]
        while texts:
            for best in choose(drawing, texts, details=details):
                yield from best.pieces
            texts = [text for text in texts if text.states is not None]


def choose(drawing: Drawing, texts: Sequence[Text], *, details: bool = False) -> list[Candidate]:
    """Draw candidates for each text, and add the best one to it; the first one, if tied.

    Returns:
        The best candidate of each text.
    """
    count = drawing.constraints.sample.best_of or 1
    candidates = [[_start(text, number) for number in range(count)] for text in texts]
    flat = [candidate for group in candidates for candidate in group]
    states = join_rows([text.states for text in texts if text.states is not None])
    _draw(drawing, flat, select_rows(states, np.arange(len(flat)) // count), details=details)
    chosen = []
    for text, group in zip(texts, candidates, strict=True):
        best = max(group, key=lambda candidate: candidate.score(text))
        text.branch, text.states = best.branch, best.states
        text.sentences += 1
        text.sequences.update(best.sequences)
        chosen.append(best)
    return chosen


def _start(text: Text, number: int) -> Candidate:
    seed = (*text.branch.seed, text.sentences, number)
    return Candidate(text.branch.fork(), np.random.default_rng(seed))


def _draw(drawing: Drawing, candidates: list[Candidate], states: States, *, details: bool) -> None:
    """Draw candidates word by word, in one batch, each to the end of its sentence."""
    engine, sample = drawing.generator.engine, drawing.constraints.sample
    live = candidates
    while live:
        logits, scores = drawing.scores(states, [candidate.branch for candidate in live])
        expected = _expected(scores)
        words = draw(filter_scores(scores, sample), [c.generator for c in live])
        unfinished = []
        for row, (candidate, word) in enumerate(zip(live, words.tolist(), strict=True)):
            if _ends_before(drawing, candidate, word):
                candidate.states = select_rows(states, [row])
                continue
            candidate.surplus += float(scores[row, word] - expected[row]) if word >= 0 else 0.0
            output = states[-1].hidden[row]
            if _add(drawing, candidate, word, logits[row], output, details=details):
                unfinished.append(row)
        live = [live[row] for row in unfinished]
        if live:
            states = engine.read(words[unfinished], select_rows(states, unfinished))


def _expected(scores: Scores) -> Scores:
    """The expected score of the next word, (rows,)."""
    p = probabilities(scores)
    expected: Scores = (p * np.where(p > 0, scores, 0.0)).sum(axis=1)
    return expected


def _ends_before(drawing: Drawing, candidate: Candidate, word: int) -> bool:
    """Whether a candidate is complete before a word, and the text continues."""
    branch = candidate.branch
    if word == NONE_LEFT or not candidate.ids or branch.continuation.is_due:
        return False
    token = drawing.generator.vocabulary.entries[word]
    marks_open = branch.history.marks_open
    long = len(candidate.ids) >= MAX_TOKENS
    return long or branch.continuation.sentence_ends_before(token, marks_open=marks_open)


def _add(
    drawing: Drawing, candidate: Candidate, word: int, logits: Logits, output: Logits, *,
    details: bool,
) -> bool:  # fmt: skip
    """Add a word to a candidate; whether the text continues."""
    branch = candidate.branch
    if word == NONE_LEFT:
        candidate.pieces.append(Piece(branch.continuation.number, "", ended=True))
        return False
    before = branch.history.context[1 - REPEAT :]
    opened = branch.history.open.just_opened
    piece = drawing.add(branch, word, logits, output, details=details)
    candidate.pieces.append(piece)
    if piece.ended and not piece.text:  # it ended before this word
        return False
    candidate.ids.append(word)
    candidate.lower += opened and piece.text[:1].islower()
    if len(before) == REPEAT - 1:
        candidate.sequences.append((*before, word))
    meter = branch.history.meter
    if meter is not None and word in branch.history.word_ids:
        candidate.copied += meter.run >= min_length(drawing.constraints.unit)
    candidate.broken = piece.ended and not branch.continuation.closing
    return not piece.ended
