"""What the texts say that this project grew out of, row by row, with their own numbers.

Known answers come from independent programs: torch's autograd in float64 and
Deep-Breathe, the numpy program of the article "LSTM internals".
"""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from lstmgen.cells import (
    CELLS,
    Layer,
    State,
    Weights,
    backward,
    forward,
    forward_stack,
    initial_weights,
    reorder_gates,
)
from lstmgen.cells.building_blocks import sigmoid, sigmoid_slope, tanh_slope
from lstmgen.cells.initialization import draw
from lstmgen.inspection import deep_breathe
from lstmgen.inspection.window_explanation import loss_gradient, softmax
from lstmgen.model.chunked_softmax import summed_nats
from lstmgen.model.language_model import LanguageModel
from lstmgen.model.layer_interface import State as TorchState
from lstmgen.model.run_layers import make_layer
from lstmgen.model.variable_lengths import run_stack
from lstmgen.training.loop import StepSetup, TrainState, train_steps
from lstmgen.training.optimizers import build_optimizer
from lstmgen.windows.plans import RandomPlan, StreamPlan
from tests.helpers.arrays import close, normal, steady
from tests.helpers.program import call_cli


def digits(ours, theirs, places):
    """Equal to so many printed decimals."""
    close(ours, theirs, atol=0.5001 * 10.0**-places)


def layer_of(cell, weight_ih, weight_hh, bias, weight_ch=None):
    bias = np.asarray(bias, dtype=float)
    return Layer(
        CELLS[cell],
        Weights(
            np.asarray(weight_ih, dtype=float),
            np.asarray(weight_hh, dtype=float),
            bias,
            np.zeros_like(bias),
            None if weight_ch is None else np.asarray(weight_ch, dtype=float),
        ),
    )


def random_layer(cell, width, size, seed=0, name=""):
    weights = initial_weights(CELLS[cell], input_size=width, hidden_size=size, seed=seed, name=name)
    return Layer(CELLS[cell], weights)


def gates_biased(write=0.0, keep=0.0, read=0.0):
    """A layer of 3 whose gates are pushed open (+50) or shut (-50)."""
    layer = random_layer("lstm", 2, 3)
    bias = np.repeat([write, keep, 0.0, read], 3)
    return Layer(layer.cell, layer.weights._replace(bias_ih=bias))


def to_torch(layer, module):
    """A torch module of one layer with these weights, in float64."""
    module = module.double()
    with torch.no_grad():
        for name, values in layer.weights._asdict().items():
            if values is not None:
                getattr(module, f"{name}_l0").copy_(torch.from_numpy(values))
    return module


SCALAR = np.full((4, 1), 0.5), np.full((4, 1), 0.5), np.zeros(4)
ONE, BEFORE = np.array([[[1.0]]]), State(np.array([[0.2]]), np.array([[0.3]]))


def test_row_01_elman_cell_unrolled():
    layer = layer_of("elman", [[0.1, 0.2], [0.3, 0.4]], 0.5 * np.eye(2), [0.1, -0.1])
    inputs = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    run = forward(layer, inputs)
    digits(run.outputs[0], [[0.1973753, 0.1973753], [0.3788255, 0.3788255]], 7)
    theirs, _ = to_torch(layer, nn.RNN(2, 2, batch_first=True))(torch.from_numpy(inputs))
    close(run.outputs, theirs.detach())
    found = backward(run, np.ones((1, 2, 2)), per_step=True)
    summed = sum(step.weights.weight_ih for step in found.steps)
    close(found.weights.weight_ih, summed)
    assert forward(layer, normal(1, 50, 2)).outputs.shape == (1, 50, 2)  # the same cell for any T


