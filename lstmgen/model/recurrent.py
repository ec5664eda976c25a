"""What every recurrent layer has in common, and helpers of the written-out loops.

The loops are autograd functions with back-propagation by hand. What can leave the loop has
left it: the matmuls with the inputs of the whole window come in ready; going back, every
factor that does not depend on later steps is computed for all steps at once, and the gradient
of a recurrent matrix is one matmul over all steps. ``lstmgen.cells`` has the same equations,
written to be read. Loops are time first, (time, batch, ...), so that a step is one block.
"""

from typing import Any, NamedTuple, Protocol

from torch import Tensor

PARAMETERS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


class State(NamedTuple):
    """What one layer hands from one window to the next."""

    hidden: Tensor  # (batch, hidden)
    cell: Tensor  # (batch, hidden); (batch, 0) where a cell has no second memory


class Run(NamedTuple):
    """What a layer makes of a window."""

    outputs: Tensor  # the hidden state of every step, (batch, time, hidden)
    last: State  # after the last step
    cells: Tensor | None  # of every step where known, (batch, time, hidden)


class RecurrentLayer(Protocol):
    """A layer of one kind of cell: a torch module with PyTorch's parameter names.

    Attributes:
        has_kernel: whether torch has a fused kernel for it. has_bf16: one in bfloat16 too.
    """

    hidden_size: int
    has_kernel: bool
    has_bf16: bool

    def get_parameter(self, target: str) -> Any:
        """A parameter by name."""

    def zero_state(self, batch: int) -> State:
        """The state before the first word."""

    def run_kernel(self, inputs: Any, state: State, *, bf16: bool = False) -> Run:
        """Read a window, (batch, time, input) or packed, by torch's kernel."""

    def input_bias(self) -> Tensor:
        """What is added to the matmuls with the inputs, before the loop."""

    def run_loop(self, sums: Tensor, state: State) -> Run:
        """Read a window by the written-out loop.

        Args:
            sums: (time, batch, gates * hidden), the inputs' matmuls and ``input_bias``.
        """

    def cells_of(self, inputs: Tensor, befores: Tensor, state: State) -> Tensor | None:
        """The cells of steps whose hidden states are known; None where a cell has none.

        Args:
            befores: (batch, time, hidden), the hidden state before each step.
            state: before the first step.
        """


def with_start(products: Tensor, start: Tensor) -> Tensor:
    """(time + 1, batch, size) with the first step filled in."""
    states = products.new_empty(len(products) + 1, *start.shape)
    states[0] = start
    return states


def weight_gradient(d_sums: Tensor, seen: Tensor) -> Tensor:
    """Sum over steps and batch of d_sum seen^T."""
    return d_sums.flatten(0, 1).t() @ seen.flatten(0, 1)
