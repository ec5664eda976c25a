"""The page of a run in a real browser: no requests, equal numbers, and controls that work."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from lstmgen.generation.cue import read_cue
from lstmgen.generation.load import load_checkpoint, make_engine
from lstmgen.generation.sampling import highest
from tests.helpers.program import call_cli
from tests.helpers.scenes import run_of, write_story

CUES = (
    "", "The", "The mouse", "The old cat sat by the river.", '"Where is the mill?" asked the dog.',
    "the the the", "A xylophone", "It was cold\n\nThe dog", "And", "“Where” is it?",
)  # fmt: skip
VARIANTS = {
    "fable": (), "gru": ("model.cell=gru",), "elman": ("model.cell=elman",),
    "peephole": ("model.cell=lstm_peephole", "model.hidden_sizes=[9,7]"),
    "full": ("model.cell=lstm_peephole", "model.peephole=full"),
    "one_hot": ("model.input=one_hot", "model.tie_weights=false"),
    "adaptive": ("model.output=adaptive", "model.tie_weights=false"),
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a run of every kind of cell and output."""
    folder = tmp_path_factory.mktemp("pages")
    write_story(
        folder,
        "data: {train: story.txt, valid_fraction: 0.2}\n"
        "model: {hidden_sizes: [16, 12], embedding_dim: 8}\n"
        "train: {window: 6, batch_size: 4, epochs: 8, learning_rate: 3e-2, device: cpu}\n"
        "sample: {cues: ['The old dog', 'The cat'], words: 20}\n",
    )
    for name, overrides in VARIANTS.items():
        call_cli("train", "my.yaml", *overrides, "--name", name, "-q", cwd=folder, check=0)
    return folder


def load(folder, name):
    loaded = load_checkpoint(run_of(folder, name), folder / "runs")
    return loaded, make_engine(loaded.config, loaded.vocabulary, loaded.weights)


def log_probabilities(engine, ids):
    states = engine.zero_states(1)
    for word in ids:
        states = engine.read(np.array([word]), states)
    logits = engine.logits(states)[0].astype(np.float64)
    return logits - np.logaddexp.reduce(logits)


def page_of(folder, name) -> Path:
    return run_of(folder, name) / "report.html"


@pytest.mark.parametrize("name", VARIANTS)
def test_predictions_and_greedy_words_equal_those_of_numpy(runs, open_page, name):
    loaded, engine = load(runs, name)
    opened = open_page(page_of(runs, name))
    for cue in CUES:
        _, ids = read_cue(cue, loaded.vocabulary, kind="word", lowercase=False)
        found = opened.eval(
            "cue => { const t = new Vocabulary(page.text), m = new Model(page.model);"
            "return Array.from(new Reading(m, [0, ...t.encode(cue).ids]).next()); }",
            cue,
        )
        np.testing.assert_allclose(found, log_probabilities(engine, ids), rtol=0, atol=1e-4)
    ids = list(read_cue("The old dog", loaded.vocabulary, kind="word", lowercase=False)[1])
    for _ in range(50):
        scores = log_probabilities(engine, ids)
        scores[list(loaded.vocabulary.specials)] = -np.inf
        ids.append(int(highest(scores, 1)[0]))
    found = opened.eval(
        "ids => { const t = new Vocabulary(page.text), m = new Model(page.model);"
        "const r = new Reading(m, ids); for (let i = 0; i < 50; i++) { const s = r.next();"
        "for (const id of t.specials) s[id] = -Infinity;"
        "r.push(draw(s, {temperature: 0, topP: 1}, new Random(0))); } return r.ids; }",
        ids[:-50],
    )
    assert found == ids


