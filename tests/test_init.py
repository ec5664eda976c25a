"""`lstmgen init`: what it finds in a text, and the config that it writes."""

import json
from pathlib import Path

import pytest
import yaml

from lstmgen.config.loader import load, load_text
from lstmgen.config.schema import all_keys, value_of
from lstmgen.text.diagnosis import diagnose, script_of
from lstmgen.training.complete_config import prepare_training
from tests.helpers.program import call_cli
from tests.helpers.scenes import STORY

STORIES = Path(__file__).parent.parent / "data" / "stories"
GUTENBERG = (
    "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\n{}\n\n"
    "*** END OF THE PROJECT GUTENBERG EBOOK X ***\nThis licence is long.\n"
)
FRENCH = (
    "Le vieux meunier ne disait rien, et l'enfant regardait l'eau qui coulait.\n"
    "« Où vas-tu ? » demanda Anne. « Je ne sais pas », répondit-il.\n"
)
CHAT = "".join(
    f"[{1 + i % 28:02d}/11/2026, 12:{i % 60:02d}] Anna: ok, see you {i}\n" for i in range(60)
)


def examine(folder, text, *options, name="text.txt"):
    (folder / name).write_text(text, encoding="utf-8")
    done = call_cli("init", name, "--json", "--seconds", "0", *options, cwd=folder, check=0)
    return json.loads(done.stdout)


def problems(found):
    return " / ".join(finding["problem"] for finding in found["findings"])


def test_nothing_is_wrong_with_the_bundled_stories(tmp_path):
    done = call_cli("init", STORIES, "--json", "--seconds", "0", cwd=tmp_path, check=0)
    found = json.loads(done.stdout)
    assert found["findings"] == []
    assert found["documents"] > 20
    assert found["base"]["covered"] > 0.95
    assert found["scripts"].keys() == {"Latin"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (STORY * 20, "100.0 % of the validation words are in passages of 10 words"),
        (GUTENBERG.format(STORY), "header and licence of Project Gutenberg, in text.txt, line 1"),
        (STORY + "© 2020 by nobody. All rights reserved.\n" + STORY, "a notice of rights, in text"),
        (STORY + "Il a Ã©tÃ© lÃ\xa0. Itâ€™s.\n" + STORY, "4 characters of a wrongly decoded text"),
        (CHAT, "most lines begin with a name or a time"),
        (STORY + "word " * 5000 + "\n" + STORY, "a line of 25,000 characters, in text.txt, line 7"),
        (FRENCH * 3, "are too few to learn a language from"),
    ],
    ids=["duplicates", "gutenberg", "rights", "mojibake", "chat", "long_line", "short"],
)
def test_what_should_be_mended_is_found(tmp_path, text, problem):
    assert problem in problems(examine(tmp_path, text))


def test_right_texts_are_not_taken_for_wrong_ones(tmp_path):
    """Letters and signs that look like mojibake, names before speech, and dates."""
    text = "SÃO PAULO, Ângela e Âmbar. “Â!” £5 €6 «Où»\nAt 12:30 Anna: nothing.\n" + STORY
    found = examine(tmp_path, text)
    assert "decoded" not in problems(found)
    assert "chat" not in problems(found)


def test_the_licence_is_cut_off_by_the_config(tmp_path):
    found = examine(tmp_path, GUTENBERG.format(STORY * 3))
    assert yaml.safe_load(found["config"])["data"]["strip_gutenberg"] is True
    assert (
        found["tokens"] + found["valid_tokens"]
        == examine(tmp_path, STORY * 3)["tokens"] + (examine(tmp_path, STORY * 3)["valid_tokens"])
    )


