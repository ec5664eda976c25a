"""Models to give away: zip files, and what they contain of the training text."""

import shutil
import zipfile

import pytest

from lstmgen.generation.load import load_checkpoint
from lstmgen.runs import checkpoint, exporting
from tests.helpers.program import call_cli
from tests.helpers.scenes import RUN, best, make_trained, seal


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return make_trained(tmp_path_factory.mktemp("trained"))


def unzip(archive, folder):
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)


# Zip files


def test_the_folder_in_a_zip_file_is_the_exported_folder(trained, tmp_path):
    call_cli("export", RUN, "-o", tmp_path / "model", cwd=trained, check=0)
    done = call_cli("export", RUN, "-o", tmp_path / "model.zip", cwd=trained, check=0)
    assert done.stdout == f"{tmp_path / 'model.zip'}\n"
    assert "unzip it, then lstmgen generate model" in done.stderr
    unzip(tmp_path / "model.zip", tmp_path / "there")
    for path in (tmp_path / "model").iterdir():
        assert (tmp_path / "there" / "model" / path.name).read_bytes() == path.read_bytes()
    assert len(list((tmp_path / "there" / "model").iterdir())) == 8
    cue = ("--cue", "The cat", "--words", 5, "--seed", 1)
    here = call_cli("generate", tmp_path / "model", *cue, cwd=trained, check=0)
    there = call_cli("generate", "model", *cue, cwd=tmp_path / "there", check=0)
    assert here.stdout == there.stdout


def test_equal_models_make_equal_zip_files(trained, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        call_cli("export", RUN, "-o", tmp_path / name / "model.zip", cwd=trained, check=0)
    a, b = ((tmp_path / name / "model.zip").read_bytes() for name in ("a", "b"))
    assert a == b


def test_a_zip_file_replaces_nothing_and_is_written_whole_or_not_at_all(
    trained, tmp_path, monkeypatch
):
    (tmp_path / "model.zip").write_text("mine")
    done = call_cli("export", RUN, "-o", tmp_path / "model.zip", cwd=trained)
    assert done.exit_code == 2 and "model.zip: exists already. Choose a new name" in done.stderr
    assert (tmp_path / "model.zip").read_text() == "mine"

    def full(path, data):
        path.write_bytes(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "write_durably", full)
    done = call_cli("export", RUN, "-o", tmp_path / "new" / "model.zip", cwd=trained)
    assert done.exit_code == 1 and "cannot be written (No space left on device)" in done.stderr
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize(
    ("name", "folder"),
    [("mill.zip", "mill"), ("a b.ZIP", "a b"), ("...zip", "model"), ("a\\b.zip", "model"),
     ("\udcff.zip", "model"), ("a\nb.zip", "model")],
)  # fmt: skip
def test_the_folder_in_a_zip_file_has_a_plain_name(tmp_path, name, folder):
    assert exporting.folder_in(tmp_path / name) == folder


# The training text


def test_a_model_without_the_training_text(trained, tmp_path):
    done = call_cli("export", RUN, "-o", tmp_path / "whole", cwd=trained, check=0)
    assert "contains the words of the training text; --no-training-text omits" in done.stderr
    done = call_cli(
        "export", RUN, "-o", tmp_path / "model", "--no-training-text", cwd=trained, check=0
    )
    assert "note" not in done.stderr
    exported = checkpoint.open_checkpoint(tmp_path / "model")
    assert not set(checkpoint.SHARED) & {path.name for path in (tmp_path / "model").iterdir()}
    assert not set(checkpoint.SHARED) & set(exported.files)
    call_cli("generate", tmp_path / "model", "-c", "The cat", cwd=trained, check=0)
    for option in (["--max-copied", "3"], ["--ngram-weight", "0.5"]):
        done = call_cli("generate", tmp_path / "model", "-c", "The", *option, cwd=trained)
        assert done.exit_code == 2 and "exported without" in done.stderr


def test_settings_that_need_the_training_text_are_left_out_with_it(trained, tmp_path):
    shutil.copytree(best(trained / RUN), tmp_path / "step")
    for name in ("max_copied: null", "pair_penalty: null"):
        text = (tmp_path / "step" / "config.yaml").read_text()
        assert name in text
        change = text.replace(name, name.replace("null", "4"))
        seal(tmp_path / "step", config_yaml=change.encode())
    done = call_cli("export", "step", "-o", "model", "--no-training-text", cwd=tmp_path, check=0)
    for name in ("max_copied", "pair_penalty"):
        assert f"note: sample.{name} is left out, since it needs the training" in done.stderr
    call_cli("generate", "model", "-c", "The cat", cwd=tmp_path, check=0)
    config = load_checkpoint(tmp_path / "model", tmp_path).config
    assert config.sample.max_copied is None and config.sample.words == 8
