"""The stacked recurrent language model."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from lstmgen.cells.cell import Peephole
from lstmgen.model.adaptive import AdaptiveSoftmax
from lstmgen.model.dropout import Masks
from lstmgen.model.initialise import (
    initialise_layer,
    initialise_matrix,
    smoothed_counts,
    start_bias,
)
from lstmgen.model.layers import make_layer, run_layer, run_table, state_after
from lstmgen.model.output import score_rows, summed_nats
from lstmgen.model.recurrent import RecurrentLayer, State

States = list[State]  # one a layer, from the input up

WIDE = 4  # words for each unit from which looking up beats a kernel that multiplies


class DropoutShares(NamedTuple):
    """What training does without: shares of units, of whole words, and of recurrent weights."""

    input: float = 0.0
    hidden: float = 0.0
    output: float = 0.0
    words: float = 0.0
    recurrent: float = 0.0


class LanguageModel(nn.Module):
    """Words in, nats per next word out: embedding, recurrent layers, exact softmax.

    Each layer is a module of its own, so sizes may differ and dropout between
    layers is ours to draw.

    Args:
        vocab_size: ids 0..vocab_size-1 are words; ``vocab_size`` itself may be
            read (an unknown word: the mean of ``seen_once``) and never predicted.
        embedding_dim: length of a word vector (not used by one-hot input).
        hidden_sizes: one layer each.
        cell: of all layers.
        peephole: the shape of peepholes, where the cell has any.
        loop: run layers by the written-out loop, not by torch's kernels.
        one_hot: read words as one-hot vectors instead of learnt ones.
        look_up: in training, look the products with one-hot vectors up where there are
            many words, and go on by the loop.
        tie_weights: the output matrix is the embedding, through a bias-free
            projection where the last layer has another size (Inan et al. 2016).
        clusters: for an adaptive softmax, the ids of each cluster, the commonest words
            first; it cannot be tied. None is the exact softmax.
        dropout: in training, and where masks are given.
        seen_once: ids whose mean an unknown word is read as.
        counts: how often training has each word. The output bias starts at the
            logarithms of their shares, so that the first step need not spend its
            rate on what counting knows; without them all words start alike.
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
        dropout: DropoutShares = DropoutShares(),  # noqa: B008 (a frozen tuple)
        seen_once: Sequence[int] = (0,),
        counts: Sequence[int] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.dropout, self.loop, self.look_up = dropout, loop, look_up
        with torch.random.fork_rng(devices=[]):  # constructing draws; leave the caller's alone
            self.embedding = None if one_hot else nn.Embedding(vocab_size, embedding_dim)
            width = vocab_size if one_hot else embedding_dim
            self.layers = nn.ModuleList(
                cast("nn.Module", make_layer(cell, inner, outer, peephole=peephole))
                for inner, outer in zip([width, *hidden_sizes], hidden_sizes, strict=False)
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
        self._initialise(cell, peephole, seed)
        self._start(counts)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.get_buffer("seen_once").device

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return next(self.parameters()).dtype

    @property
    def recurrent(self) -> list[RecurrentLayer]:
        """The recurrent layers, from the input up."""
        return cast("list[RecurrentLayer]", list(self.layers))

    @property
    def looks_up(self) -> bool:
        """Whether training looks the first layer's products up rather than multiplies."""
        wide = self.vocab_size >= WIDE * self.recurrent[0].hidden_size
        return self.embedding is None and self.look_up and wide

    def zero_states(self, batch: int) -> States:
        """The states before a text begins."""
        return [layer.zero_state(batch) for layer in self.recurrent]

    def read(
        self,
        inputs: Tensor,
        states: States,
        *,
        carry: Tensor | None,
        masks: Masks | None = None,
        bf16: bool = False,
    ) -> tuple[Tensor, States]:
        """Read a window, as ``run_layers`` does.

        Returns:
            What the output layer sees, (batch, time, size), and the states after
            ``carry`` words, cut off from the graph, or no states.
        """
        outputs, handed_on = self.run_layers(inputs, states, carry=carry, masks=masks, bf16=bf16)
        return self.drop_outputs(outputs, masks), handed_on

    def run_layers(
        self,
        inputs: Tensor,
        states: States,
        *,
        carry: Tensor | None,
        masks: Masks | None = None,
        bf16: bool = False,
    ) -> tuple[Tensor, States]:
        """Read a window by all recurrent layers.

        Args:
            inputs: (batch, time) ids.
            states: before the window.
            carry: (batch,) words after which the state is handed on; on the CPU, where it
                can be looked at without waiting for a GPU. None hands none on.
            masks: draws the dropout masks; None reads without dropout.
            bf16: take an LSTM's products in bfloat16.

        Returns:
            The top layer's outputs before the output dropout, (batch, time, size), and the
            states after ``carry`` words, cut off from the graph, or no states.
        """
        looked_up, features = self.training and self.looks_up, inputs
        if not looked_up:
            features = self._masked(self._embed(inputs), masks, 0, self.dropout.input)
            if masks is not None and self.dropout.words:
                features = features * masks.words(inputs, self.dropout.words)[..., None]
        everything = carry is not None and bool((carry == inputs.shape[1]).all())
        handed_on: States = []
        for place, (layer, state) in enumerate(zip(self.recurrent, states, strict=True), start=1):
            if looked_up and place == 1:
                scale = self._mask_of_words(inputs, masks)
                run = run_table(layer, inputs, state, scale=scale)
            else:
                run = run_layer(layer, features, state, loop=self.loop, bf16=bf16)
            if everything:
                handed_on.append(State(run.last.hidden.detach(), run.last.cell.detach()))
            elif carry is not None:
                handed_on.append(state_after(layer, features, run, state, carry))
            features = run.outputs
            if place < len(self.layers):
                features = self._masked(features, masks, place, self.dropout.hidden)
        return features, handed_on

    def drop_outputs(self, outputs: Tensor, masks: Masks | None) -> Tensor:
        """What the output layer sees of the top layer's outputs."""
        return self._masked(outputs, masks, len(self.layers), self.dropout.output)

    @contextmanager
    def recurrent_dropped(self, masks: Masks) -> Iterator[None]:
        """Do without a share of the recurrent weights (Merity et al. 2017, after Wan et al. 2013).

        The masked matrices stand in the parameters themselves meanwhile, where torch's
        kernels find them laid out as they want them. At the end the whole matrices are
        back, and their gradients are those of the weights that were kept.
        """
        share, kept = self.dropout.recurrent, []
        if share:
            for place, layer in enumerate(self.recurrent):
                weight = layer.get_parameter("weight_hh_l0")
                mask = masks.weights(place, weight.shape, share)
                kept.append((weight, weight.detach().clone(), mask))
                weight.data.mul_(mask)
        try:
            yield
        finally:
            for weight, whole, mask in kept:
                weight.data.copy_(whole)
                if weight.grad is not None:
                    weight.grad.mul_(mask)

    def summed_nats(self, features: Tensor, targets: Tensor, *, bf16: bool = False) -> Tensor:
        """Nats of target words, summed.

        Args:
            features: (rows, size) from ``read``. targets: (rows,) ids.
            bf16: take the products in bfloat16.
        """
        if self.adaptive is not None:
            return self.adaptive.summed_nats(features, targets, bf16=bf16)
        weight, bias = self._output()
        return summed_nats(self._project(features), weight, bias, targets, bf16=bf16)

    def score(self, features: Tensor, targets: Tensor) -> tuple[float, int]:
        """Summed nats of target words, and how many of them were the likeliest word.

        Args:
            features: (rows, size) from ``read``. targets: (rows,) ids.
        """
        return score_rows(self.logits, features, targets, vocab_size=self.vocab_size)

    def logits(self, features: Tensor) -> Tensor:
        """(..., vocabulary) unnormalised log-probabilities of the next word."""
        if self.adaptive is not None:
            return self.adaptive.logits(features)
        return functional.linear(self._project(features), *self._output())

    def _initialise(self, cell: str, peephole: Peephole, seed: int) -> None:
        for place, layer in enumerate(self.layers):
            name = f"layers.{place}."
            initialise_layer(layer, cell=cell, peephole=peephole, seed=seed, name=name)
        for name, parameter in self.named_parameters():
            if not name.startswith("layers.") and parameter.dim() > 1:
                initialise_matrix(parameter, seed=seed, name=name)

    def _start(self, counts: Sequence[int] | None) -> None:
        """Set the output biases; without counts all words are alike."""
        if self.adaptive is not None:
            self.adaptive.start(counts or [0] * self.vocab_size)
        elif self.output_bias is not None and counts is not None:
            start_bias(self.output_bias, smoothed_counts(counts))

    def _embed(self, ids: Tensor) -> Tensor:
        if self.training:  # training text has no word that the vocabulary lacks
            return self._vectors(ids)
        vectors = self._vectors(ids.clamp(max=self.vocab_size - 1))
        unknown = (ids >= self.vocab_size)[..., None]
        return torch.where(unknown, self._rare_vector(), vectors) if unknown.any() else vectors

    def _mask_of_words(self, ids: Tensor, masks: Masks | None) -> Tensor | None:
        """What dropout makes of the one in each one-hot vector, (batch, time)."""
        if masks is None or not (self.dropout.input or self.dropout.words):
            return None
        scale = torch.ones(ids.shape, dtype=self.dtype, device=self.device)
        if self.dropout.input:
            scale = scale * masks(0, self.vocab_size, self.dropout.input)[:, 0].gather(1, ids)
        if self.dropout.words:
            scale = scale * masks.words(ids, self.dropout.words)
        return scale

    def _rare_vector(self) -> Tensor:
        """The mean input of the words seen once."""
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
        """The output layer's matrix and bias, where it is the exact softmax."""
        weight: Tensor | None = self.output_weight
        if weight is None and self.embedding is not None:
            weight = self.embedding.weight
        if weight is None or self.output_bias is None:
            raise ValueError("tied output needs an embedding; one-hot input has none")
        return weight, self.output_bias

    def _masked(self, features: Tensor, masks: Masks | None, place: int, share: float) -> Tensor:
        if masks is None or share == 0:
            return features
        return features * masks(place, features.shape[-1], share)
