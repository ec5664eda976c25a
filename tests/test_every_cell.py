"""Every cell from YAML to a continuation: trained, evaluated, continued."""

import json
import math

import pytest

from lstmgen.cells import CELLS
from tests.helpers.program import call_cli, train
from tests.helpers.scenes import metrics_of

SETTINGS = [
    *((f"model.cell={cell}",) for cell in CELLS),
    ("model.cell=lstm_peephole", "model.peephole=full"),
    ("model.input=one_hot", "model.tie_weights=false"),
    ("model.output=adaptive", "model.tie_weights=false"),
    ("model.hidden_sizes=[4,5]",),
    ("model.backend=loop",),
    ("model.cell=gru", "model.backend=loop"),
    ("model.cell=elman", "model.backend=loop"),
]
LONGER = ("train.epochs=12", "train.learning_rate=2e-2", "model.hidden_sizes=[16]",
          "model.dropout.input=0", "model.dropout.output=0")  # fmt: skip


QUICK = (("model.cell=gru",),)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(row, id=" ".join(row), marks=[] if row in QUICK else pytest.mark.slow)
        for row in SETTINGS
    ],
)
def test_every_cell_learns_generates_and_evaluates(tiny, tmp_path, settings):
    run = train(tiny, *LONGER, *settings, cwd=tmp_path)
    nats = [float(row["train_nats"]) for row in metrics_of(run) if row["train_nats"]]
    assert nats[-1] < 0.7 * nats[0]
    arguments = ("--cue", "The cat", "--words", 12, "--seed", 1, "--stop", "words", "-q")
    text = call_cli("generate", run, *arguments, cwd=tmp_path, check=0).stdout
    assert text.startswith("The cat ")
    assert text == call_cli("generate", run, *arguments, cwd=tmp_path, check=0).stdout
    scored = json.loads(call_cli("evaluate", run, "--json", cwd=tmp_path, check=0).stdout)
    assert scored["perplexity"] < 0.8 * scored["unigram_perplexity"]


@pytest.mark.slow
def test_the_loop_trains_to_the_same_figures_as_the_kernel(tiny, tmp_path):
    ends = []
    for backend in ("fused", "loop"):
        exact = "train.precision=fp32"  # the loop has no other
        run = train(tiny, exact, f"model.backend={backend}", cwd=tmp_path, name=backend)
        ends.append([float(row["train_nats"]) for row in metrics_of(run)])
    assert ends[0] == pytest.approx(ends[1], rel=1e-4)


def test_the_start_card_names_the_cell(tiny, tmp_path):
    for settings, named in (
        (("model.cell=elman",), "Elman, 12 + 8 units, "),
        (("model.cell=lstm_peephole",), "LSTM with diagonal peepholes, 12 + 8 units, "),
    ):
        done = call_cli("train", tiny, *settings, "train.max_steps=1", cwd=tmp_path, check=0)
        assert named in done.stderr


EVERYTHING = (
    "model.dropout.input=0.4", "model.dropout.output=0.4", "model.dropout.words=0.2",
    "model.dropout.recurrent=0.4", "train.ar=2", "train.tar=1", "train.average=ema",
    "train.average_decay=0.9", "train.patience=3", "train.eval_every=2", "train.noise=0.3",
)  # fmt: skip


@pytest.mark.parametrize("words", [12, 200, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_tiny_text_trains_with_every_regulariser_on(tiny, tmp_path, words):
    """All figures finite, the best checkpoint kept, and what counting makes of it told."""
    story = (tmp_path / "story.txt").read_text().split(" ")
    (tmp_path / "story.txt").write_text(" ".join((story * 6)[:words]))
    run = train(tiny, *EVERYTHING, "data.valid_fraction=0.3", cwd=tmp_path)
    rows = metrics_of(run)
    assert rows and all(math.isfinite(float(row["train_nats"])) for row in rows)
    scored = [float(row["valid_nats"]) for row in rows if row["valid_nats"]]
    split = "valid" if scored else "train"
    found = json.loads(call_cli("evaluate", run, "--split", split, "--json", cwd=tmp_path,
                                check=0).stdout)  # fmt: skip
    assert math.isfinite(found["perplexity"]) and found["ngram_perplexity"] > 0
    if words > 12:
        assert found["nats_per_word"] == pytest.approx(min(scored), abs=1e-5)
        assert "3-gram" in (run / "log.txt").read_text()
