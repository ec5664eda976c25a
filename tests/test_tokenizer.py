"""The tokenizer loses nothing, and cuts as the rule says."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lstmgen.text.reading import is_turkish, normalize
from lstmgen.text.spacing import detokenize
from lstmgen.text.tokenizer import Tokenizer, tokenize
from tests.helpers import SOAK

SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
PROSE = st.text(
    alphabet="🇩🇪\U0001f3f4\U000e0067\U000e007f\ufeff\x85\x93"
    "ab Z9.,!?'’\"“”„-—_¬()\n\t\u3000é\u0301中ก\u0e33🙂\u200d👩🏽",
    max_size=60,
)


@pytest.mark.soak
@settings(max_examples=10_000 if SOAK else 600, deadline=None)
@given(st.one_of(st.text(), PROSE))
@example("¬")
@example("¬¬ ¬a¬")
@example("\u200d¬x")
@example(" lead and trail ")
@example("👩\u200d¬")
@example("a\u0301\u0301'b 1.2.3.4")
def test_t35_detokenize_gives_back_the_normalised_text(text):
    """Any text at all, thousands of them."""
    text = normalize(text)
    assert detokenize(tokenize(text)) == text
    for kind in ("word_v1", "character"):
        assert detokenize(tokenize(text, kind=kind), kind=kind) == text


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_normalising_twice_changes_nothing(text):
    assert normalize(normalize(text)) == normalize(text)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("I don't know.", ["I", "don't", "know", "."]),
        ("go 🇩🇪🇫🇷 🇮🇹!", ["go", "🇩🇪", "🇫🇷¬", "🇮🇹", "!"]),
        (f"{SCOTLAND}{SCOTLAND} won", [SCOTLAND, SCOTLAND + "¬", "won"]),
        ("half 🇩", ["half", "🇩"]),
        ("👨‍👩‍👧‍👦 👍🏽 1️⃣ ❤️‍🔥", ["👨‍👩‍👧‍👦", "👍🏽", "1️⃣", "❤️‍🔥"]),
        ("It’s what I’ll do.", ["It", "’s", "what", "I’ll", "do", "."]),
        (
            "'Tis the boys' hats, give 'em",
            ["'Tis", "the", "boys", "'¬", "hats", ",", "give", "'em"],
        ),
        ("at o'clock, y'all", ["at", "o'clock", ",", "y'all"]),
        ("L'homme qu’il a aujourd'hui", ["L'", "homme", "qu’", "il", "a", "aujourd'hui"]),
        ("c'è dell'arte", ["c'", "è", "dell'", "arte"]),
        ("d'Artagnan's", ["d'", "Artagnan", "'s"]),
        ("wie geht's", ["wie", "geht", "'s"]),
        ("The miller’s cat", ["The", "miller", "’s", "cat"]),
        ("It cost 1,000.50 at 12:30.", ["It", "cost", "1,000.50", "at", "12:30", "."]),
        ("a well-known man", ["a", "well", "-", "known", "man"]),
        ('"Yes," she said. "No."', ['"', "Yes", ",", '"', "she", "said", ".", '"', "No", ".", '"']),
        ("“Yes,” she said.", ["“", "Yes", ",", "”", "she", "said", "."]),
        ("„Ja“, sagte er", ["„", "Ja", "“", ",", "sagte", "er"]),
        ("»Ja«, sagte »er«", ["»", "Ja", "«", ",", "sagte", "»¬", "er", "«"]),
        ("«Ja», dit-il", ["«", "Ja", "»", ",", "dit", "-", "il"]),
        ("«\u00a0Oui\u00a0» dit-il", ["«", "\u00a0", "Oui", "\u00a0", "»", "dit", "-", "il"]),
        ("”Hej”, sade ”han”", ["”", "Hej", "”", ",", "sade", "”¬", "han", "”"]),
        ("‘I won’t,’ she said", ["‘", "I", "won’t", ",", "’", "she", "said"]),
        ("「你好」", ["「", "你", "好", "」"]),
        ("wait... what", ["wait", "...", "what"]),
        ("wait… what", ["wait", "…", "what"]),
        ("a—b", ["a", "—", "b"]),
        ("a — b", ["a", "—¬", "b¬"]),
        ("a -- b", ["a", "--¬", "b¬"]),
        ("so 🙂 good", ["so", "🙂", "good"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("我喜欢猫。", ["我", "喜", "欢", "猫", "。"]),
        ("ภาษาไทย", ["ภ", "า", "ษ", "า", "ไ", "ท", "ย"]),
        ("a\tb", ["a", "\t", "b"]),
        ("a  b", ["a", "  ", "b"]),
        ("one.\n\nTwo.\nThree", ["one", ".", "\n\n", "Two", ".", "\n", "Three"]),
        ("(see it)", ["(", "see", "it", ")"]),
        ("$5 and 5 %", ["$", "5", "and", "5", "%¬"]),
        ("caf\u00e9", ["caf\u00e9"]),
    ],
)
def test_known_texts_are_cut_as_documented(text, tokens):
    assert tokenize(text) == tokens
    assert detokenize(tokens) == text


@pytest.mark.parametrize("before", [[], ["“"], ["”"], ["„", "x"], ['"'], ["“", "”", "“"], ["\n"]])
def test_a_mark_of_its_own_closes_whatever_stood_before(before):
    assert detokenize([*before, "me", ".", "”"]).endswith("me.”")
    assert detokenize([*before, "me", ".", "“", "So"]).endswith(
        "." + ("“ So" if "„" in before else " “So")
    )


def test_a_quote_left_open_misleads_nothing_behind_it():
    text = 'The 5" nail. "Yes," he said. "No."'
    assert [token for token in tokenize(text) if "¬" in token] == ['"¬']


def test_texts_cut_by_the_first_version_are_cut_and_joined_as_then():
    text = "The miller’s “I don't,” he said, 'so' „x“."
    tokens = ["The", "miller", "’s", "“", "I", "don", "'t", ",", "”", "he", "said", ","]
    assert tokenize(text, kind="word_v1")[:12] == tokens
    assert detokenize(tokenize(text, kind="word_v1"), kind="word_v1") == text


def test_a_line_end_resets_the_quotes():
    text = '"Open\n"Again," he said'
    assert tokenize(text) == ['"', "Open", "\n", '"', "Again", ",", '"', "he", "said"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(['He said, "I', "'ll", "go.", '"', "a—b", "x\n", "'so'", "中文"])))
def test_blocks_cut_at_spaces_number_the_same_tokens(words):
    """The memory of the rule is carried from block to block."""
    text = normalize(" ".join(words)).strip()
    whole = Tokenizer("word")
    expected = [whole.forms()[n] for n in whole.encode(text)]
    parts = Tokenizer("word")
    cut = text.replace(" ", "\0 ").split("\0")  # each block begins with its space
    safe = all(part[:2].strip() and not part[-1:].isspace() for part in cut)
    if not safe:
        return
    numbers = [n for part in cut for n in parts.encode(part)]
    assert [parts.forms()[n] for n in numbers] == expected


def test_whitespace_tokens_are_joined_with_one_space():
    tokens = tokenize("the  cat\nsat <unk> .", kind="whitespace")
    assert tokens == ["the", "cat", "sat", "<unk>", "."]
    assert detokenize(tokens, kind="whitespace") == "the cat sat <unk> ."


def test_no_token_grows_without_bound():
    assert max(map(len, tokenize("a" * 10_000 + " " * 5_000 + "." * 3_000))) <= 201


@pytest.mark.parametrize(
    ("text", "lowercase", "expected"),
    [
        ("ISPARTA İstanbul Irmak", "turkish", "ısparta istanbul ırmak"),
        ("I\u0307stanbul", "turkish", "istanbul"),
        ("İstanbul IT", True, "istanbul it"),
        ("ΟΔΟΣ Straße", True, "οδος straße"),
    ],
)
def test_lower_case_keeps_the_dotless_i(text, lowercase, expected):
    assert normalize(text, lowercase=lowercase) == expected


def test_a_turkish_text_is_recognized():
    assert is_turkish(["Kız kardeşi ısrarla ağladı, sonra", " kapıyı açtı ve çıktı."])
    assert not is_turkish(
        ["He went to Diyarbakır with his sister, and it rained in the night, as if in spring."]
    )
