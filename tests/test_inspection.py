"""Looking into a model: the pages, the numbers behind them, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from rich.cells import cell_len

from lstmgen.cells import CELLS
from lstmgen.errors import UsageError
from lstmgen.generation.load import load_checkpoint, make_engine
from lstmgen.inspection.tracing import (
    VANISHED,
    GateTrace,
    GradientTrace,
    trace_gates,
    trace_gradient,
    untrained_elman,
)
from lstmgen.inspection.window_explanation import nll
from lstmgen.model.factory import build_model, load_weights
from lstmgen.model.layer_interface import zero_state as torch_zero_state
from lstmgen.model.run_layers import run_layer
from lstmgen.reporting.gradients_report import _bar
from lstmgen.reporting.heat_map import units_that_fit
from lstmgen.reporting.inspecting import gates_page
from lstmgen.reporting.inspection_plots import check_picture
from tests.helpers.inspected import subject_of, trace_of
from tests.helpers.program import call_cli
from tests.helpers.scenes import run_of, write_story

CUE = "The old dog sat by the river."


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a tiny run of every cell in it, each with two layers of unequal sizes."""
    folder = tmp_path_factory.mktemp("cells")
    write_story(
        folder,
        "data: {train: story.txt, valid_fraction: 0.2}\n"
        "model: {hidden_sizes: [9, 7], embedding_dim: 8}\n"
        "train: {window: 6, batch_size: 4, epochs: 3, learning_rate: 1e-2, device: cpu}\n",
        times=4,
    )
    for cell in CELLS:
        call_cli(
            "train", "my.yaml", f"model.cell={cell}", "--name", cell, "-q", cwd=folder, check=0
        )
    one_hot = ("model.input=one_hot", "model.tie_weights=false", "--name", "one_hot", "-q")
    call_cli("train", "my.yaml", *one_hot, cwd=folder, check=0)
    return folder


def explain(folder, name, *options):
    run = run_of(folder, name)
    return call_cli("explain", run, "--cue", CUE, *options, cwd=folder, check=0).stdout


def autograd(folder, name):
    """The cost of the cue's last word and its gradients, by torch, in float64."""
    opened = load_checkpoint(run_of(folder, name), folder / "runs")
    weights = opened.weights
    model = build_model(opened.config.model, opened.vocabulary, seed=1)
    load_weights(model, weights, source="run")
    model = model.double().eval()
    ids = [opened.vocabulary.ids[word] for word in
           ("<story>", "The", "old", "dog", "sat", "by", "the", "river", ".")]  # fmt: skip
    read = torch.tensor([ids[:-1]])
    features, _ = model.read(read, model.zero_states(1), carry=torch.tensor([len(ids) - 1]))
    cost = model.summed_nats(features[:, -1], torch.tensor(ids[-1:]))
    cost.backward()
    return cost.item(), model


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("name", [*CELLS, "one_hot"])
def test_explained_gradients_are_those_of_autograd(runs, name, layer):
    found = json.loads(explain(runs, name, "--layer", layer, "--json"))
    cost, model = autograd(runs, name)
    assert found["words"] == ["<story>", "The", "old", "dog", "sat", "by", "the", "river"]
    assert found["prediction"]["target"] == "."
    assert found["prediction"]["cost"] == pytest.approx(cost, abs=1e-12)
    layer_of_model = model.layers[layer - 1]
    for parameter, gradient in found["gradient"]["weights"].items():
        expected = getattr(layer_of_model, f"{parameter}_l0").grad.numpy()
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-12)
    assert ("weight_ch" in found["gradient"]["weights"]) == hasattr(layer_of_model, "weight_ch_l0")
    gates = found["gradient"]["gates"].values()
    shares = np.concatenate([np.array(gate).sum(axis=0) for gate in gates])
    np.testing.assert_allclose(shares, layer_of_model.bias_ih_l0.grad.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [*CELLS, "one_hot"])
