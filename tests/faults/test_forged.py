"""Everything that a stranger can hand over, changed at random by somebody who knows the format.

A case must end with a known exit code and one message, or with a result; without a traceback, a
wait or a control character, in little memory, and without a byte changed outside. Where a value of
another kind, a tensor of another shape or no plain file is in the place of what is read, it must be
refused, or the result must be the same.
"""

import json
import random
import re
import shutil
import signal
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from lstmgen.runs.checkpoint import MODEL, STATE
from tests.helpers import SOAK
from tests.helpers.forgeries import (
    Change,
    change_file,
    change_manifest,
    change_sealed,
    steps_of,
)
from tests.helpers.program import call_cli
from tests.helpers.scenes import RUN, fingerprint, last, make_trained

CASES = 10_000 if SOAK else 420  # of all readers together
SECONDS = 30  # in which a case must end
LARGER = (  # worth being quantized, with samples
    "model.hidden_sizes=[24]",
    "model.embedding_dim=16",
    "sample.cues=[The cat]",
)
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")

GENERATE = ("generate", RUN, "--cue", "The cat", "--words", "6", "--seed", "1", "--best-of", "2",
            "--max-copied", "4", "--json")  # fmt: skip
NEWEST = ("generate", "--cue", "The cat", "--words", "3", "--seed", "1")
EVALUATE = ("evaluate", RUN, "--json")
ADAPT = ("evaluate", RUN, "--adapt", "--json")
RESUME = ("train", "--resume", RUN, "train.max_steps=27", "train.report=null", "-q")
START = ("train", "my.yaml", *LARGER, "train.init_from=base", "train.max_steps=2",
         "train.report=null", "--name", "second", "-q")  # fmt: skip
BASED = ("generate", "base", "--cue", "The cat", "--words", "3", "--seed", "1")
REPORT = ("report", RUN, "-o", "page.html")
INSPECT = ("inspect", RUN, "--gates", "--cue", "The cat", "--json")
WHY = ("inspect", RUN, "--why", "--cue", "The cat", "--json")
EXPORT = ("export", RUN, "-o", "exported")
RUNS = ("runs", "--json")
COMPARE = ("runs", "compare", RUN, "runs/other", "--json")
REPLAY = ("generate", "--replay", "receipt.json")
WRITE = ("write", RUN, "draft.json", "--seed", "1")
LISTS = (RUNS, COMPARE, REPORT)  # which say what is damaged beside what is not


@dataclass(frozen=True)
class Reader:
    """What is read, and the commands that read it."""

    files: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]


