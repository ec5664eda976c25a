"""The schema for editors, the origin of each value, and the table of keys."""

import json
import re
from pathlib import Path

import pytest
import yaml

from lstmgen.config.json_schema import FILE, REFERENCE, schema_text
from lstmgen.config.loader import dump, load
from lstmgen.config.schema import Config, Section, all_keys, subsection
from tests.helpers.program import call_cli, train

CONFIGS = Path(__file__).parent.parent / "configs"
MY = """\
data: {train: story.txt}
model:
  hidden_sizes: [9, 7]
  dropout:
    input: 0.25
train: {epochs: 3,
  window: 5}
"""


def sections(model: type[Section], node: dict):
    """Each section with its part of the schema."""
    yield model, node
    for name, field in model.model_fields.items():
        inner = subsection(field)
        if inner is not None:
            yield from sections(inner, node["properties"][name])


def node_of(key):
    node = json.loads(schema_text())
    for part in key.split("."):
        node = node["properties"][part]
    return node


def test_the_schema_has_every_key_and_refuses_others():
    for model, node in sections(Config, json.loads(schema_text())):
        assert set(node["properties"]) == set(model.model_fields)
        assert node["additionalProperties"] is False


@pytest.mark.parametrize("key", all_keys())
def test_every_key_has_a_title_a_description_a_default_and_a_type(key):
    node, declared = node_of(key), all_keys()[key]
    assert (node["title"], node["default"]) == (key, declared.default)
    assert node["description"].startswith(declared.description.replace("`", "")[:40])
    assert {"type", "anyOf", "enum"} & set(node)
    assert not {"$ref", "path", "names", "portable", "on_resume", "unit"} & set(node)


def test_ranges_and_choices_are_in_the_schema():
    assert node_of("train.window")["maximum"] == 100_000
    assert node_of("model.dropout.input")["exclusiveMaximum"] == 1
    assert node_of("model.cell")["enum"] == ["elman", "gru", "lstm", "lstm_peephole"]
    assert node_of("model.hidden_sizes")["items"]["minimum"] == 1
    assert {"enum": [None, "none"]} in node_of("train.epochs")["anyOf"]


def test_the_schema_stands_alone():
    assert "$ref" not in schema_text()
    assert set(re.findall(r"https?://[^\"]+", schema_text())) == {
        "http://json-schema.org/draft-07/schema#"
    }


def test_the_command_prints_the_file_that_comes_with_the_presets(tmp_path):
    printed = call_cli("config", "schema", cwd=tmp_path, check=0).stdout
    assert printed == (CONFIGS / FILE).read_text(encoding="utf-8")


@pytest.mark.parametrize("preset", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_preset_names_the_schema_beside_it(preset):
    assert preset.read_text(encoding="utf-8").startswith(REFERENCE)
    assert (preset.parent / re.search(r"\$schema=(\S+)", REFERENCE)[1]).is_file()


def test_a_run_names_the_schema_beside_it_and_its_checkpoints_none(tmp_path, tiny):
    run = train(
        tiny.name, "train.max_steps=2", "train.schedule=constant", "train.report=null", cwd=tmp_path
    )
    assert (run / "resolved.yaml").read_text(encoding="utf-8").startswith(REFERENCE)
    assert (run / FILE).read_text(encoding="utf-8") == schema_text()
    for config in run.glob("checkpoints/*/config.yaml"):
        assert "schema" not in config.read_text(encoding="utf-8")
    moved = run.rename(tmp_path / "moved")
    assert load(moved / "resolved.yaml").config.train.max_steps == 2
    call_cli("train", "--resume", "moved", "train.max_steps=3", "-q", cwd=tmp_path, check=0)
    assert (moved / "resolved.yaml").read_text(encoding="utf-8").startswith(REFERENCE)


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "my.yaml").write_text(MY, encoding="utf-8")
    return tmp_path


def origins_of(folder, *arguments):
    done = call_cli("config", "show", "my.yaml", *arguments, "--json", cwd=folder, check=0)
    return json.loads(done.stdout)["origins"]


