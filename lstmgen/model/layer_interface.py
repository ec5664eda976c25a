"""What all recurrent layers have in common, and helpers of the written-out loops.

The loops are autograd functions with hand-written backward passes. Whatever can be hoisted out
of the loop is: the matmuls with the inputs are done for the whole window beforehand; in the
backward pass every factor that does not depend on later steps is computed for all steps at
once, and the gradient of a recurrent matrix is one matmul over all steps. ``lstmgen.cells`` has
the same equations in readable form. Loops are time first, (time, batch, ...), so that a step
is one contiguous block.
"""

from typing import Any, NamedTuple, Protocol

from torch import Tensor

PARAMETERS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


class State(NamedTuple):
    """The state of one layer, carried from one window to the next."""

    hidden: Tensor  # (batch, hidden)
    cell: Tensor  # (batch, hidden); (batch, 0) for layers without a cell state


class LayerOutput(NamedTuple):
    """What a layer returns for a window."""

    outputs: Tensor  # the hidden state of every step, (batch, time, hidden)
    last: State  # after the last step
    cells: Tensor | None  # of every step if known, (batch, time, hidden)


class RecurrentLayer(Protocol):
    """A layer of one cell type: a torch module with PyTorch's parameter names.

    Attributes:
        has_cell: whether there is a second memory besides the hidden state.
        has_kernel: whether torch has a fused kernel for it. has_bf16: one in bfloat16 too.
    """

    hidden_size: int
    has_cell: bool
    has_kernel: bool
    has_bf16: bool

    def get_parameter(self, target: str) -> Any:
        """A parameter by name."""

    def run_kernel(self, inputs: Any, state: State, *, bf16: bool = False) -> LayerOutput:
        """Run torch's kernel over a window, (batch, time, input) or packed."""

    def input_bias(self) -> Tensor:
        """The bias added to the input matmuls, before the loop."""

    def run_loop(self, sums: Tensor, state: State) -> LayerOutput:
        """Run the written-out loop over a window.

        Args:
            sums: (time, batch, gates * hidden), the input matmuls plus ``input_bias``.
        """

    def recompute_cells(self, inputs: Tensor, previous: Tensor, state: State) -> Tensor | None:
        """The cells of steps whose hidden states are known; None if there are none to compute.

        Args:
            previous: (batch, time, hidden), the hidden state before each step.
            state: before the first step.
        """


def zero_state(layer: RecurrentLayer, batch: int) -> State:
    """The state before the first word."""
    hidden = layer.get_parameter("weight_hh_l0").new_zeros(batch, layer.hidden_size)
    return State(hidden, hidden.clone() if layer.has_cell else hidden[:, :0])


def allocate_states(sums: Tensor, start: Tensor) -> Tensor:
    """(time + 1, batch, size), uninitialized but for the first step."""
    states = sums.new_empty(len(sums) + 1, *start.shape)
    states[0] = start
    return states


def weight_gradient(d_sums: Tensor, operands: Tensor) -> Tensor:
    """Sum over steps and batch of d_sum operand^T."""
    return d_sums.flatten(0, 1).t() @ operands.flatten(0, 1)
