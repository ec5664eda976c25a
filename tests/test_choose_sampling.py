"""The sampling settings that are chosen when training ends."""

import dataclasses
import json
import math
import shutil

import numpy as np
import pytest

from lstmgen.config.schema import SampleConfig
from lstmgen.errors import CheckpointError
from lstmgen.evaluation import choose_sampling as choosing
from lstmgen.evaluation.choose_sampling import HIGHEST, LOWEST, _match, choose_sampling
from lstmgen.generation.chosen import BEST_OF, TEMPERATURE, ChosenSampling, resolve_sample
from lstmgen.generation.load import load_checkpoint, load_generator, make_generator
from lstmgen.runs import checkpoint
from tests.helpers.program import call_cli
from tests.helpers.scenes import run_of

CHOSEN = ChosenSampling(1.25, 0.3, 0.2, 0.21, 3000, 0)


@pytest.mark.parametrize("target", [0.05, 0.2, 0.35])
def test_the_temperature_matches_a_novelty_that_grows_with_it(target):
    measured = []

    def measure(temperature):
        measured.append(temperature)
        return 0.02 + 0.2 * temperature**2, 100

    temperature, novelty, words = _match(measure, target)
    assert 0.02 + 0.2 * temperature**2 == pytest.approx(target, abs=0.021)
    assert novelty == pytest.approx(target, abs=0.01)
    assert LOWEST < temperature < HIGHEST
    assert words == 100 * len(measured)


def test_a_novelty_that_does_not_grow_gives_a_temperature_that_was_tried():
    assert _match(lambda t: (0.2 * t, 1), 0.9)[0] == HIGHEST
    temperature, _, _ = _match(lambda t: (0.3 - 0.1 * t, 10), 0.2)
    assert temperature in choosing.FIRST


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        CHOSEN.as_json() | {"more": 1},
        CHOSEN.as_json() | {"temperature": 1},
        CHOSEN.as_json() | {"temperature": math.nan},
        CHOSEN.as_json() | {"temperature": -0.1},
        CHOSEN.as_json() | {"temperature": 11.0},
        CHOSEN.as_json() | {"ngram_weight": 1.0},
        CHOSEN.as_json() | {"novelty": "0.2"},
        CHOSEN.as_json() | {"words": 3.0},
        CHOSEN.as_json() | {"seed": True},
    ],
)
def test_other_values_are_no_chosen_settings(value):
    with pytest.raises(ValueError, match="keys|number|count"):
        ChosenSampling.from_json(value)


def test_null_settings_are_resolved_and_others_kept():
    assert ChosenSampling.from_json(CHOSEN.as_json()) == CHOSEN
    found = resolve_sample(SampleConfig(), CHOSEN, has_ngrams=True)
    assert (found.temperature, found.ngram_weight, found.best_of) == (1.25, 0.3, BEST_OF)
    assert found.pair_penalty
    bare = resolve_sample(SampleConfig(), None, has_ngrams=False)
    assert (bare.temperature, bare.ngram_weight, bare.pair_penalty) == (TEMPERATURE, 0, 0)
    own = SampleConfig(temperature=0.5, ngram_weight=0.1, pair_penalty=0.0, best_of=7)
    assert resolve_sample(own, CHOSEN, has_ngrams=True) == own


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A folder with a run on random sentences, whose settings were chosen."""
    folder = tmp_path_factory.mktemp("chosen")
    rng = np.random.default_rng(1)
    words = [f"w{number}" for number in range(30)]
    lines = (" ".join(rng.choice(words[: rng.integers(3, 30)], 8)) + ".\n" for _ in range(400))
    (folder / "story.txt").write_text("".join(lines))
    (folder / "my.yaml").write_text(
        "data: {train: story.txt, valid_fraction: 0.3}\n"
        "model: {hidden_sizes: [16], embedding_dim: 16}\ntrain: {epochs: 2}\n"
    )
    done = call_cli("train", "my.yaml", cwd=folder, check=0)
    (folder / "log.txt").write_text(done.stderr)
    return folder


def test_a_finished_training_chooses_and_says_so(scene):
    run = run_of(scene)
    generator, source = load_generator(run, run, copies=False)
    chosen = ChosenSampling.from_json(source.sampling)
    assert generator.config.sample.temperature == chosen.temperature
    assert abs(chosen.novelty - choosing.NOVELTY_FRACTION * chosen.held_out_novelty) < 0.03
    card = (scene / "log.txt").read_text()
    assert f"temperature       {chosen.temperature:g}" in card and "chosen for this text" in card
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert events[-1]["sampling"] == chosen.as_json()


def test_the_choice_is_deterministic_and_needs_a_held_out_text(scene):
    run = run_of(scene)
    loaded = load_checkpoint(run, run, copies=True, ngrams=True)
    unresolved = make_generator(
        dataclasses.replace(
            loaded, checkpoint=dataclasses.replace(loaded.checkpoint, sampling=None)
        )
    )
    train, held_out = np.arange(1, 25), np.random.default_rng(2).integers(1, 25, 500)
    first = choose_sampling(unresolved, train=train, held_out=held_out)
    assert first == choose_sampling(unresolved, train=train, held_out=held_out) is not None
    assert choose_sampling(unresolved, train=train, held_out=held_out[:50]) is None
    stopped = choose_sampling(unresolved, train=train, held_out=held_out, keep_going=lambda: False)
    assert stopped is None


def test_options_and_the_config_win(scene, tmp_path):
    def settings(*options):
        done = call_cli("generate", "--cue", "w1", "--json", "-q", *options, cwd=scene, check=0)
        return json.loads(done.stdout)["settings"]

    assert settings("--temperature", 0.5)["temperature"] == 0.5
    assert settings()["temperature"] not in (0.5, None)
    overrides = ("sample.temperature=0.6", "train.epochs=1", "--runs-dir", tmp_path, "-q")
    call_cli("train", "my.yaml", *overrides, cwd=scene, check=0)
    source = load_generator(next(tmp_path.glob("my-*")), tmp_path, copies=False)[1]
    assert source.sampling is None  # nothing was left to choose


def test_an_exported_model_keeps_the_choice(scene, tmp_path):
    call_cli("export", run_of(scene), "--output", tmp_path / "model", cwd=scene, check=0)
    exported = checkpoint.open_checkpoint(tmp_path / "model")
    assert exported.sampling == load_generator(run_of(scene), scene, copies=False)[1].sampling


def test_a_manifest_with_another_choice_is_damaged(scene, tmp_path):
    step = tmp_path / "step"
    shutil.copytree(next(run_of(scene).glob("checkpoints/step-*")), step)
    checkpoint.add_sampling(step, CHOSEN.as_json() | {"temperature": "hot"})
    with pytest.raises(CheckpointError, match="sampling: temperature is no number from 0 to 10"):
        load_generator(step, step, copies=False)
    manifest = (step / "manifest.json").read_text()
    (step / "manifest.json").write_text(manifest.replace('"hot"', "1.5"))
    with pytest.raises(CheckpointError, match=r"manifest.json has been changed"):
        load_generator(step, step, copies=False)
