"""The cells three times over: numpy, the written-out loop and torch's kernels are one."""

import dataclasses
from copy import deepcopy
from typing import get_args

import numpy as np
import pytest
import torch

from lstmgen.cells import (
    CELLS,
    Layer,
    State,
    Weights,
    backward,
    backward_stack,
    forward,
    forward_stack,
    initial_weights,
    zero_state,
)
from lstmgen.config.schema import LOOP_CELLS, PEEPHOLE_CELLS, ModelConfig
from lstmgen.model.initialize import initialize_layer
from lstmgen.model.layer_interface import State as TorchState
from lstmgen.model.layer_interface import zero_state as torch_zero_state
from lstmgen.model.run_layers import make_layer, run_layer
from lstmgen.model.variable_lengths import run_stack
from lstmgen.reporting.equations import spelled_out
from tests.helpers.arrays import close, normal

INPUT, SIZES, BATCH, TIME = 3, [4, 5], 2, 6
KINDS = [*((cell, "diagonal") for cell in CELLS), ("lstm_peephole", "full")]
every_cell = pytest.mark.parametrize(("cell", "peephole"), KINDS)
TOLERANCE = {np.float64: 1e-12, np.float32: 2e-6}


def test_a_cell_describes_itself_whole():
    """All that others print or build of a cell is in its description."""
    assert list(CELLS) == list(get_args(ModelConfig.model_fields["cell"].annotation))
    for name, cell in CELLS.items():
        assert cell.name == name and cell.title
        assert tuple(cell.gates) == cell.fields._fields
        assert len({gate.letter for gate in cell.gates.values()}) == len(cell.gates)
        assert set(cell.initial_biases) | set(cell.scaled_by) <= set(cell.gates)
        for gate in cell.gates.values():
            assert any(line.startswith(f"{gate.letter} = ") for line in cell.equations)
            assert any(f"d {gate.letter} = " in line for line in cell.equations_backward)
        layer = make_layer(name, 3, 4)
        assert layer.weight_hh_l0.shape == (cell.blocks * 4, 4)
        assert hasattr(layer, "weight_ch_l0") == cell.has_peepholes
        assert torch_zero_state(layer, 2).cell.shape == (2, 4 if cell.has_cell else 0)
        assert layer.has_kernel == (name not in LOOP_CELLS)
        assert cell.has_peepholes == (name in PEEPHOLE_CELLS)
    titles = [cell.title for cell in CELLS.values()]
    assert len(set(titles)) == len(titles)


def test_a_gate_called_forget_starts_at_zero_unless_its_cell_says_otherwise():
    lstm = CELLS["lstm"]
    sizes = {"input_size": 3, "hidden_size": 4, "seed": 0}
    assert initial_weights(lstm, **sizes).bias_ih[4:8].tolist() == [1.0] * 4
    plain = dataclasses.replace(lstm, initial_biases={})
    assert not initial_weights(plain, **sizes).bias_ih.any()


def test_a_cell_without_a_second_memory_is_spelled_out_by_its_own_equations():
    """Not by those of another cell that has none either."""
    spelled = dataclasses.replace(CELLS["gru"], spell=lambda n: [f"h' = {n.after[0]}"])
    layer = Layer(spelled, initial_weights(spelled, input_size=3, hidden_size=4, seed=0))
    run = forward(layer, normal(1, 2, 3))
    assert spelled_out(run, step=1, unit=0, number=lambda x: f"{x:.2f}") == [
        f"h' = {run.outputs[0, 1, 0]:.2f}"
    ]


def make_stack(cell, peephole, sizes=SIZES, dtype=np.float64):
    """The same layers in numpy and in torch."""
    ours, theirs, width = [], [], INPUT
    for place, size in enumerate(sizes):
        options = {"seed": 3, "name": f"layers.{place}.", "peephole": peephole}
        weights = initial_weights(CELLS[cell], input_size=width, hidden_size=size, **options)
        layer = make_layer(cell, width, size, peephole=peephole)
        layer.to(torch.from_numpy(np.zeros(1, dtype)).dtype)
        initialize_layer(layer, cell=cell, **options)
        if weights.weight_ch is not None:  # they start at 0, which would test nothing
            weights = weights._replace(weight_ch=normal(*weights.weight_ch.shape, seed=70 + place))
            with torch.no_grad():
                layer.weight_ch_l0.copy_(torch.from_numpy(weights.weight_ch))
        ours.append(
            Layer(CELLS[cell], Weights(*(w if w is None else w.astype(dtype) for w in weights)))
        )
        theirs.append(layer)
        width = size
    return ours, theirs


