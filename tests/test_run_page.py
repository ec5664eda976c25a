"""The page of a run: what it holds, what it leaves out, and what it must never do."""

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest

from lstmgen.generation.load import load_checkpoint
from lstmgen.inspection.word_map import map_words
from lstmgen.reporting import page_data, run_page
from lstmgen.reporting.packing import pack_floats, pack_numbers
from lstmgen.reporting.page_file import SCRIPTS, build_page, read_part, to_json
from lstmgen.reporting.run_page import Contents, write_page
from lstmgen.runs.history import read_history
from tests.helpers.page_engine import PageEngine
from tests.helpers.program import call_cli
from tests.helpers.scenes import RUN, STORY, make_trained, metrics_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = make_trained(tmp_path_factory.mktemp("page"))
    with (folder / RUN / "samples.md").open("w", encoding="utf-8") as file:
        file.write(
            "## Step 10\n\n> The cat\n> \n> ran.\n\n> A dog\n\n## Step 20\n\n> The cat sat.\n\n"
        )
    return folder


class Blocks(HTMLParser):
    """The scripts, styles and metas of a page."""

    def __init__(self, page):
        super().__init__()
        self.blocks, self.metas, self.inside = [], {}, None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag in ("script", "style"):
            self.inside = (tag, values)
        if "http-equiv" in values:
            self.metas[values["http-equiv"]] = values["content"]

    def handle_data(self, data):
        if self.inside:
            self.blocks.append((*self.inside, data))
            self.inside = None


def read_data(path):
    for tag, values, text in Blocks(path.read_text(encoding="utf-8")).blocks:
        if tag == "script" and values.get("id") == "data":
            return json.loads(text)
    raise AssertionError("no data")


def write(folder, **contents):
    file = folder / "written.html"
    written = write_page(folder / RUN, folder / "runs", output=file, contents=Contents(**contents))
    return read_data(file), written


def test_training_writes_the_page_and_names_it(tmp_path, tiny):
    told = call_cli("train", tiny.name, cwd=tmp_path, check=0)
    run = tmp_path / told.stdout.strip()
    assert f"{run.relative_to(tmp_path) / 'report.html'} (open it in a browser)" in told.stderr
    data = read_data(run / "report.html")
    assert data["run"]["samples"][-1]["texts"][0].startswith("The cat")
    assert data["run"]["curves"]["valid_nats"]
    assert dict(data["run"]["facts"])["ended"].startswith("finished")
    assert data["model"]["weights"]


def test_training_writes_no_page_if_none_is_wanted(tmp_path, tiny):
    told = call_cli("train", tiny.name, "train.report=none", cwd=tmp_path, check=0)
    assert not (tmp_path / told.stdout.strip() / "report.html").exists()
    assert "report.html" not in told.stderr


def test_a_page_that_cannot_be_written_loses_no_training(tmp_path, tiny, monkeypatch):
    monkeypatch.setattr(run_page, "NAME", "no/folder.html")
    from lstmgen.reporting.training_console import TrainingConsole
    from lstmgen.training.events import Finished

    run = tmp_path / call_cli("train", tiny.name, "-q", cwd=tmp_path, check=0).stdout.strip()
    event = Finished(run, 1, "", 1, 1.0, (), 1.0, 1, False, True, None, None, None)
    message = TrainingConsole(quiet=True)._write_page(event)
    assert re.search(r"not written: .*the page cannot be written .*--output", message)


