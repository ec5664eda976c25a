"""The loader: what it reads, what it refuses, and in which words."""

import ast
import re
from pathlib import Path

import pytest
import typer
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from lstmgen.cli.options import NO_SETTINGS, sample_options
from lstmgen.config import schema, yaml_lines
from lstmgen.config.loader import dump, from_portable, load, override_sample
from lstmgen.config.reference import commented_yaml, key_table
from lstmgen.config.schema import Config, SampleConfig, all_keys, key
from lstmgen.errors import ConfigError
from lstmgen.runs.bundled import is_text
from lstmgen.text.finding import find_files
from tests.helpers import SOAK

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.yaml"))


def write_config(tmp_path, text, name="my.yaml"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def problems(tmp_path, text, overrides=()):
    with pytest.raises(ConfigError) as caught:
        load(write_config(tmp_path, text), overrides, environment={})
    return str(caught.value).replace(str(tmp_path) + "/", "")


def test_all_problems_are_told_at_once_in_the_order_of_lines(tmp_path):
    told = problems(
        tmp_path,
        "train:\n  windwo: 3\n  stride: 9\n  window: 4\n  seed: x\ndata:\n  min_count: 0\n",
        ["train.order=up"],
    ).splitlines()
    assert [re.match(r"[^ ]+ ?[a-z]*:|[^ ]+:", line)[0] for line in told] == [
        "command line:", "my.yaml:2:", "my.yaml:3:", "my.yaml:5:", "my.yaml:7:",
    ]  # fmt: skip


def test_the_first_twenty_problems_are_shown_and_the_others_counted(tmp_path):
    """Of wrong values and of unknown keys, by line, and each of the others once."""
    names = [key.name.partition(".") for key in all_keys().values() if key.name.count(".") == 1]
    wrong = [name for section, _, name in names if section == "train"][:25]
    text = "train:\n" + "".join(f"  {name}: {{}}\n" for name in wrong)
    told = problems(tmp_path, text).splitlines()
    assert [line.partition(" ")[0] for line in told[:20]] == [
        f"my.yaml:{line}:" for line in range(2, 22)
    ]
    assert told[20:] == ["and 5 other problems"]
    told = problems(tmp_path, text + "".join(f"k{number}: 1\n" for number in range(30)))
    assert told.splitlines()[20:] == ["and 35 other problems"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.separator=x", "no such key. Known here: train, valid, "),
        ("model.embeddings=glove.txt", "no such key. Did you mean model.embedding_dim?"),
        ("train.hidden_size=3", "no such key. Did you mean model.hidden_sizes?"),
        ("train.dropout=0.5", "no such key here. It belongs under model: (model.dropout)"),
        ("dropout.input=0.5", "no such key here. It belongs under model: (model.dropout)"),
        ("train.output=0.5", "no such key here. It belongs under model: (model.output) or under "
         "model.dropout: (model.dropout.output)"),
        ("train.wrods=3", "no such key. Known here: "),
        ("data.wordss=3", "no such key. Did you mean model.dropout.words or sample.words?"),
        ("model.dropout.outptu=0", "no such key. Did you mean model.dropout.output?"),
        ("model.dropout.window=3", "no such key here. It belongs under train: (train.window)"),
        ("model.dropout.zebra=3", "no such key. Known here: input, hidden, output, words, rec"),
        ("zebra=3", "no such key. Known here: data, model, train, sample"),
    ],
)  # fmt: skip
def test_a_suggested_key_exists_and_is_similar(tmp_path, override, message):
    told = problems(tmp_path, "", [override])
    assert message in told
    named = re.findall(r"(?:Did you mean |\(| or )([a-z_]+\.[a-z_.]+)", told)
    assert all(name in all_keys() or name == "model.dropout" for name in named)


def test_every_misspelled_key_is_suggested_in_its_own_section(tmp_path):
    for name in all_keys():
        section, _, last = name.rpartition(".")
        if len(last) > 3:
            wrong = f"{section}.{last[:-2]}{last[-1]}{last[-2]}x"
            assert f"Did you mean {section}." in problems(tmp_path, "", [f"{wrong}=1"]), wrong


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("1E-3", 0.001), (".5", 0.5), ("1", 1.0), ("2.", 2.0), ("+0.5", 0.5)],
)
def test_numbers_are_read_as_people_write_them(tmp_path, text, value):
    loaded = load(write_config(tmp_path, f"train:\n  learning_rate: {text}"), environment={})
    assert loaded.config.train.learning_rate == value


