"""The sampling settings that training has chosen by the text (``evaluation.choose_sampling``)."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # pydantic, which the training's console does not need
    from lstmgen.config.schema import SampleConfig

TEMPERATURE = 0.8  # where none has been chosen
BEST_OF = 1  # candidates for each sentence (benchmarks/RESULTS.md has the comparison)
PAIR_PENALTY = 3.0  # for checkpoints with n-grams
MOST = {"temperature": 10.0, "ngram_weight": 0.99, "novelty": 1.0, "held_out_novelty": 1.0}


@dataclass(frozen=True)
class ChosenSampling:
    """Settings for a checkpoint, and the figures that they were chosen by.

    Attributes:
        novelty, held_out_novelty: fractions of word pairs that the training text does not have,
            in samples at this temperature and in held-out text.
        words: of the samples.
        seed: of the samples.
    """

    temperature: float
    ngram_weight: float
    novelty: float
    held_out_novelty: float
    words: int
    seed: int

    def as_json(self) -> dict[str, Any]:
        """A value that ``from_json`` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> "ChosenSampling":
        """Read settings from untrusted JSON; a ValueError if they are not valid."""
        if not isinstance(value, dict) or set(value) != {*MOST, "words", "seed"}:
            raise ValueError("other keys than chosen settings have")
        for name, most in MOST.items():
            number = value[name]
            if type(number) is not float or not 0 <= number <= most:  # NaN is not
                raise ValueError(f"{name} is no number from 0 to {most:g}")
        for name in ("words", "seed"):
            if type(value[name]) is not int or not 0 <= value[name] < 2**63:
                raise ValueError(f"{name} is no count")
        return cls(**value)


def needs_copies(sample: "SampleConfig") -> bool:
    """Whether sampling reads the index of the training text."""
    best_of = BEST_OF if sample.best_of is None else sample.best_of
    return sample.max_copied is not None or best_of > 1


def resolve_sample(
    sample: "SampleConfig", chosen: ChosenSampling | None, *, has_ngrams: bool
) -> "SampleConfig":
    """Replace the null settings of a sampling config by those that were chosen, or the defaults."""
    defaults: dict[str, object] = {
        "temperature": TEMPERATURE if chosen is None else chosen.temperature,
        "ngram_weight": chosen.ngram_weight if chosen is not None and has_ngrams else 0.0,
        "pair_penalty": PAIR_PENALTY if has_ngrams else 0.0,
        "best_of": BEST_OF,
    }
    values = {name: value for name, value in defaults.items() if getattr(sample, name) is None}
    return sample.model_copy(update=values)