def test_the_policy_allows_the_scripts_and_styles_of_the_page_alone():
    parsed = Blocks(build_page({"name": "x"}, title="x"))
    policy = parsed.metas["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "base-uri 'none'; form-action 'none'" in policy
    executed = [text for tag, values, text in parsed.blocks if values.get("type") is None]
    assert len(executed) == 2  # one script, one style
    for text in executed:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_no_text_can_end_its_block():
    hostile = [
        "</script><script>alert(1)</script>",
        "<!--",
        "<script",
        "]]>",
        "&lt;",
        "\u2028\u2029",
    ]
    text = to_json(hostile)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == hostile
    page = build_page({"name": hostile}, title=hostile[0])
    parsed = Blocks(page)
    assert len(parsed.blocks) == 3
    assert page.count("<script") == 2


FORBIDDEN = (
    "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(",
    "fetch(", "XMLHttpRequest", "import(", "WebSocket", "localStorage", "window.open", "location",
)  # fmt: skip


def test_scripts_set_no_html_and_load_nothing():
    """Texts become text nodes, and no request can be made."""
    for name in SCRIPTS:
        source = read_part(name)
        for word in FORBIDDEN:
            assert word not in source, (name, word)
        assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", source)
    assert set(SCRIPTS) == {path.name for path in page_files() if path.name.endswith(".js")}


def page_files():
    from importlib.resources import files

    return list((files("lstmgen.reporting") / "page").iterdir())


def test_every_part_of_the_page_is_used_and_exists():
    """What the scripts look up by id is in the HTML, and the other way round."""
    html = read_part("page.html")
    ids = set(re.findall(r'id="([^"]+)"', html))
    scripts = "\n".join(map(read_part, SCRIPTS))
    looked_up = set(re.findall(r'\$\("([a-z-]+)"\)', scripts))
    named = set(re.findall(r'"([a-z-]+)"', scripts))
    assert looked_up <= ids | {"data"}
    assert ids <= named | {"run"}


def test_the_history_is_that_of_the_run(folder):
    facts = folder / RUN / "environment.json"
    environment = json.loads(facts.read_text(encoding="utf-8"))
    environment["command"] = ["/usr/bin/lstmgen", "train", "my.yaml", "--name", "a b"]
    facts.write_text(json.dumps(environment), encoding="utf-8")
    history = read_history(folder / RUN)
    assert history.command == "lstmgen train my.yaml --name 'a b'"
    assert history.samples == ((10, ("The cat\n\nran.", "A dog")), (20, ("The cat sat.",)))
    assert history.started["vocab_size"] > 10
    assert len(history.rows) == len(metrics_of(folder / RUN))
    data, _ = write(folder)
    valid = [
        [float(r["step"]), float(r["valid_nats"])]
        for r in metrics_of(folder / RUN)
        if r["valid_nats"]
    ]
    assert data["run"]["curves"]["valid_nats"] == valid
    assert data["run"]["best"] == min(valid, key=lambda point: point[1])[0]


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"[1, 2", b'{"event": "started"}\n[]\n3\n', b"[" * 100_000]
)
def test_damaged_records_leave_the_rest_of_the_page(folder, tmp_path, content):
    run = tmp_path / "runs" / "broken"
    shutil.copytree(folder / RUN, run)
    for name in ("events.jsonl", "metrics.csv", "samples.md", "environment.json"):
        (run / name).write_bytes(content)
    (run / "samples.md").unlink()
    written = write_page(run, tmp_path, output=tmp_path / "x.html", contents=Contents())
    data = read_data(written.path)
    assert data["run"]["samples"] == []
    assert data["model"] is not None


def test_the_training_text_is_left_out_on_request(folder):
    data, _ = write(folder)
    assert data["training"] is not None
    assert data["origins"] is not None
    without, _ = write(folder, training_text=False)
    assert without["training"] is None
    assert without["origins"] is None
    ids = PageEngine({"training": data["training"]}).run("training.ids")
    loaded = load_checkpoint(folder / RUN, folder / "runs")
    entries = [loaded.vocabulary.entries[i] for i in ids[1:7]]
    assert entries == ["The", "cat", "sat", "by", "the", "old"]
    assert STORY[:40] not in (folder / "written.html").read_text(encoding="utf-8")


def test_a_large_model_or_text_is_left_out_and_the_page_says_so(folder, monkeypatch):
    monkeypatch.setattr(run_page, "MAX_WEIGHTS", 100)
    data, written = write(folder)
    assert data["model"] is None
    assert "more than 100. `lstmgen report --model` includes it" in written.notes[0]
    data, written = write(folder, model=True)
    assert data["model"] is not None
    monkeypatch.setattr(run_page, "MAX_TEXT", 50)
    data, written = write(folder, model=True)
    assert data["training"] is None
    assert "the training text is not in the page" in written.notes[0]


def test_a_run_whose_text_is_gone_has_a_page_without_it(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "moved")
    moved = tmp_path / "moved"
    (moved / "story.txt").write_text("Another text.", encoding="utf-8")
    resolved = moved / RUN / "resolved.yaml"
    text = resolved.read_text(encoding="utf-8").replace(str(folder), str(moved))
    resolved.write_text(text, encoding="utf-8")
    data, written = write(moved)
    assert "what needs the text of the run is not in the page" in written.notes[0]
    assert data["memory"] is None
    assert data["training"]["units"] is None  # the words alone, from the copy index