@pytest.mark.parametrize("peephole", ["diagonal", "full"])
def test_row_02_peephole_lstm_reads_the_new_cell(peephole):
    seen = np.full(3, 0.5) if peephole == "diagonal" else np.full((3, 1), 0.5)
    run = forward(layer_of("lstm_peephole", *SCALAR, weight_ch=seen), ONE, BEFORE)
    found = [values[0, 0, 0] for values in (*run.gates, run.states.cell, run.states.hidden)]
    digits(found, [0.6791787, 0.6791787, 0.5370496, 0.7077028, 0.5685062, 0.3639442], 7)
    assert abs(run.outputs[0, 0, 0] - 0.3492754) > 1e-3  # what the old cell would give
    full = initial_weights(CELLS["lstm_peephole"], input_size=2, hidden_size=5, seed=0,
                           peephole="full").weight_ch  # fmt: skip
    diagonal = initial_weights(
        CELLS["lstm_peephole"], input_size=2, hidden_size=5, seed=0
    ).weight_ch
    assert (diagonal.size, full.size) == (3 * 5, 3 * 5 * 5)


def test_row_03_lstm_without_peepholes():
    run = forward(layer_of("lstm", *SCALAR), ONE, BEFORE)
    found = [run.gates.input, run.gates.forget, run.gates.output]
    digits(found, np.full((3, 1, 1, 1), 0.6456563), 7)
    digits([run.states.cell.item(), run.states.hidden.item()], [0.5404463, 0.3185189], 7)
    zero = forward(layer_of("lstm_peephole", *SCALAR, weight_ch=np.zeros(3)), ONE, BEFORE)
    close(zero.outputs, run.outputs, atol=0)