def test_the_pen_writes_takes_other_words_and_undoes(runs, open_page):
    opened = open_page(page_of(runs, "fable"))
    opened.page.locator("#stop:disabled").wait_for()
    first = opened.words()  # there is a text from the start
    assert len(first) > 20
    opened.write("The old cat", words=20, temperature=0.8, seed=4)
    written = opened.words()
    assert len(written) > 23
    assert written[1:4] == ["The", "old", "cat"]
    place = 6
    opened.page.locator("#text .word").nth(place).click()
    choices = opened.page.locator("#choices button")
    assert choices.count() == 5
    shown = [
        float(re.sub(r"[<%\s]", "", text)) for text in choices.locator("small").all_text_contents()
    ]
    assert shown == sorted(shown, reverse=True)
    other = next(
        button for button in choices.all() if button.inner_text().split(" ")[0] != written[place]
    )
    taken = re.split(r"\s+(?=<?[\d.]+\s%)", other.inner_text())[0]
    other.click()
    opened.page.locator("#stop:disabled").wait_for()
    after = opened.words()
    assert after[:place] == written[:place]
    assert after[place] == taken
    assert len(after) > place + 5  # and the text goes on
    opened.page.click("#undo")
    assert opened.words() == written
    opened.page.click("#undo")
    assert opened.words() == first
    assert opened.page.input_value("#cue") == "The old dog"
    assert opened.page.locator("#undo").is_disabled()


def test_words_of_ones_own_replace_a_word(runs, open_page):
    opened = open_page(page_of(runs, "fable"))
    opened.write("The old dog", words=20)
    opened.page.locator("#text .word").nth(5).click()
    opened.page.fill("#choices input", "cold river, zebra")
    opened.page.keyboard.press("Enter")
    opened.page.locator("#stop:disabled").wait_for()
    assert opened.words()[5:8] == ["cold", "river", ","]
    assert "zebra" in opened.text("#unknown")


def test_a_continuation_has_a_word_even_where_the_story_is_likely_to_end(runs, open_page):
    opened = open_page(page_of(runs, "fable"))
    counts = opened.eval(
        "() => { const model = new Model(page.model), text = new Vocabulary(page.text);"
        "const pen = new Pen(model, text, page.sample);"
        "const [end] = pen.start, scores = pen.scores.bind(pen);"
        "pen.scores = () => { const all = scores(); all[end] = 99; return all; };"
        "return [1, 2, 3].map((seed) =>"
        "  [...pen.words({temperature: 1, topP: 1, words: 9, seed})].length); }",
    )
    assert counts == [1, 1, 1]


def test_again_writes_something_else_and_the_same_seed_the_same(runs, open_page):
    opened = open_page(page_of(runs, "fable"))
    opened.write("The old dog", words=20, temperature=1, seed=1)
    first = opened.words()
    opened.page.click("#again")
    opened.page.locator("#stop:disabled").wait_for()
    second = opened.words()
    assert second != first
    assert second[:4] == first[:4]
    other = open_page(page_of(runs, "fable"))
    other.write("The old dog", words=20, temperature=1, seed=1)
    assert other.words() == first


def test_stop_stops(runs, open_page):
    opened = open_page(page_of(runs, "fable"))
    opened.page.fill("#words", "1000000")
    opened.page.click("#continue")
    opened.page.click("#stop")
    opened.page.locator("#stop:disabled").wait_for()
    count = len(opened.words())
    opened.page.wait_for_timeout(100)
    assert len(opened.words()) == count


def test_copied_passages_are_underlined_with_their_place(runs, open_page):
    opened = open_page(page_of(runs, "fable"))
    opened.write("The dog ran to the river, and the cat", words=1)
    copied = opened.page.locator("#text .copied")
    assert copied.count() >= 9
    copied.first.hover()
    assert "copied from story.txt, line 1" in opened.text("#word-note")
    assert opened.page.locator("#banner").is_visible()