@pytest.mark.parametrize("text", [STORY * 30, FRENCH * 60, STORY], ids=["base", "scratch", "tiny"])
def test_the_config_is_what_training_the_text_chooses(tmp_path, monkeypatch, text):
    """So that it is as good as the settings that were measured for texts of this size."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    call_cli("init", "text.txt", "-o", "my.yaml", "--seconds", "0", cwd=tmp_path, check=0)
    written = (tmp_path / "my.yaml").read_text(encoding="utf-8")
    assert len(written.splitlines()) <= 25
    assert all("  #" in line for line in written.splitlines() if line.startswith("  ")
               and not line.startswith("  train:"))  # fmt: skip
    ours, _ = prepare_training(load(tmp_path / "my.yaml"), tmp_path)
    theirs, _ = prepare_training(load_text("text.txt"), tmp_path, choose_base=True)
    for key in all_keys():
        if key not in ("sample.cues", "train.init_from", "data.train"):
            assert value_of(ours.config, key) == value_of(theirs.config, key), key
    assert ours.config.train.base == theirs.config.train.base
    assert Path(ours.config.data.train) == tmp_path / "text.txt"


def test_the_probe_times_the_training(tmp_path):
    (tmp_path / "text.txt").write_text(STORY * 4, encoding="utf-8")
    done = call_cli("init", "text.txt", "--seconds", "0.05", cwd=tmp_path, check=0)
    assert "MB of memory for" in done.stderr
    assert done.stdout.startswith("# For a text of ")
    assert yaml.safe_load(done.stdout)["train"]["init_from"] == "english-fiction"


def test_lines_and_places_are_those_of_the_files(tmp_path):
    (tmp_path / "a.txt").write_text("short\n\nthe longest line\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("мир и ёж 木 猫です", encoding="utf-8")
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    found = diagnose(files, ["a.txt", "b.txt"], encoding=None)
    assert (found.lines, found.longest, found.longest_at) == (3, 16, ("a.txt", 3))
    assert dict(found.scripts) == {"Latin": 19, "Cyrillic": 6, "Han": 2, "Kana": 2}
    assert [script_of(c) for c in "aé1 ñЖ"] == ["Latin", "Latin", "", "", "Latin", "Cyrillic"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone.txt",), "gone.txt: no such file or folder"),
        (("-",), "-: init cannot read standard input. Name a file"),
        (("my.yaml",), "my.yaml: is a config. Name the text that it trains on"),
        (("text.txt", "-o", "my.yaml"), "--output my.yaml: exists already. Name a new file"),
        (("text.txt", "-o", "no/my.yaml"), "--output no/my.yaml: its folder does not exist"),
        (("empty.txt",), "empty.txt"),
    ],
)
def test_what_cannot_be_examined_says_why(tmp_path, arguments, message):
    (tmp_path / "text.txt").write_text(STORY, encoding="utf-8")
    (tmp_path / "empty.txt").write_text("", encoding="utf-8")
    (tmp_path / "my.yaml").write_text("data: {train: text.txt}\n", encoding="utf-8")
    done = call_cli("init", *arguments, cwd=tmp_path, check=2)
    assert message in done.stderr
    assert done.stderr.count("error:") == 1


@pytest.mark.parametrize(
    "first", ["Once, there was a [very] old man.", 'it\'s {so}: #x "y" said', "- a? & b * c | d"]
)
def test_the_first_words_of_a_text_are_the_cues_of_the_config(tmp_path, first):
    """Whatever they mean in YAML."""
    found = examine(tmp_path, first + "\n" + STORY * 2, "-o", "a [b], c.yaml", name="a [b], c.txt")
    config = yaml.safe_load(found["config"])
    assert config["sample"]["cues"] == [" ".join(first.split()[:4])]
    assert config["data"]["train"] == "a [b], c.txt"
    load(tmp_path / "a [b], c.yaml")


def test_a_run_is_no_text(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "resolved.yaml").write_text("data: {}\n", encoding="utf-8")
    done = call_cli("init", "run", cwd=tmp_path, check=2)
    assert "run: is a run. Name the text that it was trained on" in done.stderr
