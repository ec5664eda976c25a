"""A run resumed is the run uninterrupted, bit for bit."""

import json
import shutil
import signal
import time

import pytest
from conftest import call_cli, run_cli

from lstmgen import checkpoint
from lstmgen.run import folders, setup

SAME = (checkpoint.MODEL, checkpoint.STATE, checkpoint.PROGRESS, checkpoint.VOCABULARY)


def train(config, *overrides, cwd, name="run"):
    done = call_cli("train", config, *overrides, "--name", name, "-q", cwd=cwd, check=0)
    return cwd / done.stdout.strip()


def last(run):
    index = checkpoint.read_index(run / folders.CHECKPOINTS)
    return checkpoint.step_folder(run / folders.CHECKPOINTS, index.last)


def deep_compare(a, b):
    """Every byte of the last checkpoints, and the index."""
    assert last(a).name == last(b).name
    for name in SAME:
        assert (last(a) / name).read_bytes() == (last(b) / name).read_bytes(), name
    indices = [(run / folders.CHECKPOINTS / "index.json").read_text() for run in (a, b)]
    assert indices[0] == indices[1]


def steps_of(run):
    return json.loads((last(run) / checkpoint.PROGRESS).read_text())["progress"]["step"]


@pytest.mark.parametrize(
    ("settings", "stop_at"),
    [
        ((), 13),  # in the middle of an epoch, between evaluations
        (("train.order=random", "train.schedule=plateau"), 20),  # with an evaluation due
        (
            (
                "train.optimizer=sgd",
                "train.stride=1",
                "train.accumulate=1",
                "train.average=nt",
                "train.learning_rate=30",
                "train.schedule=constant",
                "train.clip_norm=null",
            ),
            97,
        ),
        (
            (
                "train.stride=6",
                "train.schedule=one_cycle",
                "train.average=swa",
                "train.average_start=0.3",
            ),
            9,
        ),
        (
            (
                "train.average=ema",
                "train.ar=2",
                "train.tar=1",
                "model.dropout.words=0.2",
                "model.dropout.recurrent=0.4",
            ),
            13,
        ),
    ],
)
def test_resumed_equals_uninterrupted(tiny, tmp_path, settings, stop_at):
    """Resumed in a new process, with dropout on, over orders, optimisers and schedules."""
    whole = train(tiny, *settings, cwd=tmp_path, name="whole")
    run = interrupted(tiny, *settings, cwd=tmp_path, stop_at=stop_at)
    run_cli("train", "--resume", run, "-q", cwd=tmp_path, check=0)
    assert steps_of(run) == steps_of(whole)
    deep_compare(whole, run)


def interrupted(config, *settings, cwd, stop_at):
    """A run that saved at one step and lost everything after it."""
    run = train(
        config, *settings, f"train.save_every={stop_at}", "train.keep=1000", cwd=cwd, name="cut"
    )
    checkpoints = run / folders.CHECKPOINTS
    for step in checkpoint.saved_steps(checkpoints):
        if step > stop_at:
            shutil.rmtree(checkpoint.step_folder(checkpoints, step))
    progress = json.loads((checkpoints / f"step-{stop_at}" / checkpoint.PROGRESS).read_text())
    best = progress["progress"]["best_step"] or stop_at
    checkpoint.write_index(checkpoints, checkpoint.Index(best=best, last=stop_at))
    text = (
        (run / folders.RESOLVED).read_text().replace(f"save_every: {stop_at}", "save_every: null")
    )
    (run / folders.RESOLVED).write_text(text.replace("keep: 1000", "keep: 2"))
    return run


def test_a_signal_saves_and_says_how_to_go_on(tiny, tmp_path, processes):
    whole = train(tiny, "train.epochs=30", "train.eval_every=50", cwd=tmp_path, name="whole")
    process = processes(
        "train", tiny, "train.epochs=30", "train.eval_every=50", "--name", "cut", cwd=tmp_path
    )
    run = tmp_path / process.stdout.readline().strip()
    wait_for(lambda: list((run / folders.CHECKPOINTS).glob("step-*")))
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"lstmgen train --resume {run.relative_to(tmp_path)}" in messages
    assert "Traceback" not in messages
    assert steps_of(run) < steps_of(whole)
    run_cli("train", "--resume", "-q", cwd=tmp_path, check=0)
    deep_compare(whole, run)