def test_an_exported_model_has_a_page_without_a_run(folder, tmp_path):
    call_cli("export", RUN, "-o", tmp_path / "model", cwd=folder, check=0)
    done = call_cli("report", tmp_path / "model", "-o", tmp_path / "x.html", cwd=folder, check=0)
    assert done.stdout.strip() == str(tmp_path / "x.html")
    data = read_data(tmp_path / "x.html")
    assert data["run"] is None
    assert data["model"]["cell"] == "lstm"


def test_numbers_are_packed_exactly():
    values = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    numbers = [0, 1, 127, 128, 300, 16_383, 16_384, 2**32 - 1]
    page = PageEngine({"x": [pack_floats(values), pack_numbers(numbers)]})
    assert page.run("unpack(page.x[0]).values") == values.ravel().tolist()
    assert page.run("decodeNumbers(page.x[1])") == numbers
    assert page.run("decodeNumbers('')") == []


def test_the_map_is_the_projection_on_two_principal_components(folder):
    loaded = load_checkpoint(folder / RUN, folder / "runs")
    from lstmgen.generation.load import make_engine

    engine = make_engine(loaded.config, loaded.vocabulary, loaded.weights)
    found = map_words(engine, loaded.vocabulary, kind="word", count=20)
    ids = np.array([word for word, _, _ in found])
    counts = [loaded.vocabulary.counts[i] for i in ids]
    assert counts == sorted(counts, reverse=True)
    vectors = engine.word_vectors(ids).astype(np.float64)
    centered = vectors - vectors.mean(axis=0)
    variances, directions = np.linalg.eigh(centered.T @ centered)
    expected = centered @ directions[:, -2:][:, ::-1]
    places = np.array([[x, y] for _, x, y in found])
    scale = np.abs(expected).max()
    for axis in range(2):
        ratio = expected[:, axis] / scale
        sign = np.sign(ratio @ places[:, axis])
        np.testing.assert_allclose(places[:, axis], sign * ratio, rtol=0, atol=1e-9)
    assert variances[-1] >= variances[-2]


def test_floats_are_rounded_where_nobody_can_see_it():
    value = {"a": [1.23456789, 2], "b": (0.000012345678,), "c": None, "d": "1.23456789"}
    assert page_data.round_numbers(value) == {
        "a": [1.23457, 2], "b": [1.23457e-05], "c": None, "d": "1.23456789",
    }  # fmt: skip


@pytest.mark.parametrize("bad", ["nan,1,10,2,,,,,,", "inf,1,10,2,,,,,,", "-inf,1,10,2,2,2,2,2,2,2"])
def test_rows_without_a_finite_step_stand_in_nobody_s_way(folder, tmp_path, bad):
    run = tmp_path / "runs" / "odd"
    shutil.copytree(folder / RUN, run)
    with (run / "metrics.csv").open("a", encoding="utf-8") as file:
        file.write(bad + "\n")
    assert len(read_history(run).rows) == len(metrics_of(run)) - 1
    assert "odd" in call_cli("runs", cwd=tmp_path, check=0).stdout
    write_page(run, tmp_path, output=tmp_path / "x.html", contents=Contents())


def test_events_with_line_separators_of_unicode_are_read(folder, tmp_path):
    run = tmp_path / "runs" / "odd"
    shutil.copytree(folder / RUN, run)
    event = {"event": "finished", "step": 25, "reason": "a\u2028b\u0085c"}
    with (run / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(event, ensure_ascii=False) + "\n")
    assert read_history(run).finished["reason"] == "a\u2028b\u0085c"


def test_a_page_with_words_alone_says_so(folder, tmp_path):
    """So that the network is not shown a text without punctuation."""
    call_cli("export", RUN, "-o", tmp_path / "model", cwd=folder, check=0)
    call_cli("report", tmp_path / "model", "-o", tmp_path / "x.html", cwd=folder, check=0)
    assert read_data(tmp_path / "x.html")["training"]["complete"] is False
    assert write(folder)[0]["training"]["complete"] is True
