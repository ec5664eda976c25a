"""What a writer uses: details of words, receipts, and the library."""

import json
import subprocess
import sys

import pytest

import lstmgen
from lstmgen.errors import UsageError
from lstmgen.runs import checkpoint
from tests.helpers.program import call_cli, run_cli
from tests.helpers.scenes import run_of

FREE = ("--pair-penalty", 0, "--temperature", 1.5, "--top-p", 1, "--words", 15, "--stop", "words")


def test_eight_samples_are_eight_times_one(parrot):
    """Sample k of a batch is drawn as sample k of any other batch."""
    options = ("--cue", "The cat", *FREE, "--seed", 5, "--json")
    done = call_cli("generate", *options, "-n", 8, cwd=parrot, check=0)
    many = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({sample["text"] for sample in many}) > 4
    for count in (1, 3):
        done = call_cli("generate", *options, "-n", count, cwd=parrot, check=0)
        few = [json.loads(line) for line in done.stdout.splitlines()]
        for one, other in zip(few, many, strict=False):
            assert one["text"] == other["text"]
            for a, b in zip(one["words"], other["words"], strict=True):
                assert a["log_probability"] == pytest.approx(b["log_probability"], abs=1e-5)
    plain = call_cli("generate", *options[:-1], "-n", 2, cwd=parrot, check=0).stdout
    assert plain == "".join(
        f"{'---' if k else ''}{chr(10) if k else ''}The cat{many[k]['text']}\n" for k in range(2)
    )


def test_json_holds_what_made_the_words(parrot):
    done = call_cli(
        "generate", "--cue", "The cta", *FREE, "--seed", 5, "--json", cwd=parrot, check=0
    )
    told = json.loads(done.stdout)
    assert told["cue"] == "The cta" and told["unknown_words"] == {"cta": "cat"}
    assert "note: not in the vocabulary: cta (read as cat)" in done.stderr
    assert "".join(word["text"] for word in told["words"]) == told["text"]
    total = sum(word["log_probability"] for word in told["words"])
    assert told["log_probability"] == pytest.approx(total)
    for word in told["words"]:
        assert word["log_probability"] <= 0 <= word["entropy"]
        chances = [p for _, p in word["alternatives"]]
        assert chances == sorted(chances, reverse=True) and len(chances) == 5
        if word["rank"] <= 5:
            assert word["alternatives"][word["rank"] - 1][0] == word["text"].strip(" ")
    assert told["settings"]["temperature"] == 1.5 and told["seed"] == 5
    assert len(told["checkpoint"]["digest"]) == 64
    assert told["words_per_second"] == pytest.approx(15 / told["seconds"])


def test_probabilities_are_shown_in_a_hundred_columns(parrot):
    done = call_cli("generate", "--cue", "The cat", *FREE, "--seed", 5, "--show-probs", "--color",
                    cwd=parrot, check=0)  # fmt: skip
    told = json.loads(call_cli("generate", "--cue", "The cat", *FREE, "--seed", 5, "--json",
                               cwd=parrot).stdout)  # fmt: skip
    text, table = done.stdout.split("word  ", 1)
    assert "\x1b" not in done.stdout  # no terminal: a plain fallback
    assert max(map(len, table.splitlines())) <= 100
    unlikely = [w["text"].strip(" ") for w in told["words"] if w["log_probability"] < -2.9957323]
    assert unlikely
    assert all(f"_{word}_" in text for word in unlikely if word.strip())
    rows = table.splitlines()[1:-1]
    for row, word in zip(rows, (w for w in told["words"]), strict=True):
        assert int(row[23:29].replace(",", "")) == word["rank"]
    svg = parrot / "page.svg"
    options = ("--cue", "The cat", *FREE, "--seed", 5, "--color", "--svg", svg)
    call_cli("generate", *options, cwd=parrot, check=0)
    drawn = svg.read_text(encoding="utf-8")
    assert "<svg" in drawn and "font-face" not in drawn and "underline" in drawn


def test_a_terminal_gets_colours_and_no_color_is_obeyed(parrot):
    for environment, coloured in (({"NO_COLOR": "1"}, False), ({}, True)):
        script = (
            "import os, pty, sys; os.environ.update(TERM='xterm-256color', COLORTERM='truecolor');"
            f"os.environ.update({environment!r});"
            "pty.spawn([sys.executable, '-m', 'lstmgen', 'generate', '--cue', 'The', '--words',"
            " '4', '--seed', '1', '--color', '-q'])"
        )
        done = subprocess.run([sys.executable, "-c", script], cwd=parrot, capture_output=True,
                              check=True, stdin=subprocess.DEVNULL)  # fmt: skip
        assert (b"\x1b[" in done.stdout) == coloured


def test_a_receipt_is_replayed_by_another_process(parrot, tmp_path):
    receipt = tmp_path / "receipt.json"
    options = ("--cue", "The cat", *FREE, "-n", 3, "--max-copied", 3, "--receipt", receipt)
    first = run_cli("generate", *options, "--runs-dir", parrot / "runs", cwd=tmp_path, check=0)
    again = run_cli("generate", "--replay", receipt, cwd=tmp_path, check=0)
    assert again.stdout == first.stdout and first.stdout.count("---\n") == 2
    assert f"the same text as in {receipt}" in again.stderr


