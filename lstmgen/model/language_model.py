"""The stacked recurrent language model."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from lstmgen.cells.cell import Peephole
from lstmgen.model.adaptive import AdaptiveSoftmax
from lstmgen.model.chunked_softmax import RowDetails, describe_rows, score_rows, summed_nats
from lstmgen.model.dropout_masks import Masks
from lstmgen.model.initialize import (
    init_bias,
    initialize_layer,
    initialize_matrix,
    smoothed_counts,
)
from lstmgen.model.layer_interface import RecurrentLayer, State, zero_state
from lstmgen.model.run_layers import make_layer, run_layer, run_one_hot, state_after

States = list[State]  # one per layer, from the input up

LOOKUP_RATIO = 4  # words per hidden unit from which lookup beats the matmul of a kernel


class DropoutRates(NamedTuple):
    """Dropout rates of units (input, hidden, output), of words and of recurrent weights."""

    input: float = 0.0
    hidden: float = 0.0
    output: float = 0.0
    words: float = 0.0
    recurrent: float = 0.0


class LanguageModel(nn.Module):
    """Word embedding, recurrent layers and a softmax over the next word.

    Each layer is a separate module, so that sizes can differ and dropout between layers is
    drawn by ``Masks``.

    Args:
        vocab_size: ids 0..vocab_size-1 are words; the id ``vocab_size`` is an unknown word,
            which can be an input (as the mean of ``seen_once``) but is never predicted.
        embedding_dim: unused with one-hot input.
        hidden_sizes: one per layer.
        peephole: the shape of peepholes, if the cell has any.
        loop: run layers by the written-out loop instead of torch's kernels.
        look_up: in training, replace matmuls with one-hot vectors by lookups if the
            vocabulary is large; the loop does the rest.
        tie_weights: the output matrix is the embedding, after a bias-free projection if the
            last layer has another size (Inan et al. 2016).
        clusters: for an adaptive softmax, the ids of each cluster, the most frequent words
            first; it cannot be tied. None: the exact softmax.
        dropout: applied only where masks are passed.
        counts: of each word in training. The output bias starts at their log frequencies, so
            that training need not learn them; without counts it starts at 0.
        seed: of the initial weights.
    """

    def __init__(
        self,
        vocab_size: int,
        *,
        embedding_dim: int,
        hidden_sizes: Sequence[int],
        cell: str = "lstm",
        peephole: Peephole = "diagonal",
        loop: bool = False,
        one_hot: bool = False,
        look_up: bool = True,
        tie_weights: bool = True,
        clusters: Sequence[Sequence[int]] | None = None,
        dropout: DropoutRates = DropoutRates(),  # noqa: B008 (a frozen tuple)
        seen_once: Sequence[int] = (0,),
        counts: Sequence[int] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.dropout, self.loop, self.look_up = dropout, loop, look_up
        with torch.random.fork_rng(devices=[]):  # constructors draw; keep the caller's generator
            self.embedding = None if one_hot else nn.Embedding(vocab_size, embedding_dim)
            input_size = vocab_size if one_hot else embedding_dim
            self.layers = nn.ModuleList(
                cast("nn.Module", make_layer(cell, inner, outer, peephole=peephole))
                for inner, outer in zip([input_size, *hidden_sizes], hidden_sizes, strict=False)
            )
            top = hidden_sizes[-1]
            self.projection: nn.Linear | None = None
            self.output_weight: nn.Parameter | None = None
            self.adaptive: AdaptiveSoftmax | None = None
            if clusters is not None:
                self.adaptive = AdaptiveSoftmax(top, clusters)
            elif not tie_weights:
                self.output_weight = nn.Parameter(torch.empty(vocab_size, top))
            elif top != embedding_dim:
                self.projection = nn.Linear(top, embedding_dim, bias=False)
            bias = None if self.adaptive is not None else nn.Parameter(torch.zeros(vocab_size))
            self.output_bias = bias
        self.register_buffer("seen_once", torch.tensor(seen_once), persistent=False)
        self._initialize(cell, peephole, seed)
        self._init_biases(counts)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.get_buffer("seen_once").device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights."""
        return next(self.parameters()).dtype

    @property
    def recurrent(self) -> list[RecurrentLayer]:
        """The recurrent layers, from the input up."""
        return cast("list[RecurrentLayer]", list(self.layers))

    @property
    def looks_up(self) -> bool:
        """Whether training replaces the first layer's input matmuls by lookups."""
        large = self.vocab_size >= LOOKUP_RATIO * self.recurrent[0].hidden_size
        return self.embedding is None and self.look_up and large

    def zero_states(self, batch: int) -> States:
        """The states before a text begins."""
        return [zero_state(layer, batch) for layer in self.recurrent]

    def read(
        self,
        inputs: Tensor,
        states: States,
        *,
        carry: Tensor | None,
        masks: Masks | None = None,
        bf16: bool = False,
    ) -> tuple[Tensor, States]:
        """``run_layers`` followed by output dropout: (batch, time, size) and the states."""
        outputs, states = self.run_layers(inputs, states, carry=carry, masks=masks, bf16=bf16)
        return self.drop_outputs(outputs, masks), states

    def run_layers(
        self,
        inputs: Tensor,
        states: States,
        *,
        carry: Tensor | None,
        masks: Masks | None = None,
        bf16: bool = False,
    ) -> tuple[Tensor, States]:
        """Run all recurrent layers over a window.

        Args:
            inputs: (batch, time) ids.
            states: before the window.
            carry: (batch,) the word after which each row's state is carried over; on the CPU,
                so that reading it does not sync a GPU. None: no states are returned.
            masks: draws the dropout masks; None: no dropout.
            bf16: do an LSTM's matmuls in bfloat16.

        Returns:
            The top layer's outputs before output dropout, (batch, time, size), and the
            detached states after ``carry`` words.
        """
        lookup, features = self.training and self.looks_up, inputs
        if not lookup:
            features = self._masked(self.embed(inputs), masks, 0, self.dropout.input)
            if masks is not None and self.dropout.words:
                features = features * masks.words(inputs, self.dropout.words)[..., None]
        full = carry is not None and bool((carry == inputs.shape[1]).all())
        carried: States = []
        for place, (layer, state) in enumerate(zip(self.recurrent, states, strict=True), start=1):
            if lookup and place == 1:
                scale = self._one_hot_mask(inputs, masks)
                result = run_one_hot(layer, inputs, state, scale=scale)
            else:
                result = run_layer(layer, features, state, loop=self.loop, bf16=bf16)
            if full:
                carried.append(State(result.last.hidden.detach(), result.last.cell.detach()))
            elif carry is not None:
                carried.append(state_after(layer, features, result, state, carry))
            features = result.outputs
            if place < len(self.layers):
                features = self._masked(features, masks, place, self.dropout.hidden)
        return features, carried

    def drop_outputs(self, outputs: Tensor, masks: Masks | None) -> Tensor:
        """Apply output dropout."""
        return self._masked(outputs, masks, len(self.layers), self.dropout.output)

    @contextmanager
    def recurrent_dropout(self, masks: Masks) -> Iterator[None]:
        """DropConnect on the recurrent matrices (Merity et al. 2017, after Wan et al. 2013).

        The parameters themselves are masked, since torch's kernels need their memory layout.
        On exit they are restored, and dropped weights get no gradient.
        """
        rate, saved = self.dropout.recurrent, []
        if rate:
            for place, layer in enumerate(self.recurrent):
                weight = layer.get_parameter("weight_hh_l0")
                mask = masks.weights(place, weight.shape, rate)
                saved.append((weight, weight.detach().clone(), mask))
                weight.data.mul_(mask)
        try:
            yield
        finally:
            for weight, original, mask in saved:
                weight.data.copy_(original)
                if weight.grad is not None:
                    weight.grad.mul_(mask)

    def summed_nats(self, features: Tensor, targets: Tensor, *, bf16: bool = False) -> Tensor:
        """Summed cross-entropy of the targets, in nats.

        Args:
            features: (rows, size) from ``read``. targets: (rows,) ids.
            bf16: do the matmuls in bfloat16.
        """
        if self.adaptive is not None:
            return self.adaptive.summed_nats(features, targets, bf16=bf16)
        weight, bias = self._output()
        return summed_nats(self._project(features), weight, bias, targets, bf16=bf16)

    def score(self, features: Tensor, targets: Tensor) -> tuple[float, int]:
        """Summed nats of the targets, and how many of them were the most likely word.

        Args:
            features: (rows, size) from ``read``. targets: (rows,) ids.
        """
        return score_rows(self.logits, features, targets, vocab_size=self.vocab_size)

    def describe(
        self, features: Tensor, targets: Tensor, *, details: bool
    ) -> tuple[Tensor, RowDetails | None]:
        """Nats and details of each target; see ``describe_rows``."""
        return describe_rows(
            self.logits, features, targets, vocab_size=self.vocab_size, details=details
        )

    def logits(self, features: Tensor) -> Tensor:
        """(..., vocabulary) unnormalized log-probabilities of the next word."""
        if self.adaptive is not None:
            return self.adaptive.logits(features)
        return functional.linear(self._project(features), *self._output())

    def _initialize(self, cell: str, peephole: Peephole, seed: int) -> None:
        for place, layer in enumerate(self.layers):
            name = f"layers.{place}."
            initialize_layer(layer, cell=cell, peephole=peephole, seed=seed, name=name)
        for name, parameter in self.named_parameters():
            if not name.startswith("layers.") and parameter.dim() > 1:
                initialize_matrix(parameter, seed=seed, name=name)

    def _init_biases(self, counts: Sequence[int] | None) -> None:
        if self.adaptive is not None:
            self.adaptive.init_biases(counts or [0] * self.vocab_size)
        elif self.output_bias is not None and counts is not None:
            init_bias(self.output_bias, smoothed_counts(counts))

    def embed(self, ids: Tensor) -> Tensor:
        """The vectors of words, (..., embedding); unknown ids get the mean of rare ones."""
        if self.training:  # training text has no unknown words
            return self._vectors(ids)
        vectors = self._vectors(ids.clamp(max=self.vocab_size - 1))
        unknown = (ids >= self.vocab_size)[..., None]
        return torch.where(unknown, self._rare_vector(), vectors) if unknown.any() else vectors

    def _one_hot_mask(self, ids: Tensor, masks: Masks | None) -> Tensor | None:
        """What dropout turns the 1 of each one-hot vector into, (batch, time)."""
        if masks is None or not (self.dropout.input or self.dropout.words):
            return None
        scale = torch.ones(ids.shape, dtype=self.dtype, device=self.device)
        if self.dropout.input:
            scale = scale * masks(0, self.vocab_size, self.dropout.input)[:, 0].gather(1, ids)
        if self.dropout.words:
            scale = scale * masks.words(ids, self.dropout.words)
        return scale

    def _rare_vector(self) -> Tensor:
        """The mean input vector of the words seen once."""
        rare = self.get_buffer("seen_once")
        if self.embedding is not None:
            return self.embedding.weight[rare].mean(dim=0)
        mean = torch.zeros(self.vocab_size, dtype=self.dtype, device=self.device)
        mean[rare] = 1 / len(rare)
        return mean

    def _vectors(self, ids: Tensor) -> Tensor:
        if self.embedding is not None:
            return functional.embedding(ids, self.embedding.weight)
        return functional.one_hot(ids, self.vocab_size).to(self.dtype)

    def _project(self, features: Tensor) -> Tensor:
        return features if self.projection is None else features @ self.projection.weight.T

    def _output(self) -> tuple[Tensor, Tensor]:
        """Matrix and bias of the exact softmax."""
        weight: Tensor | None = self.output_weight
        if weight is None and self.embedding is not None:
            weight = self.embedding.weight
        if weight is None or self.output_bias is None:
            raise ValueError("tied output needs an embedding; one-hot input has none")
        return weight, self.output_bias

    def _masked(self, features: Tensor, masks: Masks | None, site: int, rate: float) -> Tensor:
        if masks is None or rate == 0:
            return features
        return features * masks(site, features.shape[-1], rate)