def random_states(layers, dtype=np.float64):
    states = []
    for place, layer in enumerate(layers):
        zero = zero_state(layer, BATCH)
        states.append(State(*(normal(*part.shape, seed=50 + place, dtype=dtype) for part in zero)))
    return states


def run_numpy(layers, inputs, starts, d_outputs, d_lasts, lengths=None):
    """Outputs, last states and every gradient, of the sum of all of them by given weights."""
    runs = forward_stack(layers, inputs, starts, lengths=lengths)
    gradients, found = backward_stack(runs, d_outputs, d_lasts), []
    for layer in gradients:
        found += [*(w for w in layer.weights if w is not None), *layer.start]
    lasts = [part for run in runs for part in run.last]
    return [runs[-1].outputs, *lasts, gradients[0].inputs, *found]


def run_torch(layers, inputs, starts, d_outputs, d_lasts, lengths=None, *, loop):
    for layer in layers:
        layer.zero_grad()
    read = torch.from_numpy(inputs).requires_grad_()
    states = [
        TorchState(*(torch.from_numpy(part).requires_grad_() for part in state)) for state in starts
    ]
    ends = None if lengths is None else torch.tensor(lengths)
    outputs, lasts = run_stack(layers, read, states, lengths=ends, loop=loop)
    whole = (outputs * torch.from_numpy(d_outputs)).sum()
    for last, d_last in zip(lasts, d_lasts, strict=True):
        for part, d_part in zip(last, d_last, strict=True):
            whole = whole + (part * torch.from_numpy(d_part)).sum()
    whole.backward()
    found = [outputs.detach(), *(part.detach() for last in lasts for part in last), read.grad]
    for layer, state in zip(layers, states, strict=True):
        order = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_ch_l0")
        named = dict(layer.named_parameters())
        found += [named[name].grad for name in order if name in named]
        found += [torch.zeros_like(p) if p.grad is None else p.grad for p in state]
    return found


@every_cell
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("lengths", [None, [6, 2]])
@pytest.mark.parametrize("sizes", [[4], [4, 5], [5, 2, 3]])
def test_numpy_loop_and_fused_are_one(cell, peephole, dtype, lengths, sizes):
    """Outputs, last states, gradients of all weights, of the inputs and of the first states."""
    ours, theirs = make_stack(cell, peephole, sizes, dtype)
    inputs = normal(BATCH, TIME, INPUT, seed=1, dtype=dtype)
    starts, d_lasts = random_states(ours, dtype), random_states(ours, dtype)
    d_outputs = normal(BATCH, TIME, sizes[-1], seed=2, dtype=dtype)
    given = (inputs, starts, d_outputs, d_lasts, lengths)
    expected = run_numpy(ours, *given)
    loops = (True,) if cell == "lstm_peephole" else (True, False)
    for loop in loops:
        found = run_torch(theirs, *given, loop=loop)
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert a.numpy().dtype == b.dtype == dtype
            close(a, b, atol=10 * TOLERANCE[dtype] if dtype == np.float32 else 1e-12)


@every_cell
def test_the_loop_is_what_finite_differences_say(cell, peephole):
    """gradcheck moves each number of each argument by itself."""
    rows, size = CELLS[cell].blocks * 3, 3
    _, (layer,) = make_stack(cell, peephole, [size])
    parameters = dict(layer.named_parameters())
    state = random_states(make_stack(cell, peephole, [size])[0])[0]
    parts = [part for part in (normal(4, BATCH, rows), *state) if part.size]
    given = [torch.from_numpy(part).requires_grad_() for part in parts]

    def run(*values):
        sums, hidden, *rest = values
        layer._parameters.update(zip(parameters, values[len(given) :], strict=True))
        cell_state = rest[0] if len(given) == 3 else hidden[:, :0]
        outputs, last, _ = layer.run_loop(sums, TorchState(hidden, cell_state))
        return outputs, last.hidden

    assert torch.autograd.gradcheck(run, (*given, *parameters.values()))


