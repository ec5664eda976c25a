"""Event files for TensorBoard: the numbers of metrics.csv, also after resuming."""

import sys

import pytest

from lstmgen.runs import folders
from tests.helpers.program import call_cli, train
from tests.helpers.scenes import CONFIG, checkpoints_of, cut_behind, metrics_of, write_story

LOG = "train.log=[tensorboard]"
CUES = "sample.cues=[The cat]"


@pytest.fixture
def story(tmp_path):
    pytest.importorskip("tensorboard")
    write_story(tmp_path, CONFIG)
    return tmp_path


def read_events(run):
    """The scalars, as metrics.csv has them by step, and the texts by their names."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    sizes = {"scalars": 0, "tensors": 0}
    found = EventAccumulator(str(run / "tensorboard"), size_guidance=sizes).Reload()
    scalars: dict[int, dict[str, float]] = {}
    for name in found.Tags()["scalars"]:
        for event in found.Scalars(name):
            row = scalars.setdefault(event.step, {})
            assert name not in row, f"{name} twice at step {event.step}"
            row[name] = event.value
    texts = {}
    for name in found.Tags()["tensors"]:
        for event in found.Tensors(name):
            texts[name.removesuffix("/text_summary"), event.step] = event.tensor_proto.string_val[
                0
            ].decode()
    return scalars, texts


def compare_with_metrics(run):
    scalars, texts = read_events(run)
    rows = {
        int(row["step"]): {
            name: float(cell) for name, cell in row.items() if cell and name != "step"
        }
        for row in metrics_of(run)
    }
    assert len(rows) > 20 and rows.keys() == scalars.keys()
    for step, row in rows.items():
        assert scalars[step] == pytest.approx(row, rel=1e-5)
    samples = (run / "samples.md").read_text(encoding="utf-8")
    steps = [step for name, step in texts if name == "sample_1"]
    assert len(steps) == samples.count("## Step ")
    for step in steps:
        text = texts["sample_1", step]
        quoted = "".join(f"> {line}\n" for line in text.split("\n"))
        assert f"## Step {step}\n\n{quoted}" in samples
    return texts


def test_the_files_hold_the_numbers_of_the_metrics(story):
    run = train("my.yaml", LOG, CUES, cwd=story)
    texts = compare_with_metrics(run)
    assert "learning_rate: 0.01" in texts["config", 0]


def test_resuming_continues_them(story):
    run = train("my.yaml", LOG, CUES, "train.keep=9", cwd=story)
    cut_behind(run, 10)
    call_cli("train", "--resume", run, "-q", cwd=story, check=0)
    assert len(list((run / "tensorboard").iterdir())) == 2
    assert "learning_rate: 0.01" in compare_with_metrics(run)["config", 0]
    call_cli("train", "--resume", run, "-q", cwd=story, check=0)  # nothing to resume
    assert len(list((run / "tensorboard").iterdir())) == 2


@pytest.mark.slow
def test_they_are_switched_on_and_off_on_resuming_and_change_no_checkpoint(story):
    plain, logged = (train("my.yaml", *s, cwd=story, name="x") for s in ((), (LOG,)))
    assert not (plain / "tensorboard").exists()
    for step in checkpoints_of(plain).glob("step-*"):
        for path in step.iterdir():
            assert (checkpoints_of(logged) / step.name / path.name).read_bytes() == (
                path.read_bytes()
            )
    cut_behind(plain, 20)
    call_cli("train", "--resume", plain, LOG, "-q", cwd=story, check=0)
    scalars, _ = read_events(plain)
    assert sorted(scalars) == [21, 22, 23, 24, 25]


def test_without_the_package_nothing_begins(tmp_path, monkeypatch):
    write_story(tmp_path, CONFIG)
    run = train("my.yaml", cwd=tmp_path)
    before = sorted((tmp_path / "runs").iterdir())
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    for command in (["my.yaml"], ["--resume", run]):
        done = call_cli("train", *command, LOG, cwd=tmp_path)
        assert done.exit_code == 2
        assert (
            "error: train.log = tensorboard: the optional package tensorboard is not installed. "
            "Install it: pip install 'lstmgen[tensorboard]', or leave the key out" in done.stderr
        )
    assert sorted((tmp_path / "runs").iterdir()) == before
    assert "log: []" in (run / folders.RESOLVED).read_text(encoding="utf-8")
