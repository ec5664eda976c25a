"""A run resumed is the run uninterrupted, bit for bit."""

import json
import shlex
import shutil
import signal
from pathlib import Path

import pytest
from safetensors.numpy import load, save

from lstmgen.cells import CELLS
from lstmgen.runs import checkpoint, folders
from lstmgen.training import build
from lstmgen.windows import plans
from tests.helpers.program import call_cli, run_cli, train
from tests.helpers.scenes import (
    RUN,
    cut_behind,
    deep_compare,
    fingerprint,
    forge,
    last,
    metrics_of,
    progress_of,
    seal,
    wait_for,
)


def steps_of(run):
    return progress_of(last(run))["step"]


ROWS = {
    "mid_epoch": ((), 13),
    "epoch_end": ((), 30),
    "just_after_an_epoch": ((), 31),
    "in_warm_up": (("train.warmup_steps=40", "train.accumulate=1"), 20),
    "three_micro_batches": (("train.accumulate=3", "train.schedule=constant"), 8),
    "bf16": (("train.precision=bf16", "train.stride=6"), 7),
    "random_with_an_evaluation_due": (("train.order=random", "train.schedule=plateau"), 20),
    "sgd_nt": (
        ("train.optimizer=sgd", "train.stride=1", "train.accumulate=1", "train.average=nt",
         "train.learning_rate=30", "train.schedule=constant", "train.clip_norm=null"),
        97,
    ),
    "swa_one_cycle": (
        ("train.stride=6", "train.schedule=one_cycle", "train.average=swa",
         "train.average_start=0.3"),
        9,
    ),
    "ema_and_every_regulariser": (
        ("train.average=ema", "train.ar=2", "train.tar=1", "train.noise=0.3",
         "model.dropout.words=0.2", "model.dropout.recurrent=0.4"),
        13,
    ),
    **{cell: ((f"model.cell={cell}", "train.stride=6"), 7) for cell in CELLS},
    "loop": (("model.cell=elman", "model.backend=loop", "train.stride=6"), 7),
    "adaptive": (("model.output=adaptive", "model.tie_weights=false", "train.stride=6"), 7),
}  # fmt: skip


QUICK = ("mid_epoch", "ema_and_every_regulariser")


@pytest.mark.parametrize(
    ("settings", "stop_at"),
    [
        pytest.param(*row, id=name, marks=[] if name in QUICK else pytest.mark.slow)
        for name, row in ROWS.items()
    ],
)
def test_t01_resumed_equals_uninterrupted(tiny, tmp_path, settings, stop_at):
    """A resumed run ends with the bytes of one never stopped, whatever the settings and the step.

    The first row goes on in a process of its own.
    """
    whole = train(tiny, *settings, cwd=tmp_path, name="whole")
    run = interrupted(tiny, *settings, cwd=tmp_path, stop_at=stop_at)
    call = run_cli if stop_at == 13 and not settings else call_cli
    call("train", "--resume", run, "-q", cwd=tmp_path, check=0)
    assert steps_of(run) == steps_of(whole) > stop_at
    deep_compare(whole, run)


def test_t01_check_compares_every_tensor(tiny, tmp_path, monkeypatch):
    """`lstmgen check --resume` finds equal runs equal, and names what differs."""
    settings = ("train.average=ema", "train.epochs=1")
    done = call_cli("check", "--resume", tiny, *settings, "--steps", "9", cwd=tmp_path, check=0)
    assert "after 9 steps, uninterrupted and resumed at 4: 0 differ" in done.stdout
    assert not (tmp_path / "runs").exists()

    from lstmgen.training import state

    real = state.State
    monkeypatch.setattr(state, "State", lambda hidden, cell: real(hidden, cell * 0))
    done = call_cli("check", "--resume", tiny, "--steps", "9", "--json", cwd=tmp_path, check=1)
    found = json.loads(done.stdout)
    assert (
        found["tensors"] > 20 and found["numbers"] > 10 and "embedding.weight" in found["differing"]
    )
    assert "error: these differ: " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["my.yaml"], "say what to check: lstmgen check --resume my.yaml"),
        (["--resume", "a.yaml", "b.yaml"], "b.yaml: one config at a time. Write: lstmgen check"),
        (["--resume", "train.epochs=3"], "no config is named. Write: lstmgen check --resume"),
        (["--resume", "tiny.yaml", "train.max_steps=1"], "this training ends after 1 step: it"),
        (["--resume", "tiny.yaml", "data.train=-"], "check cannot read standard input"),
        (["--resume", "tiny.yaml", "train.windwo=1"], "Did you mean train.window?"),
    ],
)
def test_check_says_what_it_needs(tiny, tmp_path, arguments, message):
    done = call_cli("check", *arguments, cwd=tmp_path, check=2)
    assert message in done.stderr


