"""Averages of the weights over steps, which usually predict better than the last weights.

``ema``: an exponential moving average (Polyak and Juditsky 1992), warmed up so that early
steps do not count long. ``swa``: the mean since a share of the training is done (Izmailov et
al. 2018). ``nt``: the mean since validation stopped getting better (NT-ASGD, Merity et al.
2017, algorithm 1).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

Kind = Literal["ema", "swa", "nt"]

PATIENCE = 5  # evaluations that ``nt`` looks back over, n in the paper


@dataclass
class Average:
    """The average of a model's weights.

    Attributes:
        decay: of ``ema``, what the average keeps of itself at each step.
        start: the step from which ``swa`` counts.
        steps: whose weights are in it so far; 0: it has not begun.
        tensors: by the parameters' names; empty before it has begun.
    """

    kind: Kind
    decay: float
    start: int
    steps: int = 0
    tensors: dict[str, Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def add(self, model: nn.Module, *, step: int) -> None:
        """Count the weights behind a step, where it is time to.

        Args:
            step: steps done, this one included.
        """
        if not self.steps and (self.kind == "nt" or (self.kind == "swa" and step < self.start)):
            return
        if not self.steps:
            self.begin(model)
            return
        self.steps += 1
        share = 1 / self.steps
        if self.kind == "ema":  # as much as a mean at first, then by the decay
            share = max(1 - self.decay, share)
        weights = dict(model.named_parameters())
        torch._foreach_lerp_(
            list(self.tensors.values()), [weights[name].detach() for name in self.tensors], share
        )

    def begin(self, model: nn.Module) -> None:
        """Start from the weights as they are."""
        self.steps = 1
        self.tensors = {name: p.detach().clone() for name, p in model.named_parameters()}

    def look(self, model: nn.Module, nats: Sequence[float]) -> None:
        """Begin an ``nt`` average where the last evaluation is no better than the best of
        those more than ``PATIENCE`` before it.

        Args:
            nats: of all evaluations so far.
        """
        if self.kind != "nt" or self.steps:
            return
        older = nats[: -PATIENCE - 1]
        if older and nats[-1] > min(older):
            self.begin(model)

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Give the model its averaged weights for a while, where there are any.

        Copied into the parameters: on a GPU their places in memory must stay.
        """
        weights = dict(model.named_parameters())
        raw = {name: weights[name].detach().clone() for name in self.tensors}
        try:
            self._put(weights, self.tensors)
            yield
        finally:
            self._put(weights, raw)

    @staticmethod
    @torch.no_grad()
    def _put(weights: dict[str, nn.Parameter], tensors: dict[str, Tensor]) -> None:
        for name, tensor in tensors.items():
            weights[name].copy_(tensor)