def test_row_04_two_linear_maps_chunked_are_torch_s_lstm_once_the_rows_are_in_order():
    torch.manual_seed(0)
    ours, theirs = nn.Linear(3, 20).double(), nn.Linear(5, 20).double()
    inputs, kernel = torch.from_numpy(normal(2, 7, 3)), nn.LSTM(3, 5, batch_first=True).double()
    hidden = cell = torch.zeros(2, 5, dtype=torch.float64)
    outputs = []
    for step in range(7):
        i, f, o, g = (ours(inputs[:, step]) + theirs(hidden)).chunk(4, 1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        hidden = torch.sigmoid(o) * torch.tanh(cell)
        outputs.append(hidden)
    written = torch.stack(outputs, dim=1).detach()

    def fill(source):
        with torch.no_grad():
            for name, part in (("ih", ours), ("hh", theirs)):
                for kind, values in (("weight", part.weight), ("bias", part.bias)):
                    ordered = reorder_gates(values.detach().numpy(), source=source)
                    getattr(kernel, f"{kind}_{name}_l0").copy_(torch.from_numpy(ordered))
        return kernel(inputs)[0].detach()

    close(fill("torch_rnn"), written)
    assert abs(fill("pytorch") - written).max() > 0.01


def test_row_05_gate_orders_of_other_libraries():
    width, size, batch = 3, 4, 2
    x, hidden, cell = normal(batch, width), normal(batch, size, seed=1), normal(batch, size, seed=2)
    gates = {letter: normal(width + size, size, seed=3 + k) for k, letter in enumerate("ifgo")}
    biases = {letter: normal(size, seed=8 + k) for k, letter in enumerate("ifgo")}
    sums = {k: np.concatenate([x, hidden], 1) @ gates[k] + biases[k] for k in "ifgo"}
    new = sigmoid(sums["f"]) * cell + sigmoid(sums["i"]) * np.tanh(sums["g"])
    expected = sigmoid(sums["o"]) * np.tanh(new)
    orders = {"pytorch": "ifgo", "tensorflow": "ifgo", "tensorflow_basic": "igfo",
              "torch_rnn": "ifog", "haiku": "igfo"}  # fmt: skip
    for source, order in orders.items():
        kernel = np.concatenate([gates[k] for k in order], axis=1)  # (D + H, 4H)
        bias = np.concatenate([biases[k] for k in order])
        ordered = reorder_gates(kernel, source=source, axis=1)
        layer = layer_of(
            "lstm", ordered[:width].T, ordered[width:].T, reorder_gates(bias, source=source)
        )
        run = forward(layer, x[:, None], State(hidden, cell))
        close(run.last.hidden, expected)
        close(run.last.cell, new)
    rows = [np.column_stack([biases[k], gates[k].T]) for k in "figo"]
    matrix = reorder_gates(np.concatenate(rows), source="deep_breathe")  # bias in column 0
    layer = layer_of("lstm", matrix[:, 1 : 1 + width], matrix[:, 1 + width :], matrix[:, 0])
    close(forward(layer, x[:, None], State(hidden, cell)).last.hidden, expected)
    with pytest.raises(ValueError, match=r"source = 'keras': not known. Choose one of pytorch"):
        reorder_gates(matrix, source="keras")
    with pytest.raises(ValueError, match="not four blocks of gates"):
        reorder_gates(np.zeros(6), source="haiku")


def test_row_06_write_keep_and_read():
    inputs = normal(2, 1, 2)
    before = State(np.tanh(normal(2, 3, seed=1)), normal(2, 3, seed=2))
    replaced = forward(gates_biased(write=50, keep=-50), inputs, before)
    close(replaced.last.cell, replaced.gates.candidate[:, 0], atol=0)
    kept = forward(gates_biased(write=-50, keep=50), inputs, before)
    close(kept.last.cell, before.cell, atol=1e-20)
    silent = forward(gates_biased(read=-50), inputs, before)
    assert abs(silent.outputs).max() < 1e-20


def test_row_07_what_holds_of_every_lstm():
    run = forward(random_layer("lstm", 2, 3), 4 * normal(5, 30, 2))
    for gate in (run.gates.input, run.gates.forget, run.gates.output):
        assert (gate > 0).all()
        assert (gate < 1).all()
    hidden, cell = run.states
    assert (abs(hidden) < np.tanh(abs(cell))).all()
    assert (np.tanh(abs(cell)) < 1).all()
    assert (np.sign(hidden) == np.sign(cell)).all()
    assert (abs(cell[:, 0]) < 1).all()


def test_row_08_why_tanh():
    x = np.linspace(-12, 12, 4801)
    assert sigmoid_slope(sigmoid(x)).max() == 0.25
    assert tanh_slope(np.tanh(x)).max() == 1
    assert ((sigmoid(x) > 0) & (sigmoid(x) < 1)).all()
    assert (abs(np.tanh(x)) < 1).all()


def test_row_09_forget_bias():
    assert sigmoid(np.array(1.0)) ** 20 == pytest.approx(1.9e-3, rel=0.02)
    assert sigmoid(np.array(0.0)) ** 20 == pytest.approx(9.5e-7, rel=0.01)
    for cell in CELLS:
        weights = random_layer(cell, 2, 3).weights
        assert not weights.bias_hh.any()
        forget = [0.0] * 3 + [1.0] * 3 + [0.0] * 6 if "lstm" in cell else []
        assert weights.bias_ih.tolist() == (forget or [0.0] * len(weights.bias_ih))


def test_row_10_a_single_step():
    layer = random_layer("lstm", 6, 4)
    run = forward(layer, normal(1, 1, 6))
    assert run.outputs[:, 0].shape == (1, 4)
    assert run.last.hidden.shape == run.last.cell.shape == (1, 4)
    close(run.outputs[:, 0], run.last.hidden, atol=0)
    weights = layer.weights
    assert weights.weight_ih.size + weights.weight_hh.size + weights.bias_ih.size == 176


def test_row_11_shapes_of_two_layers_of_twenty():
    model = LanguageModel(7, embedding_dim=10, hidden_sizes=[20, 20])
    shapes = [tuple(p.shape) for name, p in model.named_parameters() if name.startswith("layers.")]
    assert shapes == [(80, 10), (80, 20), (80,), (80,), (80, 20), (80, 20), (80,), (80,)]
    assert sum(math.prod(shape) for shape in shapes) == 5920


def test_row_12_a_stack_of_four_then_five():
    layers = [random_layer("lstm", 6, 4), random_layer("lstm", 4, 5, name="layers.1.")]
    runs = forward_stack(layers, normal(2, 3, 6))
    assert runs[0].outputs.shape == (2, 3, 4)
    assert runs[1].outputs.shape == (2, 3, 5)
    assert [run.last.hidden.shape for run in runs] == [(2, 4), (2, 5)]
    assert [run.last.cell.shape for run in runs] == [(2, 4), (2, 5)]
    sizes = [[w.size for w in layer.weights[:4]] for layer in layers]
    assert sum(sum(size[:3]) for size in sizes) == 376
    assert [sum(size) for size in sizes] == [192, 220]


def test_row_13_two_sequences_that_begin_alike():
    """Two sequences of three steps of six numbers; the first step is shared."""
    sample = [[[1, 2, 3, 4, 3, 2], [1, 2, 1, 1, 1, 2], [1, 2, 2, 2, 2, 2]],
              [[1, 2, 3, 4, 3, 2], [3, 2, 2, 1, 1, 2], [0, 0, 0, 0, 3, 2]]]  # fmt: skip
    layers = []
    for width, size in ((6, 4), (4, 5)):
        bias = np.zeros(4 * size)
        bias[size : 2 * size] = 1
        layers.append(
            layer_of("lstm", np.full((4 * size, width), 0.1), np.full((4 * size, size), 0.1), bias)
        )
    top = forward_stack(layers, np.array(sample, dtype=float))[-1].outputs
    assert (top[0, 0] == top[1, 0]).all()
    assert (top[0, 1:] != top[1, 1:]).all()
    expected = [[0.06140223, 0.13411900, 0.22421437], [0.06140223, 0.14585323, 0.21416312]]
    digits(top, np.repeat(np.array(expected)[..., None], 5, axis=2), 8)


def test_row_14_outputs_of_all_steps_and_the_last_state_of_each_layer():
    torch.manual_seed(0)
    layers = [make_layer("lstm", 3, 4).double(), make_layer("lstm", 4, 5).double()]
    inputs = torch.from_numpy(normal(2, 7, 3))
    outputs, lasts = run_stack(layers, inputs)
    close(outputs[:, -1].detach(), lasts[-1].hidden.detach(), atol=0)
    first, carried = run_stack(layers, inputs[:, :3])
    rest, ended = run_stack(layers, inputs[:, 3:], carried)
    close(torch.cat([first, rest], dim=1).detach(), outputs.detach())
    for a, b in zip(ended, lasts, strict=True):
        close(a.hidden.detach(), b.hidden.detach())
        close(a.cell.detach(), b.cell.detach())
    moved = [TorchState(s.hidden + 1, s.cell) for s in carried]
    assert (run_stack(layers, inputs[:, 3:], moved)[0] - rest).abs().max() > 1e-3
    alone, _ = run_stack(layers, inputs[1:])
    close(alone.detach(), outputs[1:].detach())


@pytest.mark.parametrize("cell", CELLS)
def test_row_15_loop_and_kernel_agree(cell):
    torch.manual_seed(0)
    layer = make_layer(cell, 3, 4).double()
    found = []
    for loop in (False, True):
        layer.zero_grad()
        inputs = torch.from_numpy(normal(2, 7, 3)).requires_grad_()
        outputs, (last,) = run_stack([layer], inputs, loop=loop)
        (outputs.square().sum() + last.cell.sum() + last.hidden.sum()).backward()
        found.append([outputs, last.hidden, last.cell, inputs.grad, *(
            parameter.grad.clone() for parameter in layer.parameters()
        )])  # fmt: skip
    for a, b in zip(*found, strict=True):
        close(a.detach(), b.detach())


def test_row_16_a_story_is_learnt_and_a_cue_continued(tmp_path, tiny):
    run = call_cli("train", tiny, "-q", cwd=tmp_path, check=0).stdout.strip()
    done = call_cli("generate", run, "--cue", "The old dog", "--seed", 1, cwd=tmp_path, check=0)
    assert done.stdout.startswith("The old dog ")
    assert len(done.stdout.split()) > 5


def test_row_17_many_words_in_one_word_out():
    model = LanguageModel(10, embedding_dim=3, hidden_sizes=[5], one_hot=True, tie_weights=False)
    ids = torch.tensor([[8, 7, 5]])
    assert model._vectors(ids).shape == (1, 3, 10)
    features, (state,) = model.read(ids, model.zero_states(1), carry=torch.tensor([3]))
    assert state.hidden.shape == (1, 5)
    logits = model.logits(state.hidden)
    assert logits.shape == (1, 10)
    close(logits.detach(), model.logits(features[:, -1]).detach(), atol=0)


def test_row_18_one_hot_times_a_matrix_is_a_row_of_it():
    matrix, ids = normal(4, 7), np.array([3, 0, 6])
    close(np.eye(7)[ids] @ matrix.T, matrix.T[ids], atol=0)
    one_hot = LanguageModel(7, embedding_dim=4, hidden_sizes=[5], one_hot=True, tie_weights=False)
    embedded = LanguageModel(7, embedding_dim=7, hidden_sizes=[5], tie_weights=False)
    with torch.no_grad():
        embedded.embedding.weight.copy_(torch.eye(7))
        embedded.layers.load_state_dict(one_hot.layers.state_dict())
        embedded.output_weight.copy_(one_hot.output_weight)
    read = torch.tensor([[1, 5, 2]])
    a, b = (
        m.logits(m.read(read, m.zero_states(1), carry=torch.tensor([3]))[0]).detach()
        for m in (one_hot, embedded)
    )
    close(a, b, atol=1e-7)


def deep_breathe_starts(steps):
    """Where its windows begin: strides of n + 1, and a new phase past the end."""
    generator, start, found = np.random.RandomState(42), deep_breathe.START, []
    for _ in range(steps):
        if start not in deep_breathe.starts():
            start = generator.randint(0, deep_breathe.WINDOW + 1)
        found.append(start)
        start += deep_breathe.WINDOW + 1
    return found


def test_row_19_windows_begin_everywhere_and_nowhere_else():
    assert list(deep_breathe.starts()) == list(range(8))  # 11 words, three in, one out
    visits = np.bincount(deep_breathe_starts(200), minlength=8)
    assert visits.tolist() == [19, 26, 25, 30, 19, 26, 25, 30]
    ids = np.arange(11)
    plan = RandomPlan(11, window=3, stride=1, batch_size=4)
    seen = [
        int(row[0])
        for step in range(plan.steps_in(0))
        for window in plan.micro_batches(ids, epoch=0, step=step)
        for row in window.inputs
    ]
    assert set(seen) <= set(range(8))
    assert len(seen) == len(set(seen)) == 8


def test_row_20_softmax_cross_entropy():
    def nats(logits, target):
        row = torch.tensor([logits], dtype=torch.float64, requires_grad=True)
        eye, zero = torch.eye(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
        value = summed_nats(row, eye, zero, torch.tensor([target]))
        value.backward()
        return value.item(), row.grad[0].numpy()

    value, gradient = nats([1.0, 3, 5, 7], 3)
    digits(value, 0.14507794, 8)
    digits(gradient, [0.00214401, 0.01584220, 0.11705891, -0.13504512], 8)
    close(gradient, softmax(np.array([1.0, 3, 5, 7])) - [0, 0, 0, 1])
    digits(nats([1.0, -9, 4, 8], 1)[0], 17.01904505, 8)
    close(nats([0.0, 0, 0, 0], 2)[0], math.log(4))


def test_row_21_deep_breathe_from_first_principles(tmp_path):
    def page(*options):
        done = call_cli("explain", "--oracle", "--json", *options, cwd=tmp_path, check=0)
        return json.loads(done.stdout)

    one = page("--start", 2)
    assert one["words"] == ["the", "mice", "had"]
    assert one["prediction"]["target"] == "a"
    digits(one["prediction"]["cost"], 1.63431868, 8)
    digits(np.array(one["forward"]["hidden"])[:, 0], [0.05943684, 0.11519006, 0.16714133], 8)
    digits(one["forward"]["cell"][2][0], 0.30548735, 8)

    def biases(found):
        bias = np.array(found["gradient"]["weights"]["bias_ih"]).reshape(4, 5)[:, 0]
        return dict(zip("ifgo", bias, strict=True))

    for name, value in zip("igfo", (-0.03279345, -0.30876684, -0.01173258, -0.03436635),
                           strict=True):  # fmt: skip
        digits(biases(one)[name], value, 8)
    from_the = np.array(one["gradient"]["weights"]["weight_ih"]).reshape(4, 5, 10)[:, 0, 8]
    assert from_the[1] == 0  # the cell before "the" is zero
    digits(from_the[2], -0.08854631, 8)
    top, bottom = page("--layers", 2, "--layer", 2), page("--layers", 2, "--layer", 1)
    digits(top["prediction"]["cost"], 1.67425051, 8)
    for found, expected in (
        (top, (-0.02623911, -0.31211477, -0.00831922, -0.02673193)),
        (bottom, (-0.00587665, -0.05784082, -0.00146494, -0.00607278)),
    ):
        for name, value in zip("igfo", expected, strict=True):
            digits(biases(found)[name], value, 8)


def test_row_21_two_hundred_steps_of_deep_breathe():
    """Plain SGD with our gradients gives its losses: one bias, nothing clipped, rate .001."""
    engine, ids = deep_breathe.make_engine(), deep_breathe.text_ids()
    weights, losses, rate = engine.layers[0].weights, [], 0.001
    starts = deep_breathe_starts(200)
    assert starts[:5] == [2, 6, 2, 6, 3]
    for start in starts:
        target = int(ids[start + 3])
        logits, runs, (gradients,) = loss_gradient(engine, ids[start : start + 3], target)
        hidden, error = runs[-1].outputs[0, -1], softmax(logits)
        losses.append(-math.log(error[target]))
        error[target] -= 1
        for name in ("weight_ih", "weight_hh", "bias_ih"):
            getattr(weights, name)[...] -= rate * getattr(gradients.weights, name)
        engine.output.matrix[:] -= rate * np.outer(error, hidden)
        engine.output.bias[:] -= rate * error
    digits(losses[:5], [1.63431868, 3.96901502, 1.63389777, 3.96260432, 2.34539013], 8)
    digits(losses[199], 3.64252235, 8)


def test_row_22_a_single_cell():
    bias = np.repeat([0.5, 1.5, 0.5, 0.5], 2)
    layer = layer_of("lstm", np.full((8, 3), 0.5), np.full((8, 2), 0.5), bias)
    run = forward(layer, np.ones((1, 1, 3)), State(np.array([[0.2, 0.3]]), np.array([[0.0, 0.1]])))
    digits(run.last.hidden[0], [0.64121796, 0.68166811], 8)
    digits(run.last.cell[0], [0.88477185, 0.98103916], 8)


def test_row_23_the_gradient_stops_at_the_window_s_edge_and_the_value_does_not():
    model = LanguageModel(7, embedding_dim=4, hidden_sizes=[5], tie_weights=False).double()
    before, window = torch.tensor([[1, 2, 3]]), torch.tensor([[4, 5]])

    def nats():
        _, states = model.read(before, model.zero_states(1), carry=torch.tensor([3]))
        features, _ = model.read(window, states, carry=torch.tensor([2]))
        return model.summed_nats(features[0, -1:], torch.tensor([6]))

    first = nats()
    first.backward()
    assert not model.embedding.weight.grad[[1, 2, 3]].any()
    assert model.embedding.weight.grad[[4, 5]].all()
    with torch.no_grad():
        model.embedding.weight[2] += 1
    assert abs(nats().item() - first.item()) > 1e-6


def test_row_24_accumulated_gradients_are_those_of_the_whole_batch():
    ids = np.random.default_rng(0).integers(0, 7, 49)  # streams of unequal lengths

    def train(batch_size, accumulate):
        model = LanguageModel(7, embedding_dim=4, hidden_sizes=[5], tie_weights=False).double()
        state = TrainState(model, build_optimizer(model, name="sgd", weight_decay=0.0))
        plan = StreamPlan(49, window=3, stride=3, batch_size=batch_size, accumulate=accumulate)
        reports = list(
            train_steps(state, StepSetup(steady(0.5), ids, plan, 1), until=plan.steps_in(0))
        )
        return reports, torch.cat([p.detach().flatten() for p in model.parameters()])

    whole, weights = train(6, 1)
    for batch_size, accumulate in ((3, 2), (2, 3), (1, 6)):
        parts, same = train(batch_size, accumulate)
        assert len(parts) == len(whole)
        close([r.nats for r in parts], [r.nats for r in whole], atol=1e-10)
        close(same, weights, atol=1e-10)
    assert sum(r.words for r in whole) == 48  # the ragged end too
    assert {r.words for r in whole[:-1]} == {18}
    assert 0 < whole[-1].words < 18  # the last group counts at its true size
    gradients = torch.tensor([[3.0, 0.0], [-3.0, 1.0]], dtype=torch.float64)

    def clipped(gradient):
        weight = nn.Parameter(torch.zeros(2, dtype=torch.float64))
        weight.grad = gradient.clone()
        nn.utils.clip_grad_norm_([weight], 1.0)
        return weight.grad

    close(clipped(gradients.mean(0)), [0, 0.5])
    close(sum(clipped(g) for g in gradients) / 2, [0.026, 0.158], atol=5e-4)


def test_a_layer_more_and_a_module_unused_move_no_initial_value():
    small = LanguageModel(7, embedding_dim=4, hidden_sizes=[5])
    large = LanguageModel(7, embedding_dim=4, hidden_sizes=[5, 6])
    for name, parameter in small.layers.named_parameters():
        assert torch.equal(parameter, dict(large.layers.named_parameters())[name])
    first = draw((3,), reach=1.0, seed=0, name="a")
    nn.Linear(4, 4)  # an unused module draws from the global generator, not from ours
    close(draw((3,), reach=1.0, seed=0, name="a"), first, atol=0)


def test_row_25_gradients_vanish_and_explode_and_pass_an_open_keep_gate():
    def through_time(weight):
        """dh20/dh0 of a linear network, as the derivative of tanh at 0 is 1."""
        run = forward(layer_of("elman", [[0.0]], [[weight]], [0.0]), np.zeros((1, 20, 1)))
        d_outputs = np.zeros((1, 20, 1))
        d_outputs[0, -1] = 1
        return backward(run, d_outputs).start.hidden.item()

    assert through_time(0.5) == pytest.approx(9.54e-7, rel=1e-3)
    assert through_time(1.0) == 1
    assert through_time(1.5) == pytest.approx(3325, rel=1e-3)
    parameter = nn.Parameter(torch.zeros(3))
    parameter.grad = torch.full((3,), through_time(1.5))
    nn.utils.clip_grad_norm_([parameter], 1.0)
    assert parameter.grad.norm().item() == pytest.approx(1, abs=1e-5)
    run = forward(gates_biased(write=-50, keep=50), normal(1, 20, 2))
    d_last = State(np.zeros((1, 3)), np.ones((1, 3)))
    close(backward(run, np.zeros((1, 20, 3)), d_last).start.cell, np.ones((1, 3)), atol=1e-9)