@pytest.mark.slow
def test_t02_the_carried_state_matters(tiny, tmp_path):
    """With the carried states set to zero a resumed run ends elsewhere: they are really used."""
    whole = train(tiny, cwd=tmp_path, name="whole")
    run = interrupted(tiny, cwd=tmp_path, stop_at=13)
    shutil.copytree(run, tmp_path / "runs" / "zeroed")
    zeroed = tmp_path / "runs" / "zeroed"
    held = load((last(zeroed) / checkpoint.STATE).read_bytes())
    carried = [name for name in held if name.startswith("carried/")]
    assert carried and all(held[name].any() for name in carried)
    emptied = {n: a * 0 if n in carried else a for n, a in held.items()}
    seal(last(zeroed), state_safetensors=save(emptied))
    for each in (run, zeroed):
        call_cli("train", "--resume", each, "-q", cwd=tmp_path, check=0)
    deep_compare(whole, run)
    assert (last(whole) / checkpoint.MODEL).read_bytes() != (
        last(zeroed) / checkpoint.MODEL
    ).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("order", ["streams", "random"])
def test_t04_the_next_windows_are_those_of_an_uninterrupted_run(tiny, tmp_path, monkeypatch, order):
    """Index by index, none is read twice and none is left out."""
    seen = []
    for plan in (plans.StreamPlan, plans.RandomPlan):
        real = plan.micro_batches

        def noted(self, ids, *, epoch, step, real=real):
            windows = real(self, ids, epoch=epoch, step=step)
            seen.append((epoch, step, [window.inputs.tolist() for window in windows]))
            return windows

        monkeypatch.setattr(plan, "micro_batches", noted)
    settings = (f"train.order={order}", "train.accumulate=1")
    train(tiny, *settings, cwd=tmp_path)
    whole = list(seen)
    run = interrupted(tiny, *settings, cwd=tmp_path, stop_at=13)
    seen.clear()
    call_cli("train", "--resume", run, "-q", cwd=tmp_path, check=0)
    assert seen == whole[13:] and len(whole) > 30


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "constant"])
def test_t06_the_learning_rates_are_those_of_an_uninterrupted_run(tiny, tmp_path, schedule):
    """At each step, in the warm-up and behind it."""
    settings = (f"train.schedule={schedule}", "train.warmup_steps=20")
    whole = train(tiny, *settings, cwd=tmp_path, name="whole")
    run = interrupted(tiny, *settings, cwd=tmp_path, stop_at=13)
    call_cli("train", "--resume", run, "-q", cwd=tmp_path, check=0)
    rates = []
    for each in (whole, run):
        rows = metrics_of(each)
        rates.append({row["step"]: row["learning_rate"] for row in rows})
    assert rates[0] == rates[1] and len(rates[0]) == 60


def test_t05_a_text_that_was_moved_is_the_same_text(tiny, tmp_path, story):
    """Its place may change on resuming, and so may the device: the text itself is compared."""
    run = interrupted(tiny, cwd=tmp_path, stop_at=13)
    story.rename(tmp_path / "moved.txt")
    settings = (f"data.train={tmp_path / 'moved.txt'}", "train.device=cpu", "train.threads=1")
    call_cli("train", "--resume", run, *settings, "-q", cwd=tmp_path, check=0)
    assert steps_of(run) == 60


