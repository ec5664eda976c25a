"""Dynamic evaluation: the model keeps learning from the text it is scored on.

Krause, Kahembwe, Murray and Renals 2018 (arXiv 1709.07432): after each segment is scored, the
weights take a gradient step on it and decay towards their trained values. No word is learned
before it has been scored.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from lstmgen.model.language_model import LanguageModel, States
from lstmgen.windows.window import Ids

Rule = Literal["sgd", "rms"]

FLOOR = 0.02  # added to gradient sizes, whose mean is 1


@dataclass(frozen=True)
class Dynamic:
    """How a model adapts.

    Attributes:
        rate: the learning rate.
        decay: of each step towards the trained weights.
        segment: words between two steps.
        rule: sgd: plain steps; rms: steps divided, and decay multiplied, by each weight's root
            mean square gradient in training.
    """

    rate: float
    decay: float
    segment: int = 20
    rule: Rule = "rms"


class Segment(NamedTuple):
    """A scored piece of a text."""

    outputs: Tensor  # (words, size) of the top layer
    probabilities: Tensor  # (words,) of the targets, float64; 0 for unknown words


Sizes = list[Tensor]  # of each parameter's gradients


def read_segments(
    model: LanguageModel, ids: Ids, *, segment: int, dynamic: Dynamic | None, sizes: Sizes | None
) -> Iterator[Segment]:
    """Score a text in one pass from a zero state; the model is restored at the end.

    Args:
        ids: the text; its first word is not scored.
        segment: words per piece, unless ``dynamic`` says otherwise.
        dynamic: how the model adapts; None: not at all.
        sizes: from ``gradient_sizes``, for the rule ``rms``.
    """
    was_training = model.training
    model.eval()
    adapter = None if dynamic is None else _Adapter(model, dynamic, sizes)
    states = model.zero_states(1)
    width = segment if dynamic is None else dynamic.segment
    try:
        for start in range(0, len(ids) - 1, width):
            part = torch.from_numpy(ids[start : start + width + 1].astype("int64"))
            with torch.set_grad_enabled(dynamic is not None):
                nats, outputs, states = _score(model, part, states)
            probabilities = (-nats.detach().double()).exp().cpu()
            yield Segment(outputs.detach().cpu(), probabilities)
            scored = nats[torch.isfinite(nats)]
            if adapter is not None and len(scored):
                adapter.step(scored.mean())
    finally:
        if adapter is not None:
            adapter.restore()
        model.train(was_training)


def gradient_sizes(model: LanguageModel, windows: Iterable[Ids]) -> Sizes:
    """The root mean square of each weight's gradient, divided by the mean over all weights.

    Args:
        windows: ids, each read from a zero state and scored from its second word on.
    """
    was_training = model.training
    model.eval()
    weights = list(model.parameters())
    sums = [torch.zeros_like(weight) for weight in weights]
    count = 0
    for ids in windows:
        part = torch.from_numpy(ids.astype("int64"))
        nats, _, _ = _score(model, part, model.zero_states(1))
        gradients = torch.autograd.grad(nats.mean(), weights, allow_unused=True)
        for total, gradient in zip(sums, gradients, strict=True):
            if gradient is not None:
                total.addcmul_(gradient, gradient)
        count += 1
    model.train(was_training)
    roots = [(total / max(1, count)).sqrt() for total in sums]
    mean = sum(float(root.sum()) for root in roots) / sum(root.numel() for root in roots)
    return [root / mean if mean else torch.ones_like(root) for root in roots]


def _score(model: LanguageModel, part: Tensor, states: States) -> tuple[Tensor, Tensor, States]:
    """Nats of each word but the first, infinite for unknown words; outputs; states."""
    inputs, targets = part[None, :-1].to(model.device), part[1:].to(model.device)
    features, states = model.read(inputs, states, carry=torch.tensor([inputs.shape[1]]))
    log_probs = model.logits(features[0]).log_softmax(dim=-1)
    known = targets < model.vocab_size
    nats = -log_probs.gather(1, targets.clamp(max=model.vocab_size - 1)[:, None])[:, 0]
    return nats.where(known, torch.full_like(nats, torch.inf)), features[0], states


class _Adapter:
    """Gradient steps of a model that adapts; ``restore`` undoes them."""

    def __init__(self, model: LanguageModel, dynamic: Dynamic, sizes: Sizes | None) -> None:
        self.weights, self.dynamic = list(model.parameters()), dynamic
        self.trained = [weight.detach().clone() for weight in self.weights]
        self.decays: list[Tensor] | None = None
        self.divisors: list[Tensor] | None = None
        if dynamic.rule == "rms":
            if sizes is None:
                raise ValueError("the rule rms needs the sizes of gradients")
            self.decays = [(dynamic.decay * size).clamp(max=1.0) for size in sizes]
            self.divisors = [size + FLOOR for size in sizes]

    @torch.no_grad()
    def step(self, loss: Tensor) -> None:
        """Decay the weights, then step along the gradient at their old values."""
        gradients = torch.autograd.grad(loss, self.weights, allow_unused=True)
        rate = self.dynamic.rate
        for place, (weight, trained) in enumerate(zip(self.weights, self.trained, strict=True)):
            decay = self.dynamic.decay if self.decays is None else self.decays[place]
            weight.lerp_(trained, decay)
            gradient = gradients[place]
            if gradient is None:
                continue
            if self.divisors is None:
                weight.add_(gradient, alpha=-rate)
            else:
                weight.addcdiv_(gradient, self.divisors[place], value=-rate)

    @torch.no_grad()
    def restore(self) -> None:
        """Restore the trained weights."""
        for weight, trained in zip(self.weights, self.trained, strict=True):
            weight.copy_(trained)