def test_a_second_signal_stops_at_once_and_a_killed_run_resumes(tiny, tmp_path, processes):
    process = processes("train", tiny, "train.epochs=10000", "train.save_every=5", cwd=tmp_path)
    run = tmp_path / process.stdout.readline().strip()
    wait_for(lambda: (run / folders.CHECKPOINTS / "index.json").exists())
    process.kill()
    process.wait()
    before = steps_of(run)
    done = run_cli("train", "--resume", "train.max_steps=" + str(before + 3), cwd=tmp_path, check=0)
    assert "resumed at" in done.stderr
    assert steps_of(run) == before + 3


def test_a_second_training_in_the_same_folder_is_refused(tiny, tmp_path, processes):
    process = processes("train", tiny, "train.epochs=10000", "train.save_every=5", cwd=tmp_path)
    run = tmp_path / process.stdout.readline().strip()
    wait_for(lambda: (run / folders.CHECKPOINTS / "index.json").exists())
    done = run_cli("train", "--resume", run, cwd=tmp_path, check=2)
    assert f"is being trained by process {process.pid} on" in done.stderr
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_finished_run_says_so(tiny, tmp_path):
    run = train(tiny, cwd=tmp_path)
    before = {p: p.read_bytes() for p in last(run).iterdir()}
    done = call_cli("train", "--resume", run, cwd=tmp_path, check=0)
    assert "already finished: all" in done.stderr
    assert {p: p.read_bytes() for p in last(run).iterdir()} == before


def test_a_longer_run_goes_on_and_forgets_what_came_after_its_checkpoint(tiny, tmp_path):
    settings = ("train.schedule=constant", "train.warmup_steps=0")
    run = train(tiny, *settings, "train.epochs=1", cwd=tmp_path)
    steps = steps_of(run)
    with (run / "metrics.csv").open("a") as file:
        file.write(f"{steps + 5},9,9,9,9,9,9,9,9,9\n")
    with (run / "events.jsonl").open("a") as file:
        file.write(json.dumps({"event": "evaluated", "step": steps + 5}) + "\n")
    call_cli("train", "--resume", run, "train.epochs=2", "-q", cwd=tmp_path, check=0)
    assert steps_of(run) == 2 * steps
    rows = (run / "metrics.csv").read_text().splitlines()[1:]
    numbers = [int(row.split(",")[0]) for row in rows]
    assert numbers == sorted(set(numbers))
    assert ",9,9,9,9" not in "".join(rows)
    longer = train(tiny, *settings, cwd=tmp_path, name="longer")
    for name in (checkpoint.MODEL, checkpoint.STATE):
        assert (last(run) / name).read_bytes() == (last(longer) / name).read_bytes()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.window=5", "train.window: cannot change when a run is resumed; these can: "),
        ("model.hidden_sizes=[3]", "model.hidden_sizes: cannot change when a run is resumed"),
        ("train.epochs=0", "train.epochs = 0: must be at least 1"),
    ],
)
def test_what_cannot_change_on_resume_is_refused(tiny, tmp_path, override, message):
    train(tiny, "train.epochs=1", cwd=tmp_path)
    assert message in call_cli("train", "--resume", override, cwd=tmp_path, check=2).stderr


def test_a_changed_text_is_refused(tiny, tmp_path, story):
    run = train(tiny, "train.epochs=1", cwd=tmp_path)
    story.write_text(story.read_text() + "One more word.\n")
    done = call_cli("train", "--resume", run, "train.epochs=2", cwd=tmp_path, check=2)
    assert "cannot be resumed: the text (or how it is read) was" in done.stderr