def test_a_whole_float_is_an_integer_where_one_is_asked_for(tmp_path):
    text = "train:\n  max_steps: 1e3\n  window: 8.0\nmodel:\n  hidden_sizes: [2e2, 64]"
    loaded = load(write_config(tmp_path, text), ["sample.top_k=4e1"], environment={})
    train, model, sample = loaded.config.train, loaded.config.model, loaded.config.sample
    values = (train.max_steps, train.window, *model.hidden_sizes, sample.top_k)
    assert values == (1000, 8, 200, 64, 40) and all(type(value) is int for value in values)
    assert from_portable(dump(loaded.config), source="config.yaml") == loaded.config
    for wrong in ("1.5", "true", '"1e3"', ".inf", "[1e3]", "1e-3"):
        assert "train.max_steps" in problems(tmp_path, f"train:\n  max_steps: {wrong}")
        assert "model.hidden_sizes" in problems(tmp_path, "", [f"model.hidden_sizes=[[{wrong}]]"])
    rates = load(write_config(tmp_path, "train:\n  learning_rate: 1e0"), environment={})
    assert type(rates.config.train.learning_rate) is float


def test_octal_lookalikes_and_quoted_numbers(tmp_path):
    octal = load(write_config(tmp_path, "train:\n  seed: 012"), environment={})
    assert octal.config.train.seed == 12
    assert "must be a whole number" in problems(tmp_path, 'train:\n  seed: "12"')
    cues = load(write_config(tmp_path, "sample:\n  cues: ['1', no, \"null\"]"), environment={})
    assert cues.config.sample.cues == ["1", "no", "null"]


def test_precedence_is_file_environment_command_line(tmp_path):
    path = write_config(tmp_path, "train:\n  device: cuda\n  seed: 1")
    environment = {"LSTMGEN_DEVICE": "cpu"}
    assert load(path, environment={}).config.train.device == "cuda"
    assert load(path, environment=environment).config.train.device == "cpu"
    assert load(path, ["train.device=auto"], environment=environment).config.train.device == "auto"
    overrides = ["train.seed=5", "model.hidden_sizes=[4, 5]", "train.learning_rate=1e-3"]
    config = load(path, overrides, environment={}).config
    assert (config.train.seed, config.model.hidden_sizes) == (5, [4, 5])
    assert config.train.learning_rate == 0.001


def test_paths_are_relative_to_the_file_or_to_the_command_line(tmp_path, monkeypatch):
    inner = tmp_path / "inner"
    inner.mkdir()
    path = write_config(inner, "data:\n  train: ../a.txt\n  test: [b.txt, /c.txt]")
    monkeypatch.chdir(tmp_path)
    data = load(path, ["data.valid=v.txt"], environment={}).config.data
    assert data.train == str(tmp_path / "a.txt")
    assert data.test == [str(inner / "b.txt"), "/c.txt"]
    assert data.valid == str(tmp_path / "v.txt")
    assert load(None, ["data.train=-"], environment={}).config.data.train == "-"


def test_odd_paths_stay_what_they_are(tmp_path):
    odd = tmp_path / "my [draft]"
    odd.mkdir()
    (odd / "a.txt").write_text("x")
    path = write_config(odd, "data:\n  train: ~draft.txt\n  test: '*.txt'")
    data = load(path, environment={}).config.data
    assert data.train == str(odd / "~draft.txt")
    assert [p.name for p in find_files(data.test, key="data.test").files] == ["a.txt"]


def test_missing_files_and_folders(tmp_path):
    for path, message in ((tmp_path / "no.yaml", "no such config file"),
                          (tmp_path, "is a folder. Name the YAML file in it")):  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            load(path, environment={})
        assert str(caught.value) == f"{path}: {message}"
    large = write_config(tmp_path, "#" * 1_000_001)
    with pytest.raises(ConfigError, match="larger than 1,000,000 bytes"):
        load(large, environment={})


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_understood(tmp_path, encoding):
    path = write_config(tmp_path, "train:\n  seed: 7\n".encode(encoding))
    assert load(path, environment={}).config.train.seed == 7


def test_a_config_survives_writing_and_reading(tmp_path):
    config = load(
        None, ["train.learning_rate=1e-3", "sample.cues=[a b, 'no']"], environment={}
    ).config
    assert load(write_config(tmp_path, dump(config)), environment={}).config == config
    portable = dump(config.model_copy(update={"data": config.data.model_copy(
        update={"train": "/secret/path.txt"})}), portable=True)  # fmt: skip
    assert "secret" not in portable and "device" not in portable
    assert from_portable(portable, source="x").model == config.model


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_preset_loads(path):
    load(path, environment={})


class WiderSample(SampleConfig):
    typical_p: float = key(1.0, "Locally typical sampling.", gt=0, le=1)


class WiderConfig(Config):
    sample: WiderSample = key(WiderSample(), "How words are chosen.")


