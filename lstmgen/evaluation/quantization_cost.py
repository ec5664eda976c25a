"""What quantized weights cost: the perplexity of a text with them and without."""

import math
from dataclasses import dataclass

from lstmgen.errors import DataError, UsageError, counted
from lstmgen.evaluation.perplexity import evaluate
from lstmgen.evaluation.score_checkpoint import Scoring
from lstmgen.model.factory import load_weights
from lstmgen.runs.quantizing import MIN_SIZE, dequantize, quantize

MAX_CHANGE = 0.005  # of the perplexity


@dataclass(frozen=True)
class QuantizationCost:
    """Perplexities of one text.

    Attributes:
        text: its name.
        exact, quantized: perplexity with the checkpoint's weights, and with quantized ones.
    """

    text: str
    exact: float
    quantized: float

    @property
    def change(self) -> float:
        """The relative change of the perplexity."""
        return self.quantized / self.exact - 1


def measure_quantization(scoring: Scoring) -> QuantizationCost:
    """Score a text with a checkpoint's weights and with the same weights quantized.

    Raises:
        DataError: if no word of the text is known.
        UsageError: if there is nothing to quantize, or the perplexity changes by ``MAX_CHANGE``
            or more.
    """
    tensors = quantize(scoring.loaded.weights)
    if len(tensors) == len(scoring.loaded.weights):  # no scale
        raise UsageError(
            f"--quantize int8: this model has no matrix of {MIN_SIZE:,} numbers or more, so there "
            "is nothing to quantize. Leave the option out"
        )
    model, part, unknown = scoring.model, scoring.part, scoring.loaded.vocabulary.unknown_id
    exact = evaluate(model, part, unknown_id=unknown)
    if not exact.words:
        raise DataError(
            f"{scoring.name}: none of its {counted(part.tokens, 'word')} is known, so the cost of "
            "quantizing cannot be measured. Use --text FILE"
        )
    load_weights(model, dequantize(tensors), source=str(scoring.loaded.checkpoint.path))
    after = evaluate(model, part, unknown_id=unknown)
    cost = QuantizationCost(scoring.name, exact.perplexity, after.perplexity)
    if not abs(cost.change) < MAX_CHANGE or math.isinf(cost.exact):
        raise UsageError(
            f"--quantize int8 changes the perplexity of {scoring.name} by {cost.change:+.2%}, from "
            f"{cost.exact:.4g} to {cost.quantized:.4g}; less than {MAX_CHANGE:.1%} is allowed. "
            "Export it without --quantize"
        )
    return cost
