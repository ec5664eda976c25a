"""Products in bfloat16: near float32, with float32 around them; steps that are not finite."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from lstmgen.cells import CELLS
from lstmgen.errors import DivergedError
from lstmgen.model import chunked_softmax
from lstmgen.model.language_model import DropoutRates, LanguageModel
from lstmgen.model.layer_interface import State
from lstmgen.model.run_layers import make_layer, run_layer
from lstmgen.training import precision
from lstmgen.training.loop import CHECK_EVERY, StepSetup, TrainState, check_finite, train_steps
from lstmgen.training.optimizers import build_optimizer
from lstmgen.training.precision import has_bf16_units, resolve_precision
from lstmgen.windows.plans import StreamPlan
from tests.helpers.arrays import steady, weights_of

CPU = torch.device("cpu")
needs_units = pytest.mark.skipif(
    not has_bf16_units(CPU), reason="this CPU has no units for bfloat16"
)
IDS = np.tile(np.random.default_rng(3).integers(0, 23, 40), 12)  # to be learnt by heart


def float32_model(**options):
    sizes = {"embedding_dim": 24, "hidden_sizes": [40, 32], "seed": 2}
    return LanguageModel(23, **(sizes | options))


def begin_training(model, until, *, optimizer="adamw", clip=1.0, rate=1e-2, **options):
    state = TrainState(model, build_optimizer(model, name=optimizer, weight_decay=0.01))
    plan = StreamPlan(len(IDS), window=8, stride=8, batch_size=6)
    setup = StepSetup(steady(rate, clip_norm=clip), IDS, plan, until, **options)
    return state, train_steps(state, setup, until=until)


def off(a, b):
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("rows", [1, 5, 40])
def test_an_output_layer_in_bf16_is_near_the_exact_one_chunk_by_chunk(rows, monkeypatch):
    monkeypatch.setattr(chunked_softmax, "chunk_rows", lambda *_: rows)
    generator = torch.Generator().manual_seed(0)
    hidden, weight = (torch.randn(n, 24, generator=generator) for n in (40, 50))
    bias = torch.randn(50, generator=generator) - 9  # as the log shares of a vocabulary
    targets = torch.randint(0, 50, (40,), generator=generator)
    tensors = [tensor.requires_grad_() for tensor in (hidden, weight, bias)]
    exact, rounded = (
        chunked_softmax.summed_nats(*tensors, targets, bf16=bf16) for bf16 in (False, True)
    )
    assert rounded.item() == pytest.approx(exact.item(), rel=3e-3)
    assert rounded.item() != exact.item()
    theirs = torch.autograd.grad(exact, tensors)
    for a, b in zip(torch.autograd.grad(rounded, tensors), theirs, strict=True):
        assert a.dtype == torch.float32
        assert off(a, b) < 0.02


def test_nats_of_a_word_that_cannot_be_are_told_all_the_same():
    """Its share is 0 in any precision; the nats are not infinite."""
    logits = torch.tensor([[2000.0, 0.0, -3000.0]], dtype=torch.float64, requires_grad=True)
    eye, zero = torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    nats = chunked_softmax.summed_nats(logits, eye, zero, torch.tensor([2]))
    assert nats.item() == 5000
    nats.backward()
    assert logits.grad.tolist() == [[1.0, 0.0, -1.0]]


@needs_units
def test_an_lstm_in_bf16_keeps_its_cell_in_float32():
    layer = make_layer("lstm", 24, 40)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(6, 9, 24, generator=generator)
    state = State(*(torch.randn(6, 40, generator=generator) for _ in range(2)))
    exact, rounded = (run_layer(layer, inputs, state, bf16=bf16) for bf16 in (False, True))
    for a, b in zip((rounded.outputs, *rounded.last), (exact.outputs, *exact.last), strict=True):
        assert a.dtype == torch.float32
        assert 0 < float((a - b).detach().abs().max()) < 0.03
    cell = rounded.last.cell
    assert not torch.equal(cell, cell.bfloat16().float())  # it was never rounded to 8 bits
    theirs = torch.autograd.grad(exact.outputs.square().sum(), list(layer.parameters()))
    ours = torch.autograd.grad(rounded.outputs.square().sum(), list(layer.parameters()))
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == torch.float32
        assert off(a, b) < 0.03


@needs_units
def test_training_in_bf16_goes_the_way_of_float32():
    """Nats of each word over 40 steps, in which most is learnt of these words' shares."""
    ways = []
    for bf16 in (False, True):
        state, steps = begin_training(float32_model(), 40, bf16=bf16)
        ways.append([report.nats / report.words for report in steps])
        assert {p.dtype for p in state.model.parameters()} == {torch.float32}
    assert min(ways[0]) < 0.95 * ways[0][0]
    assert ways[1] == pytest.approx(ways[0], rel=0.01)
    assert ways[1] != ways[0]