def test_each_value_has_its_origin(mine, monkeypatch):
    monkeypatch.setenv("LSTMGEN_DEVICE", "cpu")
    origins = origins_of(mine, "train.window=9", "model.dropout.words=0.1")
    assert set(origins) == set(all_keys())
    assert origins["data.train"] == "my.yaml:1"
    assert origins["model.hidden_sizes"] == "my.yaml:3"
    assert origins["model.dropout.input"] == "my.yaml:5"
    assert origins["model.dropout.words"] == "command line"
    assert origins["train.epochs"] == "my.yaml:6"
    assert origins["train.window"] == "command line"
    assert origins["train.device"] == "environment: LSTMGEN_DEVICE"
    assert origins["train.seed"] == "default"
    assert origins["train.batch_size"] == "default, or chosen by the size of the text"
    assert origins_of(mine, "train.device=cuda")["train.device"] == "command line"


def test_a_section_on_the_command_line_replaces_that_of_the_file(mine):
    origins = origins_of(mine, "train={window: 4}")
    assert origins["train.window"] == "command line"
    assert origins["train.epochs"] == "default, or chosen by the size of the text"


def test_the_shown_config_is_the_config(mine):
    shown = call_cli("config", "show", "my.yaml", "train.window=9", cwd=mine, check=0).stdout
    (mine / "shown.yaml").write_text(shown, encoding="utf-8")
    expected = load(mine / "my.yaml", ["train.window=9"]).config
    assert load(mine / "shown.yaml").config == expected
    assert yaml.safe_load(dump(expected))["train"]["window"] == 9
    lines = [line for line in shown.splitlines() if not line.endswith(":")]
    assert len(lines) == len(all_keys()) and all("# " in line for line in lines)
    assert re.search(r"^  window: 9 +# command line$", shown, re.M)
    assert re.search(r"^    input: 0\.25 +# my\.yaml:5$", shown, re.M)


def test_a_hostile_file_name_stays_a_comment(tmp_path):
    name = "a\nmodel: {zebra: 3} \x1b[31m.yaml"
    (tmp_path / name).write_text(MY, encoding="utf-8")
    shown = call_cli("config", "show", name, cwd=tmp_path, check=0).stdout
    assert "\x1b" not in shown
    (tmp_path / "shown.yaml").write_text(shown, encoding="utf-8")
    assert load(tmp_path / "shown.yaml").config.train.window == 5


def keys_of(folder, *arguments):
    done = call_cli("config", "keys", *arguments, "--json", cwd=folder, check=0)
    return [row["key"] for row in json.loads(done.stdout)["keys"]]


def test_keys_are_chosen_by_a_part_or_a_pattern(tmp_path):
    assert keys_of(tmp_path) == list(all_keys())
    assert keys_of(tmp_path, "Dropout.in") == ["model.dropout.input"]
    every = ["train.eval_every", "train.save_every", "train.sample_every"]
    assert keys_of(tmp_path, "train.*_every") == every
    shown = call_cli("config", "keys", "train.window", cwd=tmp_path, check=0).stdout
    assert shown.splitlines() == [
        "key           allowed             default  description",
        "train.window  1 to 100,000 words  32       Words read per window: how far back gradients "
        "flow (truncated BPTT).",
    ]
    table = call_cli("config", "keys", "min_count", "--md", cwd=tmp_path, check=0).stdout
    assert r"become \<unk\>." in table


ERRORS = {
    "error: zebra: no key has this in its name": ("keys", "zebra"),
    "error: --json and --md are two formats": ("keys", "--json", "--md"),
    "error: nowhere: no such config file": ("show", "nowhere"),
    "error: other.yaml: one config at a time": ("show", "my.yaml", "other.yaml"),
    "error: command line: train.windwo = 3: no such key. Did you mean train.window?": (
        "show", "my.yaml", "train.windwo=3",
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", ERRORS)
def test_what_cannot_be_shown_is_one_message(mine, words):
    done = call_cli("config", *ERRORS[words], cwd=mine, check=2)
    assert done.stdout == "" and words in done.stderr


@pytest.mark.parametrize("command", ["show", "keys", "schema"])
def test_each_help_has_an_example(tmp_path, command):
    shown = call_cli("config", command, "--help", cwd=tmp_path, check=0).stdout
    assert f"Example: lstmgen config {command}" in shown