def test_without_the_training_text_nothing_of_it_is_in_the_page(runs, open_page, tmp_path):
    file = tmp_path / "page.html"
    call_cli("report", run_of(runs, "fable"), "-o", file, "--no-training-text", cwd=runs, check=0)
    opened = open_page(file)
    assert opened.page.locator("#banner").is_hidden()
    assert opened.eval("[page.training, page.origins]") == [None, None]
    opened.write("The dog ran to the river, and the cat", words=1)
    assert opened.page.locator("#text .copied").count() == 0


def test_the_inside_follows_word_unit_layer_and_clamp(runs, open_page):
    opened = open_page(page_of(runs, "fable"))
    opened.page.fill("#own", "The old dog sat by the river.")
    words = opened.page.locator("#inside-text .word")
    assert words.count() == 9
    before = opened.text("#equations")
    words.nth(3).click()
    assert "“dog”" in opened.text("#equations")
    assert opened.text("#equations") != before
    opened.page.fill("#unit", "5")
    opened.page.locator("#unit").blur()
    assert "unit 5" in opened.text("#equations")
    words.nth(5).hover()
    assert "“by”" in opened.text("#prediction")
    assert "Layer 1: compared with one word back" in opened.text("#reach")
    unclamped = opened.text("#clamped")
    opened.page.locator("#clamp-value").evaluate(
        "e => { e.value = 1; e.dispatchEvent(new Event('input')); }"
    )
    clamped = opened.text("#clamped")
    assert "of unit 5 at 1" in clamped
    assert clamped != unclamped
    opened.page.click("#clamp-reset")
    assert opened.text("#clamped") == unclamped
    opened.page.select_option("#layer", "1")
    assert "layer 2" in opened.text("#equations")
    opened.page.click("#find")
    found = opened.page.locator("#found button")
    assert found.count() == 5
    chosen = re.match(r"layer (\d+), unit (\d+)", found.first.inner_text())
    assert chosen
    assert f"layer {chosen[1]}, unit {chosen[2]}" in opened.text("#equations")
    opened.page.select_option("#feature", "word")
    opened.page.fill("#feature-word", "zebra")
    opened.page.click("#find")
    assert "not in the vocabulary" in opened.text("#found")
    opened.page.fill("#feature-word", "dog")
    opened.page.click("#find")
    assert found.count() == 5
    assert opened.page.locator("#maps canvas").count() == 6
    assert "story.txt, line" in opened.text("#places")


def test_the_samples_follow_their_slider(runs, open_page):
    opened = open_page(page_of(runs, "fable"))
    last = opened.text("#sample-texts")
    opened.page.locator("#sample-step").evaluate(
        "e => { e.value = 0; e.dispatchEvent(new Event('input')); }"
    )
    assert opened.text("#sample-texts") != last
    assert opened.text("#sample-texts").startswith("The old dog")


def test_charts_show_values_at_the_pointer_and_by_keyboard(runs, open_page):
    opened = open_page(page_of(runs, "fable"))
    chart = opened.page.locator("#loss svg")
    readout = opened.text("#loss .readout")
    chart.hover(position={"x": 60, "y": 60})
    assert opened.text("#loss .readout") != readout
    chart.focus()
    opened.page.keyboard.press("ArrowRight")
    assert "validation" in opened.text("#loss .readout")


def test_words_have_neighbors(runs, open_page):
    opened = open_page(page_of(runs, "fable"))
    opened.page.fill("#near", "dog")
    names = opened.page.locator("#neighbors li").all_text_contents()
    assert len(names) == 10
    assert "dog" not in [name.split(" ")[0] for name in names]
    opened.page.locator("#map text").nth(3).dispatch_event("click")
    chosen = opened.page.locator("#map text.chosen")
    assert chosen.count() == 1
    assert chosen.text_content() == opened.page.input_value("#near")
    opened.page.fill("#near", "zebra")
    assert "not in the vocabulary" in opened.text("#neighbors")


