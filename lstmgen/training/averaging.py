"""Averages of the weights over steps, which usually predict better than the last weights.

``ema``: an exponential moving average (Polyak and Juditsky 1992), with a warm-up so that early
steps soon stop counting. ``swa``: the mean from a fraction of the training on (Izmailov et al.
2018). ``nt``: the mean since validation stopped improving (NT-ASGD, Merity et al. 2017,
algorithm 1).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

Kind = Literal["ema", "swa", "nt"]

PATIENCE = 5  # evaluations without improvement before ``nt`` starts, n in the paper


@dataclass
class Average:
    """The average of a model's weights.

    Attributes:
        decay: of ``ema``.
        start: the first step that ``swa`` averages.
        steps: number of steps averaged so far; 0 before averaging starts.
        tensors: by parameter name; empty before averaging starts.
    """

    kind: Kind
    decay: float
    start: int
    steps: int = 0
    tensors: dict[str, Tensor] = field(default_factory=dict)

    @torch.no_grad()
    def add(self, model: nn.Module, *, step: int) -> None:
        """Include the weights after a step, if averaging has started.

        Args:
            step: steps done, including this one.
        """
        if not self.steps and (self.kind == "nt" or (self.kind == "swa" and step < self.start)):
            return
        if not self.steps:
            self.begin(model)
            return
        self.steps += 1
        weight = 1 / self.steps
        if self.kind == "ema":  # at first like a mean, then by the decay
            weight = max(1 - self.decay, weight)
        parameters = dict(model.named_parameters())
        latest = [parameters[name].detach() for name in self.tensors]
        torch._foreach_lerp_(list(self.tensors.values()), latest, weight)

    def begin(self, model: nn.Module) -> None:
        """Start averaging at the current weights."""
        self.steps = 1
        self.tensors = {name: p.detach().clone() for name, p in model.named_parameters()}

    def check_trigger(self, model: nn.Module, nats: Sequence[float]) -> None:
        """Start an ``nt`` average if the last evaluation is worse than the best of those more
        than ``PATIENCE`` before it.

        Args:
            nats: per word, of all evaluations so far.
        """
        if self.kind != "nt" or self.steps:
            return
        older = nats[: -PATIENCE - 1]
        if older and nats[-1] > min(older):
            self.begin(model)

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Let the model use its averaged weights, if there are any.

        They are copied into the parameters, whose addresses must not change on a GPU.
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
