"""Dynamic evaluation: a model that goes on learning from the text it is scored on.

Krause, Kahembwe, Murray and Renals 2018 (arXiv 1709.07432): a segment is scored, then the
weights take a step along its gradient and are drawn back towards where training left them.
No word is learnt before it has been scored.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from lstmgen.model.language_model import LanguageModel, States
from lstmgen.windows.window import Ids

Rule = Literal["sgd", "rms"]

FLOOR = 0.02  # added to a weight's size of gradients, of which the mean is 1


@dataclass(frozen=True)
class Dynamic:
    """How a model adapts.

    Attributes:
        rate: of the steps.
        decay: how far each step draws a weight back.
        segment: words between two steps.
        rule: sgd: all weights alike; rms: each by the root mean square of its gradients in
            training, and drawn back in the same measure.
    """

    rate: float
    decay: float
    segment: int = 20
    rule: Rule = "rms"


class Segment(NamedTuple):
    """A piece of a text, scored."""

    outputs: Tensor  # (words, size) of the top layer
    shares: Tensor  # (words,) probability of each target, float64; 0 where it is no entry


Sizes = list[Tensor]  # for each parameter, what its gradients are measured in


def read_segments(
    model: LanguageModel, ids: Ids, *, segment: int, dynamic: Dynamic | None, sizes: Sizes | None
) -> Iterator[Segment]:
    """Score a text in one pass from a zero state, the model unchanged at the end.

    Args:
        ids: the text; its first word is read and not scored.
        segment: words in one piece; a dynamic reading takes its own.
        dynamic: how the model adapts; None leaves it alone.
        sizes: from ``gradient_sizes``, for the rule ``rms``.
    """
    was_training = model.training
    model.eval()
    steps = None if dynamic is None else _Steps(model, dynamic, sizes)
    states = model.zero_states(1)
    width = segment if dynamic is None else dynamic.segment
    try:
        for start in range(0, len(ids) - 1, width):
            part = torch.from_numpy(ids[start : start + width + 1].astype("int64"))
            with torch.set_grad_enabled(dynamic is not None):
                nats, outputs, states = _score(model, part, states)
            shares = (-nats.detach().double()).exp().cpu()
            yield Segment(outputs.detach().cpu(), shares)
            scored = nats[torch.isfinite(nats)]
            if steps is not None and len(scored):
                steps.take(scored.mean())
    finally:
        if steps is not None:
            steps.undo()
        model.train(was_training)


def gradient_sizes(model: LanguageModel, windows: Iterable[Ids]) -> Sizes:
    """The root mean square of each weight's gradient over pieces of the training text.

    Args:
        windows: ids, each read from a zero state and scored from its second word on.

    Returns:
        For each parameter in order, divided by the mean over all weights.
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
    """Nats of each word but the first, infinite where it is no entry; outputs; states."""
    inputs, targets = part[None, :-1].to(model.device), part[1:].to(model.device)
    features, states = model.read(inputs, states, carry=torch.tensor([inputs.shape[1]]))
    chances = model.logits(features[0]).log_softmax(dim=-1)
    known = targets < model.vocab_size
    nats = -chances.gather(1, targets.clamp(max=model.vocab_size - 1)[:, None])[:, 0]
    return nats.where(known, torch.full_like(nats, torch.inf)), features[0], states


class _Steps:
    """Steps of a model that adapts, and the way back.

    Args:
        sizes: for the rule ``rms``.
    """

    def __init__(self, model: LanguageModel, dynamic: Dynamic, sizes: Sizes | None) -> None:
        self.weights, self.dynamic = list(model.parameters()), dynamic
        self.trained = [weight.detach().clone() for weight in self.weights]
        self.pulls: list[Tensor] | None = None
        self.under: list[Tensor] | None = None
        if dynamic.rule == "rms":
            if sizes is None:
                raise ValueError("the rule rms needs the sizes of gradients")
            self.pulls = [(dynamic.decay * size).clamp(max=1.0) for size in sizes]
            self.under = [size + FLOOR for size in sizes]

    @torch.no_grad()
    def take(self, loss: Tensor) -> None:
        """Draw the weights back, and step along a gradient from where they were."""
        gradients = torch.autograd.grad(loss, self.weights, allow_unused=True)
        rate = self.dynamic.rate
        for place, (weight, before) in enumerate(zip(self.weights, self.trained, strict=True)):
            pull = self.dynamic.decay if self.pulls is None else self.pulls[place]
            weight.lerp_(before, pull)
            gradient = gradients[place]
            if gradient is None:
                continue
            if self.under is None:
                weight.add_(gradient, alpha=-rate)
            else:
                weight.addcdiv_(gradient, self.under[place], value=-rate)

    @torch.no_grad()
    def undo(self) -> None:
        """Put the trained weights back."""
        for weight, before in zip(self.weights, self.trained, strict=True):
            weight.copy_(before)
