"""Counts in messages: the right number, and few digits."""

import re

import pytest

from lstmgen.errors import counted
from lstmgen.reporting import number_format
from tests.helpers.program import call_cli


def test_a_count_has_the_right_number():
    assert [counted(n, "step") for n in (0, 1, 2, 2000)] == [
        "0 steps", "1 step", "2 steps", "2,000 steps",
    ]  # fmt: skip
    assert counted(1, "entry", "entries") == "1 entry"
    assert counted(3, "entry", "entries") == "3 entries"


@pytest.mark.parametrize(
    ("value", "text"),
    [(7.5, "7.5 epochs"), (1, "1 epoch"), (1.0001, "1 epoch"), (10, "10 epochs"),
     (5 / 6, "0.83 epochs"), (100_000.25, "100,000.25 epochs")],
)  # fmt: skip
def test_epochs_have_at_most_two_digits(value, text):
    assert number_format.epochs(value) == text


def test_a_training_of_one_speaks_of_one(tmp_path):
    (tmp_path / "two.txt").write_text("The cat")
    done = call_cli("train", "two.txt", "train.init_from=none", "train.max_steps=1",
                    "model.hidden_sizes=[1]", "train.window=1", "train.batch_size=1",
                    "train.max_minutes=1",
                    "train.threads=1", cwd=tmp_path, check=0)  # fmt: skip
    shown = call_cli("evaluate", "--split", "train", cwd=tmp_path, check=0).stdout
    for words in ("1 unit,", "1 sequence, 1 word scored", "1 word, 1 scored", "1 thread",
                  "(0.5 epochs)", "finished 1 step,"):  # fmt: skip
        assert words in done.stderr
    assert not re.search(r"(?<![\d.,])1 [a-z-]+s\b(?<!scored)", done.stderr + shown)