def test_t01_a_run_saved_before_its_first_step_goes_on(tiny, tmp_path):
    """There is nothing yet that an optimiser remembers."""
    run = train(tiny, "train.max_minutes=1e-7", "train.schedule=constant", cwd=tmp_path)
    assert steps_of(run) == 0
    settings = ("train.max_minutes=5", "train.max_steps=4")
    call_cli("train", "--resume", run, *settings, "-q", cwd=tmp_path, check=0)
    assert steps_of(run) == 4


def test_t15_a_run_without_its_index_is_still_the_newest(tiny, tmp_path):
    """As after a kill between the first checkpoint and its index; odd names are no steps."""
    train(tiny, cwd=tmp_path, name="older")
    settings = ("train.max_steps=10", "train.schedule=constant")
    run = train(tiny, *settings, cwd=tmp_path, name="newer")
    checkpoints = run / folders.CHECKPOINTS
    (checkpoints / "index.json").unlink()
    (checkpoints / "step-98").write_text("a file")
    for name in ("step-\u00b2", "step-0100", "step-x"):
        (checkpoints / name).mkdir()
    done = call_cli("train", "--resume", "train.max_steps=12", "-q", cwd=tmp_path, check=0)
    assert (tmp_path / done.stdout.strip()).name == run.name
    assert checkpoint.read_index(checkpoints).last == 12


BASES = {"from_scratch": (), "from_a_run": ("train.move_biases=0.5",)}


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
@pytest.mark.parametrize("settings", BASES.values(), ids=BASES)
def test_t06_a_run_is_not_made_longer_than_its_schedule(tiny, tmp_path, schedule, settings):
    """It would learn nothing at a rate of 0; the command in the message trains on, anywhere."""
    (tmp_path / "a b").mkdir()
    base = ()
    if settings:
        first = train(tiny, "train.epochs=1", cwd=tmp_path, name="first")
        base = (f"train.init_from={first}", *settings)
    config = Path("..") / tiny.name
    run = train(config, "train.epochs=1", f"train.schedule={schedule}", *base,
                cwd=tmp_path / "a b")  # fmt: skip
    before = fingerprint(run)
    for limit, shown, more in (
        (("train.epochs=2",), "train.epochs = 2", 30),
        (("train.epochs=null", "train.max_steps=41"), "train.max_steps = 41", 11),
    ):
        done = call_cli("train", "--resume", run, *limit, cwd=tmp_path, check=2)
        assert (
            f"{shown} cannot make this run longer, because its {schedule} schedule ends at step 30 "
            f"with a learning rate of 0: {more} steps would learn nothing. To train on, start from "
            "its weights: lstmgen train "
        ) in done.stderr
        assert fingerprint(run) == before
        command = shlex.split(done.stderr.strip().rpartition(": ")[2])
        again = call_cli(*command[1:], "--name", "again", "-q", cwd=tmp_path, check=0)
        longer = tmp_path / again.stdout.strip()
        assert steps_of(longer) == more
        origin = json.loads((last(longer) / checkpoint.ORIGIN).read_text())
        assert origin["init_from"]["name"] == run.name
    rates = {row["learning_rate"] for row in metrics_of(longer) if row["learning_rate"]}
    assert max(map(float, rates)) > 1e-4
    call_cli("train", "--resume", run, "-q", cwd=tmp_path, check=0)


@pytest.mark.slow
def test_t06_an_interrupted_run_is_finished_before_it_is_trained_on(tiny, tmp_path):
    """A longer limit is refused; without it the run resumes to its own end."""
    run = interrupted(tiny, "train.epochs=1", cwd=tmp_path, stop_at=13)
    done = call_cli("train", "--resume", run, "train.epochs=2", cwd=tmp_path, check=2)
    assert "To train on, resume the run without train.epochs, then start from its" in done.stderr
    call_cli("train", "--resume", run, "-q", cwd=tmp_path, check=0)
    assert steps_of(run) == 30


def test_t03_the_counts_of_an_average_are_checked(tiny, tmp_path):
    """Its start and its steps are whole numbers, as those of the training are."""
    run = train(tiny, "train.average=ema", "train.max_steps=3", "train.schedule=constant",
                cwd=tmp_path)  # fmt: skip
    for value in (
        {"start": 0, "steps": -1}, {"start": True, "steps": 3}, {"start": 0, "steps": 2**62},
        {"start": 0.5, "steps": 3}, {"steps": 3}, 7,
    ):  # fmt: skip
        forge(last(run), checkpoint.PROGRESS, lambda state, value=value: state | {"average": value})
        done = call_cli("train", "--resume", run, "train.max_steps=5", cwd=tmp_path, check=2)
        assert "step-3 is damaged (state.json: " in done.stderr


