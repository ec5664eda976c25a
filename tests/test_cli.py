"""The program as a user meets it: outputs, messages, exit codes."""

import json
import math
import os
import pty
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import lstmgen
from lstmgen.cli.app import COMMANDS
from lstmgen.errors import UsageError
from lstmgen.runs import checkpoint
from lstmgen.runs.records import COLUMNS
from lstmgen.training import core_sharing
from tests.helpers.program import call_cli, run_cli
from tests.helpers.scenes import STORY, best, last, metrics_of, write_story

FAST = ("train.max_steps=4", "train.batch_size=2", "model.hidden_sizes=[8]",
        "model.embedding_dim=8", "train.device=cpu")  # fmt: skip


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """A folder with one run of a tiny network in it, and all that its training said."""
    folder = tmp_path_factory.mktemp("reported")
    write_story(
        folder,
        "data: {train: story.txt, valid_fraction: 0.2}\n"
        "model: {hidden_sizes: [24], embedding_dim: 16}\n"
        "train: {window: 8, batch_size: 4, epochs: 30, learning_rate: 2e-2, device: cpu}\n"
        "sample: {cues: [The cat], words: 20}\n",
    )
    done = run_cli("train", "my.yaml", cwd=folder, check=0)
    (folder / "stderr.txt").write_text(done.stderr, encoding="utf-8")
    (folder / "stdout.txt").write_text(done.stdout, encoding="utf-8")
    return folder


def first_run(folder):
    """The run of the fixture; tests train others beside it."""
    return folder / (folder / "stdout.txt").read_text(encoding="utf-8").strip()


def test_stdout_of_train_is_the_run_folder_alone(reported):
    out = (reported / "stdout.txt").read_text(encoding="utf-8")
    assert out.count("\n") == 1 and first_run(reported).is_dir()
    assert out.startswith("runs/my-")


def test_the_start_card_tells_threads_and_products(tiny, tmp_path):
    fast = (*FAST, "train.max_steps=1", "train.threads=1", "train.precision=fp32")
    done = call_cli("train", tiny, *fast, cwd=tmp_path, check=0)
    assert re.search(r"^  device +cpu \(1 thread\)$", done.stderr, re.M)
    environment = json.loads((tmp_path / done.stdout.strip() / "environment.json").read_text())
    assert environment["threads"] == 1


def test_piped_output_is_plain_lines(reported):
    told = (reported / "stderr.txt").read_text(encoding="utf-8")
    assert "\r" not in told and "\x1b" not in told
    for words in ("lstmgen train", "vocabulary", "baselines", "unigram", "one step",
                  "step   epoch  train loss  valid perplexity", "best perplexity",
                  "validation curve",
                  f"lstmgen generate {first_run(reported).relative_to(reported)} --cue",
                  "| The cat"):  # fmt: skip
        assert words in told, words
    stars = [line for line in told.splitlines() if line.startswith("* ")]
    assert stars


def test_the_run_folder_holds_what_the_docs_say(reported):
    run = first_run(reported)
    names = {path.name for path in run.iterdir()}
    assert names >= {"config.yaml", "resolved.yaml", "environment.json", "metrics.csv",
                     "events.jsonl", "samples.md", "plots", "log.txt", "checkpoints"}  # fmt: skip
    assert (run / "plots" / "loss.png").read_bytes()[:4] == b"\x89PNG"
    assert (run / "config.yaml").read_text() == (reported / "my.yaml").read_text()
    rows = metrics_of(run)
    assert tuple(rows[0]) == COLUMNS
    evaluated = [row for row in rows if row["valid_nats"]]
    assert evaluated and any(not row["valid_nats"] for row in rows)
    for row in evaluated:
        assert math.exp(float(row["valid_nats"])) == pytest.approx(
            float(row["valid_perplexity"]), rel=1e-3
        )
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert {"started", "evaluated", "saved", "finished"} == {e["event"] for e in events}
    steps = {path.name for path in (run / "checkpoints").iterdir()}
    index = json.loads((run / "checkpoints" / "index.json").read_text())
    assert {f"step-{index['best']}", f"step-{index['last']}"} <= steps
    for step in steps - {"index.json"}:
        text = "".join(
            path.read_text(encoding="utf-8")
            for path in (run / "checkpoints" / step).iterdir()
            if path.suffix != ".safetensors"
        )
        assert str(reported) not in text and os.uname().nodename not in text