def test_a_page_fits_a_hundred_columns_and_can_be_followed(runs, name):
    page = explain(runs, name, "--layer", 2, "--units", "3,0-1")
    first, *lines = page.splitlines()  # the first line has the path of the run
    assert first.endswith("layer 2 of 2")
    assert max(map(cell_len, lines)) <= 100
    for words in ("1. THE WORDS", "2. THE EQUATIONS", "3. FORWARD", "4. THE PREDICTION",
                  "LOW: ", "HIGH: ", "6. BACKWARD", "7. A WEIGHT IS USED AT EVERY WORD",
                  "unit 3", "unit 0", "unit 1", "the word to predict: .",
                  "spelled out", "loss = -ln p(.) = "):  # fmt: skip
        assert words in page, words
    found = json.loads(explain(runs, name, "--layer", 2, "--json"))
    assert f"{found['forward']['hidden'][-1][3]:.6f}" in page
    assert f"{found['prediction']['cost']:.6f}" in page
    lowest, highest = found["lowest"]["cost"], found["highest"]["cost"]
    assert lowest <= found["prediction"]["cost"] <= highest
    assert lowest < highest


def tables(page):
    """Every table of a page: (its section, the line above it) to rows of numbers."""
    found, section, above, rows = {}, 0, "", None
    for line in page.splitlines():
        if line[:1].isdigit():
            section, rows = int(line.split(".")[0]), None
        elif line[3:6].strip() == "t":
            rows = found.setdefault((section, above.strip()), [])
        elif rows is not None and (line[3:6].strip().isdigit() or line[8:11] == "sum"):
            rows.append([float(cell) for cell in line[20:].split()])
        else:
            rows, above = None, line
            continue
        above = line if rows is None else above
    return found


@pytest.mark.parametrize("name", [*CELLS, "one_hot"])
def test_the_tables_of_a_page_hold_the_numbers_of_its_json(runs, name):
    options = ("--layer", 2, "--units", "3,0")
    page = explain(runs, name, *options)
    found = json.loads(explain(runs, name, *options, "--json"))
    whole = json.loads(explain(runs, name, "--layer", 2, "--json"))
    shown, names = tables(page), list(found["gradient"]["gates"])
    memory = ["cell", "hidden"] if found["forward"]["cell"] else ["hidden"]

    def same(rows, expected):
        np.testing.assert_allclose(rows, expected, rtol=0.06, atol=6e-7)

    for place, unit in enumerate((3, 0)):
        columns = [np.array(found["forward"][k])[:, place] for k in (*names, *memory)]
        same(shown[3, f"unit {unit}"], np.transpose(columns))
        gradient = found["gradient"]
        columns = [np.array(gradient[k])[:, place] for k in reversed(memory)]
        columns += [np.array(gradient["gates"][k])[:, place] for k in names]
        *rows, last = shown[6, f"unit {unit}"]
        same(rows, np.transpose(columns)[::-1])
        bias = np.array(gradient["weights"]["bias_ih"]).reshape(len(names), -1)
        same(last, bias[:, unit])
    for key, parameter, place in (
        ("W, from x[0] to unit 3", "weight_ih", 0),
        ("U, from unit 3 to itself", "weight_hh", 3),
    ):
        *rows, last = shown[7, key]
        matrix = np.array(whole["gradient"]["weights"][parameter])
        same(last, matrix.reshape(len(names), -1, matrix.shape[1])[:, 3, place])
        same(np.sum(rows, axis=0), last)
    for kind in ("prediction", "lowest", "highest"):
        for choice in found[kind]["words"]:
            is_it = choice["word"] == found[kind]["target"]
            assert choice["gradient"] == pytest.approx(choice["probability"] - is_it, abs=1e-15)
            if kind != "prediction":
                assert f"p {_shown(choice['probability'])}" in page
            else:
                assert _shown(choice["gradient"]) in page


def _shown(value):
    return f"{value:.6f}" if abs(value) >= 1e-4 else f"{value:.1e}"


@pytest.mark.parametrize("name", ["lstm", "lstm_peephole"])
def test_gate_gradients_follow_from_the_d_c_that_is_shown(runs, name):
    """The equations printed above the table, applied to its columns."""
    found = json.loads(explain(runs, name, "--json"))
    i, f, g, o = (np.array(found["forward"][k]) for k in ("input", "forget", "candidate", "output"))
    cell, gradient = np.array(found["forward"]["cell"]), found["gradient"]
    before = np.concatenate([np.zeros((1, cell.shape[1])), cell[:-1]])
    d_cell, d_hidden = np.array(gradient["cell"]), np.array(gradient["hidden"])
    for gate, expected in (
        ("input", d_cell * g * i * (1 - i)),
        ("forget", d_cell * before * f * (1 - f)),
        ("candidate", d_cell * i * (1 - g**2)),
        ("output", d_hidden * np.tanh(cell) * o * (1 - o)),
    ):
        np.testing.assert_allclose(gradient["gates"][gate], expected, rtol=0, atol=1e-12)


