"""Models to give away: zip files, what they contain of the training text, quantized weights."""

import json
import re
import shutil
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lstmgen.evaluation import quantization_cost
from lstmgen.generation.load import load_checkpoint
from lstmgen.runs import checkpoint, exporting, quantizing
from lstmgen.runs.quantizing import dequantize, quantize
from tests.helpers.program import call_cli, train
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


# Quantized weights


@pytest.fixture
def small(monkeypatch):
    """Quantize matrices as small as those of a test."""
    monkeypatch.setattr(quantizing, "MIN_SIZE", 1)


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=40),
        elements=st.floats(-100, 100, width=32),
    )
)
def test_a_quantized_number_is_off_by_half_a_step_at_most(matrix):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantizing, "MIN_SIZE", 1)
        tensors = quantize({"w": matrix, "b": matrix[0]})
    found = dequantize(tensors)
    assert found["w"].dtype == np.float32 and tensors["w"].dtype == np.int8
    step = np.abs(matrix).max(axis=1, keepdims=True) / 127
    assert (np.abs(found["w"] - matrix) <= step * 0.501 + 1e-30).all()
    np.testing.assert_array_equal(found["b"], matrix[0])
    np.testing.assert_array_equal(dequantize(quantize(found))["b"], matrix[0])


@pytest.mark.usefixtures("small")
def test_a_quantized_model_is_smaller_and_says_what_it_is(trained, tmp_path):
    q, f = tmp_path / "q", tmp_path / "full"
    done = call_cli("export", RUN, "-o", q, "--quantize", "int8", cwd=trained, check=0)
    assert re.search(
        r"quantized: the perplexity of the validation text is [\d.]+, before it was [\d.]+ \(",
        done.stderr,
    )
    call_cli("export", RUN, "-o", f, "--full", cwd=trained, check=0)
    assert checkpoint.open_checkpoint(q).quantized == "int8"
    assert checkpoint.open_checkpoint(f).quantized is None
    sizes = [(path / "model.safetensors").stat().st_size for path in (q, f)]
    assert sizes[0] < 0.6 * sizes[1]
    whole = load_checkpoint(trained / RUN, trained).weights
    tensors = checkpoint.open_checkpoint(q).read_tensors(checkpoint.MODEL)
    assert {name for name, t in tensors.items() if t.dtype == np.int8} == {
        name for name, weight in whole.items() if weight.ndim == 2
    }
    for name, weight in load_checkpoint(q, trained).weights.items():
        assert weight.dtype == np.float32
        np.testing.assert_allclose(
            weight, whole[name], rtol=0, atol=np.abs(whole[name]).max() / 250
        )
    done = call_cli("generate", q, "-c", "The cat", "--json", cwd=trained, check=0)
    assert json.loads(done.stdout)["checkpoint"]["quantized"] == "int8"
    assert "(quantized: int8), --seed" in done.stderr
    done = call_cli("evaluate", q, "--text", "story.txt", "--json", cwd=trained, check=0)
    assert json.loads(done.stdout)["quantized"] == "int8"
    done = call_cli("evaluate", q, "--text", "story.txt", cwd=trained, check=0)
    assert "weights             quantized (int8)\n" in done.stdout
    done = call_cli("evaluate", RUN, "--json", cwd=trained, check=0)
    assert json.loads(done.stdout)["quantized"] is None


@pytest.mark.usefixtures("small")
def test_a_quantized_model_is_exported_as_it_is_and_started_from(trained, tmp_path):
    call_cli("export", RUN, "-o", tmp_path / "q", "--quantize", "int8", cwd=trained, check=0)
    for option in (["--full"], ["--quantize", "int8"]):
        done = call_cli("export", "q", "-o", "again", *option, cwd=tmp_path)
        assert done.exit_code == 2 and "q is quantized already (int8). Leave" in done.stderr
    call_cli("export", "q", "-o", "again.zip", cwd=tmp_path, check=0)
    unzip(tmp_path / "again.zip", tmp_path)
    assert checkpoint.open_checkpoint(tmp_path / "again").quantized == "int8"
    for path in (tmp_path / "q").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
    checkpoint.add_sampling(tmp_path / "again", {})
    assert checkpoint.open_checkpoint(tmp_path / "again").quantized == "int8"
    shutil.copy(trained / "story.txt", tmp_path)
    settings = ("train.init_from=q", "train.max_steps=2", "model.hidden_sizes=[12]")
    run = train("story.txt", *settings, cwd=tmp_path)
    assert checkpoint.open_checkpoint(best(run)).quantized is None
    assert checkpoint.open_checkpoint(best(run)).read_origin()["init_from"]["name"] == "q"


@pytest.mark.usefixtures("small")
def test_quantizing_needs_a_text_and_may_cost_little(trained, tmp_path, monkeypatch):
    call_cli("export", RUN, "-o", tmp_path / "model", cwd=trained, check=0)
    again = ("export", tmp_path / "model", "-o", tmp_path / "q", "--quantize", "int8")
    done = call_cli(*again, cwd=trained)
    assert done.exit_code == 2 and "without its run's text. Use --text FILE" in done.stderr
    assert not (tmp_path / "q").exists()
    monkeypatch.setattr(quantization_cost, "MAX_CHANGE", 0.0)
    done = call_cli(*again, "--text", "story.txt", cwd=trained)
    assert done.exit_code == 2 and not (tmp_path / "q").exists()
    assert re.search(
        r"--quantize int8 changes the perplexity of story.txt by [+-][\d.]+%, from [\d.]+ to "
        r"[\d.]+; less than 0.0% is allowed. Export it without --quantize",
        done.stderr,
    )
    monkeypatch.undo()
    monkeypatch.setattr(quantizing, "MIN_SIZE", 1)
    (tmp_path / "odd.txt").write_text("zzz qqq\n" * 20)
    done = call_cli(*again, "--text", tmp_path / "odd.txt", cwd=trained)
    assert done.exit_code == 2 and "is known" in done.stderr
    call_cli(*again, "--text", "story.txt", cwd=trained, check=0)