def test_t03_a_version_of_many_letters_is_cut(trained):
    """What a stranger writes there does not fill the screen."""
    run = trained / RUN
    forge(last(run), checkpoint.PROGRESS, lambda state: state | {"lstmgen": "9" * 10_000})
    done = call_cli("train", "--resume", run, cwd=trained, check=0)
    assert f"was written by lstmgen {'9' * 40}, this is" in done.stderr


def test_t07_tied_stays_tied(tiny, tmp_path):
    """After a resumption too: one tensor, one entry of the optimiser, one copy on the disk."""
    run = interrupted(tiny, "model.embedding_dim=7", cwd=tmp_path, stop_at=13)
    call_cli("train", "--resume", run, "-q", cwd=tmp_path, check=0)
    weights = load((last(run) / checkpoint.MODEL).read_bytes())
    words = len(json.loads((last(run) / checkpoint.VOCABULARY).read_text())["entries"])
    assert [name for name, array in weights.items() if array.shape == (words, 7)] == [
        "embedding.weight"
    ]
    state = load((last(run) / checkpoint.STATE).read_bytes())
    assert sorted(n for n, a in state.items() if a.shape == (words, 7)) == [
        "optimizer/embedding.weight/exp_avg", "optimizer/embedding.weight/exp_avg_sq",
    ]  # fmt: skip


def interrupted(config, *settings, cwd, stop_at):
    """A run that saved at one step and lost everything after it."""
    run = train(
        config, *settings, f"train.save_every={stop_at}", "train.keep=1000", cwd=cwd, name="cut"
    )
    return cut_behind(run, stop_at, save_every="null", keep=2)


