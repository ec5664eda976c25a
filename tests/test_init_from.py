"""A model that starts from another one's weights."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from lstmgen.cells import CELLS
from lstmgen.config.loader import load
from lstmgen.config.schema import fill_in, is_set
from lstmgen.errors import CheckpointError
from lstmgen.generation.cue import read_cue
from lstmgen.generation.load import load_checkpoint
from lstmgen.model.language_model import LanguageModel
from lstmgen.model.transfer import NO_WORD, move_biases, transfer_weights
from lstmgen.runs import checkpoint
from lstmgen.runs.exporting import export_checkpoint
from lstmgen.text.clusters import frequency_clusters
from lstmgen.text.vocabulary import STORY as STORY_ENTRY
from lstmgen.text.vocabulary import Vocabulary
from lstmgen.text.vocabulary_match import match_vocabularies
from tests.helpers.program import call_cli, run_cli, train
from tests.helpers.scenes import STORY, best, forge, last, seal

OTHER = (
    "The old man walked to the “mill” with a Cat. The dog — it was old — didn’t walk.\n"
    "A zebra sat by the river, and the zebra was cold. The cat’s dog ran.\n"
)
MODEL = "model: {hidden_sizes: [12, 8], embedding_dim: 6}\n"
SETTINGS = "train: {window: 6, batch_size: 4, max_steps: 24, eval_every: 8, device: cpu}\n"


def vocabulary(*entries, counts=None):
    return Vocabulary((STORY_ENTRY, *entries), tuple(counts or [1] * (1 + len(entries))))


def write_project(folder, name, text, config="", *, settings=SETTINGS):
    (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    (folder / f"{name}.yaml").write_text(
        f"data: {{train: {name}.txt, valid_fraction: 0.2}}\n{config}{settings}", encoding="utf-8"
    )
    return f"{name}.yaml"


@pytest.fixture(scope="module")
def trained_base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    return train(write_project(folder, "base", STORY * 8, MODEL), cwd=folder, name="base")


@pytest.fixture
def here(tmp_path):
    write_project(tmp_path, "mine", OTHER * 12)
    return tmp_path


# Words of one vocabulary in another


@pytest.mark.parametrize(
    ("form", "found"),
    [
        ("mill", "mill"),
        ("Mill", "mill"),
        ("MILL", "mill"),
        ("mill¬", "mill"),
        ("don’t", "don't"),
        ("“", '"'),
        ("”", '"'),
        ("…", "..."),
        ("--", "—"),
        ("\n", "\n\n"),
        ("ran", "ran"),
        ("Ran¬", "ran¬"),
        ("zebra", None),
        ("<unk>", None),
    ],
)
def test_a_word_is_found_as_it_is_then_by_typography_case_and_spacing(form, found):
    old = vocabulary("mill", "don't", '"', "...", "—", "\n\n", "ran", "ran¬", "is")
    match = match_vocabularies(vocabulary(form), old, kind="word")
    expected = NO_WORD if found is None else old.ids[found]
    assert match.sources.tolist() == [0, expected]


def test_of_several_candidates_the_most_frequent_is_taken():
    old = vocabulary("The", "the", "THE", counts=[1, 5, 9, 2])
    match = match_vocabularies(vocabulary("tHe", "THE"), old, kind="word")
    assert match.sources.tolist() == [0, 2, 3]
    assert (match.exact, match.found) == (2, 3)


def test_a_text_with_curly_quotes_is_covered_like_one_with_straight_ones():
    old = vocabulary('"', "don't", "cat", "'s", "—")
    curly = vocabulary("“", "”", "don’t", "cat", "’s", "–")
    assert match_vocabularies(curly, old, kind="word").covered == 1.0


# Weights

KINDS = [
    *({"cell": cell} for cell in CELLS),
    {"cell": "lstm_peephole", "peephole": "full"},
    {"tie_weights": False},
    {"one_hot": True, "tie_weights": False},
]


@pytest.mark.parametrize("options", KINDS)
def test_what_is_taken_over_is_the_bases_bit_for_bit(options):
    options = {"embedding_dim": 5, "hidden_sizes": [6, 4], **options}
    old = vocabulary("a", "b", "c", "d", counts=[1, 50, 40, 3, 2])
    new = vocabulary("c", "new", "A", counts=[1, 2, 3, 4])
    base = LanguageModel(len(old), counts=old.counts, seed=1, **options)
    model = LanguageModel(len(new), counts=new.counts, seed=2, **options)
    weights = {name: p.detach().numpy() for name, p in base.named_parameters()}
    sources = match_vocabularies(new, old, kind="word").sources
    assert sources.tolist() == [0, 3, NO_WORD, 1]
    transfer_weights(model, weights, sources=sources, counts=old.counts, own_counts=new.counts)
    known = sources != NO_WORD
    for name, parameter in model.named_parameters():
        ours, theirs = parameter.detach().numpy(), weights[name]
        if ours.shape == theirs.shape:
            np.testing.assert_array_equal(ours, theirs)
            continue
        if name.startswith("layers.0"):  # one-hot: words are columns
            ours, theirs = ours.T, theirs.T
        np.testing.assert_array_equal(ours[known], theirs[sources[known]])
        rare = theirs[3:5].mean(axis=0)  # c and d, seen under twenty times
        np.testing.assert_allclose(ours[~known][0], rare, rtol=0, atol=1e-7)


def test_words_that_take_over_one_are_together_as_likely_as_it_was():
    old, new = vocabulary('"', "a"), vocabulary("“", "”", "a", counts=[1, 30, 10, 5])
    options = {"embedding_dim": 3, "hidden_sizes": [4]}
    base, model = LanguageModel(3, **options), LanguageModel(4, **options)
    weights = {name: p.detach().numpy() for name, p in base.named_parameters()}
    weights["output_bias"] = np.array([0.1, 0.7, -0.3], np.float32)
    sources = match_vocabularies(new, old, kind="word").sources
    transfer_weights(model, weights, sources=sources, counts=old.counts, own_counts=new.counts)
    shares = np.exp(model.output_bias.detach().numpy() - 0.7)
    np.testing.assert_allclose(shares[1:3], [0.75, 0.25], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(model.output_bias.detach().numpy()[[0, 3]],
                                  weights["output_bias"][[0, 2]])  # fmt: skip


def test_biases_move_by_the_logarithm_of_the_words_rates():
    old, new = vocabulary("a", "b", "c", counts=[1, 10, 40, 3]), vocabulary("b", "a", "x")
    model = LanguageModel(4, embedding_dim=3, hidden_sizes=[4]).double()
    torch.nn.init.zeros_(model.output_bias)
    sources = match_vocabularies(new, old, kind="word").sources
    given = {"sources": sources, "counts": old.counts, "own_counts": (1, 7, 20, 2)}
    move_biases(model, **given, weight=0.0)
    assert not model.output_bias.detach().numpy().any()
    move_biases(model, **given, weight=0.5)
    here = np.array([1.5, 7.5, 20.5, 2.5]) / 32
    there = np.array([1.5, 40.5, 10.5, (10.5 + 3.5) / 2]) / (1.5 + 40.5 + 10.5)
    expected = 0.5 * np.log(here / there)
    np.testing.assert_allclose(model.output_bias.detach().numpy(), expected, rtol=0, atol=1e-12)


def test_an_adaptive_output_takes_over_the_words_that_stay_in_their_cluster():
    rng = np.random.default_rng(0)
    counts = (rng.zipf(1.3, 200) % 5000 + 1).tolist()
    old = vocabulary(*(f"w{i}" for i in range(200)), counts=[1, *counts])
    kept = sorted(rng.permutation(200)[:120].tolist())
    new = vocabulary(*(f"w{i}" for i in kept), counts=[1, *(counts[i] for i in kept)])
    sides = frequency_clusters(new.counts), frequency_clusters(old.counts)
    options = {"embedding_dim": 5, "hidden_sizes": [32], "tie_weights": False}
    models = [
        LanguageModel(len(v), clusters=[c.tolist() for c in clusters], seed=seed, **options)
        for seed, (v, clusters) in enumerate(zip((new, old), sides, strict=True))
    ]
    weights = {name: p.detach().numpy() for name, p in models[1].named_parameters()}
    sources = match_vocabularies(new, old, kind="word").sources
    transfer_weights(models[0], weights, sources=sources, counts=old.counts, own_counts=new.counts,
              clusters=sides)  # fmt: skip
    own = {name: p.detach().numpy() for name, p in models[0].named_parameters()}
    compared = 0
    for number, (here, there) in enumerate(zip(*sides, strict=False)):
        name = f"adaptive.tails.{number - 1}.weight" if number else "adaptive.weight"
        places = {word: place for place, word in enumerate(there.tolist())}
        for place, word in enumerate(here.tolist()):
            if sources[word] in places:
                np.testing.assert_array_equal(
                    own[name][place], weights[name][places[sources[word]]]
                )
                compared += 1
    assert compared > 60
    for number in range(1, min(map(len, sides))):
        name = f"adaptive.tails.{number - 1}.projection"
        np.testing.assert_array_equal(own[name], weights[name])


# The whole way


def perplexity(run, *arguments, cwd):
    done = call_cli("evaluate", run, "--json", *arguments, cwd=cwd, check=0)
    return json.loads(done.stdout)["perplexity"]


def test_a_rate_of_zero_with_the_bases_words_has_the_bases_perplexity(trained_base, here):
    text = here / "again.txt"
    text.write_text(STORY * 3, encoding="utf-8")
    run = train(
        "mine.yaml", f"data.train={text}", f"train.init_from={trained_base}",
        "data.vocabulary_from=base", "train.learning_rate=0", cwd=here,
    )  # fmt: skip
    theirs = perplexity(trained_base, "--text", text, cwd=here)
    assert perplexity(run, "--text", text, cwd=here) == pytest.approx(theirs, rel=1e-6)
    mine, base = (load_checkpoint(path, here).weights for path in (run, trained_base))
    for name in base:
        np.testing.assert_array_equal(mine[name], base[name])


def test_sizes_cell_and_dropout_come_from_the_base_and_from_the_library(trained_base, here):
    run = train("mine.yaml", f"train.init_from={trained_base}", cwd=here)
    config = load(run / "resolved.yaml").config
    assert config.model.hidden_sizes == [12, 8] and config.model.embedding_dim == 6
    assert config.train.learning_rate != 0.006 and config.train.max_steps == 24
    origin = json.loads((best(run) / checkpoint.ORIGIN).read_text(encoding="utf-8"))
    assert origin["texts"] == ["mine.txt"]
    assert origin["init_from"]["name"] == trained_base.name
    assert origin["init_from"]["texts"] == ["base.txt"]
    assert origin["init_from"]["digest"] == checkpoint.open_checkpoint(best(trained_base)).digest


def test_the_start_card_says_what_was_found(trained_base, here):
    run = train("mine.yaml", f"train.init_from={trained_base}", cwd=here)
    card = next(
        event
        for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines()
        if (event := json.loads(line))["event"] == "started"
    )
    words = len(json.loads((best(run) / "vocabulary.json").read_text(encoding="utf-8"))["entries"])
    assert card["base"] == trained_base.name
    assert 0 < card["base_found"] < words and 0.5 < card["base_covered"] < 1
    assert card["base_perplexity"] > 1
    assert "before training" in (run / "log.txt").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("words", ["text", "base", "both"])
def test_a_resumption_needs_no_base_and_has_the_same_bits(trained_base, here, words):
    base = here / "base"
    shutil.copytree(trained_base, base)
    given = (f"train.init_from={base}", f"data.vocabulary_from={words}", "train.average=ema")
    straight = train("mine.yaml", *given, cwd=here)
    stopped = train("mine.yaml", *given, "train.max_steps=24", "train.save_every=8",
                    "train.keep=9", cwd=here, name="stopped")  # fmt: skip
    shutil.rmtree(base)
    checkpoints = stopped / "checkpoints"
    for step in checkpoint.saved_steps(checkpoints):
        if step > 8:
            shutil.rmtree(checkpoint.step_folder(checkpoints, step))
    checkpoint.write_index(checkpoints, checkpoint.Index(best=8, last=8))
    call_cli("train", "--resume", stopped, "-q", cwd=here, check=0)
    for name in (checkpoint.MODEL, checkpoint.STATE, checkpoint.VOCABULARY, checkpoint.ORIGIN):
        assert (last(straight) / name).read_bytes() == (last(stopped) / name).read_bytes(), name
    call_cli("generate", stopped, "--cue", "The old", "--words", "5", cwd=here, check=0)
    call_cli("evaluate", stopped, cwd=here, check=0)


def test_both_vocabularies_hold_the_words_of_both(trained_base, here):
    run = train("mine.yaml", f"train.init_from={trained_base}", "data.vocabulary_from=both",
                cwd=here)  # fmt: skip
    entries = json.loads((best(run) / "vocabulary.json").read_text(encoding="utf-8"))["entries"]
    assert {"zebra", "asked"} <= set(entries) and len(set(entries)) == len(entries)


def test_possessives_may_stand_behind_the_bases_words_too(tmp_path):
    base = train(write_project(tmp_path, "base", "The dog's cat sat by the mill. " * 40, MODEL),
                 cwd=tmp_path, name="base")  # fmt: skip
    mine = write_project(tmp_path, "mine", "The Dog sat by the cat’s mill and the mill sat. " * 40)
    run = train(mine, f"train.init_from={base}", cwd=tmp_path)
    found = json.loads((last(run) / "vocabulary.json").read_text(encoding="utf-8"))
    stems = {found["entries"][i] for i in found["possessive_stems"]}
    assert stems == {"Dog", "cat"}


def test_check_resume_holds_a_fine_tuning_to_its_bits(trained_base, here):
    done = call_cli("check", "--resume", "mine.yaml", f"train.init_from={trained_base}", cwd=here)
    assert done.exit_code == 0, done.output


# What a config says, and what it leaves open


def test_only_keys_that_nobody_set_are_filled_in(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("model: {embedding_dim: 128}\n", encoding="utf-8")
    config = load(path, ["model.dropout.input=0.2"]).config
    filled = fill_in(
        config,
        {"model.embedding_dim": 7, "model.hidden_sizes": [3], "model.dropout.input": 0.5,
         "model.dropout.output": 0.6, "train.window": 9},
    )  # fmt: skip
    assert filled.model.embedding_dim == 128 and filled.model.hidden_sizes == [3]
    assert filled.model.dropout.input == 0.2 and filled.model.dropout.output == 0.6
    assert filled.train.window == 9 and is_set(filled, "train.window")
    assert not is_set(config, "train.window") and not is_set(config, "model.dropout.output")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["train.init_from=BASE", "model.hidden_sizes=[3]"],
         "model.hidden_sizes = [3]: but train.init_from = {name} has [12, 8]. Leave"),
        (["train.init_from=BASE", "model.cell=gru"], "model.cell = gru: but"),
        (["train.init_from=BASE", "data.tokenizer=whitespace"], "data.tokenizer = whitespace: but"),
        (["train.init_from=nothing"], "train.init_from = nothing: no such run or step folder"),
        (["train.init_from=./nothing"], "no such run or step folder"),
        (["data.vocabulary_from=base"], "data.vocabulary_from = base: there is no base"),
        (["train.init_from=.prepared"], "is not a checkpoint and holds none yet"),
    ],
)  # fmt: skip
def test_what_cannot_be_started_from_is_one_message(trained_base, here, settings, words):
    (here / ".prepared").mkdir()
    given = [setting.replace("BASE", str(trained_base)) for setting in settings]
    done = call_cli("train", "mine.yaml", *given, cwd=here)
    assert done.exit_code == 2
    assert words.format(name=trained_base.name) in done.stderr
    assert not list(here.glob("runs/mine-*"))


def test_a_base_that_was_never_trained_is_refused(trained_base, here):
    base = here / "step-0"
    shutil.copytree(best(trained_base), base)
    manifest = json.loads((base / "manifest.json").read_text(encoding="utf-8"))
    (base / "manifest.json").write_text(json.dumps(manifest | {"step": 0}), encoding="utf-8")
    seal(base)
    done = call_cli("train", "mine.yaml", f"train.init_from={base}", cwd=here)
    assert done.exit_code == 2 and "was never trained (step 0)" in done.stderr


def test_a_damaged_base_is_refused_by_name(trained_base, here):
    base = here / "odd"
    shutil.copytree(best(trained_base), base)
    forge(base, checkpoint.ORIGIN, lambda origin: origin | {"init_from": 3})
    done = call_cli("train", "mine.yaml", f"train.init_from={base}", cwd=here)
    assert done.exit_code == 2 and "origin.json is not a record of a training run" in done.stderr
    data = bytearray((base / checkpoint.MODEL).read_bytes())
    data[-1] ^= 1
    (base / checkpoint.MODEL).write_bytes(data)
    done = call_cli("train", "mine.yaml", f"train.init_from={base}", cwd=here)
    assert done.exit_code == 2 and "train.init_from" in done.stderr
    assert "model.safetensors has been changed" in done.stderr


def test_a_base_of_another_language_is_noted_or_refused(trained_base, here):
    german = "Der alte Müller saß am Fluss, und das Wasser war kalt. Er schlief. " * 30
    (here / "german.txt").write_text(german, encoding="utf-8")
    given = ("data.train=german.txt", f"train.init_from={trained_base}")
    done = call_cli("train", "mine.yaml", *given, "train.max_steps=2", cwd=here, check=0)
    assert "it may be of another language" in done.stderr
    (here / "greek.txt").write_text("ο γέρος ήταν " * 60, encoding="utf-8")
    done = call_cli("train", "mine.yaml", "data.train=greek.txt", given[1], cwd=here)
    assert done.exit_code == 2 and "it knows no word of this text" in done.stderr


def test_none_starts_from_scratch(here):
    run = train("mine.yaml", "train.init_from=none", "train.max_steps=2", cwd=here)
    origin = json.loads((last(run) / checkpoint.ORIGIN).read_text(encoding="utf-8"))
    assert origin["init_from"] is None
    assert load(run / "resolved.yaml").config.train.base is None


# Handing on


def test_an_exported_model_generates_and_is_started_from(trained_base, here):
    done = call_cli("export", trained_base, "--output", "mine", cwd=here, check=0)
    assert done.stdout == "mine\n"
    whole, half = (load_checkpoint(path, here).weights for path in (trained_base, here / "mine"))
    for name, array in half.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, whole[name].astype(np.float16).astype(np.float32))
    sizes = [
        (path / "model.safetensors").stat().st_size for path in (here / "mine", best(trained_base))
    ]
    assert sizes[0] < 0.6 * sizes[1]
    assert not (here / "mine" / checkpoint.STATE).exists()
    call_cli("generate", "mine", "--cue", "The cat", "--words", "5", cwd=here, check=0)
    call_cli("evaluate", "mine", "--text", "mine.txt", cwd=here, check=0)
    run = train("mine.yaml", "train.init_from=./mine", cwd=here)
    done = call_cli("evaluate", run, "--json", cwd=here, check=0)
    assert json.loads(done.stdout)["init_from"]["name"] == "mine"
    assert "started from        mine (" in call_cli("evaluate", run, cwd=here, check=0).stdout
    call_cli("generate", run, "-c", "The cat", "--receipt", "r.json", cwd=here, check=0)
    receipt = json.loads((here / "r.json").read_text(encoding="utf-8"))
    assert receipt["checkpoint"]["init_from"]["texts"] == ["base.txt"]


def test_an_export_keeps_float32_where_asked_and_replaces_nothing(trained_base, here):
    call_cli("export", trained_base, "-o", "whole", "--full", cwd=here, check=0)
    for name, array in load_checkpoint(here / "whole", here).weights.items():
        np.testing.assert_array_equal(array, load_checkpoint(trained_base, here).weights[name])
    done = call_cli("export", trained_base, "-o", "whole", cwd=here)
    assert done.exit_code == 2 and "--output whole: exists already" in done.stderr
    done = call_cli("export", trained_base, cwd=here)
    assert done.exit_code == 2 and "nothing is named to write" in done.stderr


def test_a_weight_beyond_float16_is_exported_in_full_only(trained_base, tmp_path):
    @dataclasses.dataclass(frozen=True)
    class Large(checkpoint.Checkpoint):
        def read_tensors(self, name):
            tensors = super().read_tensors(name)
            return tensors | {"output_bias": tensors["output_bias"] + 1e5}

    whole = checkpoint.open_checkpoint(best(trained_base))
    large = Large(whole.path, whole.step, whole.files, whole.digest, whole.format)
    with pytest.raises(CheckpointError, match="output_bias has values above 65,504.*--full"):
        export_checkpoint(large, tmp_path / "half", numbers="float16")
    assert not (tmp_path / "half").exists()
    export_checkpoint(large, tmp_path / "full", numbers="float32")


# The base that comes along, and texts without a config


def started_from(run):
    origin = json.loads((last(run) / checkpoint.ORIGIN).read_text(encoding="utf-8"))
    return origin["init_from"] and origin["init_from"]["name"]


ONE_STEP = ("train.max_steps=1", "train.device=cpu", "train.threads=1")


@pytest.mark.slow
def test_a_text_that_the_base_knows_is_fine_tuned_without_a_config(tmp_path):
    (tmp_path / "my story.txt").write_text(STORY * 4, encoding="utf-8")
    settings = (*ONE_STEP, "train.schedule=constant")
    run = train("my story.txt", *settings, cwd=tmp_path, name="told")
    assert started_from(run) == "english-fiction"
    assert "english-fiction, which has" in (run / "log.txt").read_text(encoding="utf-8")
    assert load(run / "config.yaml").config.data.train == str(tmp_path / "my story.txt")
    call_cli("train", "--resume", run, "train.max_steps=2", "-q", cwd=tmp_path, check=0)


def test_a_text_of_another_language_is_trained_from_scratch(tmp_path):
    german = "Der alte Müller saß am Fluss, und das Wasser war kalt. Er schlief. " * 30
    (tmp_path / "texte").mkdir()
    (tmp_path / "texte" / "eins.txt").write_text(german, encoding="utf-8")
    run = train("texte", *ONE_STEP, cwd=tmp_path)
    assert started_from(run) is None
    log = (run / "log.txt").read_text(encoding="utf-8")
    assert re.search(r"from scratch: english-fiction knows \d+% of this text's words", log)


@pytest.mark.parametrize("own", ["train.init_from=none", "model.hidden_sizes=[8]"])
def test_a_text_is_trained_from_scratch_where_the_command_line_says_so(tmp_path, own):
    (tmp_path / "story.txt").write_text(STORY * 4, encoding="utf-8")
    run = train("story.txt", own, *ONE_STEP, cwd=tmp_path)
    assert started_from(run) is None
    said = "from scratch: model.hidden_sizes = [8] does not fit english-fiction"
    assert (said in (run / "log.txt").read_text(encoding="utf-8")) == ("sizes" in own)


@pytest.mark.slow
def test_a_text_comes_from_standard_input_or_a_pattern(tmp_path):
    (tmp_path / "one.txt").write_text(STORY * 4, encoding="utf-8")
    done = run_cli("train", "-", *ONE_STEP, "-q", cwd=tmp_path, check=0, stdin=STORY * 4)
    assert started_from(tmp_path / done.stdout.strip()) == "english-fiction"
    assert started_from(train("*.txt", *ONE_STEP, cwd=tmp_path)) == "english-fiction"


def test_a_run_given_as_a_text_is_told_how_it_is_resumed(trained_base, here):
    done = call_cli("train", trained_base, cwd=here)
    assert done.exit_code == 2 and "is a run. To continue it: lstmgen train --resume" in done.stderr


def test_a_text_that_is_not_there_is_told_as_a_text(tmp_path):
    done = call_cli("train", "nofile.txt", cwd=tmp_path)
    assert done.exit_code == 2 and "nofile.txt: no such file or folder" in done.stderr


def test_the_base_generates_by_itself(tmp_path):
    done = call_cli("generate", "english-fiction", "-c", "The old", "--words", "9", "--seed", "1",
                    cwd=tmp_path, check=0)  # fmt: skip
    assert done.stdout.startswith("The old") and "<unk>" not in done.stdout


# Found by a second pair of eyes


@pytest.mark.slow
def test_start_and_resumption_take_the_same_precision(tmp_path):
    """The base's own weights would look otherwise than fresh ones to the choice of bf16."""
    (tmp_path / "story.txt").write_text(STORY * 4, encoding="utf-8")
    (tmp_path / "mine.yaml").write_text("data: {train: story.txt}\n", encoding="utf-8")
    call_cli("check", "--resume", "mine.yaml", "train.init_from=english-fiction", "--steps", "4",
             "train.device=cpu", cwd=tmp_path, check=0)  # fmt: skip