def test_a_key_is_declared_once():
    """One more key in the schema is an option, a row of the docs and in the sampler's hands."""
    assert "| `sample.typical_p` | `1.0` | above 0 to 1 | Locally" in key_table(WiderConfig)
    assert "# Locally typical sampling.\n  typical_p: 1.0\n" in commented_yaml(
        WiderConfig(), head=""
    )
    taken = {}

    @sample_options(section=WiderSample)
    def command(settings=NO_SETTINGS):
        taken.update(settings)

    program = typer.Typer()
    program.command()(command)
    done = CliRunner().invoke(program, ["--typical-p", "0.5", "--top-k", "3"])
    assert done.exit_code == 0, done.output
    assert taken == {"typical_p": 0.5, "top_k": 3}
    sample = override_sample(WiderSample(), taken)
    assert (sample.typical_p, sample.top_k) == (0.5, 3)
    with pytest.raises(ConfigError, match=r"--typical-p = 2.0: must be at most 1"):
        override_sample(sample, {"typical_p": 2.0})


def test_every_key_is_read_somewhere():
    read = set()
    for path in Path(schema.__file__).parent.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                read.add(node.attr)
    assert not {name for name in all_keys() if name.rpartition(".")[2] not in read}


def test_every_key_is_described():
    for name, field in all_keys().items():
        assert field.description, name


def test_conflicts_are_found_without_the_loader_too():
    with pytest.raises(ValueError, match="must lie in 1..train.window"):
        Config.model_validate({"train": {"window": 2, "stride": 3}})


@pytest.mark.parametrize(
    "name", ["cues", "tag", "start_with", "stop_at", "banned", "bias", "must_include"]
)
def test_bytes_that_are_no_text_are_refused_in_the_section_sample(tmp_path, name):
    """As a command line has them that is not UTF-8, and a file as escapes."""
    value, listed = "a\udcff:1", isinstance(SampleConfig().model_dump()[name], list)
    with pytest.raises(ConfigError, match=f"--{name.replace('_', '-')} .* are no text. Write it"):
        override_sample(SampleConfig(), {name: [value] if listed else value})
    if listed:
        told = problems(tmp_path, f'sample: {{{name}: ["a\\udcff:1"]}}')
        assert f"my.yaml:1: sample.{name} = " in told and "are no text. Write it in UTF-8" in told


def test_options_of_a_command_are_checked_by_the_same_schema():
    sample = SampleConfig()
    assert override_sample(sample, {"top_k": 3}).top_k == 3
    for values, message in (
        ({"temperature": -1.0}, "--temperature = -1.0: must be at least 0"),
        ({"temperature": float("nan")}, "--temperature = nan: must be a finite number"),
        ({"top_k": 0}, "--top-k = 0: must be at least 1"),
        ({"top_p": 0.0}, "--top-p = 0.0: must be more than 0"),
        ({"stop": "x"}, "--stop = 'x': must be story, paragraph, line, sentence or words"),
    ):
        with pytest.raises(ConfigError) as caught:
            override_sample(sample, values)
        assert str(caught.value) == message


def test_an_override_that_is_no_yaml_is_a_word(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = load(None, ["data.train=*.txt"], environment={}).config.data
    assert data.train == str(tmp_path / "*.txt")


NAMES = st.sampled_from([*all_keys(), "train", "model", "x", "train.windwo", ""])
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))


@pytest.mark.soak
@settings(max_examples=10_000 if SOAK else 300, deadline=None)
@given(st.one_of(st.text(max_size=80), st.dictionaries(NAMES, VALUES).map(yaml.safe_dump)),
       st.lists(st.tuples(NAMES, VALUES).map(lambda p: f"{p[0]}={p[1]}"), max_size=3))  # fmt: skip
def test_t35_any_text_is_a_config_or_a_config_error(tmp_path_factory, text, overrides):
    """Drawn texts and drawn settings."""
    folder = tmp_path_factory.mktemp("fuzz")
    path = write_config(folder, text.encode("utf-8", errors="surrogatepass"))
    try:
        load(path, overrides, environment={})
    except ConfigError as error:
        assert str(error)


def test_a_text_is_told_from_a_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("draft").write_text("Anna said: nothing.\ndata of the day\n")
    Path("settings").write_text("# mine\ntrain:\n  epochs: 2\n")
    Path("story.yaml").write_text("Once upon a time")
    Path("letter.docx").write_bytes(b"PK\x03\x04")
    texts = ("draft", "letter.docx", "gone.txt", "gone.MD", "-", ".", "*.txt")
    assert [name for name in texts if not is_text(name)] == []
    assert [name for name in ("settings", "story.yaml", "story", "gone") if is_text(name)] == []


TEXTS = st.text(st.sampled_from("1e-3.no ~:'\\\"#[]{}&*|>,\nul+x"), max_size=8)
VALUES = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | TEXTS


@given(st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3)))
def test_what_is_written_as_yaml_is_read_as_the_same_value(value):
    for flow in (False, True):
        text = yaml_lines.write({"key": value}, flow=flow)
        assert yaml_lines.parse(text, source="x").values == {"key": value}