@pytest.mark.parametrize("place", ["", "/", ".", "..", "nowhere/receipt.json"])
def test_a_receipt_that_has_no_place_is_refused_before_a_text_is_made(place, parrot, tmp_path):
    done = call_cli("generate", run_of(parrot), *FREE, "--receipt", place, cwd=tmp_path, check=2)
    assert "name a file in an existing folder" in done.stderr and not done.stdout


def test_a_receipt_that_cannot_be_written_costs_no_text(parrot, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lstmgen.generation.receipts.write_output", full)
    done = call_cli(
        "generate", run_of(parrot), "-c", "The cat", *FREE, "--receipt", "r", cwd=tmp_path, check=1
    )
    assert done.stdout.startswith("The cat") and len(done.stdout) > len("The cat\n")
    assert "--receipt r: cannot be written (No space left on device)" in done.stderr


def test_a_replay_names_what_has_changed(parrot, tmp_path):
    receipt = tmp_path / "receipt.json"
    run = run_of(parrot)
    steps = sorted((run / "checkpoints").glob("step-*"), key=lambda p: int(p.name[5:]))
    call_cli("generate", steps[-1], *FREE, "--receipt", receipt, cwd=tmp_path, check=0)
    done = call_cli("generate", steps[0], "--replay", receipt, cwd=tmp_path, check=2)
    assert "the checkpoint has changed: it was" in done.stderr and steps[0].name[5:] in done.stderr
    told = json.loads(receipt.read_text())
    told["numpy"] = "1.0"
    receipt.write_text(json.dumps(told))
    done = call_cli("generate", "--replay", receipt, cwd=tmp_path, check=0)
    assert "note: numpy was 1.0 and is now" in done.stderr
    told["samples"][0]["text"] += "x"
    receipt.write_text(json.dumps(told))
    done = call_cli("generate", "--replay", receipt, cwd=tmp_path, check=1)
    assert "the text of sample 0 differs: numpy was 1.0" in done.stderr
    damages = ({"seed": "x"}, {"seed": 2**63}, {"settings": {"top_p": 7}}, {"samples": []},
               {"receipt": 9}, {"cue": "\ud800"}, {"checkpoint": {}}, {"samples": [3]})  # fmt: skip
    for damage in damages:
        receipt.write_text(json.dumps(told | damage))
        done = call_cli("generate", "--replay", receipt, cwd=tmp_path, check=2)
        assert f"--replay {receipt}" in done.stderr


def test_a_program_loads_a_model_without_torch(parrot):
    code = (
        "import sys, lstmgen\n"
        "model = lstmgen.load()\n"
        "free = {'words': 6, 'temperature': 3, 'top_p': 1, 'stop': 'words'}\n"
        "(a, b) = model.generate('The cat', samples=2, seed=5, **free)\n"
        "words = list(model.words('The cat', seed=5, **free))\n"
        "assert ''.join(words) == a.text != b.text\n"
        "assert [word.text for word in a.words] == words\n"
        "assert all(word.log_probability <= 0 for word in a.words)\n"
        "assert 'torch' not in sys.modules\n"
        "try: model.generate('The', top_p=2)\n"
        "except Exception as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=parrot, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "--top-p = 2: must be at most 1\n"
    model = lstmgen.load(run_of(parrot))
    for wrong, message in (
        ({"seed": -1}, "seed = -1: must be a whole number"),
        ({"samples": 0}, "samples = 0: must be a whole number, 1 or more"),
        ({"wrods": 3}, "wrods: no such setting. There are cues, tag, words"),
        ({"cue": None}, "cue = None: must be a string"),
    ):
        with pytest.raises(UsageError, match=message):
            model.generate(**wrong)
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        lstmgen.laod  # noqa: B018


@pytest.mark.slow
def test_t40_a_long_piped_cue_is_read_in_blocks(parrot):
    """More than a block: echoed as they are, then continued."""
    cue = "The cat sat by the old mill.\n\n" * 40_000
    done = run_cli("generate", "--words", 3, "--seed", 1, "-q", cwd=parrot, stdin=cue[:1_100_000],
                   check=0)  # fmt: skip
    assert done.stdout.startswith(cue[: 1_100_000 - 60])
    assert len(done.stdout) > 1_100_000


def test_streamed_words_are_the_bytes_of_a_pipe(parrot):
    options = ("--cue", 'The cat said, "', *FREE, "--seed", 2, "-q")
    plain = call_cli("generate", *options, cwd=parrot, check=0).stdout
    told = json.loads(call_cli("generate", *options, "--json", cwd=parrot, check=0).stdout)
    assert plain == told["cue"] + told["text"] + "\n"
    whole = call_cli("generate", *options, "--no-cue", cwd=parrot, check=0).stdout
    assert whole == told["text"].lstrip(" ") + "\n"
    assert checkpoint.COPY_INDEX in {p.name for p in run_of(parrot).iterdir()}