def test_a_start_from_a_base_leaves_the_threads_alone(trained_base, here):
    code = (
        "import os; os.environ.pop('MKL_NUM_THREADS', None); "
        "from lstmgen.training.init_from import open_base; "
        f"open_base({str(trained_base)!r}); print(os.environ.get('MKL_NUM_THREADS'))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True)
    assert done.stdout == "None\n", done.stderr


def test_a_presets_name_is_the_preset_though_a_folder_has_it(tmp_path):
    (tmp_path / "fable").mkdir()
    (tmp_path / "fable" / "one.txt").write_text(STORY, encoding="utf-8")
    run = train("fable", "train.max_steps=1", cwd=tmp_path)
    assert load(run / "resolved.yaml").config.model.hidden_sizes == [128]


@pytest.mark.slow
def test_steps_that_are_asked_for_are_trained(trained_base, here):
    run = train("mine.yaml", f"train.init_from={trained_base}", "train.max_steps=200", cwd=here)
    assert last(run).name == "step-200"


@pytest.mark.slow
def test_keys_that_do_not_go_with_the_base_are_refused_before_training(tmp_path):
    config = "model: {cell: lstm_peephole, hidden_sizes: [4], embedding_dim: 3}\n"
    base = train(write_project(tmp_path, "base", STORY * 8, config), cwd=tmp_path, name="base")
    mine = write_project(tmp_path, "mine", OTHER * 12)
    done = call_cli("train", mine, f"train.init_from={base}", "model.backend=fused", cwd=tmp_path)
    assert done.exit_code == 2 and "torch has no kernel for peepholes" in done.stderr
    given = ("model.cell=lstm_peephole", "model.peephole=diagonal")  # what the base has by default
    call_cli("train", mine, f"train.init_from={base}", *given, "-q", cwd=tmp_path, check=0)


@pytest.mark.parametrize(
    "change",
    [{"texts": ["\ud800"]}, {"texts": [3]}, {"tokens": "many"}, {"init_from": {"name": 5}}],
)
def test_an_origin_of_another_kind_is_damage(trained_base, here, change):
    base = here / "odd"
    shutil.copytree(best(trained_base), base)
    forge(base, checkpoint.ORIGIN, lambda origin: origin | change)
    done = call_cli("train", "mine.yaml", f"train.init_from={base}", cwd=here)
    assert done.exit_code == 2 and "origin.json is not a record of a training run" in done.stderr


def test_an_origin_cannot_name_another_base(trained_base, here):
    base = here / "odd"
    shutil.copytree(best(trained_base), base)
    forge(base, checkpoint.ORIGIN, lambda origin: origin | {"name": "other", "digest": "0"})
    run = train("mine.yaml", f"train.init_from={base}", cwd=here)
    assert checkpoint.open_checkpoint(best(run)).read_origin()["init_from"]["name"] == "odd"


def test_a_base_whose_weights_have_odd_shapes_is_damaged(trained_base, here):
    base = here / "odd"
    shutil.copytree(best(trained_base), base)
    weights = checkpoint.open_checkpoint(base).read_tensors(checkpoint.MODEL)
    weights["output_bias"] = weights["output_bias"][:, None]
    seal(base, model_safetensors=save(weights))
    done = call_cli("train", "mine.yaml", f"train.init_from={base}", cwd=here)
    assert done.exit_code == 2 and "is damaged (output_bias is" in done.stderr


def test_a_file_name_that_is_no_unicode_trains(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / os.fsdecode(b"\xff.txt")).write_text(STORY * 8, encoding="utf-8")
    run = train("texts", "train.init_from=none", *ONE_STEP, cwd=tmp_path)
    assert checkpoint.open_checkpoint(last(run)).read_origin()["texts"] == ["\\udcff.txt"]


def test_unknown_words_are_not_covered():
    old = vocabulary("<unk>", "the", counts=[1, 50, 9])
    new = Vocabulary((STORY_ENTRY, "<unk>", "the"), (1, 90, 10))
    assert match_vocabularies(new, old, kind="word").covered == 0.1


def test_a_cue_in_another_typography_is_read_as_the_same_words():
    words = vocabulary("I", "don't", '"', "know", "'s")
    cue, ids = read_cue("“I don’t know’s”", words, kind="word", lowercase=False)
    assert [words.entries[i] for i in ids] == [STORY_ENTRY, '"', "I", "don't", "know", "'s", '"']
    assert not cue.replacements


@pytest.mark.slow
def test_the_settings_chosen_for_a_text_are_said_and_written(tmp_path):
    (tmp_path / "story.txt").write_text(STORY * 4, encoding="utf-8")
    done = run_cli("train", "story.txt", *ONE_STEP, cwd=tmp_path, check=0)
    run = tmp_path / done.stdout.strip()
    assert re.search(
        r"note: settings for a text of [\d,]+ tokens: train.move_biases=0.7 ", done.stderr
    )
    assert "train.batch_size=4" in done.stderr and "copy of the run's config.yaml" in done.stderr
    (tmp_path / "copy.yaml").write_bytes((run / "config.yaml").read_bytes())
    again = train("copy.yaml", cwd=tmp_path)
    assert (again / "resolved.yaml").read_bytes() == (run / "resolved.yaml").read_bytes()
