"""A file of cues: each line is continued as it is alone, in order."""

import io
import json
import os
import subprocess
import sys

import pytest

from lstmgen.errors import DataError, LstmgenError
from lstmgen.generation.line_results import continue_lines
from lstmgen.generation.load import load_generator
from lstmgen.generation.sample_results import generate_samples
from lstmgen.text.cue_lines import MAX_BYTES, CueLine, read_cue_lines
from tests.helpers.program import call_cli
from tests.helpers.scenes import RUN

CUES = ("The cat", "", "The dog ran to the zebra", '"Where is', "It was cold", " The river.")
FILE = "cues.txt"
SETTINGS = (
    {},
    {"temperature": 0.0},
    {"best_of": 3},
    {"cache_weight": 0.2, "max_copied": 3},
    {"start_with": "Then the dog"},
    {"beams": 2},
    {"must_include": ["river"], "words": 12},
)


@pytest.fixture(scope="module")
def loaded(trained):
    return load_generator(trained / RUN, trained / "runs", copies=True)


def results_of(loaded, lines, *, samples=1, **settings):
    generator, checkpoint = loaded
    sample = generator.config.sample.model_copy(update=settings)
    return continue_lines(
        generator, checkpoint, lines, sample, samples=samples, seed=5, details=True, source=FILE
    )


def lines_of(*cues):
    return [CueLine(number, cue) for number, cue in enumerate(cues, start=1)]


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_each_line_is_continued_as_it_is_alone(loaded, settings, samples):
    results = list(results_of(loaded, lines_of(*CUES), samples=samples, **settings))
    assert [line for line, _ in results] == list(range(1, len(CUES) + 1))
    for cue, (_, result) in zip(CUES, results, strict=True):
        alone = generate_samples(*loaded, cue, result.settings, samples=samples, seed=5)
        assert result.samples == alone.samples  # bit by bit
        assert (result.cue, result.replacements) == (alone.cue, alone.replacements)


def test_each_line_is_answered_before_the_next_one_is_read(loaded):
    read = []

    def endless():
        while True:
            read.append(CueLine(len(read) + 1, "The cat"))
            yield read[-1]

    results = results_of(loaded, endless(), words=1)
    for number in range(1, 100):
        assert next(results)[0] == len(read) == number


def test_the_lines_before_an_error_are_continued(loaded):
    lines = lines_of("The cat", "The dog", "The zebra", "")
    results = results_of(loaded, lines, oov="error")
    assert [next(results)[0], next(results)[0]] == [1, 2]
    with pytest.raises(LstmgenError, match=r"cues.txt: line 3: --oov error: .*: zebra"):
        next(results)


def test_a_setting_that_no_cue_can_be_read_with_names_no_line(loaded):
    with pytest.raises(LstmgenError, match=r"^--tag rosa: this model has no tags"):
        next(results_of(loaded, lines_of("The cat"), tag="rosa"))


def test_words_that_a_sample_lacks_are_reported_with_the_line(loaded):
    settings = {"must_include": ["river", "mill"], "words": 1, "hard_limit": True}
    with pytest.raises(LstmgenError, match=r"^cues.txt: line 1: --must-include: sample 0 lacks"):
        next(results_of(loaded, lines_of("The cat", "The dog"), **settings))


def test_lines_end_where_files_of_all_systems_end_them():
    data = b"\xef\xbb\xbfone\r\n\n  two \nthr\xc3\xa9e"
    assert list(read_cue_lines(io.BytesIO(data), name="x")) == [
        (1, "one"), (2, ""), (3, "  two "), (4, "thrée"),
    ]  # fmt: skip
    assert not list(read_cue_lines(io.BytesIO(b""), name="x"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a\nb \xff\n", "x: line 2: byte 0xff is not UTF-8. Save it as UTF-8"),
        (b"a\nb\0c\n", "x: line 2: holds NUL bytes"),
        (b"\xff\xfea\0\n\0", "x: is UTF-16. Save it as UTF-8"),
        (b"a\n" + b"b" * (MAX_BYTES + 1), "x: line 2: is longer than 1,048,576 bytes"),
    ],
)
def test_a_line_that_is_no_cue_is_named(data, words):
    with pytest.raises(DataError, match=words):
        list(read_cue_lines(io.BytesIO(data), name="x"))


def test_the_program_prints_what_it_prints_for_each_cue(trained):
    (trained / FILE).write_text("".join(cue + "\n" for cue in CUES), encoding="utf-8")
    common = (RUN, "--seed", 3, "-n", 2, "--words", 6)
    done = call_cli("generate", *common, "--cues", FILE, cwd=trained, check=0)
    alone = [call_cli("generate", *common, "--cue", cue, cwd=trained, check=0) for cue in CUES]
    assert done.stdout == "---\n".join(one.stdout for one in alone)
    assert f"note: {FILE}: line 3: not in the vocabulary: zebra" in done.stderr
    piped = call_cli(
        "generate", *common, "--cues", "-", "-q", cwd=trained, stdin=(trained / FILE).read_bytes()
    )
    assert (piped.stdout, piped.stderr) == (done.stdout, "")


def test_json_has_the_number_of_the_line(trained):
    (trained / FILE).write_text("".join(cue + "\n" for cue in CUES), encoding="utf-8")
    common = (RUN, "--seed", 3, "-n", 2, "--words", 6, "--json")
    done = call_cli("generate", *common, "--cues", FILE, cwd=trained, check=0)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["line"], one["sample"]) for one in found] == [
        (line, sample) for line in range(1, len(CUES) + 1) for sample in (0, 1)
    ]
    assert found[4]["unknown_words"].keys() == {"zebra"}
    for place, cue in enumerate(CUES):
        alone = call_cli("generate", *common, "--cue", cue, cwd=trained, check=0)
        for one, line in zip(found[2 * place :], alone.stdout.splitlines(), strict=False):
            expected = json.loads(line)
            assert one.keys() == {"line", *expected}
            for key in expected.keys() - {"seconds", "words_per_second"}:
                assert one[key] == expected[key], key


def test_an_empty_file_gives_nothing(trained):
    (trained / FILE).write_bytes(b"")
    done = call_cli("generate", RUN, "--cues", FILE, cwd=trained, check=0)
    assert done.stdout == ""
    assert f"note: {FILE}: has no line, so there is nothing to continue" in done.stderr


def test_closed_standard_input_has_no_cues(trained):
    program = f"{sys.executable} -m lstmgen generate {RUN} --cues - -q <&-"
    done = subprocess.run(
        ["bash", "-c", program], cwd=trained, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --cues -: standard input is closed. Name a file\n"


@pytest.mark.slow
def test_a_reader_that_stops_early_ends_the_program_silently(trained):
    (trained / FILE).write_text("The cat\n" * 5000, encoding="utf-8")
    program = f"{sys.executable} -m lstmgen generate {RUN} --cues {FILE} -q"
    done = subprocess.run(
        ["bash", "-c", f"{program} | head -1; exit ${{PIPESTATUS[0]}}"],
        cwd=trained, capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (141, "")
    assert done.stdout.startswith("The cat")