def test_all_of_it_works_by_keyboard(runs, open_page):
    opened = open_page(page_of(runs, "fable"))
    opened.page.locator("#cue").focus()
    opened.page.keyboard.press("Enter")
    opened.page.locator("#stop:disabled").wait_for()
    opened.page.locator("#text .word:not([hidden])").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "Enter"):
        opened.page.keyboard.press(key)
    assert opened.page.locator("#choices button").count() == 5


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(runs, open_page, width, scheme):
    opened = open_page(
        page_of(runs, "fable"), viewport={"width": width, "height": 800}, color_scheme=scheme
    )
    opened.write(words=40)
    assert opened.eval("document.documentElement.scrollWidth") <= width


HOSTILE = (
    "</script><script>document.title='owned'</script>", "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>", "javascript:alert(1)", "'\"><b onmouseover=alert(1)>x</b>",
    "\u202etxet siht\u202c", "\u2066abc\u2069", "&lt;b&gt;", "<!--", "]]>", "${alert(1)}",
    "\\u003c", "__proto__", "constructor", "toString", "a" * 10_000,
    "http://example.org/x.png", "\u2028",
)  # fmt: skip


@pytest.mark.parametrize("tokenizer", ["word", "whitespace"])
def test_hostile_words_do_nothing(open_page, tmp_path, tokenizer):
    text = tmp_path / "<img src=x onerror=alert(1)>.txt"
    lines = [f"{word} said {other} and ran ." for word in HOSTILE for other in HOSTILE[:4]]
    text.write_text("\n".join(lines), encoding="utf-8")
    config = {
        "data": {"train": str(text), "tokenizer": tokenizer, "valid_fraction": 0.2},
        "model": {"hidden_sizes": [6], "embedding_dim": 6},
        "train": {"window": 6, "batch_size": 4, "epochs": 1, "device": "cpu"},
        "sample": {"cues": list(HOSTILE[:3]), "words": 10},
    }
    (tmp_path / "my.yaml").write_text(json.dumps(config), encoding="utf-8")
    name = "<b onclick=alert(1)>run"
    call_cli("train", "my.yaml", "--name", name, "-q", cwd=tmp_path, check=0)
    run = next((tmp_path / "runs").glob("<b*"))
    opened = open_page(run / "report.html", viewport={"width": 400, "height": 800})
    assert opened.text("h1").startswith(name)
    opened.write(" ".join(HOSTILE), words=30, temperature=2)
    for i in range(0, opened.page.locator("#text .word").count(), 9):
        opened.page.locator("#text .word").nth(i).dispatch_event("click")
    for i in range(0, opened.page.locator("#inside-text .word").count(), 15):
        opened.page.locator("#inside-text .word").nth(i).dispatch_event("mouseenter")
    opened.page.fill("#near", HOSTILE[0])
    assert opened.eval("document.querySelectorAll('img, main script, b[onmouseover]').length") == 0
    assert opened.eval("document.title") != "owned"
    assert opened.eval("document.documentElement.scrollWidth") <= 400
    assert "".join(opened.words())  # the text is shown


def test_the_policy_stops_what_a_page_could_send(runs, open_page):
    opened = open_page(page_of(runs, "fable"))
    blocked = opened.eval(
        "async () => { const tried = [];"
        "try { await fetch('http://127.0.0.1:9/x'); } catch (e) { tried.push('fetch'); }"
        "const image = new Image(); image.onerror = () => tried.push('image');"
        "image.src = 'http://127.0.0.1:9/x.png'; await new Promise(r => setTimeout(r, 50));"
        "const script = document.createElement('script'); script.textContent = 'window.evil = 1';"
        "document.body.append(script); tried.push(String(window.evil)); return tried; }"
    )
    assert blocked == ["fetch", "image", "undefined"]
    assert all("Content Security Policy" in complaint for complaint in opened.complaints)
    opened.complaints.clear()
    assert opened.failures == ["http://127.0.0.1:9/x.png csp"]
    del opened.requests[1:]