@pytest.mark.slow
def test_t19_a_signal_saves_and_says_how_to_go_on(tiny, tmp_path, processes):
    """SIGINT finishes the step, saves and prints the command; resumed, the bytes are the same."""
    whole = train(tiny, "train.epochs=8", "train.eval_every=50", cwd=tmp_path, name="whole")
    process = processes(
        "train", tiny, "train.epochs=8", "train.eval_every=50", "--name", "cut", cwd=tmp_path
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


@pytest.mark.slow
def test_t42_one_training_at_a_time_and_a_killed_one_is_free_again(tiny, tmp_path, processes):
    """A second is refused with the process that holds the folder; the kernel frees the lock of
    a killed process, so nothing stale stands in the way."""
    process = processes("train", tiny, "train.epochs=10000", "train.save_every=5", cwd=tmp_path)
    run = tmp_path / process.stdout.readline().strip()
    wait_for(lambda: (run / folders.CHECKPOINTS / "index.json").exists())
    done = call_cli("train", "--resume", run, cwd=tmp_path, check=2)
    assert f"is being trained by process {process.pid} on" in done.stderr
    process.kill()
    process.wait()
    before = steps_of(run)
    settings = f"train.max_steps={before + 3}"
    done = call_cli("train", "--resume", settings, cwd=tmp_path, check=0)
    assert "resumed at" in done.stderr
    assert steps_of(run) == before + 3


def test_a_finished_run_says_so(tiny, tmp_path):
    run = train(tiny, cwd=tmp_path)
    before = {p: p.read_bytes() for p in last(run).iterdir()}
    done = call_cli("train", "--resume", run, cwd=tmp_path, check=0)
    assert "nothing to resume: finished" in done.stderr
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
    assert "training continues from the checkpoint of step 50" in said
    assert "index.json is damaged" in said and "It is rewritten" in said
    deep_compare(whole, run)


def test_t15_no_whole_checkpoint_is_one_error(tiny, tmp_path):
    """Where none is whole the run is refused, each with its reason, and nothing is deleted."""
    run = train(tiny, "train.epochs=1", cwd=tmp_path)
    for step in checkpoint.saved_steps(run / folders.CHECKPOINTS):
        (checkpoint.step_folder(run / folders.CHECKPOINTS, step) / checkpoint.MODEL).unlink()
    before = sorted(run.rglob("*"))
    done = call_cli("train", "--resume", run, "train.epochs=2", cwd=tmp_path, check=2)
    assert "no checkpoint of this run is intact" in done.stderr
    assert "is damaged (model.safetensors: No such file" in done.stderr
    assert sorted(run.rglob("*")) == before


def test_t08_sampling_and_evaluating_leave_the_training_alone(tiny, tmp_path):
    """Weights, optimiser and carried states are those of a run that never does either."""
    a = train(tiny, cwd=tmp_path, name="with")
    settings = ("sample.cues=[]", "train.eval_every=100000", "train.sample_every=1")
    b = train(tiny, *settings, cwd=tmp_path, name="without")
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
    (run / "samples.md").write_text("## Step 5\n\n> ## Step one: flour\n\n## Step 99999\n\n> x\n"
                                    f"## Step {'9' * 5000}\n\n> x\n")  # fmt: skip
    with (run / "metrics.csv").open("a") as file:
        for words in ("nan", "inf"):
            file.write(f"12,0.5,{words},1,1,1,1,1,1,1\n")
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


def test_t19_a_signal_in_an_evaluation_leaves_it_to_the_resumption(tiny, tmp_path, monkeypatch):
    """The evaluation is broken off, and done when the run goes on, with the same figures."""
    from lstmgen.config.loader import load
    from lstmgen.training import start, trainer
    from lstmgen.training.complete_config import prepare_training
    from lstmgen.training.signals import StopRequests

    whole = train(tiny, cwd=tmp_path, name="whole")
    runs, asked = tmp_path / "runs", StopRequests()
    loaded, corpus = prepare_training(load(tiny), runs)
    real = trainer.evaluate

    def stopped(model, part, **options):
        if cut[0].progress.step == cut[0].until:
            asked.stop = signal.SIGINT
        return real(model, part, **options)

    cut = []
    init = trainer.Trainer.__init__
    monkeypatch.setattr(
        trainer.Trainer, "__init__", lambda self, *a: (cut.append(self), init(self, *a))[0]
    )
    monkeypatch.setattr(trainer, "evaluate", stopped)
    events = start.train(loaded, corpus, name="cut", runs=runs, requests=asked)
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


def test_t13_patience_ends_a_run_and_a_tie_keeps_the_older(tiny, tmp_path):
    """At a rate that moves no weight every evaluation ties with the first, which stays the best."""
    run = train(tiny, "train.learning_rate=1e-30", "train.eval_every=1", "train.patience=3",
                "train.keep=1", "sample.cues=[]", cwd=tmp_path)  # fmt: skip
    assert "no better evaluation in the last 3" in (run / "log.txt").read_text()
    assert checkpoint.read_index(run / folders.CHECKPOINTS) == checkpoint.Index(best=1, last=4)
    assert sorted(checkpoint.saved_steps(run / folders.CHECKPOINTS)) == [1, 4]


def test_a_resumption_in_another_precision_says_so(tiny, tmp_path, monkeypatch):
    run = interrupted(tiny, "train.precision=fp32", cwd=tmp_path, stop_at=13)
    monkeypatch.setattr(build, "resolve_precision", lambda *args, **kwargs: (True, ""))
    done = call_cli("train", "--resume", run, cwd=tmp_path, check=0)
    assert (
        "note: this run was trained with fp32 matmuls and continues with bf16, so its weights will "
        "not be bit-equal to those of an uninterrupted run" in done.stderr
    )


@pytest.mark.slow
def test_t16_a_state_of_the_first_format_needs_no_number(tiny, tmp_path):
    """As checkpoints were written before the format of state.json had one."""
    whole = train(tiny, cwd=tmp_path, name="whole")
    run = interrupted(tiny, cwd=tmp_path, stop_at=13)
    assert json.loads((last(run) / "state.json").read_text())["format"] == 1
    forge(last(run), "state.json", lambda s: {k: v for k, v in s.items() if k != "format"})
    call_cli("train", "--resume", run, "-q", cwd=tmp_path, check=0)
    deep_compare(whole, run)