def test_t15_a_damaged_checkpoint_is_passed_over_for_the_one_before(tiny, tmp_path):
    """Training goes on from the newest whole checkpoint, says so, and ends with the same bytes."""
    whole = train(tiny, "train.keep=5", cwd=tmp_path, name="whole")
    run = tmp_path / "runs" / "cut"
    shutil.copytree(whole, run)
    path = last(run) / checkpoint.STATE
    path.write_bytes(path.read_bytes()[:-7])
    (run / folders.CHECKPOINTS / "index.json").write_text("{")
    done = call_cli("train", "--resume", run, cwd=tmp_path, check=0)
    said = " ".join(done.stderr.split())
    assert "is damaged (state.safetensors has" in said
    assert "training goes on from the checkpoint of step 50" in said
    assert "index.json is damaged" in said and "It is made anew" in said
    deep_compare(whole, run)


def test_t15_no_whole_checkpoint_is_one_error(tiny, tmp_path):
    """Where none is whole the run is refused, each with its reason, and nothing is deleted."""
    run = train(tiny, "train.epochs=1", cwd=tmp_path)
    for step in checkpoint.saved_steps(run / folders.CHECKPOINTS):
        (checkpoint.step_folder(run / folders.CHECKPOINTS, step) / checkpoint.MODEL).unlink()
    before = sorted(run.rglob("*"))
    done = call_cli("train", "--resume", run, "train.epochs=2", cwd=tmp_path, check=2)
    assert "no checkpoint of this run is whole" in done.stderr
    assert "is damaged (model.safetensors: No such file" in done.stderr
    assert sorted(run.rglob("*")) == before


def test_two_runs_are_equal_bytes_wherever_they_run(tiny, tmp_path, story):
    other = tmp_path / "elsewhere"
    other.mkdir()
    for file in (tiny, story):
        (other / file.name).write_bytes(file.read_bytes())
    a = train(tiny, cwd=tmp_path)
    environment = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    done = run_cli("train", other / tiny.name, "-q", cwd=other, check=0, environment=environment)
    b = other / done.stdout.strip()
    names = (*checkpoint.FILES, "manifest.json")
    assert [(last(a) / n).read_bytes() for n in names] == [
        (last(b) / n).read_bytes() for n in names
    ]


def test_sampling_while_training_leaves_the_weights_alone(tiny, tmp_path):
    a = train(tiny, cwd=tmp_path, name="with")
    b = train(tiny, "sample.cues=[]", cwd=tmp_path, name="without")
    for name in (checkpoint.MODEL, checkpoint.STATE):
        assert (last(a) / name).read_bytes() == (last(b) / name).read_bytes()


def test_what_a_resumption_changed_is_remembered(tiny, tmp_path):
    run = train(tiny, "train.schedule=constant", "train.epochs=1", cwd=tmp_path)
    steps = steps_of(run)
    call_cli("train", "--resume", run, f"train.max_steps={steps + 2}", "train.epochs=9", "-q",
             cwd=tmp_path, check=0)  # fmt: skip
    text = (run / folders.RESOLVED).read_text()
    assert "epochs: 9" in text and f"max_steps: {steps + 2}" in text


def test_torn_records_do_not_stand_in_the_way(tiny, tmp_path):
    run = train(tiny, "train.schedule=constant", "train.epochs=1", cwd=tmp_path)
    (run / "samples.md").write_text("## Step 5\n\n> ## Step one: flour\n\n## Step 99999\n\n> x\n")
    for name, torn in (("metrics.csv", "12,0.5,1"), ("events.jsonl", '{"event": "sav')):
        with (run / name).open("a") as file:
            file.write(torn)
    call_cli("train", "--resume", run, "train.epochs=2", "-q", cwd=tmp_path, check=0)
    told = (run / "samples.md").read_text()
    assert "## Step one: flour" in told and "99999" not in told
    for line in (run / "events.jsonl").read_text().splitlines():
        json.loads(line)
    assert all(row.count(",") == 9 for row in (run / "metrics.csv").read_text().splitlines())
    (run / "metrics.csv").write_text("")
    call_cli("train", "--resume", run, "train.epochs=3", "-q", cwd=tmp_path, check=0)