def test_a_passage_goes_on_behind_the_window(runs):
    """The contrast is looked for in 200 words, not in the window alone."""
    run = run_of(runs, "lstm")
    short = json.loads(call_cli("explain", run, "--window", 2, "--json", cwd=runs).stdout)
    after = short["highest"]["after"]
    assert len(after) == 4 and after != short["words"][-4:]


@pytest.mark.parametrize("name", CELLS)
def test_spelled_out_equations_come_out_at_the_values_of_the_table(runs, name):
    """The numbers in the brackets, put through tanh and sigmoid by hand, give the hidden."""
    page = explain(runs, name, "--units", "2")
    lines = page.split("spelled out")[1].split("4. THE PREDICTION")[0].splitlines()
    functions = {"tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}
    seen = 0
    for line in lines:
        left, *parts = (part.strip() for part in line.split(" = "))
        if len(parts) < 2 or not parts[0].startswith(("tanh", "sigmoid")):
            continue
        function, inner = parts[0].split("(", 1)
        terms = inner[:-1].replace("- ", "+ -")
        if " * " in terms:  # the candidate of a GRU
            before, inside = terms.split(" * (")
            from_x, reset = before.rsplit(" + ", 1)
            total = sum_of(from_x) + float(reset) * sum_of(inside[:-1])
        else:
            total = sum_of(terms)
            assert total == pytest.approx(float(parts[1].split("(")[1][:-1]), abs=3e-6), line
        assert functions[function](total) == pytest.approx(float(parts[-1]), abs=4e-6), line
        seen += 1
    assert seen == CELLS["lstm" if name == "one_hot" else name].blocks


def sum_of(terms):
    return sum(map(float, terms.split(" + ")))


def test_words_come_from_the_training_text_another_file_or_the_cue(runs):
    run = run_of(runs, "lstm")
    first = json.loads(call_cli("explain", run, "--json", cwd=runs, check=0).stdout)
    assert first["words"] == ["<story>", "The", "cat", "sat"]
    later = call_cli("explain", run, "--json", "--start", 2, "--window", 3, cwd=runs, check=0)
    assert json.loads(later.stdout)["words"] == ["cat", "sat", "by"]
    (runs / "other.txt").write_text("The dog ran to the mill.", encoding="utf-8")
    other = call_cli("explain", run, "--json", "--text", "other.txt", cwd=runs, check=0)
    assert json.loads(other.stdout)["words"] == ["<story>", "The", "dog", "ran"]


def test_a_config_gives_a_model_that_is_not_trained(runs):
    done = call_cli("explain", "my.yaml", "--json", cwd=runs, check=0)
    found = json.loads(done.stdout)
    assert found["model"] == "my.yaml, not trained"
    trained = json.loads(call_cli("explain", run_of(runs, "lstm"), "--json", cwd=runs).stdout)
    assert found["words"] == trained["words"]
    assert found["forward"] != trained["forward"]
    done = call_cli("explain", "my.yaml", "model.cell=gru", "train.seed=5", "--json", cwd=runs)
    assert json.loads(done.stdout)["model"] == "my.yaml model.cell=gru train.seed=5, not trained"


def test_unknown_words_are_read_and_told_but_not_predicted(runs):
    run = run_of(runs, "lstm")
    done = call_cli("explain", run, "--cue", "The zebra sat", cwd=runs, check=0)
    assert "note: not in the vocabulary, read as a rare word: zebra" in done.stdout
    assert "<unknown>" in done.stdout
    done = call_cli("explain", run, "--cue", "The old zebra", cwd=runs, check=2)
    assert "End the cue with a known word" in done.stderr
    (runs / "zebra.txt").write_text("zebra sat by the old mill.", encoding="utf-8")
    options = ("--text", "zebra.txt", "--start", 1)
    done = call_cli("explain", run_of(runs, "one_hot"), *options, cwd=runs, check=0)
    assert 'W, from the word "sat" to unit 0' in done.stdout


def exact_engine(folder, name):
    opened = load_checkpoint(run_of(folder, name), folder / "runs")
    weights = opened.weights
    exact = {k: v.astype(float) for k, v in weights.items()}
    return opened, make_engine(opened.config, opened.vocabulary, exact)


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("name", CELLS)
def test_gates_and_memory_are_those_of_torch(runs, name, layer):
    options = ("inspect", run_of(runs, name), "--gates", "--cue", CUE, "--layer", layer)
    found = json.loads(call_cli(*options, "--json", cwd=runs, check=0).stdout)
    _, model = autograd(runs, name)
    opened, engine = exact_engine(runs, name)
    ids = torch.tensor([[opened.vocabulary.ids[word] for word in found["words"]]])
    features = model.embed(ids)
    for place in range(layer):
        state = torch_zero_state(model.layers[place], 1)
        features, _, cells = run_layer(model.layers[place], features, state, loop=True)
    memory = features if cells is None else cells
    kind = "hidden" if cells is None else "cell"
    np.testing.assert_allclose(found["values"][kind], memory[0].detach(), rtol=0, atol=1e-12)
    gates = set(engine.layers[0].cell.fields._fields) - (
        {"candidate"} if name == "elman" else set()
    )
    assert set(found["values"]) == gates | {kind}
    if name == "lstm":  # what these gates must have been, by the definition of c
        kept, written = (np.array(found["values"][gate]) for gate in ("forget", "input"))
        before = np.concatenate([np.zeros((1, kept.shape[1])), found["values"]["cell"][:-1]])
        made = kept * before + written * np.array(found["values"]["candidate"])
        np.testing.assert_allclose(made, found["values"]["cell"], rtol=0, atol=1e-12)
    trace = trace_gates(engine, ids[0].numpy(), layer=layer - 1)
    changes = memory[0].detach().numpy().std(axis=0)
    assert list(trace.units) == sorted(range(len(changes)), key=lambda unit: -changes[unit])


def test_a_heat_map_without_color_is_of_shades_and_strokes(runs):
    run = run_of(runs, "lstm")
    options = ("inspect", run, "--gates", "--cue", CUE, "--units", "0,4")
    page = call_cli(*options, cwd=runs, check=0).stdout
    assert "\x1b" not in page
    values = json.loads(call_cli(*options, "--json", cwd=runs).stdout)["values"]
    assert "\n2 of 9 units: as selected\n0 4\n" in page
    assert page.count("-1 |≡=-· ░▒▓█| 1\n") == 1
    head, row = (
        next(line for line in page.splitlines() if word in line) for word in ("tanh(c)", "dog")
    )
    titles = ("input i", "forget f", "cand. g", "output o", "tanh(c)")
    shown = [row[head.index(title) :][:2] for title in titles]
    values["cell"] = np.tanh(values["cell"])
    for characters, name in zip(shown, values, strict=True):
        for character, value in zip(characters, values[name][3], strict=True):
            place = "≡=-· ░▒▓█".index(character) - 4
            assert abs(place / 4 - value) <= 0.125
            assert place == 0 or (place < 0) == (value < 0)


@pytest.mark.parametrize("width", [1, 20, 40, 60, 80, 100, 200])
@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("name", ["lstm", "elman"])
def test_a_heat_map_fits_every_terminal_and_holds_every_value(name, color, width):
    subject, trace = subject_of(name, words=5), trace_of(name, words=5, units=30)
    for units in ((), tuple(range(30))):
        page = gates_page(subject, trace, layer=1, units=units, width=width, color=color)
        lines = page.plain.splitlines()
        rows = [line for line in lines if line.startswith(("a   ", "bbbb"))]
        if width >= 20:
            assert max(map(cell_len, lines)) <= max(width, 39)  # the key has 39 columns
        shown = len(units) or min(30, units_that_fit(len(trace.names), width=width))
        if color:
            cells = [span for span in page.spans if getattr(span.style, "bgcolor", None)]
            assert len(cells) - (10 if name == "lstm" else 5) == 5 * shown * len(trace.names)
        else:
            assert not page.spans
        assert len(rows) % 5 == 0 and (width < 100 or units or len(rows) == 5)


def test_colors_tell_the_sign_and_the_size():
    subject = subject_of("elman", words=1)
    trace = GateTrace(("hidden",), (np.array([[-1.0, -0.5, 0.0, 0.5, 1.0]]),), tuple(range(5)))
    page = gates_page(subject, trace, layer=1, units=(), width=80, color=True)
    *_, low, lower, zero, higher, high = [span.style.bgcolor.triplet for span in page.spans]
    assert tuple(zero) == (247, 247, 247)
    assert low.red > low.blue and high.blue > high.red
    assert sum(low) < sum(lower) < sum(zero) > sum(higher) > sum(high)


@pytest.mark.parametrize(
    ("environment", "colored"),
    [
        ({"FORCE_COLOR": "1", "TERM": "xterm-256color"}, True),
        ({"FORCE_COLOR": "1", "TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "1", "TERM": "xterm"}, False),  # 16 colors are too few
        ({}, False),
    ],
)
def test_color_is_for_terminals_that_have_it_and_not_for_json(
    runs, monkeypatch, environment, colored
):
    for name in ("FORCE_COLOR", "NO_COLOR", "COLORTERM", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    options = ("inspect", run_of(runs, "gru"), "--gates", "--cue", CUE)
    page = call_cli(*options, cwd=runs, check=0).stdout
    assert ("\x1b[48;5;" in page) == colored and ("░" not in page) == colored
    assert "\x1b" not in call_cli(*options, "--json", cwd=runs, check=0).stdout


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("name", CELLS)
def test_gradients_reach_back_as_autograd_says(runs, name, layer):
    """One step at a time in torch, so that every state is a leaf that gets its gradient."""
    options = ("inspect", run_of(runs, name), "--gradients", "--cue", CUE, "--layer", layer)
    found = json.loads(call_cli(*options, "--json", cwd=runs, check=0).stdout)
    cost, model = autograd(runs, name)
    opened, _ = exact_engine(runs, name)
    ids = torch.tensor([[opened.vocabulary.ids[word] for word in found["words"]]])
    vectors = model.embed(ids).detach().requires_grad_()
    states, seen = model.zero_states(1), []
    for step in range(ids.shape[1]):
        features, after = vectors[:, step : step + 1], []
        for place, state in enumerate(states):
            features, last, _ = run_layer(model.layers[place], features, state, loop=True)
            if place == layer - 1:
                last.hidden.retain_grad()
                last.cell.retain_grad() if last.cell.requires_grad else None
                features, _ = last.hidden[:, None], seen.append(last)
            after.append(last)
        states = after
    target = torch.tensor([opened.vocabulary.ids[found["target"]]])
    model.summed_nats(features[:, -1], target).backward()
    norms = []
    for state in seen:
        parts = [part.grad for part in state if part.grad is not None]
        norms.append(torch.cat([part.flatten() for part in parts]).norm().item())
    assert found["this_model"]["cost"] == pytest.approx(cost, abs=1e-12)
    np.testing.assert_allclose(found["this_model"]["state_norms"], norms, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        found["this_model"]["vector_norms"], vectors.grad[0].norm(dim=1), rtol=0, atol=1e-12
    )


def test_the_page_of_gradients_says_what_its_json_does(runs):
    options = ("inspect", run_of(runs, "gru"), "--gradients", "--start", 3, "--window", 30)
    found = json.loads(call_cli(*options, "--json", cwd=runs, check=0).stdout)
    page = call_cli(*options, cwd=runs, check=0).stdout
    assert max(map(cell_len, page.splitlines()[1:])) <= 100
    rows = [line.split() for line in page.splitlines() if line[:4].strip().isdigit()]
    assert [int(row[0]) for row in rows] == list(range(1, 31))
    for row, place in zip(rows, reversed(range(30)), strict=True):
        numbers = [float(cell) for cell in row[2:] if cell[0].isdigit()]
        ours, theirs = found["this_model"], found["untrained_elman"]
        expected = (
            ours["state_norms"][place] / ours["state_norms"][-1],
            ours["vector_norms"][place],
            theirs["state_norms"][place] / theirs["state_norms"][-1],
        )
        assert numbers == pytest.approx(expected, rel=6e-3)
    assert found["this_model"]["state_norms"] != found["untrained_elman"]["state_norms"]
    vanished = found["untrained_elman"]["vanished_from"]
    assert f"untrained Elman: it has vanished (below a thousandth) from {vanished} words" in page


@pytest.mark.parametrize(("name", "model"), [("lstm", None), ("gru", None), (None, "my.yaml")])
def test_the_page_of_gradients_shows_where_they_end_in_training(runs, name, model):
    options = ("inspect", model or run_of(runs, name), "--gradients", "--window", 9)
    lines = call_cli(*options, cwd=runs, check=0).stdout.splitlines()
    rule = next(line for line in lines if line.startswith("train.window = 6: "))
    assert rule.startswith("train.window = 6: in training no gradient flows further back ---")
    assert lines[lines.index(rule) - 1][:4].strip() == "6"
    assert lines[lines.index(rule) + 1][:4].strip() == "7"
    state = "hidden state." if name == "gru" else "hidden state and cell state together."
    assert f"The state is the layer's {state}" in lines
    found = json.loads(call_cli(*options, "--json", cwd=runs, check=0).stdout)
    assert found["train_window"] == 6
    short = call_cli(*options[:-1], 6, cwd=runs, check=0).stdout
    assert "train.window = 6: in training gradients flow back over all of these words" in short


GRADIENTS = ("inspect", "--gradients", "--cue", CUE)


def test_compared_models_are_those_inspected_alone(runs):
    """Each with its own overrides, on the same words."""
    alone = [
        (run_of(runs, "lstm"),),
        ("my.yaml", "model.cell=gru", "train.window=4"),
        (run_of(runs, "elman"),),
        ("my.yaml",),
    ]
    flat = [argument for model in alone for argument in model]
    done = call_cli(*GRADIENTS, *flat, "--json", cwd=runs, check=0)
    found = json.loads(done.stdout)
    assert list(found) == ["models"]
    assert found["models"] == [
        json.loads(call_cli(*GRADIENTS, *model, "--json", cwd=runs, check=0).stdout)
        for model in alone
    ]
    assert [model["train_window"] for model in found["models"]] == [6, 4, 6, 6]


def test_the_page_of_compared_models_says_what_its_json_does(runs):
    models = (run_of(runs, "lstm"), "my.yaml", "model.cell=gru", "train.window=4")
    found = json.loads(call_cli(*GRADIENTS, *models, "--json", cwd=runs, check=0).stdout)["models"]
    page = call_cli(*GRADIENTS, *models, cwd=runs, check=0).stdout
    lines = page.splitlines()
    assert lines[0] == "Layer 1 of 2 models that read the same 8 words:"
    assert lines[2].startswith("B  my.yaml model.cell=gru train.window=4, not trained: gru, loss ")
    assert max(map(cell_len, lines[2:])) <= 100  # the line before names the run
    rows = [line for line in lines if line[:4].strip().isdigit()]
    assert [int(row[:4]) for row in rows] == list(range(1, 9))
    for row, place in zip(rows, reversed(range(8)), strict=True):
        assert row.split()[1] == found[0]["words"][place]
        numbers = [float(cell) for cell in row.split()[2:] if cell[0].isdigit()]
        norms = [model["state_norms"] for model in (m["this_model"] for m in found)]
        assert numbers == pytest.approx([norm[place] / norm[-1] for norm in norms], rel=6e-3)
    for window, letter in ((6, "A"), (4, "B")):
        rule = f"train.window = {window} ({letter}): in training no gradient flows further back ---"
        (place,) = [k for k, line in enumerate(lines) if line.startswith(rule)]
        assert int(lines[place - 1][:4]) == window


def test_compared_models_read_the_training_text_of_the_first(runs):
    (runs / "lower.txt").write_text("the old cat sat by the mill. the dog ran. " * 9, "utf-8")
    lower = ("my.yaml", "data.train=lower.txt", "data.lowercase=true")
    options = ("inspect", "--gradients", "--window", 5, "--json", run_of(runs, "lstm"), *lower)
    first, second = json.loads(call_cli(*options, cwd=runs, check=0).stdout)["models"]
    assert [*first["words"], first["target"]] == ["<story>", "The", "cat", "sat", "by", "the"]
    assert [*second["words"], second["target"]] == ["<story>", "the", "cat", "sat", "by", "the"]
    options = ("inspect", "--gradients", "--cue", "The river sat", *lower, run_of(runs, "lstm"))
    page = call_cli(*options, cwd=runs, check=0).stdout
    assert "note on A: not in the vocabulary, read as a rare word: river" in page
    assert "\n   1  river " in page  # as the second model knows it
    (runs / "other.txt").write_text("The cat sat by the mill", encoding="utf-8")
    options = ("inspect", "--gradients", "--text", "other.txt", "--window", 4, "--json")
    found = json.loads(call_cli(*options, *lower, run_of(runs, "gru"), cwd=runs, check=0).stdout)
    assert [model["words"][1] for model in found["models"]] == ["the", "The"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "--gates", "my.yaml", "my.yaml"], "error: my.yaml: one model at a time. Over"),
        (["explain", "my.yaml", "my.yaml"], "and inspect --gradients compares models"),
        (["inspect", "--gradients", *["my.yaml"] * 9], "error: 9 models: at most 8 can be"),
        (
            ["inspect", "--gradients", "--text", "-", "my.yaml", "my.yaml"],
            "error: --text -: standard input can be read once only. Name a file",
        ),
        (
            ["inspect", "--gradients", "my.yaml", "my.yaml", "model.hidden_sizes=[5]", "--layer",
             "2"],
            "error: my.yaml: --layer 2: the model has 1",
        ),
        (
            ["inspect", "--gradients", "my.yaml", "nowhere"],
            "error: nowhere: neither a run folder nor a config or preset",
        ),
        (
            ["inspect", "--gradients", "my.yaml", "fable", "--cue", "The old zebra"],
            "error: my.yaml: the word to predict is not in the vocabulary",
        ),
        (
            ["inspect", "--gradients", "my.yaml", "my.yaml", "data.tokenizer=character"],
            "data.tokenizer is character, that of my.yaml, not trained is word",
        ),
        (
            ["inspect", "--gradients", "my.yaml", "my.yaml", "data.train=flat.txt", "--cue",
             "The cat\n\nsat by"],
            "reads other words here than my.yaml, not trained, such as white space",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_one_message(runs, arguments, message):
    (runs / "flat.txt").write_text("The old cat sat by the mill. The dog ran. " * 9, "utf-8")
    done = call_cli(*arguments, cwd=runs, check=2, stdin="")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""


def test_bars_span_eight_powers_of_ten():
    assert [len(_bar(share)) for share in (1.0, 1e-2, 1e-4, 1e-8, 1e-12, 0.0)] == [
        20,
        15,
        10,
        0,
        0,
        0,
    ]
    assert _bar(3.0) == "#" * 19 + ">"


def test_where_a_gradient_has_vanished():
    def trace(*shares):
        return GradientTrace(0.0, np.array(shares), np.array(shares))

    assert trace(1e-9, 1e-8, 2e-3, 0.5, 2.0).vanished_from == 4
    assert trace(1e-9, 5.0, 1e-9, 2.0).vanished_from == 4  # what comes back has not vanished
    assert trace(1.0, 1.0).vanished_from is None
    assert trace(0.0, 0.0).vanished_from == 1
    assert (trace(0.0, 0.0).relative == 0).all()
    assert VANISHED == 1e-3


def test_a_fresh_elman_network_forgets(runs):
    opened = load_checkpoint(run_of(runs, "lstm"), runs / "runs")
    weights = opened.weights
    exact = {k: v.astype(float) for k, v in weights.items()}
    engine = make_engine(opened.config, opened.vocabulary, exact)
    layers = untrained_elman(engine, seed=0)
    assert [layer.weights.weight_hh.shape for layer in layers] == [(9, 9), (7, 7)]
    ids = np.arange(2, 42) % len(opened.vocabulary)
    found = trace_gradient(engine, ids, 3, layer=0, layers=layers)
    assert found.vanished_from is not None
    assert found.relative[0] < 1e-4


@pytest.mark.parametrize("kind", ["--gates", "--gradients"])
def test_a_picture_is_the_same_bytes_each_time(runs, kind):
    run, paths = run_of(runs, "lstm"), [runs / f"{kind[2:]}{k}.svg" for k in (1, 2)]
    for path in paths:
        done = call_cli("inspect", run, kind, "--cue", CUE, "--svg", path, cwd=runs, check=0)
        assert f"saved: {path}" in done.stderr
    pictures = [path.read_bytes() for path in paths]
    assert len(pictures[0]) > 10_000
    assert pictures[0] == pictures[1]
    assert b"<svg" in pictures[0]


def test_a_heat_map_is_drawn_of_the_gates_themselves(runs, monkeypatch):
    drawn = []
    original = Axes.imshow
    monkeypatch.setattr(
        Axes,
        "imshow",
        lambda self, values, **k: drawn.append(values) or original(self, values, **k),
    )
    options = ("inspect", run_of(runs, "lstm"), "--gates", "--cue", CUE, "--units", "4,1")
    call_cli(*options, "--svg", runs / "a.png", cwd=runs, check=0)
    found = json.loads(call_cli(*options, "--json", cwd=runs, check=0).stdout)["values"]
    found["cell"] = np.tanh(found["cell"])
    assert (runs / "a.png").read_bytes().startswith(b"\x89PNG")
    for panel, name in zip(drawn, found, strict=True):
        np.testing.assert_allclose(panel, found[name], rtol=0, atol=1e-12)


def test_a_heat_map_of_many_words_is_refused():
    check_picture(Path("a.svg"), words=300)
    with pytest.raises(UsageError, match="draws at most 300 words, and these are 301"):
        check_picture(Path("a.svg"), words=301)


def test_a_preset_goes_before_a_folder_of_its_name(runs):
    (runs / "fable").mkdir(exist_ok=True)
    done = call_cli("explain", "fable", "--json", cwd=runs, check=0)
    assert json.loads(done.stdout)["model"] == "fable, not trained"
    done = call_cli("explain", "", cwd=runs, check=2)
    assert "the model is an empty name" in done.stderr


def test_a_diverging_model_is_explained_with_finite_numbers():
    logits = np.array([0.0, 4e5, -1e6])
    assert nll(logits, 2) == 1.4e6
    assert nll(logits, 1) == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "nowhere"], "nowhere: neither a run folder nor a config or preset"),
        (["explain", "--layer", "3"], "--layer 3: the model has 2, counted from 1 at the input"),
        (["explain", "--units", "9"], "--units 9: layer 1 has units 0 to 8"),
        (["explain", "--units", "x"], "--units x: write numbers and ranges, such as 0,3,8-11"),
        (["explain", "--units", "9" * 5000], "--units 99999999999999999999...: write numbers"),
        (["explain", "--cue", "The cat", "--window", "2"], "--cue is the text itself"),
        (["explain", "--layers", "2"], "--layers goes with --oracle"),
        (
            ["explain", "--oracle", "--window", "7"],
            "--oracle has its own model, text and window",
        ),
        (["inspect", "--gates", "--svg", "picture.jpg"], "name a file that ends in .svg, .png or"),
        (["explain", "--units", "4-2"], "--units 4-2: write numbers and ranges"),
        (["explain", "--cue", ""], "--cue: has no word to predict"),
        (["explain", "--cue", "The", "--start", "3"], "--cue is the text itself"),
        (["explain", "--start", "9999"], "--start 9999: the text has"),
        (
            ["explain", "--oracle", "--start", "8"],
            "--start 8: the example's windows start at 0 to 7",
        ),
        (["explain", "--oracle", "--cue", "a"], "--oracle has its own model, text and window"),
        (["explain", "--oracle", "--layer", "2"], "--layer 2: the example has 1. Add --layers 2"),
        (["explain", "--oracle", "--units", "5"], "--units 5: units are numbered 0 to 4"),
        (["inspect"], "choose what to inspect: --gates, --gradients, --memory or --why"),
        (["inspect", "--gates", "--gradients"], "--gates, --gradients, --memory or --why"),
        (["inspect", "--gradients", "--units", "1"], "--units goes with --gates"),
        (["inspect", "--gates", "--svg", "no/such/folder.svg"], "no/such/folder.svg: No such file"),
    ],
)
def test_what_cannot_be_looked_at_is_one_message(runs, arguments, message):
    command, *rest = arguments
    model = [] if "--oracle" in rest or "nowhere" in rest else [run_of(runs, "lstm")]
    done = call_cli(command, *model, *rest, cwd=runs)
    assert done.exit_code == (1 if "No such file" in message else 2)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_lone_checkpoint_is_looked_at_with_a_cue(runs, tmp_path):
    step = next((run_of(runs, "gru") / "checkpoints").glob("step-*"))
    step.rename(tmp_path / "step")
    call_cli("inspect", tmp_path / "step", "--gates", "--cue", CUE, cwd=tmp_path, check=0)
    done = call_cli("inspect", tmp_path / "step", "--gates", cwd=tmp_path, check=2)
    assert (
        "this checkpoint is outside a run folder, without its run's text. Use --text FILE"
        in done.stderr
    )
    (tmp_path / "step").rename(step)
