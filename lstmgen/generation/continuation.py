"""One continuation: its text so far, and where it ends."""

from dataclasses import dataclass

from lstmgen.config.schema import SampleConfig
from lstmgen.generation.pieces import Piece
from lstmgen.text.spacing import Detokenizer, is_word, surface_of
from lstmgen.text.vocabulary import STORY

_SENTENCE_ENDS = ".!?…。！？"
_CLOSERS = "\"'”’)]»"
MAX_WORDLESS = 200  # tokens without a word after which a sample always ends


@dataclass
class Continuation:
    """One continuation during generation."""

    number: int  # of the sample
    sample: SampleConfig  # for ``words``, ``min_words``, ``stop`` and ``stop_at``
    detokenizer: Detokenizer
    typed_space: bool  # the cue ended in the space before the first word
    words: int = 0  # new tokens that contain a letter or digit
    wordless: int = 0  # tokens since the last of them
    closing: bool = False  # the sentence has ended; only closing marks may follow
    tail: str = ""  # the end of the text, in which ``stop_at`` may begin

    def add(self, token: str) -> Piece:
        """Add a drawn token, or end before it."""
        surface = surface_of(token, self.detokenizer.kind)
        text = "" if token == STORY else self.detokenizer.add(token)
        if self._ends_before(token, surface, text):
            return Piece(self.number, "", ended=True)
        if self.typed_space:
            text, self.typed_space = text.removeprefix(" "), False
        is_word = any(character.isalnum() for character in surface)
        self.words += is_word
        self.wordless = 0 if is_word else self.wordless + 1
        if self.sample.stop == "sentence":
            last = surface.rstrip(_CLOSERS)[-1:]
            closes = surface[-1] in _CLOSERS and not last and self.closing
            self.closing = self.words >= self.sample.min_words and (
                closes or (last != "" and last in _SENTENCE_ENDS)
            )
        stop_at = self.sample.stop_at if self.words >= self.sample.min_words else ""
        text, found = self._cut(text, stop_at)
        ended = found or self.words >= self.sample.words or self.wordless > MAX_WORDLESS
        return Piece(self.number, text, ended=ended)

    def _ends_before(self, token: str, surface: str, text: str) -> bool:
        if token == STORY:
            return True
        if self.sample.stop == "paragraph" and "\n" in surface:
            return self.words >= max(1, self.sample.min_words)
        if not self.closing or text.startswith(" ") or surface[0].isspace():
            return self.closing
        # Without a space may follow: closing marks, more end marks, or (as characters) "3.5"
        return is_word(self.detokenizer.kind) and surface not in _CLOSERS + _SENTENCE_ENDS

    def _cut(self, text: str, stop_at: str) -> tuple[str, bool]:
        """The text up to the end of ``stop_at``, and whether it was found."""
        if not stop_at:
            return text, False
        joined = self.tail + text
        place = joined.find(stop_at)
        if place < 0:
            self.tail = joined[max(0, len(joined) - len(stop_at) + 1) :]
            return text, False
        return joined[len(self.tail) : place + len(stop_at)], True
