"""Lints of English text by Harper, an offline grammar checker (``pip install 'lstmgen[grammar]'``).

Only three kinds are counted, which are faults in any style of English; not those of spelling, style
or punctuation.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from lstmgen.evaluation.text_quality import count_words

KINDS = {"Agreement": "agreement", "Grammar": "grammar", "Repetition": "repetition"}  # Harper's


@dataclass(frozen=True)
class Lints:
    """Counts of lints; only the property divides."""

    kinds: Mapping[str, int]  # for each kind
    words: int

    @property
    def per_hundred_words(self) -> float | None:
        """Lints of all kinds per 100 words; None without a word."""
        return 100 * sum(self.kinds.values()) / self.words if self.words else None


def has_harper() -> bool:
    """Whether the optional package is installed."""
    return find_spec("harper") is not None


def count_lints(texts: Iterable[str]) -> Lints:
    """Count the lints of English texts.

    Raises:
        ImportError: if Harper is not installed (``has_harper``).
    """
    from harper import Linter  # an optional package

    linter, kinds, words = Linter(), dict.fromkeys(KINDS.values(), 0), 0
    for text in texts:
        words += count_words(text)
        for lint in linter.lint(text, language="plaintext"):
            if lint.lint_kind in KINDS:
                kinds[KINDS[lint.lint_kind]] += 1
    return Lints(kinds, words)
