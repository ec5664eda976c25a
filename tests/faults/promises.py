"""What lstmgen promises, by number, and the page docs/reliability.md that is made of it.

    python -m tests.faults.promises          write the page anew

A test proves a promise by its name, ``test_tNN_...``, or as a row of the fault table.
"""

import ast
import re
from collections import defaultdict
from pathlib import Path

from tests.faults.table import FAULTS

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reliability.md"

PARTS: dict[str, dict[int, str]] = {
    "Going on": {
        1: "A resumed run ends with the same bytes as a run that was never stopped, wherever it "
           "was stopped, with any cell, order, optimiser, schedule, average and dropout.",
        2: "The states carried along the text are part of that: with others it ends elsewhere.",
        3: "A checkpoint that lacks a counter or a tensor is refused, not filled up.",
        4: "The windows after a resumption are those that would have come, none twice, none left "
           "out.",
        5: "Another text or vocabulary is refused, and another shape or setting with its key, its "
           "old and its new value; a text that was moved is not another one.",
        6: "The learning rates are those of an uninterrupted run; a longer run does not stretch "
           "its schedule unasked.",
        7: "Tied weights stay tied: one tensor, one entry of the optimiser, one copy on the disk.",
        8: "Evaluating and sampling leave the training as it is.",
    },
    "Writing": {
        9: "Killed at any instant, a run has a whole checkpoint, at most one save old, and goes on "
           "from it to the same end. What was half written is swept away.",
        10: "Files are flushed before they are renamed, folders after; nothing old is deleted "
            "before the new is safe.",
        11: "A full disk is one message with what is needed and what is free; older checkpoints "
            "are intact. A disk that cannot hold the run's checkpoints is told before training.",
        12: "A folder that is read-only, over its quota or gone is one message.",
        13: "The best, the last and the newest checkpoints are kept, by their numbers; a tie keeps "
            "the older, what is not a number is never the best.",
        14: "What cannot be deleted is told, and training goes on.",
    },
    "Reading": {
        15: "Every byte that is read is checked: a flipped bit, a cut file, a file of another kind "
            "is refused before anything is used. A resumption takes the newest checkpoint that is "
            "whole, and says so.",
        16: "A checkpoint of a later version says that it is one.",
        17: "A checkpoint from a stranger runs nothing, reaches no other file, and takes no more "
            "memory than it has bytes.",
        18: "Its config, vocabulary and weights are checked against one another.",
    },
    "Running": {
        19: "The first SIGINT, SIGTERM or SIGHUP finishes the step, saves, prints the command that "
            "goes on and exits with 130, 143 or 129, in an evaluation too.",
        20: "The second one stops at once.",
        21: "SIGUSR1 saves and goes on; a closed pipe ends silently with 141, a closed stdout "
            "hinders nothing, a reader beside a run changes nothing.",
        22: "What is not finite never reaches the disk: a step with such a loss or gradient is not "
            "applied, such weights are not saved; events.jsonl holds the facts, the exit code is "
            "3. The message says what went wrong first, except on a GPU, where steps are looked at "
            "now and then.",
        23: "An absurd learning rate ends the same way, and the last checkpoint still generates.",
        24: "A step whose loss leaps (three times the median of those before, a nat and ten times "
            "their usual distance from it) is told once; training goes on.",
        25: "Resuming takes no more memory than starting, half a network's weights apart.",
        26: "A network that the memory cannot hold is refused before it is built; where memory "
            "runs out all the same, one message names the settings to lower.",
    },
    "Several processes": {
        27: "A rank that dies ends the others; torchrun starts them anew (`--max-restarts`), they "
            "go on from the newest checkpoint and end with the bytes of an undisturbed run.",
        28: "What goes wrong on one rank only, or differs between them, is told once, by the "
            "first, and ends all.",
        29: "More ranks than sequences, or a text too short for them, are refused on all.",
        30: "Only the first rank makes folders, prints and saves; a signal stops all of them at "
            "the same step.",
        31: "Any number of ranks trains as one does, to rounding: losses, weights, averages and "
            "carried states, with dropout and uneven groups; the ranks' weights are bit-equal "
            "after every step. A run may go on with another number.",
    },
    "Sameness": {
        32: "Two runs of one config are equal bytes, checkpoints and all.",
        33: "So they are in another folder, time zone or locale, and whatever Python's hash seed.",
    },
    "Input": {
        34: "A config that is wrong is one message: file and line, key, value, what is allowed, "
            "before torch is loaded.",
        35: "Drawn configs, texts and command lines never see a traceback.",
        36: "The config in the run folder reproduces the run.",
        37: "Texts are read strictly as Unicode, however short, and normalised in one documented "
            "way.",
        38: "What is no readable text (a folder, a pipe, a device, a link to nowhere, a text that "
            "changes) is named. Standard input is read once and kept.",
        39: "Every word of a validation or test text is scored once; a text with none is refused "
            "or left out, and that is said.",
        40: "A terminal never gets a control character from a text, a cue, a name or a setting; "
            "what looks like markup is printed as it is.",
        41: "Sampling settings are checked; at their limits they still mean something; `<unk>` is "
            "never written; equal seeds are equal texts.",
    },
    "Beside one another": {
        42: "A run folder has one training at a time; the kernel frees the lock of a dead process.",
        43: "Whoever reads beside a training that saves finds a whole checkpoint.",
    },
    "Supply": {
        44: "The packages imported are those declared, each pinned; no network is asked for; "
            "nothing in the tree runs what it reads.",
    },
}  # fmt: skip

