"""The Python API: training from Python, and what a loaded model can be asked."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import lstmgen
from lstmgen.errors import ConfigError, LstmgenError, UsageError
from lstmgen.training.events import Created, Evaluated, Finished, Saved, Started
from tests.helpers.program import call_cli
from tests.helpers.scenes import CONFIG, RUN, STORY, fingerprint, write_story
from tests.notebook import run_cells

CUE = "The old dog sat"
DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def model(trained):
    return lstmgen.load(trained / RUN)


def small(folder, **train):
    text = folder / "story.txt"
    text.write_text(STORY * 4, encoding="utf-8")
    return {
        "data": {"train": str(text), "valid_fraction": 0.2},
        "model": {"hidden_sizes": [6], "embedding_dim": 6},
        "train": {"window": 6, "batch_size": 4, "epochs": 2, "device": "cpu"} | train,
    }


def test_a_training_yields_its_events_and_leaves_a_run(tmp_path):
    training = lstmgen.train(small(tmp_path), {"train.epochs": 1}, name="api", runs_dir=tmp_path)
    assert repr(training) == "<Training, not begun>"
    events = list(training)
    assert [type(event) for event in events[:1]] == [Created]
    assert {Started, Evaluated, Saved, Finished} <= {type(event) for event in events}
    assert training.run == events[0].run
    assert training.run.name.startswith("api-")
    assert training.finished is events[-1]
    assert repr(training) == f"<Training, in {training.run}, finished>"
    assert {"log.txt", "report.html", "metrics.csv"} <= {p.name for p in training.run.iterdir()}


def test_finish_returns_the_run_that_the_command_line_makes(tmp_path):
    write_story(tmp_path, CONFIG)
    run = lstmgen.train(tmp_path / "my.yaml", runs_dir=tmp_path / "a").finish(progress=False)
    done = call_cli("train", "my.yaml", "-q", "--runs-dir", "b", cwd=tmp_path, check=0)
    other = tmp_path / done.stdout.strip()
    steps = sorted(path.name for path in (run / "checkpoints").glob("step-*"))
    assert steps
    for step in steps:
        ours, theirs = (r / "checkpoints" / step for r in (run, other))
        assert fingerprint(ours) == fingerprint(theirs)


def test_a_bar_is_shown_unless_it_is_not_wanted(tmp_path, capsys):
    lstmgen.train(small(tmp_path), runs_dir=tmp_path).finish()
    shown = capsys.readouterr()
    assert "step" in shown.err
    assert shown.out == ""
    lstmgen.train(small(tmp_path), runs_dir=tmp_path).finish(progress=False)
    assert capsys.readouterr().err == ""


def test_a_training_leaves_the_arithmetic_of_the_process_as_it_was(tmp_path):
    lstmgen.train(small(tmp_path), runs_dir=tmp_path).finish(progress=False)
    assert np.float64(5e-324) * np.float64(1) > 0
    assert torch.tensor(1e-40).mul(1).item() > 0


def test_a_training_runs_once_and_leaving_the_loop_ends_it(tmp_path):
    training = lstmgen.train(small(tmp_path), runs_dir=tmp_path)
    for event in training:
        if isinstance(event, Started):
            break
    assert training.finished is None
    with pytest.raises(UsageError, match="this training has run already, in .*Call lstmgen.train"):
        training.finish(progress=False)


@pytest.mark.parametrize(
    ("source", "overrides", "message"),
    [
        ({"train": {"epocs": 2}}, (), "train.epocs = 2: no such key. Did you mean train.epochs"),
        ({"train": 3}, (), "train: must be a dictionary of keys"),
        ({}, {"train.epochs": "many"}, "train.epochs = 'many': must be"),
        ({}, "train.epochs=2", "overrides = 'train.epochs=2': must be a list or a dictionary"),
        ("nothing", (), "nothing"),
    ],
)
def test_wrong_sources_raise_the_message_of_the_command_line(tmp_path, source, overrides, message):
    with pytest.raises(LstmgenError, match=message.replace("(", r"\(")):
        lstmgen.train(source, overrides, runs_dir=tmp_path).finish(progress=False)


def test_values_of_overrides_keep_their_type(tmp_path):
    overrides = {"model.hidden_sizes": [5, 4], "train.clip_norm": None, "sample.cues": ["No: yes"]}
    training = lstmgen.train(small(tmp_path), overrides, runs_dir=tmp_path)
    config = lstmgen.load(training.finish(progress=False)).generator.config
    assert config.model.hidden_sizes == [5, 4]
    assert config.train.clip_norm is None
    assert config.sample.cues == ["No: yes"]


def test_paths_are_relative_to_the_current_directory(tmp_path, monkeypatch):
    config = small(tmp_path)
    config["data"]["train"] = "story.txt"
    monkeypatch.chdir(tmp_path)
    run = lstmgen.train(config, runs_dir="runs").finish(progress=False)
    assert (tmp_path / run).is_dir()
    assert "story.txt" in (run / "config.yaml").read_text(encoding="utf-8")


def test_next_words_are_those_of_generate(model):
    sample = model.generator.config.sample
    words = model.next_words(CUE, 3)
    assert [p for _, p in words] == sorted((p for _, p in words), reverse=True)
    greedy = model.generate(
        CUE,
        words=1,
        temperature=0,
        stop="words",
        ngram_weight=0,
        pair_penalty=0,
        balance_quotes=False,
    )
    assert greedy[0].words[0].text.strip() == words[0][0]
    assert np.exp(greedy[0].words[0].log_probability) == pytest.approx(words[0][1], rel=1e-6)
    assert sum(p for _, p in model.next_words(CUE, 10_000)) == pytest.approx(1, abs=1e-6)
    assert sample == model.generator.config.sample


def test_scores_are_the_probabilities_of_the_words(model):
    scores = model.score(CUE + ".")
    assert [score.text for score in scores] == ["The", "old", "dog", "sat", "."]
    before = ["", "The", "The old", "The old dog", CUE]
    for cue, score in zip(before, scores, strict=True):
        words = dict(model.next_words(cue, 10_000))
        assert score.probability == pytest.approx(words[score.text], rel=1e-5)
        assert score.rank == 1 + sum(p > words[score.text] for p in words.values())


def test_the_sum_of_scores_is_that_of_evaluate(model, trained, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text(STORY, encoding="utf-8")
    done = call_cli("evaluate", RUN, "--text", text, "--exact", "--json", cwd=trained, check=0)
    scores = model.score(STORY)
    nats = sum(score.nats for score in scores) / len(scores)
    assert nats == pytest.approx(json.loads(done.stdout)["nats_per_word"], rel=1e-5)


def test_unknown_words_are_read_and_not_scored(model):
    assert [score.text for score in model.score("The zebra sat")] == ["The", "sat"]


def test_the_state_is_that_of_the_engine(model):
    states = model.state(CUE)
    engine, ids = model.generator.engine, model.generator.vocabulary.ids
    expected = engine.zero_states(1)
    for word in ("<story>", *CUE.split()):
        expected = engine.read(np.array([ids[word]]), expected)
    assert [state.hidden.shape for state in states] == [(12,)]
    np.testing.assert_array_equal(states[0].hidden, expected[0].hidden[0])
    np.testing.assert_array_equal(states[0].cell, expected[0].cell[0])


def test_what_is_printed_of_a_model_and_a_sample_is_short(model):
    assert repr(model).endswith("step-25: lstm, 12 units, 34 entries>") or "lstm, 12" in repr(model)
    sample = model.generate(CUE, words=60)[0]
    assert len(repr(sample)) < 120
    assert repr(sample).startswith(f"<Sample of {len(sample.words)} tokens: ")


@pytest.mark.slow
def test_the_notebook_runs_and_shows_what_it_computes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((DOCS / "tour.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] for cell in cells)  # python -m tests.notebook docs/tour.ipynb
    outputs = run_cells(notebook)
    assert all(outputs)
    assert "finished" in outputs[0]
    assert outputs[1] == "([50, 100, 150, 200], True)\n"


def test_types_are_shipped():
    assert (Path(lstmgen.__file__).parent / "py.typed").exists()


def test_a_wrong_argument_is_named(model):
    with pytest.raises(UsageError, match="cue = 3: must be a string"):
        model.score(3)
    with pytest.raises(UsageError, match="count = 0: must be a whole number, 1 or more"):
        model.next_words("The", 0)
    with pytest.raises(ConfigError):
        model.generate("The", temperature=-1)


def test_overrides_of_any_python_type_are_what_they_are(tmp_path):
    config = small(tmp_path)
    config["data"]["train"] = Path(config["data"]["train"])
    overrides = {
        "train.learning_rate": np.float64(0.02), "train.epochs": np.int64(1),
        "sample.cues": ["1e-3", "no", "null"], "train.init_from": None,
    }  # fmt: skip
    run = lstmgen.train(config, overrides, runs_dir=tmp_path).finish(progress=False)
    used = lstmgen.load(run).generator.config
    assert used.train.learning_rate == 0.02
    assert used.sample.cues == ["1e-3", "no", "null"]
    with pytest.raises(UsageError, match=r"overrides\['train.seed'\] = .*: cannot be a setting"):
        lstmgen.train(config, {"train.seed": object()})
    with pytest.raises(ConfigError, match="1 = .*: no such key"):
        lstmgen.train({1: {"a": 2}}, runs_dir=tmp_path).finish(progress=False)
