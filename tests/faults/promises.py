"""What lstmgen promises, by number, and the page docs/reliability.md that is generated from it.

    python -m tests.faults.promises          write the page

A test proves a promise by its name, ``test_tNN_...``, or as a row of the fault table.
"""

import ast
import re
import textwrap
from collections import Counter, defaultdict
from pathlib import Path

from tests.faults.table import FAULTS

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reliability.md"
WIDTH = 100

PARTS: dict[str, dict[int, str]] = {
    "Resuming": {
        1: "A resumed run ends with the same bytes as an uninterrupted one, wherever it "
           "was stopped.",
        2: "That includes the states carried along the text.",
        3: "A checkpoint that lacks a counter or a tensor is refused.",
        4: "Every window is read exactly once.",
        5: "Another text, vocabulary, shape or setting is refused with the key, the old and the "
           "new value. A text that was moved is the same text.",
        6: "Learning rates are those of an uninterrupted run; a run is not made longer than a "
           "schedule that ends at 0.",
        7: "Tied weights stay tied: one tensor, one optimizer entry, one copy on disk.",
        8: "Evaluating and sampling do not change the training.",
    },
    "Writing": {
        9: "A run killed at any instant has a complete checkpoint, at most one save old.",
        10: "Files are flushed before they are renamed; nothing old is deleted before the new is "
            "safe.",
        11: "A full disk gives one message with the bytes needed and free; older checkpoints are "
            "intact. A disk too small for the checkpoints is reported before training.",
        12: "A read-only, missing or over-quota folder gives one message.",
        13: "The best, the last and the newest checkpoints are kept; NaN is never the best.",
        14: "A file that cannot be deleted is reported, and training continues.",
    },
    "Reading": {
        15: "Every byte is verified before it is used. Resuming takes the newest complete "
            "checkpoint.",
        16: "A checkpoint of another version is named as one, never as damaged.",
        17: "A run folder from a stranger runs no code, reaches no other file, and takes memory in "
            "proportion to its bytes: at worst it is refused.",
        18: "Its config, vocabulary and weights are checked against each other.",
    },
    "Running": {
        19: "SIGINT, SIGTERM or SIGHUP finishes the step, saves, prints the command that resumes, "
            "and exits with 130, 143 or 129.",
        20: "A second signal stops at once.",
        21: "SIGUSR1 saves and continues; a closed pipe ends silently with 141.",
        22: "NaN and infinity never reach the disk: such a step is not applied, the exit code is "
            "3, events.jsonl has the facts.",
        23: "An absurd learning rate ends the same way; the last checkpoint still generates.",
        24: "A spike of the loss is reported once, and training continues.",
        25: "Resuming takes no more memory than starting, apart from half a network's weights.",
        26: "A network too large for the memory is refused before it is built; running out of "
            "memory gives one message with the settings to lower.",
    },
    "Several processes": {
        27: "If a rank dies the others end; restarted by torchrun, they resume to the same bytes.",
        28: "An error on one rank, or a difference between ranks, is reported once.",
        29: "More ranks than sequences are refused on all of them.",
        30: "Only rank 0 makes folders, prints and saves; a signal stops all at the same step.",
        31: "Any number of ranks trains as one process does, up to rounding, with bit-equal "
            "weights.",
    },
    "Reproducibility": {
        32: "Two runs of one config are equal bytes, checkpoints included.",
        33: "Also in another folder, time zone or locale, and with any hash seed of Python.",
    },
    "Input": {
        34: "All errors of a config are reported at once: file, line, key, value, what is allowed.",
        35: "No config, text or command line leads to a traceback.",
        36: "The config in the run folder reproduces the run.",
        37: "Texts are read strictly as Unicode and normalized in one documented way.",
        38: "What is not a readable text is named. Standard input is read once and kept.",
        39: "Every word of a validation or test text is scored once.",
        40: "No control character of a text, cue, name or setting reaches a terminal.",
        41: "Sampling settings are checked; `<unk>` is never generated; equal seeds give equal "
            "texts.",
    },
    "Concurrency": {
        42: "A run folder has one training at a time; the lock of a dead process is released.",
        43: "Who reads during a training always finds a complete checkpoint.",
    },
    "Supply chain": {
        44: "Imported packages are those declared, each pinned; nothing accesses the internet; "
            "nothing in the package executes what it reads.",
    },
}  # fmt: skip

HEAD = """\
# Reliability

Generated by `python -m tests.faults.promises` from the tests in `tests/faults/`. Each promise is
followed by the number of its tests (`pytest -k t09` for T9) and of its rows in the table of faults,
`tests/faults/table.py`. Each row checks the exit code and the words, that there is one message, no
traceback and no control character, and that no byte of the runs has changed. `make slow` runs the
long tests, `make soak` longer ones: 50 kills of a run and 10 of a rank, 10,000 reads during a
training, 10,000 random configs, texts and command lines each, 10,000 forged files, 5,000 flipped
bits. `lstmgen check --resume my.yaml` proves T1 on your own config.

Not promised:

- Equal bytes on another machine, or with another version of torch or lstmgen or another number of
  threads: other kernels sum in another order. A change of precision on resuming is reported.
- Equal results of runs that end by `train.max_minutes`: no two clocks are alike.
- Training on where another program cuts its prepared text (`.prepared` in the runs folder) while
  it runs: the ids are memory-mapped, so the system ends the process (SIGBUS). Its checkpoints are
  intact.
- One training per run folder on a file system without locks (some NFS).
- CUDA: it shares all of the code above, but has not been run.
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
    rows = Counter(int(fault.name[1:3]) for fault in FAULTS)
    lines = [HEAD.rstrip()]
    for part, promises in PARTS.items():
        lines += ["", f"## {part}", ""]
        for number, promise in promises.items():
            counts = [f"{len(tests[number])} test{'s' * (len(tests[number]) != 1)}"]
            counts += [f"{rows[number]} fault{'s' * (rows[number] != 1)}"] * bool(rows[number])
            text = f"- **T{number}** {promise} ({', '.join(counts)})"
            lines += textwrap.wrap(
                text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
