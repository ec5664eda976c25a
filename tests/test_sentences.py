"""Where sentences, paragraphs and samples end, and marks in pairs."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstmgen.cells.building_blocks import State
from lstmgen.config.schema import Config, DataConfig, SampleConfig
from lstmgen.generation.balance import Open, find_balance
from lstmgen.generation.continuation import Continuation, Endings
from lstmgen.generation.generator import Generator
from lstmgen.generation.next_word import CueReader
from lstmgen.generation.pieces import join_pieces
from lstmgen.generation.sampling_loop import continue_cue
from lstmgen.text.marks import unbalanced_families
from lstmgen.text.prepared import prepare
from lstmgen.text.spacing import Detokenizer
from lstmgen.text.style import TextStyle, learn_style
from lstmgen.text.tokenizer import tokenize
from lstmgen.text.vocabulary import STORY, build_vocabulary
from tests.helpers.program import call_cli


class AnyWord:
    """An engine that finds all entries alike."""

    def __init__(self, size):
        self.size = size

    def zero_states(self, batch):
        return [State(np.zeros((batch, 1)), np.zeros((batch, 1)))]

    def read(self, ids, states):
        return self.zero_states(len(ids))

    def logits(self, states):
        return np.zeros((len(states[0].hidden), self.size))


def learn(tmp_path, text, **data):
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    config = DataConfig(train=str(tmp_path / "text.txt"), valid_fraction=0, **data)
    return prepare(config, folder=tmp_path / "prepared").vocabulary


def random_texts(vocabulary, cue="", *, samples=20, **sample):
    generator = Generator(Config(), vocabulary, AnyWord(len(vocabulary)), None)
    reader = CueReader(generator, SampleConfig(temperature=1.0, top_p=1.0, **sample), cue)
    return join_pieces(continue_cue(reader, samples=samples, seed=1), samples)


PAIRS = {
    "straight": ('"', '"'), "curly": ("“", "”"), "low": ("„", "“"), "guillemets": ("«", "»"),
    "spaced": ("« ", " »"), "outward": ("»", "«"), "corner": ("「", "」"),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_marks_are_in_pairs_whatever_the_model_prefers(tmp_path, name, wrapped):
    """Also those that the cue has left open."""
    left, right = PAIRS[name]
    line = f"{left}Come in,{right} she said (softly). {left}Sit down,\nthere!{right} He sat down,"
    text = (line + " and [slowly]\nlooked up at the (old) clock.\n\n") * 30
    if not wrapped:
        text = text.replace("\n\n", "¶").replace("\n", " ").replace("¶", "\n")
    vocabulary = learn(tmp_path, text)
    assert vocabulary.style is not None and vocabulary.style.wrapped == wrapped
    for cue in ("", f"{left}Come in", "She said ("):
        for sample in random_texts(vocabulary, cue, words=200, stop="words", samples=5):
            paragraphs = (cue + sample).split("\n\n" if wrapped else "\n")
            assert not [p for p in paragraphs[:-1] if unbalanced_families(p)]
    samples = random_texts(vocabulary, words=50, stop="words", balance_quotes=False)
    assert any(map(unbalanced_families, "\n".join(samples).split("\n")))


SINGLE = "'Come in, you can't,' she said. 'It's Tom's table.' He sat down on the horses' hay.\n"


@pytest.mark.parametrize("closing", ["'", "’"])
def test_single_quotations_are_closed_and_apostrophes_stand_where_the_text_has_them(
    tmp_path, closing
):
    """A straight one is an apostrophe too; a curly one that closes is both."""
    line = SINGLE
    if closing == "’":
        line = re.sub(r"(?<!\S)'", "‘", line).replace("'", "’")
    vocabulary = learn(tmp_path, line * 30)
    opening = line[0]
    assert opening in vocabulary.style.openers.values()
    samples = random_texts(vocabulary, words=200, stop="words", samples=10)
    for paragraph in "\n".join(sample[: sample.rfind("\n") + 1] for sample in samples).split("\n"):
        opened = re.findall(rf"(?<!\S){opening}(?=\w)", paragraph)
        closed = re.findall(rf"(?<=\S){closing}(?!\w)", paragraph)
        assert len(opened) <= len(closed), paragraph
        if opening not in paragraph:
            assert set(re.findall(rf"(\w*){closing}(?!\w)", paragraph)) <= {"horses"}, paragraph


def test_marks_that_the_text_does_not_pair_are_left_alone(tmp_path):
    vocabulary = learn(
        tmp_path, "1) one thing :)\n2) “two (more)\n3) a “third” thing\n4) “x\n" * 20
    )
    assert vocabulary.style is not None and vocabulary.style.openers == {}
    assert any(")" in text for text in random_texts(vocabulary, words=20))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='ab \n\n"“”«»()[].,!’‘¬', max_size=200))
def test_a_style_is_learned_of_any_text(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp() / "style"
    folder.mkdir(exist_ok=True)
    vocabulary = learn(folder, "a b " + text)
    style = vocabulary.style
    assert TextStyle.from_json(style.as_json(), entries=len(vocabulary)) == style
    for sample in random_texts(vocabulary, words=5, samples=3):
        assert len(sample) < 3000


def test_a_style_without_the_stems_of_apostrophes_allows_any():
    data = TextStyle(apostrophe_stems=(1, 2)).as_json()
    assert TextStyle.from_json(data, entries=3).apostrophe_stems == (1, 2)
    with pytest.raises(ValueError):
        TextStyle.from_json(data, entries=2)
    del data["apostrophe_stems"]
    assert TextStyle.from_json(data, entries=3).apostrophe_stems is None


NAMES = "Mr. Barry met Mrs. Lynde. She came. Dr. Ames sat. He left! Mr. Barry went. They ran. "


def test_abbreviations_are_learned_from_what_follows_them(tmp_path):
    text = (NAMES + "Sup. Barry and Sup. Lynde saw Prov. king. Barry ran home.\n") * 20
    vocabulary = learn(tmp_path, text)
    words = {vocabulary.entries[i] for i in vocabulary.style.abbreviations}
    assert {"Mr", "Mrs", "Sup"} <= words and not {"came", "left", "home", "ran"} & words


def written(text, *, endings=None, kind="word", **sample):
    """What a continuation keeps of the tokens of a text."""
    config = SampleConfig(**{"stop": "sentence"} | sample)
    continuation = Continuation(0, config, Detokenizer(kind), False, endings or Endings())
    kept = ""
    for token in [*tokenize(text, kind=kind), "Then"]:
        piece = continuation.add(token)
        kept += piece.text
        if piece.ended:
            break
    return kept


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("He saw Mr. King. Then", "He saw Mr. King."),
        ("It was J. S. Bach. Then", "It was J. S. Bach."),
        ("It is I. Then", "It is I."),
        ("He saw e.g. a dog. Then", "He saw e.g. a dog."),
        ("“Come!” said he. Then", "“Come!” said he."),
        ("“Come!” He came. Then", "“Come!”"),
        ("बारिश रुक गई। राम गया।", "बारिश रुक गई।"),
        ("বৃষ্টি থামল। সে গেল।", "বৃষ্টি থামল।"),
        ("بارش رک گئی۔ ہم گھر", "بارش رک گئی۔"),
        ("ذهب الولد؟ نعم.", "ذهب الولد؟"),
        ("Նա գնաց։ Նա եկավ։", "Նա գնաց։"),
        ("እሱ ሄደ። እሷ መጣች።", "እሱ ሄደ።"),
        ("គាត់ទៅ។គាត់មក។", "គាត់ទៅ។"),
        ("သူသွားသည်။သူလာသည်။", "သူသွားသည်။"),
        ("བོད་ཡིག། ང་།", "བོད་ཡིག།"),
        ("Πού πας; Εκεί.", "Πού πας;"),
        ("Come; go. Then", "Come; go."),
        ("「来た。」彼は言った。", "「来た。」"),
    ],
)  # fmt: skip
def test_a_sentence_ends_in_any_script_and_not_after_an_abbreviation(text, sentence):
    assert written(text) == sentence


def test_abbreviations_and_case_of_the_text_count():
    endings = Endings(abbreviations=frozenset({"Sup"}))
    assert written("He met Sup. King. Then", endings=endings) == "He met Sup. King."
    assert written("he left. she came. Then", endings=Endings(cased=False)) == "he left."


POEM = "The tide goes out\nand none will know,\n\nThe gulls\ncome in\n\nAt last\n"


def test_a_paragraph_of_wrapped_text_ends_at_a_blank_line():
    wrapped = Endings(wrapped=True)
    first, _, _ = POEM.partition("\n\n")
    assert written(POEM, stop="paragraph", endings=wrapped) == first
    assert written(POEM, stop="line", endings=wrapped) == "The tide goes out"
    assert written(POEM, stop="paragraph") == "The tide goes out"


def test_a_sample_ends_with_its_sentence():
    text = "One two three four. Five six seven eight nine ten eleven twelve"
    assert written(text, stop="story", words=3) == "One two three four."
    assert written(text, stop="story", words=3, hard_limit=True) == "One two three"
    assert written(text, stop="words", words=3) == "One two three"
    assert written(text, stop="story", words=6) == " ".join(text.split()[:9])  # half as many later
    assert written("One two\nThree four", stop="story", words=2) == "One two"


def test_a_long_sentence_ends_at_a_pause(tmp_path):
    vocabulary = learn(tmp_path, "One two, three four, five six, seven eight, and nine. " * 40)
    texts = random_texts(vocabulary, words=40, stop="paragraph", samples=50)
    assert all(40 <= len(re.findall(r"\w+", text)) <= 60 for text in texts)
    assert sum(text.endswith(".") for text in texts) >= 40


@pytest.mark.parametrize("kind", ["whitespace", "character"])
def test_sentences_end_in_texts_of_other_tokenizers(kind):
    assert written("He saw Mr. King. Then he", kind=kind) == "He saw Mr. King."


def test_marks_are_left_alone_where_the_command_line_says_so(tmp_path):
    text = "“Come in,” she said. “Sit down.”\n" * 40
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    options = ("train.init_from=none", "train.epochs=1", "model.hidden_sizes=[8]", "-q")
    call_cli("train", "text.txt", *options, cwd=tmp_path, check=0)
    hot = ("--temperature", "50", "--top-p", "1", "--words", "200", "--stop", "words", "--seed", 1)
    kept, free = (
        call_cli("generate", "-q", *hot, *more, cwd=tmp_path, check=0).stdout
        for more in ((), ("--no-balance-quotes",))
    )
    assert not [p for p in kept.split("\n")[:-1] if unbalanced_families(p)][:-1]
    assert len([p for p in free.split("\n") if unbalanced_families(p)]) > 3


def test_what_begins_a_quotation_is_learned_and_obeyed():
    """Come, "said Anna" is a quotation turned inside out."""
    text = ('"Come here," said Anna. "It is late," said the cat.\n\nThe cat said no, "and that was '
            'that," said Anna. "Yes."\n\n"Well," said Anna.\n\nAnna said it.\n\n') * 12  # fmt: skip
    tokens = tokenize(text)
    counts = Counter(tokens)
    vocabulary = build_vocabulary({**counts, STORY: 1})
    ids = np.array([0, *(vocabulary.ids[token] for token in tokens)], dtype=np.uint32)
    style = learn_style(vocabulary.entries, ids)
    assert style.quotation_starts is not None
    starts = {vocabulary.entries[i] for i in style.quotation_starts}
    assert starts == {"Come", "It", "and", "Yes", "Well"}
    again = TextStyle.from_json(style.as_json(), entries=len(vocabulary))
    assert again == style
    balance = find_balance(replace(vocabulary, style=style))
    opened = balance.after(Open(), vocabulary.ids['"'])
    forbidden = set(balance.rules(opened).forbidden.tolist())
    assert opened.just_opened and {vocabulary.ids[w] for w in ("said", "Anna")} <= forbidden
    assert not {vocabulary.ids[w] for w in starts} & forbidden
    inside = balance.after(opened, vocabulary.ids["Come"])
    assert vocabulary.ids["said"] not in balance.rules(inside).forbidden
    unknown = find_balance(replace(vocabulary, style=replace(style, quotation_starts=None)))
    assert vocabulary.ids["said"] not in unknown.rules(opened).forbidden