def test_the_mean_gradient_is_clipped_as_torch_clips_it():
    """In float32, where the optimiser's kernel divides; SGD at rate 1 shows the gradient."""
    for clip in (None, 0.05):
        model, reference = float32_model(), float32_model()
        before = weights_of(model)
        list(begin_training(model, 1, optimizer="sgd", clip=clip, rate=1.0)[1])
        window = StreamPlan(len(IDS), window=8, stride=8, batch_size=6).micro_batches(
            IDS, epoch=0, step=0
        )[0]
        states, carry = reference.zero_states(6), torch.from_numpy(window.carry)
        features, _ = reference.read(torch.from_numpy(window.inputs), states, carry=carry)
        logits = torch.cat([reference.logits(features)[row, :8] for row in range(6)])
        functional.cross_entropy(logits, torch.from_numpy(window.targets).flatten()).backward()
        if clip is not None:
            norm = torch.nn.utils.clip_grad_norm_(reference.parameters(), clip)
            assert norm > clip
        for name, parameter in reference.named_parameters():
            decay = 0.01 * before[name] if parameter.dim() > 1 else 0.0
            step = before[name] - model.get_parameter(name)
            torch.testing.assert_close(step, parameter.grad + decay, rtol=0, atol=2e-6)


def test_the_answer_of_the_config_and_the_device(monkeypatch):
    model = float32_model()

    def settle(name):
        return resolve_precision(name, model, batch=6, window=8)

    monkeypatch.setattr(precision, "has_bf16_units", lambda device: False)
    assert settle("fp32") == settle("auto") == (False, "")
    chosen, notice = settle("bf16")
    assert not chosen
    assert notice == (
        "train.precision = bf16: this CPU has no bfloat16 units, so training uses fp32"
    )
    monkeypatch.setattr(precision, "has_bf16_units", lambda device: True)
    assert settle("fp32") == (False, "")

    def fails(layer, *args, bf16=False, **kwargs):
        if bf16:
            raise RuntimeError("could not create a primitive\nsomewhere")
        return run_layer(layer, *args, **kwargs)

    monkeypatch.setattr(precision, "run_layer", fails)
    chosen, notice = settle("auto")
    assert not chosen
    assert notice == (
        "train.precision = auto: no bfloat16 kernel for a layer of 40 units (could not create a "
        "primitive), so training uses fp32"
    )

    def wrong(layer, *args, bf16=False, **kwargs):
        run = run_layer(layer, *args, **kwargs)
        return run._replace(outputs=run.outputs + 0.5) if bf16 else run

    monkeypatch.setattr(precision, "run_layer", wrong)
    assert "(it is off by 0.5), so training uses fp32" in settle("bf16")[1]


def test_units_are_those_that_torch_reports(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False})
    assert not has_bf16_units(CPU)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    assert has_bf16_units(CPU) is torch.backends.mkldnn.is_available()


@needs_units
def test_the_layers_of_a_model_pass_the_trial():
    for cell in CELLS:
        assert resolve_precision("auto", float32_model(cell=cell), batch=6, window=8) == (True, "")
    assert resolve_precision("auto", float32_model(), batch=1, window=1) == (True, "")
    wide = float32_model(hidden_sizes=[300])
    assert resolve_precision("auto", wide, batch=40, window=30) == (True, "")


def test_a_training_that_looks_now_and_then_has_the_same_bits():
    now, later = (
        float32_model(dropout=DropoutRates(0.2, 0.2, 0.2)),
        float32_model(dropout=DropoutRates(0.2, 0.2, 0.2)),
    )
    nats = [
        [report.nats for report in begin_training(model, 25, deferred=deferred)[1]]
        for model, deferred in ((now, False), (later, True))
    ]
    assert nats[0] == nats[1]
    for name, value in weights_of(now).items():
        assert torch.equal(value, weights_of(later)[name])


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_step_that_is_not_finite_is_never_applied_and_never_saved(optimizer):
    state, steps = begin_training(float32_model(), 100, optimizer=optimizer, deferred=True)
    next(steps)
    good = weights_of(state.model)
    with torch.no_grad():
        state.states[0][0].hidden[0] = float("nan")  # every later step is spoilt
    next(steps)
    for name, value in weights_of(state.model).items():
        assert torch.equal(value, good[name])
    with pytest.raises(DivergedError, match="training diverged at or shortly before step 2"):
        check_finite(state)
    with pytest.raises(DivergedError, match="training diverged at or shortly before step"):
        for _ in range(CHECK_EVERY + 1):
            next(steps)
    for name, value in weights_of(state.model).items():
        assert torch.equal(value, good[name])