READERS = {
    "manifest": Reader(("step/manifest.json",), (GENERATE, EVALUATE, RESUME, RUNS, EXPORT)),
    "config": Reader(("step/config.yaml",), (GENERATE, EVALUATE, RESUME, INSPECT, EXPORT)),
    "resolved": Reader(("run/resolved.yaml",), (EVALUATE, RESUME, RUNS, COMPARE)),
    "counters": Reader(("step/state.json",), (EVALUATE, RESUME, REPORT, EXPORT)),
    "state": Reader(("step/state.safetensors",), (RESUME,)),
    "weights": Reader(("step/model.safetensors",), (GENERATE, EVALUATE, INSPECT, WHY, REPORT)),
    "tokenizer": Reader(("step/tokenizer.json",), (GENERATE, EVALUATE, RESUME)),
    "vocabulary": Reader(("step/vocabulary.json",), (GENERATE, EVALUATE, RESUME, REPORT)),
    "origin": Reader(("step/origin.json",), (GENERATE, EVALUATE, RESUME, REPORT, START)),
    "shared": Reader(("step/copy_index.safetensors", "step/ngrams.safetensors"),
                     (GENERATE, WRITE, RESUME, REPORT)),  # fmt: skip
    "index": Reader(("run/checkpoints/index.json",), (GENERATE, RESUME, RUNS, REPORT)),
    "environment": Reader(("run/environment.json",), (NEWEST, RUNS, REPORT, COMPARE)),
    "records": Reader(("run/metrics.csv", "run/events.jsonl", "run/samples.md"),
                      (REPORT, RUNS, COMPARE, RESUME)),  # fmt: skip
    "adaptation": Reader(("run/adaptation.json",), (ADAPT,)),
    "receipt": Reader(("receipt.json",), (REPLAY,)),
    "draft": Reader(("draft.json",), (WRITE,)),
    "base": Reader(("base/manifest.json", "base/config.yaml", "base/vocabulary.json",
                    "base/tokenizer.json", "base/model.safetensors", "base/origin.json"),
                   (START, BASED)),  # fmt: skip
    "prepared": Reader(("prepared/meta.json", "prepared/train.ids", "prepared/train.lines"),
                       (EVALUATE, RESUME)),  # fmt: skip
}  # fmt: skip


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A folder with two runs, parameters tuned for one, a receipt, a draft and an exported base."""
    folder = make_trained(tmp_path_factory.mktemp("forged"), *LARGER)
    shutil.copytree(folder / RUN, folder / "runs/other")
    call_cli("evaluate", RUN, "--tune", cwd=folder, check=0)
    call_cli(*GENERATE[:-1], "--receipt", "receipt.json", cwd=folder, check=0)
    call_cli("export", RUN, "-o", "base", "--quantize", "int8", cwd=folder, check=0)
    lines = "The cat\n/save draft.json\n/quit\n"
    call_cli("write", RUN, "--seed", "1", cwd=folder, stdin=lines, check=0)
    (folder / "outside").mkdir()
    (folder / "outside" / "canary").write_text('{"a": "word that is nowhere else"}')
    return folder


def _copy(scene: Path, folder: Path) -> None:
    shutil.copytree(scene, folder)
    for run in (folder / "runs").glob("*/resolved.yaml"):
        run.write_text(run.read_text().replace(str(scene), str(folder)))
    receipt = folder / "receipt.json"
    receipt.write_text(receipt.read_text().replace(str(scene), str(folder)))


def _change(rng: random.Random, folder: Path, name: str) -> Change:
    outside, (place, _, file) = folder / "outside", name.partition("/")
    if not file:
        return change_file(rng, folder / name, None)
    if place == "run":
        return change_file(rng, folder / RUN / file, outside)
    if place == "prepared":
        home = next((folder / "runs/.prepared").glob("*-*/"))
        return change_file(rng, home / file, outside)
    steps = steps_of(folder / RUN) if place == "step" else [folder / place]
    changes, state = [], rng.getstate()
    for step in steps:  # alike in all, as nobody knows which one is read
        rng.setstate(state)
        if file == "manifest.json":
            changes.append(change_manifest(rng, step, outside))
        else:
            changes.append(change_sealed(rng, step, file, outside))
    return Change(changes[0].words, all(change.strict for change in changes))


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize("name", READERS)
def test_t17_a_forged_file_is_refused_or_harmless(scene, tmp_path, name):
    """Wrong kinds, ranges, sizes, links and pipes in each kind of file that is read."""
    reader, expected, failures = READERS[name], {}, []
    for case in range(CASES // len(READERS)):
        rng = random.Random(f"{name} {case}")
        command = reader.commands[case % len(reader.commands)]
        if command not in expected:
            clean = tmp_path / "clean"
            _copy(scene, clean)
            done, made = _result(command, clean, check=0)
            expected[command] = _lasting(command, done.stdout), made
            shutil.rmtree(clean)
        folder = tmp_path / "here"
        _copy(scene, folder)
        change = _change(rng, folder, rng.choice(reader.files))
        told = f"{name}, case {case}, {command[0]}: {change.words}"
        try:
            _check(command, folder, change, expected[command])
        except AssertionError as error:
            failures.append(f"{told}: {error}")
        shutil.rmtree(folder)
    assert not failures, f"{len(failures)} failed:\n" + "\n\n".join(failures[:20])


def _check(command, folder, change, expected) -> None:
    before, outside = fingerprint(folder / RUN), fingerprint(folder / "outside")
    allowed = (300 << 20) + 4 * _bytes_of(folder)
    with _limited():
        _reset_peak()
        at_first = _peak()
        done, made = _result(command, folder)
        grown = _peak() - at_first
    message = done.output[-1500:]
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    assert done.exit_code in (0, 1, 2, 3), message
    assert "Traceback" not in done.stderr, message
    assert not CONTROL.search(done.output), repr(message)
    assert "nowhere else" not in done.output, message  # the words of the canary
    assert grown < allowed, f"took {grown:,} bytes"
    assert fingerprint(folder / "outside") == outside
    if done.exit_code == 0:
        _check_json(command, done.stdout)
        if change.strict and command not in LISTS:
            found = _lasting(command, done.stdout), made
            assert found == expected, (
                f"accepted, with another result: {_difference(found, expected)}"
            )
        return
    assert sum(line.startswith("error: ") for line in done.stderr.splitlines()) == 1, message
    if done.exit_code == 2:
        assert fingerprint(folder / RUN) == before, message


def _result(command, folder, check=None):
    """What a command says, and the weights and the state that a training ends with."""
    done = call_cli(
        *command, cwd=folder, check=check, stdin="/quit\n" if command[0] == "write" else None
    )
    made = None
    if done.exit_code == 0 and command[0] == "train":
        run = folder / done.stdout.strip()
        made = [(last(run) / file).read_bytes() for file in (MODEL, STATE)]
    return done, made


def _difference(found, expected) -> str:
    """Where two results begin to differ."""
    (a, made), (b, others) = found, expected
    place = next((i for i, pair in enumerate(zip(a, b, strict=False)) if pair[0] != pair[1]), 0)
    if a == b:
        return f"other files: {made != others}"
    return f"...{a[max(0, place - 60) : place + 60]} instead of {b[place : place + 60]}"


def _lasting(command, text) -> str:
    """What a command prints, without times and digests, which no two runs share."""
    if command[0] == "train":
        return ""
    return re.sub(r'"(words_per_second|seconds|checkpoint|digest)": [^,}]*', "", text)


def _check_json(command, text) -> None:
    """JSON that a strict reader can read."""

    def refuse(constant):
        raise AssertionError(f"{constant} in {text}")

    if "--json" in command:
        for line in text.splitlines():
            json.loads(line, parse_constant=refuse)


@contextmanager
def _limited():
    def stop(number, frame):
        raise AssertionError(f"still busy after {SECONDS} seconds")

    old = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


def _bytes_of(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def _reset_peak() -> None:
    with suppress(OSError):  # without it, or without /proc, memory is not checked
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    """The most memory that this process had since the last reset, in bytes."""
    with suppress(OSError):
        return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) << 10
    return 0