@every_cell
def test_hand_derived_gradients_are_what_finite_differences_say(cell, peephole):
    (layer, *_), _ = make_stack(cell, peephole, [3])
    inputs, d_outputs = normal(BATCH, 4, INPUT, seed=1), normal(BATCH, 4, 3, seed=2)
    found = backward(forward(layer, inputs), d_outputs)

    def cost():
        return (forward(layer, inputs).outputs * d_outputs).sum()

    parts = [(inputs, found.inputs)]
    parts += [(w, g) for w, g in zip(layer.weights, found.weights, strict=True) if w is not None]
    for values, gradient in parts:
        for place in np.ndindex(values.shape):
            kept, reach = values[place], 1e-5
            values[place] = kept + reach
            more = cost()
            values[place] = kept - reach
            less = cost()
            values[place] = kept
            assert (more - less) / (2 * reach) == pytest.approx(gradient[place], abs=1e-8)


@every_cell
def test_the_gradient_of_shared_weights_is_the_sum_over_untied_copies(cell, peephole):
    (layer,), (theirs,) = make_stack(cell, peephole, [4])
    inputs, d_outputs = normal(BATCH, TIME, INPUT, seed=1), normal(BATCH, TIME, 4, seed=2)
    copies, state, cost = (
        [deepcopy(theirs) for _ in range(TIME)],
        torch_zero_state(theirs, BATCH),
        0.0,
    )
    for step, copy in enumerate(copies):
        read = torch.from_numpy(inputs[:, step : step + 1])
        outputs, state, _ = run_layer(copy, read, state, loop=True)
        cost = cost + (outputs[:, 0] * torch.from_numpy(d_outputs[:, step])).sum()
    cost.backward()
    found = backward(forward(layer, inputs), d_outputs, per_step=True)
    assert len(found.steps) == TIME
    for step, copy in zip(found.steps, copies, strict=True):
        for name, parameter in copy.named_parameters():
            close(getattr(step.weights, name.removesuffix("_l0")), parameter.grad)
    for name, _ in theirs.named_parameters():
        total = sum(copy.get_parameter(name).grad for copy in copies)
        close(getattr(found.weights, name.removesuffix("_l0")), total)


@every_cell
def test_chunks_are_one_pass_and_rows_do_not_know_each_other(cell, peephole):
    layers, _ = make_stack(cell, peephole)
    inputs = normal(BATCH, TIME, INPUT, seed=1)
    whole = forward_stack(layers, inputs)
    first = forward_stack(layers, inputs[:, :2])
    rest = forward_stack(layers, inputs[:, 2:], [run.last for run in first])
    close(np.concatenate([first[-1].outputs, rest[-1].outputs], axis=1), whole[-1].outputs)
    for a, b in zip(rest, whole, strict=True):
        close(a.last.hidden, b.last.hidden)
        close(a.last.cell, b.last.cell)
    alone = forward_stack(layers, inputs[1:])
    close(alone[-1].outputs, whole[-1].outputs[1:])
    close(whole[-1].outputs[:, -1], whole[-1].last.hidden)


@every_cell
@pytest.mark.parametrize("loop", [False, True])
def test_a_shorter_sequence_is_exactly_that_sequence_alone(cell, peephole, loop):
    layers, theirs = make_stack(cell, peephole)
    inputs = normal(BATCH, TIME, INPUT, seed=1)
    junk = inputs.copy()
    junk[1, 2:] = np.nan
    alone = forward_stack(layers, inputs[1:, :2])
    for read in (inputs, junk):
        runs = forward_stack(layers, read, lengths=[TIME, 2])
        close(runs[-1].outputs[1, :2], alone[-1].outputs[0])
        assert not runs[-1].outputs[1, 2:].any()
        outputs, lasts = run_stack(
            theirs, torch.from_numpy(read), lengths=torch.tensor([TIME, 2]), loop=loop
        )
        close(outputs.detach(), runs[-1].outputs)
        for run, single, last in zip(runs, alone, lasts, strict=True):
            close(run.last.hidden[1], single.last.hidden[0])
            close(run.last.cell[1], single.last.cell[0])
            close(last.hidden.detach()[1], single.last.hidden[0])
    gradients = backward_stack(
        forward_stack(layers, junk, lengths=[TIME, 2]), normal(BATCH, TIME, SIZES[-1], seed=9)
    )
    assert not gradients[0].inputs[1, 2:].any()
    assert gradients[0].inputs[1, :2].all()
    given = torch.from_numpy(junk).requires_grad_()
    run_stack(theirs, given, lengths=torch.tensor([TIME, 2]), loop=loop)[0].sum().backward()
    assert all(p.grad.isfinite().all() for layer in theirs for p in layer.parameters())
    assert not given.grad[1, 2:].any()