def test_a_signal_in_the_last_evaluation_leaves_it_to_the_resumption(tiny, tmp_path, monkeypatch):
    from lstmgen.config.loader import load
    from lstmgen.run import training
    from lstmgen.run.preparing import prepare_text
    from lstmgen.run.signals import Asked

    whole = train(tiny, cwd=tmp_path, name="whole")
    loaded, runs = load(tiny), tmp_path / "runs"
    asked = Asked()
    real = training.evaluate

    def stopped(model, part, **options):
        if cut[0].progress.step == cut[0].until:
            asked.stop = signal.SIGINT
        return real(model, part, **options)

    cut = []
    init = training._Session.__init__
    monkeypatch.setattr(
        training._Session, "__init__", lambda self, *a: (cut.append(self), init(self, *a))[0]
    )
    monkeypatch.setattr(training, "evaluate", stopped)
    events = training.train(
        loaded, prepare_text(loaded.config.data, runs), name="cut", runs=runs, asked=asked
    )
    last_event = list(events)[-1]
    assert last_event.interrupted
    run = last_event.run
    assert steps_of(run) == steps_of(whole)
    monkeypatch.undo()
    call_cli("train", "--resume", run, "-q", cwd=tmp_path, check=0)
    evaluated = [
        [json.loads(line)["nats"] for line in (each / "events.jsonl").read_text().splitlines()
         if json.loads(line)["event"] == "evaluated"]
        for each in (whole, run)
    ]  # fmt: skip
    assert evaluated[0] == evaluated[1]
    indices = [(each / folders.CHECKPOINTS / "index.json").read_text() for each in (whole, run)]
    assert indices[0] == indices[1]


def test_a_run_that_its_clock_ends_is_evaluated_and_saved_where_it_ends(tiny, tmp_path):
    run = train(tiny, "train.epochs=100000", "train.max_minutes=0.01", "train.eval_every=100000",
                "train.save_every=100000", "sample.cues=[]", cwd=tmp_path)  # fmt: skip
    progress = json.loads((last(run) / checkpoint.PROGRESS).read_text())["progress"]
    assert progress["evaluated"] == progress["best_step"] == progress["step"] > 0


def test_patience_ends_a_run_that_gets_no_better_and_keeps_its_best(tiny, tmp_path):
    """At a rate that moves no weight every evaluation ties with the first, which stays the best."""
    run = train(tiny, "train.learning_rate=1e-30", "train.eval_every=1", "train.patience=3",
                "train.keep=1", "sample.cues=[]", cwd=tmp_path)  # fmt: skip
    assert "no better evaluation in the last 3" in (run / "log.txt").read_text()
    assert checkpoint.read_index(run / folders.CHECKPOINTS) == checkpoint.Index(best=1, last=4)
    assert sorted(checkpoint.saved_steps(run / folders.CHECKPOINTS)) == [1, 4]


def test_reading_beside_a_writer_that_saves_each_step_never_fails(tiny, tmp_path, processes):
    from lstmgen.run.generating import open_found

    process = processes("train", tiny, "train.epochs=3000", "train.save_every=1", "train.keep=1",
                        "sample.cues=[]", "-q", cwd=tmp_path)  # fmt: skip
    run = tmp_path / process.stdout.readline().strip()
    wait_for(lambda: (run / folders.CHECKPOINTS / "index.json").exists())
    seen = set()
    for _ in range(300):
        seen.add(open_found(run, tmp_path)[0].checkpoint.step)
    assert process.poll() is None
    assert seen


def test_a_resumption_in_another_precision_says_so(tiny, tmp_path, monkeypatch):
    run = interrupted(tiny, "train.precision=fp32", cwd=tmp_path, stop_at=13)
    monkeypatch.setattr(setup, "settle_precision", lambda *args, **kwargs: (True, ""))
    done = call_cli("train", "--resume", run, cwd=tmp_path, check=0)
    assert (
        "note: this run was trained with fp32 products and goes on with bf16: not with the bits of "
        "a run that was never stopped" in done.stderr
    )