def test_t36_the_resolved_config_reproduces_the_run(reported):
    """Training from what the run folder holds gives the same bytes."""
    resolved = first_run(reported) / "resolved.yaml"
    done = call_cli("train", resolved, "-q", "--name", "again", cwd=reported, check=0)
    again = reported / done.stdout.strip()
    weights = last(again) / "model.safetensors"
    theirs = first_run(reported) / weights.relative_to(again)
    assert weights.read_bytes() == theirs.read_bytes()


def test_generate_prints_the_cue_as_typed_and_goes_on(reported):
    asked = ("generate", first_run(reported), "--cue", "The cat  sat")
    done = run_cli(*asked, "--seed", 1, cwd=reported, check=0)
    assert done.stdout.startswith("The cat  sat")
    assert len(done.stdout) > 40
    facts = r", step \d+ \((best|best and last)\), --seed 1\n"
    assert re.fullmatch(re.escape(str(first_run(reported))) + facts, done.stderr)
    for wrong in (" .", " ,", "<story>", "<unk>"):
        assert wrong not in done.stdout
    again = run_cli(*asked, "--seed", 1, cwd=reported)
    assert again.stdout == done.stdout
    other = run_cli(*asked, cwd=reported, check=0)
    assert "--seed " in other.stderr


def test_generate_loads_no_torch(reported):
    code = (
        "import sys; from lstmgen.cli.app import app\n"
        "try: app(['generate', '--cue', 'The', '--words', '3'])\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'numpy' in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=reported, check=True, capture_output=True)


def test_samples_are_separated_and_greedy_ones_are_equal(reported):
    arguments = ("generate", "--cue", "The dog", "-n", "3", "--words", "5", "--temperature", "0")
    done = call_cli(*arguments, cwd=reported, check=0)
    parts = done.stdout.split("---\n")
    assert len(parts) == 3 and len(set(parts)) == 1
    alone = call_cli(*arguments[:3], *arguments[5:], "--no-cue", cwd=reported, check=0)
    assert "The dog " + alone.stdout == parts[0]


def test_words_are_counted(reported):
    for words in (0, 1, 7):
        done = call_cli("generate", "--cue", "The", "--words", words, "--stop", "words", "--no-cue",
                        "--seed", "1", cwd=reported, check=0)  # fmt: skip
        assert len(done.stdout.replace("-", " ").split()) == words


def test_a_piped_text_is_the_cue_and_its_line_end_is_not(reported):
    piped = run_cli("generate", "--seed", "4", cwd=reported, stdin="The dog\n", check=0)
    typed = run_cli("generate", "--seed", "4", "--cue", "The dog", cwd=reported, check=0)
    assert piped.stdout == typed.stdout
    assert run_cli("generate", "--seed", "4", cwd=reported, check=0).stdout.strip()


def test_unknown_words_of_a_cue_are_named(reported):
    done = run_cli("generate", "--cue", "The zebra \x1b[2J", "--seed", "1", cwd=reported, check=0)
    assert "note: not in the vocabulary: zebra (read as a rare word)" in done.stderr
    assert "\x1b" not in done.stderr + done.stdout
    assert done.stdout.startswith("The zebra [2J")


def test_what_is_said_of_a_cue_comes_before_it(reported):
    """On a terminal both streams are one: no message in the middle of a line of text."""
    program = f'"{sys.executable}" -u -m lstmgen generate --cue "The zebra" --words 3 2>&1'
    done = subprocess.run(["bash", "-c", program], cwd=reported, capture_output=True, text=True,
                          check=True)  # fmt: skip
    first, second, text, *_ = done.stdout.split("\n")
    assert "--seed" in first and second.startswith("note: not in the vocabulary: zebra")
    assert text.startswith("The zebra ")


@pytest.fixture
def two_steps(trained, tmp_path):
    """A run whose best checkpoint is that of step 20 and whose last is that of step 25."""
    run = tmp_path / "runs" / "first"
    shutil.copytree(trained / "runs" / "first", run)
    checkpoint.write_index(run / "checkpoints", checkpoint.Index(best=20, last=25))
    return tmp_path


def test_each_checkpoint_of_a_run_can_be_chosen(two_steps):
    settings = ("--cue", "The cat", "--words", 9, "--temperature", 0)
    for options, step, role in (
        ((), 20, "best"),
        (("--last",), 25, "last, the best is 20"),
        (("--step", 25), 25, "last, the best is 20"),
        (("--step", 20), 20, "best"),
    ):
        done = call_cli("generate", *settings, *options, "--seed", 5, cwd=two_steps, check=0)
        assert done.stderr == f"runs/first, step {step} ({role}), --seed 5\n"
        told = call_cli("generate", *settings, *options, "--json", "-q", cwd=two_steps, check=0)
        assert json.loads(told.stdout)["checkpoint"]["step"] == step and told.stderr == ""
    shutil.copytree(two_steps / "runs/first/checkpoints/step-20",
                    two_steps / "runs/first/checkpoints/step-22")  # fmt: skip
    done = call_cli("generate", *settings, "--step", 22, cwd=two_steps)
    assert "runs/first, step 20 (best), --seed" in done.stderr  # what its manifest says
    alone = call_cli("generate", "runs/first/checkpoints/step-20", "-c", "The", cwd=two_steps)
    assert "runs/first, step 20 (best), --seed" in alone.stderr


def test_the_api_chooses_checkpoints_too(two_steps):
    run = two_steps / "runs" / "first"
    for step, found in (("best", 20), ("last", 25), (25, 25)):
        assert lstmgen.load(run, step=step).checkpoint.step == found
    for step in ("first", True, 2.0, None):
        with pytest.raises(UsageError, match=r"step = .*: must be a whole number, 'best' or 'last"):
            lstmgen.load(run, step=step)
    with pytest.raises(UsageError, match=r"has no checkpoint of step -1. There are 20, 25"):
        lstmgen.load(run, step=-1)
    with pytest.raises(UsageError, match="is a single checkpoint"):
        lstmgen.load(run / "checkpoints" / "step-20", step="last")


def test_a_chosen_step_needs_no_index(two_steps):
    """Where index.json is damaged, --step is the way out."""
    (two_steps / "runs/first/checkpoints/index.json").write_text("{", encoding="utf-8")
    call_cli("generate", "-c", "The", cwd=two_steps, check=2)
    done = call_cli("generate", "-c", "The", "--step", 25, "--seed", 1, cwd=two_steps, check=0)
    assert done.stderr == "runs/first/checkpoints/step-25, step 25, --seed 1\n"


def test_many_steps_are_not_all_listed(two_steps):
    checkpoints = two_steps / "runs/first/checkpoints"
    for step in range(100, 130):
        (checkpoints / f"step-{step}").mkdir()
    done = call_cli("generate", "-c", "The", "--step", 7, cwd=two_steps, check=2)
    assert "There are 12 more and 110, 111," in done.stderr and "129 (train.keep" in done.stderr


def test_a_step_folder_works_alone_anywhere(reported, tmp_path):
    copy = tmp_path / "given"
    copy.mkdir()
    for file in best(first_run(reported)).iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    there = run_cli("generate", copy, "--cue", "The", "--seed", "2", cwd=tmp_path, check=0)
    here = run_cli("generate", "--cue", "The", "--seed", "2", cwd=reported, check=0)
    assert there.stdout == here.stdout
    done = run_cli("evaluate", copy, cwd=tmp_path, check=2)
    assert "is outside a run folder, without its run's text. Use --text FILE" in done.stderr


def test_evaluate_prints_its_figures(reported):
    done = call_cli("evaluate", "--json", cwd=reported, check=0)
    figures = json.loads(done.stdout)
    assert figures["perplexity"] == pytest.approx(math.exp(figures["nats_per_word"]))
    rows = metrics_of(first_run(reported))
    lowest = min(float(row["valid_nats"]) for row in rows if row["valid_nats"])
    assert figures["nats_per_word"] == pytest.approx(lowest, abs=1e-5)
    table = call_cli("evaluate", "--exact", cwd=reported, check=0).stdout
    for label in ("nats per word", "perplexity", "bits per character", "top-1 accuracy",
                  "unknown words"):  # fmt: skip
        assert f"\n{label}" in table
    text = call_cli("evaluate", "--text", "story.txt", "--json", cwd=reported, check=0)
    assert json.loads(text.stdout)["tokens"] > figures["tokens"]
    (reported / "foreign.txt").write_text("xylophones yodelling zealously")
    none = call_cli("evaluate", "--text", "foreign.txt", cwd=reported, check=2)
    assert "none of its 3 words is known, nothing to score" in none.stderr


@pytest.mark.slow
def test_evaluate_adapts_by_what_was_tuned_on_validation(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("lstmgen.evaluation.adaptive_mixtures.WINDOWS", (50,))
    monkeypatch.setattr(
        "lstmgen.evaluation.adaptive_mixtures.RATES", {"rms": (0.01,), "sgd": (0.1,)}
    )
    run = call_cli("train", tiny, "data.test=story.txt", cwd=tmp_path, check=0).stdout.strip()
    early = call_cli("evaluate", "--adapt", cwd=tmp_path, check=2)
    assert "nothing was tuned for this run. Run lstmgen evaluate RUN --tune first" in early.stderr
    wrong = call_cli("evaluate", "--tune", "--split", "test", cwd=tmp_path, check=2)
    assert "tuned on the run's validation text only" in wrong.stderr
    done = call_cli("evaluate", "--tune", "--json", cwd=tmp_path, check=0)
    told, parts = json.loads(done.stdout), done.stderr.splitlines()
    assert parts[0].startswith("cache: ") and parts[-1].startswith("dynamic evaluation: ")
    assert any(part.startswith("rms, rate 0.01, decay 0.001: ") for part in parts)
    assert len(parts) == len(set(parts)) and "\r" not in done.stderr
    again = json.loads(call_cli("evaluate", "--adapt", "--json", cwd=tmp_path, check=0).stdout)
    assert told == again
    assert [line["parts"] for line in told["adapted"]][-1] == ["dynamic", "cache", "ngram"]
    assert told["adapted"][0]["perplexity"] == pytest.approx(told["perplexity"], rel=1e-4)
    table = call_cli("evaluate", "--adapt", "--split", "test", cwd=tmp_path, check=0).stdout
    assert "dynamic evaluation + cache + 3-gram" in table
    assert "theta" in table.splitlines()[-1] and "words of validation" in table.splitlines()[-1]
    assert "tunes for this one" not in table
    piped = run_cli("evaluate", "--adapt", "--text", "-", cwd=tmp_path, stdin=STORY, check=0).stdout
    assert "standard input" in piped and "dynamic evaluation + cache" in piped
    other = call_cli("evaluate", "--adapt", "--order", 5, cwd=tmp_path, check=2)
    assert "--order 5: the weights were tuned with n-grams of order 3" in other.stderr
    kept = tmp_path / run / "adaptation.json"
    kept.write_text(kept.read_text().replace(told["tuned"]["digest"], "0" * 64))
    stale = call_cli("evaluate", "--adapt", cwd=tmp_path, check=0).stdout
    assert "lstmgen evaluate --tune tunes for this one" in stale
    gone = (tmp_path / "story.txt").rename(tmp_path / "moved.txt")
    lost = call_cli("evaluate", "--adapt", "--text", gone, cwd=tmp_path, check=2).stderr
    assert "--adapt needs the run's training text" in lost
    gone.rename(tmp_path / "story.txt")
    kept.write_text('{"order": 3, "weights": 7}')
    damaged = call_cli("evaluate", "--adapt", cwd=tmp_path, check=2)
    assert (
        "adaptation.json: is damaged, or of another version of lstmgen. Run lstmgen evaluate --tune"
        in damaged.stderr
    )


def test_an_average_that_never_begins_is_told(tiny, tmp_path):
    done = call_cli("train", tiny, "train.average=nt", "train.schedule=one_cycle", cwd=tmp_path,
                    check=0)  # fmt: skip
    assert (
        "train.average = nt: averaging never started, so the weights are those of the last"
        in done.stderr
    )


def test_evaluate_says_where_counting_wins(tiny, tmp_path):
    done = call_cli("train", tiny, "train.epochs=1", cwd=tmp_path, check=0)
    assert (
        "counting predicts this text better than the network, which has learned too little; what "
        "helps: more text or more epochs\n"
    ) in done.stderr
    figures = json.loads(call_cli("evaluate", "--json", cwd=tmp_path, check=0).stdout)
    assert figures["ngram_order"] == 3
    assert figures["ngram_perplexity"] < figures["perplexity"]
    five = json.loads(call_cli("evaluate", "--json", "--order", 5, cwd=tmp_path, check=0).stdout)
    assert five["ngram_order"] == 5 and five["ngram_perplexity"] != figures["ngram_perplexity"]
    table = call_cli("evaluate", cwd=tmp_path, check=0).stdout
    assert "counting predicts this text better than the network" in table
    (tmp_path / "story.txt").unlink()  # the training text is gone: no n-grams, and no failure
    (tmp_path / "other.txt").write_text("The cat sat by the mill.\n")
    left = call_cli("evaluate", "--text", "other.txt", "--json", cwd=tmp_path, check=0).stdout
    assert json.loads(left)["ngram_perplexity"] is None


def test_random_order_shows_both_figures(tiny, tmp_path):
    done = call_cli("train", tiny, "train.order=random", cwd=tmp_path, check=0)
    assert "from zero state" in done.stderr
    table = call_cli("evaluate", cwd=tmp_path, check=0).stdout
    assert "from a zero state" in table


def test_t34_a_mistake_is_told_before_torch_is_loaded(reported):
    """So it is told at once."""
    code = (
        "import sys; from lstmgen.cli.app import app\n"
        "try: app(['train', 'my.yaml', 'data.train=gone.txt'])\n"
        "except SystemExit as end: assert end.code == 2\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=reported, check=True, capture_output=True)


def test_t23_divergence_is_exit_code_3_and_keeps_the_last_good_checkpoint(tiny, tmp_path):
    """At an absurd rate; what was saved before still generates."""
    settings = ("train.learning_rate=1000", "train.clip_norm=null", "train.optimizer=sgd",
                "train.warmup_steps=0", "train.epochs=50", "train.save_every=1")  # fmt: skip
    done = call_cli("train", tiny, *settings, cwd=tmp_path, check=3)
    assert "training diverged at step" in done.stderr
    assert "Lower train.learning_rate" in done.stderr
    run_cli("generate", "--cue", "The", cwd=tmp_path, check=0)


def test_t21_a_closed_pipe_ends_in_silence(reported):
    """`| head -1`: exit code 141, no message."""
    program = f'"{sys.executable}" -m lstmgen generate -n 2000 --words 20 --seed 1'
    done = subprocess.run(
        ["bash", "-c", f"{program} | head -1; exit ${{PIPESTATUS[0]}}"],
        cwd=reported, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 141
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("poem.txt", b"\xef\xbb\xbf" + b"The night is cold,\r\nthe mill is old,\r\n\r\n" * 25),
        ("german.txt", "Der alte Müller sagte: „Komm her!“ – und ging.\n".encode() * 30),
        ("chinese.txt", "老磨坊主慢慢地说：“水流得慢，轮子才转。”\n".encode() * 30),
        ("tiny.txt", b"The old miller sat by the river and counted all the stones"),
    ],
)
def test_t37_a_strangers_text_trains_and_generates(tmp_path, name, text):
    """Whatever its script and its length."""
    (tmp_path / name).write_bytes(text)
    (tmp_path / "three.yaml").write_text(f"data:\n  train: {name}\ntrain: {{epochs: 2}}\n")
    call_cli("train", "three.yaml", *FAST[1:], "-q", cwd=tmp_path, check=0)
    words = text.decode("utf-8-sig").split()[0]
    done = call_cli("generate", "--cue", words, "--words", "5", cwd=tmp_path, check=0)
    assert done.stdout.startswith(words)


def test_a_tie_without_projection_is_told_of(reported):
    done = call_cli("train", "my.yaml", *FAST, cwd=reported, check=0)
    assert "note: the last layer and the word vectors have the same size (8)" in done.stderr
    done = call_cli("train", "my.yaml", *FAST[:-2], cwd=reported, check=0)
    assert "have the same size" not in done.stderr


@pytest.mark.slow
def test_t38_standard_input_can_be_the_text_and_the_run_goes_on_without_it(tmp_path):
    """It is read once, and kept beside the runs."""
    done = run_cli("train", "fable", "data.train=-", *FAST, "train.schedule=constant", "-q",
                   cwd=tmp_path, stdin=STORY * 3, check=0)  # fmt: skip
    run = tmp_path / done.stdout.strip()
    assert (run / "checkpoints" / "index.json").exists()
    lower = call_cli("train", "--resume", run, "train.max_steps=2", cwd=tmp_path, check=0)
    assert "nothing to resume: step 4 is past the 2 that train.max_steps or" in lower.stderr
    call_cli("train", "--resume", run, "train.max_steps=6", "-q", cwd=tmp_path, check=0)
    assert call_cli("evaluate", run, "--split", "train", cwd=tmp_path, check=0).stdout
    scored = run_cli("evaluate", "--text", "-", cwd=tmp_path, stdin=STORY, check=0).stdout
    assert "standard input" in scored


@pytest.mark.slow
def test_t21_a_reader_of_messages_that_goes_away_loses_nothing(tiny, tmp_path):
    """Training saves, and ends with 141."""
    program = f'"{sys.executable}" -m lstmgen train {tiny} train.epochs=2000'
    done = subprocess.run(
        ["bash", "-c", f"{program} 2>&1 >run.txt | head -3; exit ${{PIPESTATUS[0]}}"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 141
    assert "Traceback" not in done.stdout + done.stderr
    run = tmp_path / (tmp_path / "run.txt").read_text().strip()
    assert (run / "checkpoints" / "index.json").exists()


@pytest.mark.slow
def test_a_terminal_gets_a_bar_and_streamed_words(reported, tmp_path):
    """On a pseudo-terminal of 60 columns; nothing that stays is wider than it must be."""
    leader, follower = pty.openpty()
    os.set_blocking(leader, False)
    process = subprocess.Popen(
        [sys.executable, "-m", "lstmgen", "train", "my.yaml", "--runs-dir", str(tmp_path)],
        cwd=reported, stdin=follower, stdout=subprocess.DEVNULL, stderr=follower,
        env={**os.environ, "COLUMNS": "60", "TERM": "xterm"},
    )  # fmt: skip
    os.close(follower)
    seen = b""
    while True:
        try:
            seen += os.read(leader, 65536)
        except BlockingIOError:
            if process.poll() is not None:
                break
        except OSError:
            break
    assert process.wait() == 0
    assert b"\r" in seen and b"loss" in seen and b"words/s" in seen
    assert "╭─ lstmgen train" in seen.decode()


def test_help_shows_each_command_whole_and_with_an_example(tmp_path):
    """In 80 columns, each summary the first line of what the command says of itself."""
    listed = call_cli("--help", cwd=tmp_path, check=0).stdout
    assert max(map(len, listed.splitlines())) <= 80
    for command, summary in COMMANDS.items():
        assert re.search(rf"^  {command} +{re.escape(summary)}$", listed, re.MULTILINE)
        shown = call_cli(command, "--help", cwd=tmp_path, check=0).stdout
        assert f"\n  {summary}\n" in shown
        assert re.search(rf"Example: .*lstmgen {command}", shown)
    assert call_cli("--version", cwd=tmp_path, check=0).stdout.startswith("lstmgen 0.")


def test_waiting_threads_sleep_soon_where_other_programs_run(monkeypatch):
    """An evaluation with two threads beside a training would crawl."""
    looks = iter([2, 3, 2, 2, 2, 2, 2, 1, 0])
    monkeypatch.setattr(core_sharing, "INTERVAL", 0)
    monkeypatch.setattr(core_sharing, "runnable_threads", lambda: next(looks))
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    core_sharing.share_cores()
    assert os.environ["GOMP_SPINCOUNT"] == core_sharing.SPIN_COUNT
    core_sharing.share_cores()  # said already: no look
    monkeypatch.delenv("GOMP_SPINCOUNT")
    for _ in range(2):  # it was somebody else's moment, then no system that tells
        core_sharing.share_cores()
        assert "GOMP_SPINCOUNT" not in os.environ
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    core_sharing.share_cores()
    assert "GOMP_SPINCOUNT" not in os.environ
    monkeypatch.undo()
    assert core_sharing.runnable_threads() >= 1 or not Path("/proc/loadavg").exists()


@pytest.mark.parametrize(("command", "rest"), [
    ("evaluate", []), ("bench", ["tiny.yaml"]), ("check", ["--resume", "tiny.yaml"]),
])  # fmt: skip
def test_commands_that_load_torch_for_a_moment_look_at_the_cores_first(
    command, rest, tiny, tmp_path, monkeypatch
):
    call_cli("train", tiny, *FAST, cwd=tmp_path, check=0)

    def look():
        raise UsageError("looked")

    monkeypatch.setattr(core_sharing, "share_cores", look)
    assert "looked" in call_cli(command, *rest, cwd=tmp_path, check=2).stderr


COMPLETIONS = {
    "bash": ({"COMP_WORDS": "lstmgen generate --te", "COMP_CWORD": "2"}, "--temperature\n"),
    "zsh": ({"_TYPER_COMPLETE_ARGS": "lstmgen generate --te"}, '"--temperature":"Sampling'),
    "fish": ({"_TYPER_COMPLETE_ARGS": "lstmgen generate --te",
              "_TYPER_COMPLETE_FISH_ACTION": "get-args"}, "--temperature\tSampling"),
}  # fmt: skip


@pytest.mark.parametrize(("shell", "values"), COMPLETIONS.items(), ids=COMPLETIONS)
def test_a_shell_completes_the_options_of_a_command(tmp_path, shell, values):
    """Commands are imported when they are run, and when their options are completed."""
    environment, shown = values
    environment = environment | {"_LSTMGEN_COMPLETE": f"complete_{shell}"}
    done = run_cli(cwd=tmp_path, environment=environment, check=0)
    assert shown in done.stdout and "--top-k" not in done.stdout and done.stderr == ""


def test_a_shell_completes_commands_without_importing_them(tmp_path):
    code = (
        "import sys; from lstmgen.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code in (0, None), end.code\n"
        "assert 'lstmgen.cli.train' not in sys.modules"
    )
    words = {"COMP_WORDS": "lstmgen e", "COMP_CWORD": "1", "_LSTMGEN_COMPLETE": "complete_bash"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True,
                          text=True, env={**os.environ, **words}, check=True)  # fmt: skip
    assert done.stdout.split() == ["evaluate", "explain", "export"]


@pytest.mark.parametrize(
    ("shell", "rc", "line"),
    [("bash", ".bashrc", "complete -o default -F _lstmgen_completion lstmgen"),
     ("zsh", ".zfunc/_lstmgen", "compdef _lstmgen_completion lstmgen"),
     ("fish", ".config/fish/completions/lstmgen.fish", "complete --command lstmgen")],
)  # fmt: skip
def test_completion_is_installed_for_a_shell(tmp_path, shell, rc, line):
    """The option names the shell where typer is told not to find it out."""
    environment = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    shown = run_cli("--show-completion", shell, cwd=tmp_path, environment=environment, check=0)
    assert line in shown.stdout
    run_cli("--install-completion", shell, cwd=tmp_path, environment=environment, check=0)
    texts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert (tmp_path / rc).is_file() and any(line in text for text in texts)


def test_an_open_pipe_on_which_nothing_comes_is_reported(reported):
    process = subprocess.Popen(
        [sys.executable, "-m", "lstmgen", "generate", "--seed", "1", "--words", "3"],
        cwd=reported, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stderr is not None
    said = process.stderr.readline() + process.stderr.readline()
    assert said.endswith("waiting for a cue on standard input. For none, write --cue ''\n")
    out, _ = process.communicate("The dog\n", timeout=60)
    assert process.returncode == 0 and out.startswith("The dog")


def test_a_cue_comes_through_a_socket(reported):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"The dog\n")
        ours.shutdown(socket.SHUT_WR)
        done = subprocess.run(
            [sys.executable, "-m", "lstmgen", "generate", "-q", "--seed", "1", "--words", "3"],
            cwd=reported, stdin=theirs, capture_output=True, text=True, check=True,
        )  # fmt: skip
    assert done.stdout.startswith("The dog")


@pytest.mark.slow
def test_a_turkish_text_in_lower_case_keeps_its_letters(tmp_path):
    (tmp_path / "masal.txt").write_text("Irmak kıyısında İnci ağladı.\n" * 40, encoding="utf-8")
    run = call_cli(
        "train", "masal.txt", "data.lowercase=true", "train.epochs=1", "model.hidden_sizes=[8]",
        cwd=tmp_path, check=0,
    ).stdout.strip()  # fmt: skip
    assert "lowercase: turkish" in (tmp_path / run / "resolved.yaml").read_text(encoding="utf-8")
    done = call_cli("generate", run, "--cue", "IRMAK", "--oov", "error", cwd=tmp_path, check=0)
    assert done.stdout.startswith("IRMAK")
    call_cli("train", "--resume", run, "train.epochs=1", cwd=tmp_path, check=0)


def test_a_dry_run_shows_the_plan_and_writes_nothing(tmp_path, tiny):
    before = sorted(path.name for path in tmp_path.rglob("*"))
    done = call_cli("train", tiny.name, "--dry-run", cwd=tmp_path, check=0)
    assert done.stdout == ""
    assert "none, this is a dry run" in done.stderr
    plan = re.search(r"the training would evaluate about (\d+) times, .*", done.stderr)
    assert plan
    assert "keep at most 4 checkpoints of " in plan[0]
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
    run = tmp_path / call_cli("train", tiny.name, "-q", cwd=tmp_path, check=0).stdout.strip()
    evaluations = [row for row in metrics_of(run) if row["valid_nats"]]
    assert abs(len(evaluations) - int(plan[1])) <= 1


def test_one_hot_input_has_an_output_of_its_own_unless_the_config_ties_them(tmp_path, tiny):
    done = call_cli("train", tiny.name, "model.input=one_hot", cwd=tmp_path, check=0)
    assert "model.input = one_hot: there are no word vectors to share" in done.stderr
    resolved = (tmp_path / done.stdout.strip() / "resolved.yaml").read_text(encoding="utf-8")
    assert "tie_weights: false" in resolved
    untied = ("model.input=one_hot", "model.tie_weights=false")
    assert "to share" not in call_cli("train", tiny.name, *untied, cwd=tmp_path, check=0).stderr