@pytest.mark.parametrize("lengths", [[6], [0, 6], [7, 6]])
def test_lengths_that_do_not_fit_are_refused(lengths):
    layers, theirs = make_stack("lstm", "diagonal")
    inputs = normal(BATCH, TIME, INPUT, seed=1)
    with pytest.raises(ValueError, match="lengths must be 2 numbers in 1..6"):
        forward_stack(layers, inputs, lengths=lengths)
    with pytest.raises(ValueError, match="lengths must be 2 numbers in 1..6"):
        run_stack(theirs, torch.from_numpy(inputs), lengths=torch.tensor(lengths))
    with pytest.raises(ValueError, match="at least one step"):
        forward_stack(layers, inputs[:, :0])


@pytest.mark.parametrize("peephole", ["diagonal", "full"])
def test_without_peephole_weights_it_is_the_lstm(peephole):
    (seeing, *_), _ = make_stack("lstm_peephole", peephole, [4])
    (plain, *_), _ = make_stack("lstm", peephole, [4])
    assert seeing.weights.weight_ch.any()
    blind = Layer(
        seeing.cell,
        initial_weights(
            seeing.cell,
            input_size=INPUT,
            hidden_size=4,
            seed=3,
            name="layers.0.",
            peephole=peephole,
        ),
    )
    assert not blind.weights.weight_ch.any()  # as a peephole LSTM starts
    inputs, d_outputs = normal(BATCH, TIME, INPUT, seed=1), normal(BATCH, TIME, 4, seed=2)
    runs = [forward(layer, inputs) for layer in (blind, plain, seeing)]
    close(runs[0].outputs, runs[1].outputs, atol=0)
    assert abs(runs[2].outputs - runs[1].outputs).max() > 1e-3
    a, b = (backward(run, d_outputs) for run in runs[:2])
    for ours, theirs in zip(a.weights[:4], b.weights[:4], strict=True):
        close(ours, theirs)
    with pytest.raises(ValueError, match="needs weight_ch"):
        forward(Layer(seeing.cell, plain.weights), inputs)


def test_a_diagonal_peephole_is_a_full_one_with_a_diagonal_matrix():
    (layer, *_), _ = make_stack("lstm_peephole", "diagonal", [4])
    matrices = [np.diag(block) for block in np.split(layer.weights.weight_ch, 3)]
    full = Layer(layer.cell, layer.weights._replace(weight_ch=np.concatenate(matrices)))
    inputs, d_outputs = normal(BATCH, TIME, INPUT, seed=1), normal(BATCH, TIME, 4, seed=2)
    a, b = forward(layer, inputs), forward(full, inputs)
    close(a.outputs, b.outputs)
    of_diagonal, of_full = (backward(run, d_outputs).weights.weight_ch for run in (a, b))
    close(of_diagonal, np.concatenate([np.diag(block) for block in np.split(of_full, 3)]))


def test_gates_are_named_and_lie_in_their_ranges():
    for cell, peephole in KINDS:
        (layer, *_), _ = make_stack(cell, peephole, [4])
        run = forward(layer, 3 * normal(BATCH, TIME, INPUT, seed=1))
        assert run.gates._fields == CELLS[cell].fields._fields
        for name, values in run.gates._asdict().items():
            assert values.shape == (BATCH, TIME, 4)
            assert (values < 1).all()
            assert (values > (-1 if name == "candidate" else 0)).all()
