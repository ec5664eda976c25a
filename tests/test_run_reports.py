"""What a training says of itself: unknown words, memorizing, and an early end."""

import pytest

from tests.helpers.program import call_cli
from tests.helpers.scenes import CONFIG, STORY, run_of, write_story


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        (("data.min_count=20",), ". Lower data.min_count (20)"),
        (("data.vocabulary_size=15",), ". Raise data.vocabulary_size (15)"),
        (
            ("data.min_count=9", "data.vocabulary_size=15"),
            ". Lower data.min_count (9) or raise data.vocabulary_size (15)",
        ),
        (("data.vocabulary=words.txt",), ". Add words to the file data.vocabulary"),
        (("data.tokenizer=whitespace", "data.train=cut.txt"), "come out with a word missing\n"),
    ],
)
def test_many_unknown_words_are_reported_once(tmp_path, settings, remedy):
    write_story(tmp_path, CONFIG)
    (tmp_path / "words.txt").write_text("the\ncat\ndog\n.\n", encoding="utf-8")
    (tmp_path / "cut.txt").write_text(STORY.replace(" the ", " <unk> ") * 8, encoding="utf-8")
    done = call_cli("train", "my.yaml", *settings, cwd=tmp_path, check=0)
    note = "% of the training tokens are <unk>, which is never generated: where the model expects "
    assert done.stderr.count(note) == 1
    assert remedy in done.stderr
    again = call_cli("train", "--resume", run_of(tmp_path), "train.max_steps=30", cwd=tmp_path)
    assert again.stderr.count(note) == 1


def test_few_unknown_words_are_not_reported(tmp_path):
    write_story(tmp_path, CONFIG)
    (tmp_path / "story.txt").write_text(STORY * 8 + "Zebra yak gnu.\n", encoding="utf-8")
    done = call_cli("train", "my.yaml", "data.min_count=2", "data.valid_fraction=0", cwd=tmp_path)
    assert done.exit_code == 0 and "<unk>" not in done.stderr