HEAD = """\
# What you can rely on

Made by `python -m tests.faults.promises` from the tests; do not edit it.

Each promise has tests that break what it guards against, named after its number (`pytest -k t09`).
The table below lists the faults that are a row each: for every one of them the exit code and words
are checked, and that there is one message, no traceback, no control character, and not a byte of
the runs changed. `make slow` runs the tests that take long, and `make soak` the long versions: 50
kills of a run and 10 of a rank, 10,000 reads beside a writer, 10,000 drawn configs, texts and
command lines each, 5,000 flipped bits. On a config of your own, `lstmgen check --resume my.yaml`
trains some steps straight and in two halves and compares all bits.

## What is not promised

- Equal bytes hold on one machine, with one version of torch and lstmgen and one number of threads:
  other kernels sum in another order. A resumption on another machine goes on, and says so where the
  precision changed.
- A run stopped by `train.max_minutes` goes on cleanly, but no two clocks are alike.
- The ids of a prepared text are made again where they are cut short or missing; a flipped bit in
  them goes unseen, since they are read in place. Delete `.prepared` in the runs folder if in doubt.
- On a file system without locks (some NFS) two trainings in one folder are not kept apart.
- Several ranks sum in another order than one: equal to rounding, and to the byte for one number.
- CUDA shares all of the code above but has not been run.
"""


def proofs() -> dict[int, list[tuple[str, str]]]:
    """The tests of each promise: their names and first sentences."""
    found = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match = isinstance(node, ast.FunctionDef) and re.match(r"test_t(\d\d)_(.+)", node.name)
            if match:
                words = " ".join((ast.get_docstring(node) or "").split())
                found[int(match[1])].append((node.name, words))
    return found


def page() -> str:
    """The text of docs/reliability.md."""
    tests = proofs()
    rows = defaultdict(list)
    for fault in FAULTS:
        rows[int(fault.name[1:3])].append(fault)
    lines = [HEAD]
    for part, promises in PARTS.items():
        lines += [f"## {part}", ""]
        for number, promise in promises.items():
            lines += [f"**T{number}. {promise}**", ""]
            for name, words in tests[number]:
                lines.append(f"- `{name}`: {words}" if words else f"- `{name}`")
            if rows[number]:
                lines.append(f"- {len(rows[number])} rows of the fault table")
            lines.append("")
    lines += ["## The fault table", "", "| fault | what is wrong | exit code | words |",
              "|---|---|---|---|"]  # fmt: skip
    for fault in FAULTS:
        cells = (f"`{fault.name}`", _cell(fault.injected), str(fault.code), _cell(fault.words))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
