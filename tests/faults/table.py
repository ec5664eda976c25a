"""One row per fault: what is done, and what lstmgen says to it.

A row starts from a folder with a text, a config and one finished run. Its harm is done, its
command is run; then, whatever the row, it must end with the row's exit code and words, with one
message, without a traceback, without a control character on either stream, and with every file
of the runs as it was. A new fault is one more row. docs/reliability.md counts them.
"""

import gzip
import io
import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

from lstmgen.generation.chosen import MOST
from tests.helpers.scenes import RUN, best, checkpoints_of, forge, last, seal, write_manifest

TRAIN = ("train", "my.yaml", "--name", "second")
GENERATE = ("generate", RUN, "--cue", "The cat", "--words", "5")
RESUME = ("train", "--resume", RUN, "train.max_steps=28")
EVALUATE = ("evaluate", RUN)
WRITE = ("write", RUN)
INSPECT = ("inspect", RUN)


@dataclass(frozen=True)
class Fault:
    """What is done to whom, and what must come of it.

    Attributes:
        name: ``tNN_...``, after the promise that it tests.
        injected: what is wrong, in words.
        command: of ``lstmgen``, in the folder of the run.
        words: a part of the message, on stderr.
        code: the exit code.
        files: written before the command, by name.
        harm: done before it.
    """

    name: str
    injected: str
    command: tuple[str, ...]
    words: str
    code: int = 2
    files: dict[str, bytes] = field(default_factory=dict)
    harm: Callable[[Path], None] | None = None


def _config(name: str, text: str | bytes, words: str, *, injected: str = "") -> Fault:
    data = text.encode() if isinstance(text, str) else text
    shown = injected or "`" + data.decode(errors="replace").replace("\n", " ⏎ ") + "`"
    return Fault(f"t34_{name}", f"a config: {shown}", ("train", "bad.yaml"), words,
                 files={"bad.yaml": data})  # fmt: skip


def _override(name: str, *settings: str, words: str) -> Fault:
    shown = f"a setting: `{' '.join(settings)}`"
    return Fault(f"t34_{name}", shown, (*TRAIN, *settings), words)


def _zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "application/epub+zip" if name == "mimetype" else "text")
    return file.getvalue()


OTHER_FORMATS = (
    ("docx", "a Word document (docx)", _zip("[Content_Types].xml", "word/document.xml"), "Export"),
    ("epub", "an EPUB book", _zip("mimetype", "text.xhtml"), "Export it as plain text"),
    ("zip", "a zip archive", _zip("a.txt"), "Unpack it first"),
    ("gzip", "a gzip archive", gzip.compress(b"text"), "Unpack it first"),
    ("pdf", "a PDF file", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "Export it as plain text"),
    ("rtf", "an RTF document", b"{\\rtf1\\ansi text}", "Export it as plain text"),
    ("html", "an HTML page", b"\xef\xbb\xbf\n <!DOCTYPE HTML>\n<html>text</html>", "Export it"),
    ("doc", "an old Office document (doc)", bytes.fromhex("d0cf11e0a1b11ae1"), "Export it"),
)


OTHER_VOCABULARIES = (
    ("counts", b"the 40\ncat 12\n", "line 1: 'the 40' has a count or a score after the word"),
    ("tabs", b"the\t-1.5\ncat\t-2\n", "has a count or a score after the word; the entries are 0%"),
    ("json", b'{"the": 1, "cat": 2}', "looks like JSON"),
    ("blanks", b"the \ncat \n", "line 1: 'the ' has blanks at its ends"),
    ("capitals", b"THE\nCAT\n", "line 1: 'THE' stands in the text in another letter case"),
    ("others", b"zebra\nyak\n", "line 1: 'zebra' does not occur in the training text"),
)


def _text(name: str, injected: str, data: bytes, words: str) -> Fault:
    return Fault(f"t37_{name}", injected, (*TRAIN, "data.train=odd.txt"), words,
                 files={"odd.txt": data})  # fmt: skip


def _sample(name: str, *options: str, words: str, code: int = 2) -> Fault:
    return Fault(f"t41_{name}", f"`{' '.join(options)}`", (*GENERATE, *options), words, code)


def _cues(
    name: str, injected: str, words: str, *, data: bytes = b"The cat\n",
    options: tuple[str, ...] = ("--cues", "odd.txt"), harm: Callable[[Path], None] | None = None,
) -> Fault:  # fmt: skip
    return Fault(f"t38_cues_{name}", injected, ("generate", RUN, *options), words,
                 files={"odd.txt": data}, harm=harm)  # fmt: skip


def _damage(name: str, injected: str, file: str, harm: Callable[[Path], None], words: str) -> Fault:
    """Harm to a file of the best checkpoint, which ``generate`` reads."""
    return Fault(f"t15_{name}", injected, GENERATE, words,
                 harm=lambda folder: harm(best(folder / RUN) / file))  # fmt: skip


def _forged(
    name: str, injected: str, words: str, harm: Callable[[Path], None],
    command: tuple[str, ...] = GENERATE,
) -> Fault:  # fmt: skip
    """Something hostile in a checkpoint whose manifest is true of it."""
    return Fault(name, injected, command, words, harm=lambda folder: harm(best(folder / RUN)))


def _adapt(run: Path, change: dict[str, object], *, order: int = 3, blanks: int = 0) -> None:
    """Parameters as ``--tune`` finds them, but for a change."""
    weights = [[1.0], [0.9, 0.1], [0.9, 0.1], [0.8, 0.1, 0.1], [1.0], [0.9, 0.1], [0.8, 0.1, 0.1]]
    found = {"cache_window": 500, "cache_theta": 1.0, "weights": weights, "words": 100,
             "dynamic": {"rate": 0.1, "decay": 0.0, "segment": 20, "rule": "rms"}}  # fmt: skip
    tuned = {"digest": "x", "step": 25, "order": order, "adaptation": found | change}
    (run / "adaptation.json").write_text(json.dumps(tuned) + " " * blanks, encoding="utf-8")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _cut_to(share: float) -> Callable[[Path], None]:
    def cut(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return cut


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(bytes(data))


def _put(content: bytes) -> Callable[[Path], None]:
    def put(path: Path) -> None:
        path.unlink()
        path.write_bytes(content)

    return put


def _make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _write_folder(folder: Path, *names: str) -> None:
    folder.mkdir()
    for name in names:
        (folder / name).write_text("text")


def _make_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _weights(change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]):
    def harm(step: Path) -> None:
        held = {name: array.copy() for name, array in load_bytes(step).items()}
        seal(step, model_safetensors=save(change(held)))

    return harm


NO_SCALE = "embedding.weight is no int8 matrix with a float32 scale for each row"


def _labeled_int8(change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]):
    """Change the weights of a checkpoint whose manifest says that they are quantized."""

    def harm(step: Path) -> None:
        _manifest(step, {"format": 5, "quantized": "int8"})
        _weights(change)(step)

    return harm


def _int8(
    weights: dict[str, np.ndarray], scale: Callable[[int], np.ndarray] | None
) -> dict[str, np.ndarray]:
    """Weights whose embedding is int8, with a scale or without."""
    name = "embedding.weight"
    changed = weights | {name: np.full(weights[name].shape, 127, np.int8)}
    if scale is not None:
        changed[f"{name}.scale"] = scale(len(weights[name])).astype(np.float32)
    return changed


def load_bytes(step: Path) -> dict[str, np.ndarray]:
    return load((step / "model.safetensors").read_bytes())


def _header(text: bytes, body: bytes = b"") -> bytes:
    """A safetensors file with a header of one's own."""
    return struct.pack("<Q", len(text)) + text + body


def _entries(change: Callable[[dict], dict], file: str = "vocabulary.json"):
    return lambda step: forge(step, file, change)


def _config_of(step: Path, old: bytes, new: bytes) -> None:
    text = (step / "config.yaml").read_bytes()
    assert old in text
    seal(step, config_yaml=text.replace(old, new))


def _set(array: np.ndarray, value: float) -> np.ndarray:
    array.reshape(-1)[0] = value
    return array


CONFIGS = (
    _config("unknown_key", "train:\n  windwo: 3",
            "bad.yaml:2: train.windwo = 3: no such key. Did you mean train.window?"),
    _config("key_of_another_section", "train:\n  embedding_dim: 3", "bad.yaml:2: "
            "train.embedding_dim = 3: no such key here. It belongs under model: "
            "(model.embedding_dim)"),
    _config("key_without_section", "window: 3", "bad.yaml:1: window = 3: no such key here. It "
            "belongs under train: (train.window)"),
    _config("unknown_section", "trian:\n  window: 3",
            "bad.yaml:1: trian = {'window': 3}: no such key. Did you mean train?"),
    _config("unknown_key_at_depth", "model:\n  dropout:\n    inptu: 0.5", "bad.yaml:3: "
            "model.dropout.inptu = 0.5: no such key. Did you mean model.dropout.input?"),
    _config("unknown_key_like_none", "data:\n  separator: x",
            "bad.yaml:2: data.separator = 'x': no such key. Known here: train, valid, test, "),
    _config("section_in_another_section", "train:\n  dropout: 0.5", "bad.yaml:2: train.dropout = "
            "0.5: no such key here. It belongs under model: (model.dropout)"),
    _config("stride_beyond_window", "train:\n  stride: 9\n  window: 4", "bad.yaml:2: train.stride "
            "= 9: must lie in 1..train.window (4). Lower train.stride or raise train.window"),
    _config("fraction_for_whole", "train:\n  window: 1.5",
            "bad.yaml:2: train.window = 1.5: must be a whole number"),
    _config("large_fraction_for_whole", "train:\n  window: 1.55e1",
            "bad.yaml:2: train.window = 15.5: must be a whole number"),
    _config("whole_float_below_the_limit", "train:\n  window: 0.0",
            "bad.yaml:2: train.window = 0: must be at least 1"),
    _config("true_for_whole", "train:\n  window: true",
            "bad.yaml:2: train.window = true: must be a whole number"),
    _config("zero", "train:\n  window: 0", "bad.yaml:2: train.window = 0: must be at least 1"),
    _config("keep_nothing", "train:\n  keep: 0", "bad.yaml:2: train.keep = 0: must be at least 1"),
    _config("minutes_and_seconds", "train:\n  window: 1:30",
            "bad.yaml:2: train.window = '1:30': must be a whole number"),
    _config("negative", "train:\n  learning_rate: -1",
            "bad.yaml:2: train.learning_rate = -1: must be at least 0"),
    _config("not_a_number", "train:\n  learning_rate: .nan",
            "bad.yaml:2: train.learning_rate = nan: must be a finite number"),
    _config("infinite", "train:\n  learning_rate: .inf",
            "bad.yaml:2: train.learning_rate = inf: must be a finite number"),
    _config("word_for_number", "train:\n  learning_rate: fast",
            "bad.yaml:2: train.learning_rate = 'fast': must be a number"),
    _config("list_for_number", "train:\n  learning_rate: [1]",
            "bad.yaml:2: train.learning_rate = [1]: must be a number"),
    _config("number_in_quotes", 'train:\n  epochs: "3"',
            "bad.yaml:2: train.epochs = '3': must be a whole number"),
    _config("absurdly_large", "train:\n  batch_size: 1000000000000",
            "bad.yaml:2: train.batch_size = 1000000000000: must be at most 1,000,000"),
    _config("unknown_choice", "train:\n  order: up",
            "bad.yaml:2: train.order = 'up': must be streams or random"),
    _config("unknown_optimizer", "train:\n  optimizer: adam",
            "bad.yaml:2: train.optimizer = 'adam': must be adamw or sgd"),
    _config("unknown_schedule", "train:\n  schedule: step", "bad.yaml:2: train.schedule = 'step': "
            "must be constant, cosine, one_cycle or plateau"),
    _config("unknown_average", "train:\n  average: mean",
            "bad.yaml:2: train.average = 'mean': must be ema, swa or nt"),
    _config("unknown_device", "train:\n  device: tpu",
            "bad.yaml:2: train.device = 'tpu': must be auto, cpu or cuda"),
    _config("unknown_tokenizer", "data:\n  tokenizer: bpe",
            "bad.yaml:2: data.tokenizer = 'bpe': must be word, word_v1, whitespace or character"),
    _config("twice", "train:\n  seed: 1\n  seed: 2",
            "bad.yaml:3: train.seed: duplicate key (first in line 2). Keep one"),
    _config("section_twice", "train:\n  seed: 1\ntrain:\n  window: 2",
            "bad.yaml:3: train: duplicate key (first in line 1). Keep one"),
    _config("no_for_false", "data:\n  lowercase: no",
            "bad.yaml:2: data.lowercase = 'no': must be true or false"),
    _config("too_much_validation", "data:\n  valid_fraction: 0.9",
            "bad.yaml:2: data.valid_fraction = 0.9: must be at most 0.5"),
    _config("everything_dropped", "model:\n  dropout: {output: 1}",
            "bad.yaml:2: model.dropout.output = 1: must be less than 1"),
    _config("no_layers", "model:\n  hidden_sizes: []", "bad.yaml:2: model.hidden_sizes = []: must "
            "be a list with at least one entry, as in [256]"),
    _config("a_layer_of_nothing", "model:\n  hidden_sizes: [3, 0]",
            "bad.yaml:2: model.hidden_sizes = 0: must be at least 1"),
    _config("number_for_list", "model:\n  hidden_sizes: 256",
            "bad.yaml:2: model.hidden_sizes = 256: must be a list"),
    _config("tied_one_hot", "model:\n  input: one_hot\n  tie_weights: true",
            "bad.yaml:2: model.input = one_hot: one-hot input has no word vectors that the output "
            "could share. Set model.tie_weights: false"),
    _config("half_a_character", 'sample: {cues: ["\\ud800"]}', "sample.cues = ['\\ud800']: has "
            "bytes that are no text. Write it in UTF-8"),
    _config("half_a_character_alone", 'sample: {start_with: "\\ud800"}', "sample.start_with = "
            "\\ud800: has bytes that are no text. Write it in UTF-8"),
    _override("bytes_in_a_tag", "sample.tag=\udcff", words="sample.tag = \\udcff: has bytes that "
              "are no text"),
    _config("tied_adaptive", "model:\n  output: adaptive", "bad.yaml:2: model.output = adaptive"),
    _config("surrogate_key", '"\\ud800": 1', "bad.yaml:1: \\ud800 = 1: no such key. Known "
            "here: data"),
    _config("many_unknown_keys", "".join(f"k{i}: 1\n" for i in range(5000)),
            "and 4,980 other problems", injected="5,000 unknown keys"),
    _config("unknown_cell", "model:\n  cell: lsmt", "bad.yaml:2: model.cell = 'lsmt': must be "
            "elman, gru, lstm or lstm_peephole"),
    _config("peephole_of_gru", "model:\n  cell: gru\n  peephole: full", "bad.yaml:3: "
            "model.peephole = full: model.cell: gru has no peepholes. Set model.cell: "
            "lstm_peephole, or leave model.peephole out"),
    _config("no_such_kernel", "model:\n  cell: lstm_peephole\n  backend: fused", "bad.yaml:3: "
            "model.backend = fused: torch has no kernel for peepholes. Set model.backend: loop, "
            "or leave it out"),
    _config("two_vocabularies", "data:\n  vocabulary: v.txt\n  min_count: 2", "bad.yaml:3: "
            "data.min_count = 2: data.vocabulary lists the entries already. Remove one"),
    _config("number_for_path", "data:\n  train: 3", "bad.yaml:2: data.train = 3: must be"),
    _config("number_for_section", "train: 3", "bad.yaml:1: train = 3: must be a section with keys "
            "of its own, each on a line below it"),
    _config("top_p_of_nothing", "sample:\n  top_p: 0",
            "bad.yaml:2: sample.top_p = 0: must be more than 0"),
    _config("negative_temperature", "sample:\n  temperature: -1",
            "bad.yaml:2: sample.temperature = -1: must be at least 0"),
    _config("cue_for_cues", "sample:\n  cues: The cat",
            "bad.yaml:2: sample.cues = 'The cat': must be a list"),
    _config("list_at_the_top", "- a\n- b",
            "bad.yaml: the file must hold sections such as data: and train:"),
    _config("word_at_the_top", "train", "bad.yaml: the file must hold sections such as data:"),
    _config("two_documents", "a: 1\n---\nb: 2",
            "bad.yaml:2: a second document begins here (---). Keep one"),
    _config("tab", "train:\n\twindow: 3",
            "bad.yaml:2: a tab indents this line. YAML wants spaces"),
    _config("open_bracket", "model:\n  hidden_sizes: [3", "bad.yaml:"),
    _config("open_quote", "train:\n  device: 'cpu", "bad.yaml:"),
    _config("no_space_behind_a_colon", "train:\n  window:3\n  seed: 1", "bad.yaml:"),
    _config("alias", "a: &x 1\nb: *x", "bad.yaml:1: anchors (&) and aliases (*) are not used in a "
            "config. Write the value out"),
    _config("billion_laughs", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
            "bad.yaml:1: anchors (&) and aliases (*) are not used"),
    _config("tag_that_runs", "a: !!python/object/apply:os.system [ls]",
            "bad.yaml:1: a: tags are not used: tag:yaml.org,2002:python/object/apply:os.system"),
    _config("ten_thousand_deep", "[" * 10_000, "bad.yaml:1: nested too deep for a config",
            injected="ten thousand lists in one another"),
    _config("a_megabyte", "#" * 1_000_001, "bad.yaml: is larger than 1,000,000 bytes",
            injected="more than a megabyte"),
    _config("not_utf8", b"train:\n  seed: \xff", "bad.yaml:2: not UTF-8. Save the file as UTF-8"),
    _config("half_utf16", b"\xff\xfet\x00r", "bad.yaml", injected="UTF-16 cut in a character"),
    _config("nul", b"train:\n  seed: \x00", "bad.yaml:2: holds a character (U+0000) that YAML"),
    _config("escape_codes", b"train:\n  \x1b[2Jseed: 1",
            "bad.yaml:2: holds a character (U+001B) that YAML does not allow"),
    _config("escape_codes_in_quotes", 'train:\n  "\\x1b[2J": 1', "no such key"),
    _config("empty", "", "data.train: no text is named. Write a path: data.train=story.txt",
            injected="an empty file"),
    Fault("t34_device", "a link to a device without an end for a config", ("train", "bad.yaml"),
          "bad.yaml: is larger than 1,000,000 bytes. A config is a page of YAML, not a text",
          harm=lambda f: (f / "bad.yaml").symlink_to("/dev/zero")),
    Fault("t34_missing", "no such config", ("train", "none.yaml"), "error: none.yaml: no such "
          "config file. Name a file, or one of those that come with lstmgen: base, "),
    Fault("t34_folder", "a folder for a config", ("train", "runs"), "runs: the folder holds no "
          ".txt, .text or .md file"),
    Fault("t34_none_named", "no config at all", ("train",), "error: no config is named. Write: "
          "lstmgen train CONFIG"),
    Fault("t34_two_named", "two configs", ("train", "my.yaml", "other.yaml"),
          "error: other.yaml: one config at a time"),
    _override("not_a_setting", "=3", words="command line: '=3': write key=value"),
    _override("unknown_in_override", "train.windwo=3", words="error: command line: train.windwo = "
              "3: no such key. Did you mean train.window?"),
    _override("wrong_in_override", "train.patience=x",
              words="command line: train.patience = 'x': must be a whole number"),
    _override("conflict_in_overrides", "train.window=4", "train.stride=9",
              words="error: command line: train.stride = 9: must lie in 1..train.window (4)"),
    _override("open_bracket_in_override", "model.hidden_sizes=[3", words="command line"),
    Fault("t34_name_of_a_folder", "a run named `a/b`", (*TRAIN[:2], "--name", "a/b"),
          "--name 'a/b': must be a plain folder name"),
    Fault("t34_hidden_name", "a run named `.hidden`", (*TRAIN[:2], "--name", ".hidden"),
          "--name '.hidden': must be a plain folder name"),
    Fault("t34_no_gpu", "CUDA where there is none", (*TRAIN, "train.device=cuda"),
          "train.device = cuda: torch sees no CUDA GPU here. Set train.device: auto or cpu"),
)  # fmt: skip

RESUMPTIONS = (
    Fault("t05_another_window", "`train.window=5` on resuming", (*RESUME, "train.window=5"),
          "train.window: cannot change when a run is resumed; these can: "),
    Fault("t05_another_text", "a text that begins otherwise", RESUME, "cannot be resumed: the "
          "text, or its vocabulary file, is not the one it was trained on. Put that back",
          harm=lambda f: (f / "story.txt").write_bytes(b"A " + (f / "story.txt").read_bytes())),
    Fault("t05_longer_text", "a text that has grown", RESUME, "cannot be resumed: the text, or",
          harm=lambda f: (f / "story.txt").write_bytes((f / "story.txt").read_bytes() + b"More.")),
    Fault("t05_text_gone", "a text that is gone", RESUME, "story.txt: no such file or folder. "
          "Where the text was moved: lstmgen train --resume runs/first data.train=PATH",
          harm=lambda f: (f / "story.txt").unlink()),
    Fault("t05_another_vocabulary", "a vocabulary file where there was none",
          (*RESUME, "data.vocabulary=words.txt"), "cannot be resumed: the text, or its vocabulary",
          files={"words.txt": b"the\ncat\n"}),
    *(
        Fault(f"t05_edited_{key}", f"`{key}` edited in resolved.yaml", RESUME,
              f"cannot be resumed: {name} was {old} and is now {new}. Put it back, or start a new",
              harm=lambda f, key=key, old=old, new=new: _edit(
                  f, f"{key}: {old.lower()}", f"{key}: {new.lower()}"))
        for key, name, old, new in (
            ("batch_size", "train.batch_size", "4", "2"),
            ("window", "train.window", "8", "6"),
            ("learning_rate", "train.learning_rate", "0.01", "0.02"),
            ("optimizer", "train.optimizer", "adamw", "sgd"),
            ("seed", "train.seed", "0", "1"),
            ("embedding_dim", "model.embedding_dim", "8", "9"),
            ("lowercase", "data.lowercase", "False", "True"),
            ("min_count", "data.min_count", "1", "2"),
        )
    ),
    Fault("t06_longer_than_the_schedule", "a run longer than its schedule", RESUME,
          "train.max_steps = 28 cannot make this run longer, because its cosine schedule ends at "
          "step 25 with a learning rate of 0: 3 steps would learn nothing. To train on, start from "
          "its weights: lstmgen train runs/first/resolved.yaml train.init_from=runs/first "
          "train.epochs=null train.max_steps=3\n",
          harm=lambda f: _reschedule(f)),
    Fault("t05_no_run", "a folder that is no run", ("train", "--resume", "."),
          ".: is not a run folder, there is nothing to resume"),
    Fault("t05_nothing_saved", "a run without a checkpoint", RESUME,
          "has no checkpoint to resume from",
          harm=lambda f: _remove_checkpoints(f / RUN)),
    _forged("t03_no_carried_state", "carried states taken out of the state", "is damaged "
            "(state.safetensors: the carried states do not fit", command=RESUME,
            harm=lambda step: _drop(step, "carried/")),
    *(_forged(f"t03_window_{name}", f"a window of {value!r} in state.json", "is damaged (state.",
              lambda step, value=value: forge(
                  _alone(step), "state.json", lambda s: s | {"window": value}),
              command=RESUME) for name, value in
      (("of_text", "abc"), ("null", None), ("zero", 0), ("negative", -5), ("list", [1]))),
    *(_forged(f"t03_schedule_{name}", f"a schedule of {value!r} steps in state.json", "is damaged "
              "(state.json: not a count)", lambda step, value=value: forge(
                  _alone(step), "state.json", lambda s: s | {"schedule_steps": value}),
              command=RESUME) for name, value in
      (("of_a_fraction", 25.5), ("of_text", "25"), ("of_truth", True), ("negative", -1),
       ("endless", 2**62))),
    *(_forged(f"t03_progress_{name}", f"{value!r} in the place of the counters", "is damaged "
              "(state.json does not hold counters)", lambda step, value=value: forge(
                  _alone(step), "state.json", lambda s: s | {"progress": value}),
              command=RESUME) for name, value in
      (("of_text", "step"), ("null", None), ("list", ["step"]))),
    _forged("t03_counters_of_another_step", "the counters of another step than the manifest's",
            "is damaged (it is of step 26, not of 25)", command=RESUME,
            harm=lambda step: forge(_alone(step), "state.json", lambda s: s | {
                "progress": s["progress"] | {"step": 26}})),
    _forged("t03_list_for_the_state", "a list in the place of the state", "is damaged (state.json "
            "does not hold counters)", command=RESUME,
            harm=lambda step: forge(_alone(step), "state.json", lambda s: [s])),
    _forged("t03_a_place_beyond_the_step", "a place in the epoch beyond the step", "is damaged "
            "(state.json: a counter that is beyond the step", command=RESUME,
            harm=lambda step: forge(_alone(step), "state.json", lambda s: s | {
                "progress": s["progress"] | {"epoch_step": 2**61}})),
    _forged("t03_whole_numbers_in_the_state", "a state of whole numbers", "is damaged "
            "(state.safetensors: ", command=RESUME, harm=lambda step: _whole_numbers(step)),
    _forged("t03_large_tokenizer", "a tokenizer.json of 20 kB", "is damaged (tokenizer.json is "
            "larger than any that lstmgen writes", lambda step: seal(
                step, tokenizer_json=b" " * 20_000 + (step / "tokenizer.json").read_bytes())),
    _forged("t03_large_config", "a config.yaml of 2 MB", "is damaged (config.yaml is larger than "
            "any that lstmgen writes", lambda step: seal(
                step, config_yaml=(step / "config.yaml").read_bytes() + b"#" * 2_000_000)),
    _forged("t03_no_moments", "the optimiser's moments taken out of the state", "is damaged "
            "(state.safetensors: the optimizer's tensors", command=RESUME,
            harm=lambda step: _drop(step, "optimizer/")),
    _forged("t03_half_a_moment", "one of the optimiser's tensors taken out", "is damaged "
            "(state.safetensors: the optimizer's tensors do not fit", command=RESUME,
            harm=lambda step: _drop(step, "optimizer/embedding.weight/exp_avg_sq")),
    _forged("t03_one_parameter_without_moments", "all of one parameter's moments taken out",
            "is damaged (state.safetensors: the optimizer's tensors do not fit: embedding.weight/",
            command=RESUME, harm=lambda step: _drop(step, "optimizer/embedding.weight/")),
    _forged("t03_no_counters", "the counters taken out of the state", "cannot be resumed: it was "
            "written by another version of lstmgen (state.json differs in progress). It can be "
            "generated from and evaluated; to train on, start from its weights: lstmgen train "
            "CONFIG train.init_from=runs/first\n", command=RESUME,
            harm=lambda step: forge(_alone(step), "state.json", lambda state: {
                k: v for k, v in state.items() if k != "progress"})),
    _forged("t03_odd_counter", "a counter that is no number", "is damaged (state.json: a counter "
            "that is not an integer)", command=RESUME,
            harm=lambda step: forge(_alone(step), "state.json", lambda state: state | {
                "progress": state["progress"] | {"epoch_step": "5"}})),
    _forged("t16_state_of_another_format", "a state of a later format", "was written by another "
            "version of lstmgen (format 2 of state.json, this one reads 1)", command=RESUME,
            harm=lambda step: forge(last(step.parent.parent), "state.json",
                                    lambda state: state | {"format": 2})),
    _forged("t16_text_recorded_by_an_older_version", "an older record of the same text", "was "
            "written by another version of lstmgen (format 2, whose record of the text is another)",
            command=RESUME, harm=lambda step: _older_record(last(step.parent.parent))),
    Fault("t16_resolved_config_of_another_version", "a key of a later version in resolved.yaml",
          EVALUATE, "runs/first/resolved.yaml was written by another version of lstmgen, or "
          "changed. Use the version that wrote it, or put it right:\nresolved.yaml:1: data.zebra = "
          "3: no such key.",
          harm=lambda f: (f / RUN / "resolved.yaml").write_text("data: {zebra: 3}")),
    _forged("t03_one_counter_less", "one counter taken out", "was written by another version of "
            "lstmgen (state.json differs in progress.epoch_step)", command=RESUME,
            harm=lambda step: forge(_alone(step), "state.json", lambda state: state | {
                "progress": {k: v for k, v in state["progress"].items() if k != "epoch_step"}})),
)  # fmt: skip

TEXTS = (
    _text("empty", "an empty text", b"",
          "the text is empty. Training needs at least 2 tokens, one to read and one to"),
    _text("one_word", "a text of one word", b"word",
          "the text holds one token only. Training needs at least 2 tokens"),
    _text("cp1252", "a byte of another encoding", b"ab\ncd \x92 e",
          "odd.txt: line 2: byte 0x92 at offset 6 is not UTF-8; it looks like Windows-1252. Conv"),
    _text("binary", "a program for a text", b"\x7fELF\0\0\0", "holds NUL bytes, so it is not a"),
    _text("nul", "a NUL byte in a text", b"a b\0c d", "holds NUL bytes, so it is not a text"),
    _text("half_utf16", "UTF-16 cut in a character", b"\xff\xfea", "is not complete UTF-16 text"),
    _text("lone_surrogate", "half of a surrogate pair", b"a \xed\xa0\x80 b", "is not UTF-8"),
    Fault("t37_control_in_name", "escape codes in a file's name",
          (*TRAIN, "data.train=\x1b[2Jgone.txt"), "\\x1b[2Jgone.txt: no file matches"),
    Fault("t38_missing", "a text that is not there", (*TRAIN, "data.train=gone.txt"),
          "gone.txt: no such file or folder"),
    Fault("t38_dangling_link", "a link to nowhere", (*TRAIN, "data.train=link.txt"),
          "link.txt: no such file or folder",
          harm=lambda f: (f / "link.txt").symlink_to("gone.txt")),
    Fault("t38_circle_of_links", "a link to itself", (*TRAIN, "data.train=link.txt"),
          "link.txt: ", harm=lambda f: (f / "link.txt").symlink_to("link.txt")),
    Fault("t38_folder_without_texts", "a folder without a text", (*TRAIN, "data.train=empty"),
          "empty: the folder holds no .txt, .text or .md file",
          harm=lambda f: (f / "empty").mkdir()),
    Fault("t38_folder_of_other_files", "a folder of files with other endings",
          (*TRAIN, "data.train=drafts"),
          "drafts: the folder holds no text; 1 file is left out (a.docx), since a folder",
          harm=lambda f: _write_folder(f / "drafts", "a.docx")),
    *(_text(f"format_{name}", f"{called} under the name of a text", data,
            f"odd.txt: is {called}, not a plain text. {advice}")
      for name, called, data, advice in OTHER_FORMATS),
    Fault("t38_no_match", "a pattern that nothing matches", (*TRAIN, "data.train=*.md"),
          "*.md: no file matches the pattern"),
    Fault("t38_device", "a device for a text", (*TRAIN, "data.train=/dev/zero"),
          "is not a plain file"),
    Fault("t38_pipe", "a named pipe for a text", (*TRAIN, "data.train=pipe.txt"),
          "pipe.txt: is not a plain file. For a pipe write data.train=-",
          harm=lambda f: _make_pipe(f / "pipe.txt")),
    Fault("t38_pipe_for_validation", "a named pipe for a validation text",
          (*TRAIN, "data.valid=pipe.txt"), "pipe.txt: is not a plain file\n",
          harm=lambda f: _make_pipe(f / "pipe.txt")),
    Fault("t38_pipe_for_vocabulary", "a named pipe for a vocabulary",
          (*TRAIN, "data.vocabulary=pipe.txt"), "pipe.txt: is not a plain file\n",
          harm=lambda f: _make_pipe(f / "pipe.txt")),
    Fault("t38_long_name", "a name of ten thousand letters", (*TRAIN, "data.train=" + "x" * 10_000),
          "cannot be read"),
    Fault("t38_missing_with_a_long_setting", "a text that is not there, and a long setting",
          (*TRAIN, "sample.cues=[" + "x" * 300 + "]", "data.train=gone.txt"),
          "gone.txt: no such file or folder"),
    Fault("t38_no_test_text", "a test text that is not there", (*TRAIN, "data.test=gone.txt"),
          "gone.txt: no such file or folder"),
    Fault("t38_no_text", "no text", (*TRAIN, "data.train=null"), "data.train: no text is named"),
    Fault("t38_nothing_kept", "a vocabulary without a word", (*TRAIN, "data.min_count=9999"),
          "data.min_count = 9999"),
    Fault("t38_missing_vocabulary", "a vocabulary that is not there",
          (*TRAIN, "data.vocabulary=gone.txt"), "data.vocabulary = "),
    Fault("t38_no_draft", "a draft that is not there", (*WRITE, "gone.txt"),
          "error: gone.txt: no such run folder and no such draft. To begin a new text, leave it"),
    Fault("t38_folder_for_draft", "a folder that is no run for a draft", ("write", "empty"),
          "error: empty: is not a checkpoint and holds none yet",
          harm=lambda f: (f / "empty").mkdir()),
    Fault("t38_binary_draft", "a program for a draft", (*WRITE, "odd.txt"),
          "error: odd.txt: holds NUL bytes, so it is not a text",
          files={"odd.txt": b"\x7fELF\0\0\0"}),
    Fault("t38_draft_of_other_bytes", "a draft in another encoding", (*WRITE, "odd.txt"),
          "error: odd.txt: line 2: byte 0x92 at offset 6 is not UTF-8; it looks like",
          files={"odd.txt": b"ab\ncd \x92 e"}),
    Fault("t38_device_for_draft", "a device for a draft", (*WRITE, "/dev/zero"),
          "error: draft = /dev/zero: is not a plain file"),
    Fault("t38_pipe_for_draft", "a named pipe for a draft", (*WRITE, "pipe.txt"),
          "error: draft = pipe.txt: is not a plain file",
          harm=lambda f: _make_pipe(f / "pipe.txt")),
    Fault("t38_large_draft", "a draft of five megabytes", (*WRITE, "odd.txt"),
          "error: draft = odd.txt: has 5,000,001 bytes, a draft at most 5,000,000. Split the text",
          files={"odd.txt": b"a" * 5_000_001}),
    Fault("t38_json_that_is_no_draft", "JSON without a text for a draft", (*WRITE, "odd.json"),
          "error: draft = odd.json: is not a draft saved by /save. A text must not be named .json",
          files={"odd.json": b'{"temperature": 1}'}),
    Fault("t38_two_drafts", "two drafts", ("write", "story.txt", "my.yaml"),
          "error: story.txt, my.yaml: one draft at a time. Write: lstmgen write [RUN] [DRAFT]"),
    Fault("t38_two_runs", "two runs to write with", (*WRITE, RUN),
          "error: runs/first, runs/first: one run at a time. Write: lstmgen write [RUN] [DRAFT]"),
    *(Fault(f"t38_vocabulary_{name}", f"a vocabulary file of another kind: {name}",
            (*TRAIN, "data.vocabulary=odd.txt"), words, files={"odd.txt": data})
      for name, data, words in OTHER_VOCABULARIES),
    Fault("t38_unknown_encoding", "an encoding that there is not",
          (*TRAIN, "data.encoding=klingon"), "data.encoding = klingon: no such encoding"),
    Fault("t38_wrong_encoding", "another encoding than the text's",
          (*TRAIN, "data.train=odd.txt", "data.encoding=ascii"), "odd.txt: is not ascii text",
          files={"odd.txt": b"caf\xe9 au lait"}),
    *(
        Fault(f"t18_base_{name}", injected, (*TRAIN, f"train.init_from={base}", *settings), words,
              harm=harm)
        for name, injected, base, settings, words, harm in (
            ("gone", "a base that is not there", "gone", (), "gone: no such run or step folder. "
             "Bundled bases: english-fiction. `none` starts from scratch", None),
            ("text", "a text as a base", "story.txt", (), "story.txt: no such run or step folder",
             None),
            ("empty", "a folder without a checkpoint as a base", "runs", (), "is not a checkpoint "
             "and holds none yet", None),
            ("damaged", "a base with a flipped bit", RUN, (), "is damaged (model.safetensors has "
             "been changed)", lambda f: _flip(best(f / RUN) / "model.safetensors")),
            ("of_integers", "a base with whole numbers as weights", RUN, (), "has values that are "
             "not finite floats", lambda f: _weights(
                 lambda held: {name: array.astype("i8") for name, array in held.items()}
             )(best(f / RUN))),
            ("of_characters", "a base that reads words, for characters", RUN,
             ("data.tokenizer=character",), "data.tokenizer = character: but train.init_from = "
             "first has word. Leave data.tokenizer out, or start from scratch", None),
            ("of_another_size", "a base of another size", RUN, ("model.hidden_sizes=[13]",),
             "model.hidden_sizes = [13]: but train.init_from = first has [12]. Leave", None),
        )
    ),
    Fault("t38_no_marker", "an empty marker of documents", (*TRAIN, "data.documents=''"),
          "data.documents = '': "),
    Fault("t39_empty_validation", "an empty validation text", (*TRAIN, "data.valid=empty.txt"),
          "data.valid: the text is empty. Leave the key out to hold out words",
          files={"empty.txt": b""}),
    Fault("t39_nothing_to_score", "a text of unknown words to score",
          (*EVALUATE, "--text", "odd.txt"), "none of its 2 words is known, nothing to score",
          files={"odd.txt": b"zebra yak"}),
    Fault("t39_nothing_to_measure", "a text of unknown words to measure the memory on",
          (*INSPECT, "--memory", "--text", "odd.txt"),
          "error: none of the text's 2 words is known, nothing to score",
          files={"odd.txt": b"zebra yak"}),
    *(Fault(f"t39_records_{name}", injected, (*EVALUATE, *options), words,
            files={"odd.txt": data})
      for name, injected, options, data, words in (
          ("of_nothing", "an empty text to score by words", ("--text", "odd.txt", "--per-word"),
           b"", "error: --text: the text is empty"),
          ("of_unknown_words", "a text of unknown words to score by lines",
           ("--text", "odd.txt", "--per-line"), b"zebra yak",
           "error: odd.txt: none of its 2 words is known, nothing to score"),
          ("of_other_bytes", "a text in another encoding to score by lines",
           ("--text", "odd.txt", "--per-line"), b"ab\ncd \x92 e",
           "odd.txt: line 2: byte 0x92 at offset 6 is not UTF-8; it looks like Windows-1252"),
          ("of_two_kinds", "`--per-line --per-word`", ("--per-line", "--per-word"), b"", "error: "
           "--per-word: prints the scores of the model alone, in one pass. Leave --per-line out"),
          ("with_others", "`--per-line` with options that it does not have",
           ("--per-line", "--adapt", "--tune", "--order", "2", "--samples", "3"), b"", "error: "
           "--per-line: prints the scores of the model alone, in one pass. Leave --adapt, --tune, "
           "--order, --samples out"),
          ("of_no_split", "a split that the run does not have, by words",
           ("--split", "test", "--per-word"), b"", "the run's config names no data.test. Use"),
      )),
    Fault("t39_no_text_to_score", "a text that is not there to score",
          (*EVALUATE, "--text", "gone.txt"), "error: --text = gone.txt: no such file or folder"),
    Fault("t39_no_test_split", "a split that the run does not have",
          (*EVALUATE, "--split", "test"), "the run's config names no data.test. Use --text FILE"),
)  # fmt: skip

SAMPLES = (
    _sample("temperature_below_0", "--temperature", "-1",
            words="error: --temperature = -1.0: must be at least 0"),
    _sample("temperature_nan", "--temperature", "nan", words="--temperature = nan: must be a"),
    _sample("temperature_infinite", "--temperature", "inf", words="--temperature = inf: must be"),
    _sample("top_k_0", "--top-k", "0", words="error: --top-k = 0: must be at least 1"),
    _sample("top_p_nan", "--top-p", "nan", words="error: --top-p = nan: must be"),
    _sample("top_p_0", "--top-p", "0", words="--top-p = 0.0: must be more than 0"),
    _sample("top_p_beyond_1", "--top-p", "1.5", words="error: --top-p = 1.5: must be at most 1"),
    _sample("min_p_beyond_1", "--min-p", "2", words="--min-p = 2.0: must be"),
    _sample("fewer_than_no_words", "--words", "-3", words="error: --words = -3: must be at least"),
    _sample("unknown_stop", "--stop", "now", words="error: --stop = 'now': must be story, "
            "paragraph, line, sentence or words"),
    _sample("more_at_least_than_at_most", "--min-words", "9", "--words", "3",
            words="error: --min-words = 9: must be at most --words (3)"),
    _sample("beams_0", "--beams", "0", words="error: --beams = 0: must be at least 1"),
    _sample("beams_0_with_banned_words", "--banned", "The", "--beams", "0",
            words="error: --beams = 0: must be at least 1"),
    _sample("beams_without_bounds", "--beams", "1000", "--words", "10000000", words="error: "
            "--beams = 1000: --beams (1,000) times --words (10,000,000) is at most 10,000,000"),
    _sample("beams_and_cache", "--beams", "4", "--cache-weight", "0.2", words="error: "
            "--cache-weight = 0.2: a beam search reads no cache. Set --cache-weight to 0, or leave "
            "--beams out"),
    *(_sample(f"bias_{name}", "--bias", value, words=f"error: --bias = {value}: must be WORD:NATS "
              "with a number from -100 to 100, as in sea:1.5 or said:-1")
      for name, value in (("without_number", "sea"), ("nan", "sea:nan"), ("infinite", "sea:inf"),
                          ("too_high", "sea:101"), ("of_no_word", ":1"))),
    Fault("t41_bias_to_write", "`write --bias sea`", (*WRITE, "--bias", "sea"),
          "error: --bias = sea: must be WORD:NATS with a number from -100 to 100"),
    _cues("no_such_file", "a file of cues that is not there", "--cues = gone.txt: no such file or",
          options=("--cues", "gone.txt")),
    _cues("of_other_bytes", "cues in another encoding", "odd.txt: line 2: byte 0x92 is not UTF-8. "
          "Save it as UTF-8", data=b"ab\ncd \x92 e\n"),
    _cues("nul", "a NUL byte in a cue", "odd.txt: line 1: holds NUL bytes", data=b"a\0b\n"),
    _cues("utf16", "cues in UTF-16", "odd.txt: is UTF-16. Save it as UTF-8",
          data="The cat".encode("utf-16")),
    _cues("long", "a cue of two megabytes", "odd.txt: line 1: is longer than 1,048,576 bytes",
          data=b"a" * 2_000_000),
    _cues("folder", "a folder for cues", "--cues = runs: is not a plain file",
          options=("--cues", "runs")),
    _cues("pipe", "a named pipe for cues", "pipe.txt: is not a plain file. For a pipe write --cues "
          "-", options=("--cues", "pipe.txt"), harm=lambda f: _make_pipe(f / "pipe.txt")),
    _cues("unknown_word", "a cue with an unknown word and `--oov error`", "odd.txt: line 2: --oov "
          "error: the cue has words that the model does not know: zebra. Use other words, or --oov",
          options=("--cues", "odd.txt", "--oov", "error"), data=b"The cat\nThe zebra\n"),
    _cues("cue_too", "`--cues` with options for one cue", "error: --cues odd.txt: prints the text "
          "or --json of one cue after another. Leave --cue, --receipt, --show-probs out",
          options=("--cues", "odd.txt", "--cue", "a", "--show-probs", "--receipt", "r.json")),
    _cues("replay", "`--cues` with `--replay`", "Leave --replay, --svg out",
          options=("--cues", "odd.txt", "--replay", "r.json", "--svg", "a.svg")),
    _sample("must_include_unknown_word", "--must-include", "zebra", words="error: --must-include "
            "zebra: the model has no such word. Choose one of its training text"),
    _sample("must_include_banned_word", "--must-include", "river", "--banned", "River",
            words="error: --must-include river: --banned excludes this word"),
    _sample("must_include_more_than_fits", "--must-include", "river", "--must-include", "mill",
            "--words", "1", "--stop", "words", code=1, words=" after all attempts, so no text is "
            "printed. Raise --words, leave a word out, or take another --seed"),
    _sample("tag_of_a_model_without_tags", "--tag", "rosa", words="error: --tag rosa: this model "
            "has no tags. Leave the option out, or train with data.tags=true"),
    _sample("unknown_words", "--cue", "zebra gnu", "--oov", "error", words="error: --oov error: "
            "the cue has words that the model does not know: zebra, gnu. Use"),
    _sample("unknown_words_to_start_with", "--start-with", "zebra", "--oov", "error",
            words="error: --oov error: the cue has words that the model does not know: zebra. Use"),
    _sample("unknown_oov", "--oov", "maybe", words="--oov = 'maybe': must be nearest, unk, skip"),
    _sample("json_and_color", "--json", "--color", words="error: --json has all the details"),
    Fault("t41_untrained_why", "a config to ask where its words come from",
          ("inspect", "my.yaml", "--why"), "error: --why needs a trained model, and my.yaml is "
          "not a run folder. Train it first, or leave it out to use the newest run"),
    Fault("t41_seed_of_memory", "a seed for what draws nothing", (*INSPECT, "--memory", "--seed",
          "1"), "error: --seed goes with --why, not with --memory. Leave it out"),
    Fault("t41_page_outside_a_run", "a page of a model outside a run, without a file's name",
          ("report", "copy"), "copy: is outside a run folder. Name a file for the page: --output "
          "FILE", harm=lambda folder: shutil.copytree(best(folder / RUN), folder / "copy")),
    Fault("t41_page_of_nothing_at_all", "a page of a model outside a run, without the model",
          ("report", "copy", "--no-model", "-o", "x.html"), "copy: is outside a run folder, so "
          "without its model (", harm=lambda folder: shutil.copytree(best(folder / RUN),
                                                                     folder / "copy")),
    Fault("t41_page_in_no_folder", "a page in a folder that is not there",
          ("report", RUN, "--output", "gone/page.html"), "error: gone/page.html: the page cannot "
          "be written (No such file or directory). Choose another place with --output", code=1),
    Fault("t41_page_over_a_folder", "a page that would replace a folder",
          ("report", RUN, "--output", "runs"), "error: runs: the page cannot be written (Is a "
          "directory). Choose another place with --output", code=1),
    Fault("t41_page_of_a_config", "a config to make a page of", ("report", "my.yaml"),
          "error: my.yaml: is a file, not a run folder"),
    Fault("t41_page_of_nothing", "a page of a run that is not there", ("report", "gone"),
          "error: gone: no such folder"),
    Fault("t41_page_option", "`train.report=always`", ("train", "my.yaml", "train.report=always"),
          "error: command line: train.report = 'always': must be auto"),
    Fault("t41_control_characters_in_a_name", "`--name` with control characters",
          ("train", "my.yaml", "--name", "a\nb\x1b]0;c\x07"), "error: --name a"),
    Fault("t41_dry_run_of_a_resumption", "a dry run of what cannot be planned",
          ("train", "--resume", RUN, "--dry-run"), "error: --dry-run plans a new training. Leave "
          "--resume and --name out"),
    Fault("t41_export_over_a_file", "an export that would replace a file",
          ("export", RUN, "-o", "my.zip"), "error: --output my.zip: exists already. Choose a new",
          files={"my.zip": b"mine"}),
    Fault("t41_onnx_and_folder", "an ONNX file and a folder at once",
          ("export", RUN, "--onnx", "a.onnx", "-o", "a"), "error: --onnx FILE is one file in "
          "float32, without the training text. Leave the other options out"),
    Fault("t41_full_and_quantized", "an export in float32 and in int8 at once",
          ("export", RUN, "-o", "a", "--full", "--quantize", "int8"),
          "error: --full and --quantize int8 contradict each other. Leave one out"),
    Fault("t41_text_of_no_quantizing", "an export with a text and nothing to measure",
          ("export", RUN, "-o", "a", "--text", "story.txt"),
          "error: --text goes with --quantize int8. Leave it out"),
    Fault("t41_nothing_to_quantize", "a small model to quantize",
          ("export", RUN, "-o", "a", "--quantize", "int8"), "error: --quantize int8: this model "
          "has no matrix of 1,024 numbers or more, so there is nothing to quantize. Leave"),
    Fault("t41_other_log", "`train.log=[wandb]`", ("train", "my.yaml", "train.log=[wandb]"),
          "error: command line: train.log"),
    Fault("t41_no_receipt", "a receipt that is not there",
          ("generate", "--replay", "gone.json"), "error: --replay gone.json: No such file"),
    Fault("t41_endless_receipt", "a link to a device without an end for a receipt",
          ("generate", "--replay", "link.json"), "error: --replay link.json: has more than "
          "268,435,456 bytes, so it is not a receipt. Name a file written by --receipt",
          harm=lambda f: (f / "link.json").symlink_to("/dev/zero")),
    Fault("t41_config_for_receipt", "a config for a receipt",
          ("generate", "--replay", "my.yaml"), "error: --replay my.yaml: is not a receipt"),
    Fault("t41_settings_of_a_draft", "a draft with a setting that is not allowed",
          (*WRITE, "odd.json"), "error: draft = odd.json: --top-p = 7: must be at most 1",
          files={"odd.json": b'{"text": "The cat", "top_p": 7}'}),
    Fault("t41_bias_of_a_draft", "a draft with a bias that is none",
          (*WRITE, "odd.json"), "error: draft = odd.json: --bias = sea: must be WORD:NATS with",
          files={"odd.json": b'{"text": "The cat", "bias": ["sea"]}'}),
    Fault("t41_top_p_to_write", "`write --top-p 7`", (*WRITE, "--top-p", "7"),
          "error: --top-p = 7.0: must be at most 1"),
    Fault("t41_receipt_and_seed", "a receipt and a seed of one's own",
          ("generate", "--replay", "my.yaml", "--seed", "1"),
          "error: --replay takes cue, seed, settings and checkpoint from the receipt. Leave"),
    Fault("t41_receipt_and_step", "a receipt and a checkpoint of one's own",
          ("generate", "--replay", "my.yaml", "--last"), "error: --replay takes cue, seed, settin"),
    Fault("t41_no_such_step", "a step without a checkpoint", (*GENERATE, "--step", "7"),
          "error: runs/first: has no checkpoint of step 7. There are 20, 25 (train.keep: how"),
    Fault("t41_last_and_step", "two checkpoints at once", (*GENERATE, "--last", "--step", "20"),
          "error: --last and --step 20 name two checkpoints. Leave one out"),
    Fault("t41_last_of_a_step", "the last checkpoint of a step folder",
          ("generate", f"{RUN}/checkpoints/step-25", "--last"), "error: runs/first/checkpoints/"
          "step-25: is a single checkpoint, so none can be chosen. Name a run folder instead"),
    Fault("t41_step_of_a_step", "another step of a step folder",
          ("generate", f"{RUN}/checkpoints/step-25", "--step", "20"), "is a single checkpoint"),
    Fault("t41_step_of_no_run", "a step of a folder that holds no run",
          ("generate", ".", "--step", "20"), "error: .: is not a checkpoint and holds none yet"),
    Fault("t40_no_run", "no such run", ("generate", "nowhere"), "error: nowhere: no such folder"),
    Fault("t40_control_in_run", "escape codes in a run's name", ("generate", "\x1b]0;x\x07nowhere"),
          "nowhere: no such folder"),
    Fault("t40_control_in_draft", "escape codes in a draft's name", (*WRITE, "\x1b]0;x\x07gone"),
          "\\x1b]0;x\\x07gone: no such run folder and no such draft"),
    Fault("t40_file_for_run", "a file for a run", ("generate", "my.yaml"),
          "error: my.yaml: is a file, not a run folder"),
    Fault("t40_zip_for_run", "a zip file for a run", ("generate", "my.zip"),
          "error: my.zip: is a zip file. Unzip it, and name the folder in it",
          files={"my.zip": _zip("my/manifest.json")}),
    Fault("t40_no_runs_at_all", "a folder without runs", ("generate", "--runs-dir", "empty"),
          "error: empty: no run with a checkpoint here. Train one: lstmgen train CONFIG",
          harm=lambda f: (f / "empty").mkdir()),
    Fault("t40_control_in_cue", "escape codes in a cue",
          (*GENERATE, "--oov", "error", "--cue", "\x1b[2Jzebra\x9b"),
          "the cue has words that the model does not know: [, 2Jzebra"),
    Fault("t40_control_in_setting", "escape codes in a setting",
          (*TRAIN, "train.device=\x1b[31mred"), "train.device = "),
    Fault("t40_markup_in_setting", "rich's markup in a setting",
          (*TRAIN, "train.device=[/]"), "train.device = "),
)  # fmt: skip

DAMAGES = (
    *(
        _damage(f"{file.replace('.', '_')}_{name}", f"{file} {what}", file, harm, words)
        for file in ("model.safetensors", "config.yaml", "vocabulary.json", "tokenizer.json",
                     "manifest.json")
        for name, what, harm, words in (
            ("cut_to_nothing", "cut to nothing", _cut_to(0), "is damaged ("),
            ("cut_in_half", "cut in half", _cut_to(0.5), "is damaged ("),
            ("cut_by_one", "cut by its last byte", _cut, "is damaged ("),
            ("flipped", "with one bit flipped", _flip, "is damaged ("),
            ("gone", "gone", lambda path: path.unlink(), "is damaged ("),
            ("folder", "a folder", _make_folder, "is damaged ("),
        )
        if (file, name) not in (("manifest.json", "gone"), ("manifest.json", "cut_by_one"))
    ),
    _damage("manifest_gone", "manifest.json gone", "manifest.json", lambda path: path.unlink(),
            "is damaged (manifest.json: No such file"),
    _damage("text_for_weights", "a text in the place of the weights", "model.safetensors",
            _put(b"Once upon a time\n"), "is damaged (model.safetensors has 17 bytes of"),
    _damage("zip_for_weights", "a zip in the place of the weights", "model.safetensors",
            _put(b"PK\x03\x04" + bytes(60)), "is damaged (model.safetensors has 64 bytes of"),
    _damage("pipe_for_weights", "a named pipe in the place of the weights", "model.safetensors",
            _make_pipe, "is damaged (model.safetensors: not a plain file"),
    _damage("pipe_for_manifest", "a named pipe in the place of the manifest", "manifest.json",
            _make_pipe, "is damaged (manifest.json: not a plain file"),
    Fault("t15_index_damaged", "index.json damaged", GENERATE, "index.json is damaged (",
          harm=lambda f: (checkpoints_of(f / RUN) / "index.json").write_text("{")),
    Fault("t15_index_pipe", "a named pipe in the place of the index", GENERATE,
          "index.json is damaged (",
          harm=lambda f: _make_pipe(checkpoints_of(f / RUN) / "index.json")),
    *(
        Fault(f"t15_adaptation_{name}", f"`{change}` in adaptation.json", (*EVALUATE, "--adapt"),
              "adaptation.json: is damaged, or of another version of lstmgen. Run lstmgen evaluate "
              "--tune again", harm=lambda f, change=change: _adapt(f / RUN, change))
        for name, change in (
            ("weights_of_no_sum", {"weights": [[1.0], [0.5, 0.1], [1.0], [0.5, 0.5]]}),
            ("no_cache", {"cache_window": 0}),
            ("negative_theta", {"cache_theta": -1.0}),
            ("large_theta", {"cache_theta": 1e5}),
            ("negative_rate", {"dynamic": {"rate": -0.1, "decay": 0.0, "segment": 20}}),
            ("large_rate", {"dynamic": {"rate": 1e30, "decay": 0.0, "segment": 20}}),
            ("negative_decay", {"dynamic": {"rate": 0.1, "decay": -1.0, "segment": 20}}),
            ("large_decay", {"dynamic": {"rate": 0.1, "decay": 1.5, "segment": 20}}),
            ("one_endless_segment", {"dynamic": {"rate": 0.1, "decay": 0.0, "segment": 10**9}}),
            ("unknown_rule", {"dynamic": {"rate": 0.1, "decay": 0.0, "rule": "adam"}}),
            ("one_key_more", {"zebra": 1}),
            ("too_few_weights", {"weights": [[1.0]] * 7}),
            ("negative_weights", {"weights": [[1.0], [2.0, -1.0], [1.0], [0.5, 0.5]]}),
            ("whole_text_in_cache", {"cache_window": 10**12}),
            ("no_number", {"cache_theta": True}),
            ("endless_segments", {"dynamic": {"rate": 0.1, "decay": 0.0, "segment": 0}}),
        )
    ),
    *(
        Fault(f"t15_adaptation_{name}", injected, (*EVALUATE, "--adapt"), "adaptation.json: is "
              "damaged, or of another version of lstmgen. Run lstmgen evaluate --tune again",
              harm=lambda f, change=change: _adapt(f / RUN, {}, **change))
        for name, injected, change in (
            ("of_no_order", "n-grams of order 0 in adaptation.json", {"order": 0}),
            ("of_high_order", "n-grams of order 9 in adaptation.json", {"order": 9}),
            ("of_blanks", "an adaptation.json of 100 kB, most of them blanks", {"blanks": 100_000}),
        )
    ),
    Fault("t15_index_beyond_numbers", "a step of 300 digits in index.json", GENERATE,
          "index.json is damaged (it must hold best and last)",
          harm=lambda f: (checkpoints_of(f / RUN) / "index.json").write_text(
              '{"best": ' + "9" * 300 + ', "last": 20}')),
    Fault("t15_index_gone", "index.json gone", GENERATE, "runs/first: index.json is missing. Name "
          "one of the step folders in checkpoints, or let `lstmgen train --resume runs/first` ",
          harm=lambda f: (checkpoints_of(f / RUN) / "index.json").unlink()),
    Fault("t15_step_renamed", "a checkpoint under another step's name", RESUME,
          "is damaged (it is of step 25, not of 26)",
          harm=lambda f: _alone(best(f / RUN)).rename(checkpoints_of(f / RUN) / "step-26")),
    Fault("t15_step_gone", "the best checkpoint gone", GENERATE, "no such checkpoint folder",
          harm=lambda f: best(f / RUN).rename(f / "moved")),
)  # fmt: skip


def _read_flags_in_halves(step: Path) -> None:
    """Make a checkpoint look like one whose tokenizer read an emoji flag as two tokens."""
    forge(step, "tokenizer.json", lambda old: old | {"version": 2})
    forge(
        step, "vocabulary.json", lambda old: old | {"entries": [*old["entries"][:-1], "\U0001f1e9"]}
    )


HOSTILE = (
    _forged("t16_flags_in_halves", "a tokenizer that reads flags in halves",
            "version 2 of the tokenizer", _read_flags_in_halves),
    _forged("t16_newer", "a checkpoint of a later version", "was made by a newer lstmgen (format "
            "99, this one reads", lambda step: _manifest(step, {"format": 99})),
    _forged("t17_pickle", "a pickle that runs a command, as weights", "is damaged "
            "(model.safetensors holds no tensors",
            lambda step: seal(step, model_safetensors=b"cos\nsystem\n(S'touch canary'\ntR.")),
    _forged("t17_numpy_objects", "a numpy file of objects, as weights", "is damaged "
            "(model.safetensors holds no tensors",
            lambda step: seal(step, model_safetensors=_object_array())),
    _forged("t17_long_header", "a header longer than the file", "is damaged (model.safetensors "
            "holds no tensors",
            lambda step: seal(step, model_safetensors=struct.pack("<Q", 2**60) + b"{}")),
    _forged("t17_large_shape", "a shape larger than the data", "is damaged (model.safetensors "
            "holds no tensors", lambda step: seal(step, model_safetensors=_header(
                b'{"a":{"dtype":"F32","shape":[1000000000,1000],"data_offsets":[0,4000000000000]}}',
                b"1234"))),
    _forged("t17_overlap", "two tensors in one place", "is damaged (model.safetensors holds no "
            "tensors", lambda step: seal(step, model_safetensors=_header(
                b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
                b'"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', b"1234"))),
    _forged("t17_no_ngrams", "text in the place of n-grams", "is damaged (ngrams.safetensors holds "
            "no tensors", lambda step: seal(step, ngrams_safetensors=b"Once upon a time")),
    _forged("t17_other_ngrams", "n-grams of words that the vocabulary lacks", "is damaged "
            "(ngrams.safetensors: the arrays do not count n-grams)",
            lambda step: seal(step, ngrams_safetensors=_ngrams())),
    _forged("t17_missing_ngrams", "no n-grams but an option that needs them", "--ngram-weight "
            "0.5: this checkpoint holds no n-grams of its training text",
            lambda step: _drop_ngrams(step), command=(*GENERATE, "--ngram-weight", "0.5")),
    _forged("t17_odd_sampling", "a chosen temperature that is no number", "is damaged "
            "(manifest.json: sampling: temperature is no number from 0 to 10)",
            lambda step: _manifest(
                step, {"sampling": dict.fromkeys((*MOST, "words", "seed"), "hot")})),
    _forged("t17_deep_json", "ten thousand lists in one another, as vocabulary", "is damaged "
            "(vocabulary.json is not JSON",
            lambda step: seal(step, vocabulary_json=b"[" * 100_000)),
    _forged("t17_path_in_manifest", "a manifest that names a file outside", "is damaged "
            "(manifest.json has an invalid entry",
            lambda step: _manifest(step, {"files": {"../../x": {"size": 1, "sha256": ""}}})),
    *(Fault(f"t17_{kind}_for_{name.strip('.').replace('/', '_').replace('.', '_')}",
            f"a {kind} in the place of {name}", RESUME, f"error: runs/first/{name}: is ",
            harm=lambda folder, name=name, make=make: make(folder / RUN / name))
      for name in (".lock", "log.txt", "metrics.csv", "events.jsonl", "samples.md", "config.yaml",
                   "environment.json", "report.html", "plots/loss.png", "plots", "tensorboard")
      for kind, make in (("link", lambda path: _link(path)), ("pipe", lambda path: _pipe(path)))),
    *(Fault(f"t17_link_for_resolved_yaml_to_{name}", f"a link in the place of resolved.yaml, to "
            f"{name}", command, "runs/first/resolved.yaml: is a link. lstmgen writes none, so this",
            harm=lambda f: _link(f / RUN / "resolved.yaml"))
      for name, command in (("resume", RESUME), ("evaluate", EVALUATE))),
    _forged("t17_petabytes", "a manifest that claims a petabyte", "config.yaml is larger than any "
            "that lstmgen writes", lambda step: _manifest(
                step, {"files": {"model.safetensors": {"size": 10**15, "sha256": "0" * 64},
                                 "config.yaml": {"size": 10**15, "sha256": "0" * 64}}})),
    _forged("t18_no_words", "a vocabulary without words", "the vocabulary must begin with <story>",
            _entries(lambda v: {"entries": ["a"], "counts": [1]})),
    _forged("t18_numbers_for_words", "numbers for words", "must hold different, non-empty words",
            _entries(lambda v: v | {"entries": [*v["entries"][:-1], 3]})),
    _forged("t18_word_twice", "one word twice", "must hold different, non-empty words",
            _entries(lambda v: v | {"entries": [*v["entries"][:-1], v["entries"][1]]})),
    _forged("t18_words_exchanged", "two words of the vocabulary exchanged, to score", "error: the "
            "run's text has changed since it was trained on. Use --text FILE", command=EVALUATE,
            harm=_entries(lambda v: v | {
                "entries": [*v["entries"][:-2], *v["entries"][:-3:-1]]})),
    _forged("t18_escape_codes", "escape codes for a word", "holds control characters",
            _entries(lambda v: v | {"entries": [*v["entries"][:-1], "\x1b[2J"]})),
    _forged("t18_negative_counts", "negative counts", "must count in integers",
            _entries(lambda v: v | {"counts": [-1 for _ in v["counts"]]})),
    _forged("t18_more_words_than_weights", "more words than weights", "is damaged "
            "(ngrams.safetensors: the arrays do not count n-grams)",
            _entries(lambda v: {"entries": [*v["entries"], "zebra"], "counts": [*v["counts"], 1]})),
    _forged("t18_enormous_layers", "a config of enormous layers, to generate", "expected floats",
            lambda step: _config_of(step, b"- 12", b"- 65536")),
    _forged("t18_enormous_layers_to_score", "a config of enormous layers, to score",
            "the weights do not fit the config", lambda step: _config_of(step, b"- 12", b"- 65536"),
            command=EVALUATE),
    _forged("t18_odd_config", "a config with an unknown key", "was written by another version of "
            "lstmgen (config.yaml:1: train.windwo = 3: no such key. Did you mean train.window?). "
            "Use the version that wrote it, or train the model again",
            lambda step: seal(step, config_yaml=b"train: {windwo: 3}")),
    _forged("t18_another_tokenizer", "another tokeniser than the config's", "is damaged "
            "(tokenizer.json and config.yaml disagree)",
            _entries(lambda v: v | {"tokenizer": "character"}, "tokenizer.json")),
    _forged("t18_older_tokenizer", "a text cut by an older lstmgen, to resume", "its text was "
            "tokenized by an older lstmgen",
            _entries(lambda v: {k: v[k] for k in ("tokenizer", "lowercase")}, "tokenizer.json"),
            command=("train", "--resume", RUN, "train.epochs=9")),
    _forged("t18_newer_tokenizer", "a tokenizer of a later version", "was written "
            "by another version of lstmgen (version 99 of the tokenizer)",
            _entries(lambda v: v | {"version": 99}, "tokenizer.json")),
    _forged("t18_odd_stems", "possessive stems that are no ids", "must list its possessive stems",
            _entries(lambda v: v | {"possessive_stems": [10**9]})),
    _forged("t18_weight_missing", "a weight taken out", "the weights lack output_bias",
            _weights(lambda w: {k: v for k, v in w.items() if k != "output_bias"})),
    _forged("t18_weight_too_many", "a weight that belongs nowhere", "does not have: zebra",
            _weights(lambda w: w | {"zebra": np.zeros(2, np.float32)})),
    _forged("t18_huge_weights", "finite weights of 1e30", "is damaged (", lambda step: _weights(
                lambda held: {n: np.full_like(a, 1e30) for n, a in held.items()})(step)),
    _forged("t18_huge_negative_weight", "a finite weight of -1e30", "is damaged (output_bias has "
            "values beyond 1e+15)",
            _weights(lambda w: w | {"output_bias": _set(w["output_bias"], -1e30)})),
    _forged("t18_empty_weight", "a weight without numbers", "is damaged (output_bias has",
            _weights(lambda w: w | {"output_bias": w["output_bias"][:0]})),
    _forged("t18_whole_numbers", "whole numbers for weights", "is damaged (output_bias has",
            _weights(lambda w: w | {"output_bias": w["output_bias"].astype(np.int64)})),
    _forged("t16_other_quantization", "weights quantized in a way that is not known", "was written "
            "by another version of lstmgen (quantized = int4)",
            lambda step: _manifest(step, {"format": 5, "quantized": "int4"})),
    _forged("t18_unlabeled_int8", "int8 weights in a model of floats", "is damaged ("
            "embedding.weight has values that are not finite floats)",
            _weights(lambda w: _int8(w, np.ones))),
    *(
        _forged(f"t18_scale_{name}", f"int8 weights with {injected}", words,
                _labeled_int8(lambda w, scale=scale: _int8(w, scale)))
        for name, injected, scale, words in (
            ("missing", "no scale", None, NO_SCALE),
            ("too_short", "a scale of fewer rows", lambda rows: np.ones(rows - 1), NO_SCALE),
            ("nan", "a scale that is not a number", lambda rows: np.full(rows, np.nan), NO_SCALE),
            ("zero", "a scale of zeros", np.zeros, NO_SCALE),
            ("too_large", "a scale beyond float32", lambda rows: np.full(rows, 3e38),
             "embedding.weight has values that are not finite floats"),
        )
    ),
    _forged("t18_scale_of_doubles", "int8 weights with a scale in float64", NO_SCALE,
            _labeled_int8(lambda w: _int8(w, np.ones) | {
                "embedding.weight.scale": np.ones(len(w["embedding.weight"]))})),
    _forged("t18_scale_of_nothing", "a scale without a matrix", "output_bias.scale is the scale of "
            "no int8 matrix",
            _labeled_int8(lambda w: w | {"output_bias.scale": w["output_bias"]})),
    _forged("t41_nan_weights", "a weight that is not a number", "is damaged (output_bias has "
            "values that are not finite floats)",
            _weights(lambda w: w | {"output_bias": _set(w["output_bias"], np.nan)})),
    _forged("t41_infinite_weights", "an infinite weight, to score", "is damaged (output_bias has "
            "values that are not finite floats)",
            _weights(lambda w: w | {"output_bias": _set(w["output_bias"], np.inf)}),
            command=EVALUATE),
)  # fmt: skip

RUNNING = (
    Fault("t23_absurd_rate", "a learning rate of a thousand", (
          *TRAIN, "train.learning_rate=1000", "train.clip_norm=null", "train.optimizer=sgd",
          "train.warmup_steps=0", "train.epochs=50", "--runs-dir", "others", "-q"),
          "training diverged at step", code=3),
    Fault("t26_enormous_layers", "layers that no memory holds",
          (*TRAIN, "model.hidden_sizes=[65536,65536,65536]"), "GB of memory ("),
    Fault("t26_enormous_vectors", "word vectors that no memory holds",
          (*TRAIN, "model.embedding_dim=65536", "model.hidden_sizes=[65536]"),
          "Lower model.hidden_sizes ([65536]), model.embedding_dim (65,536)"),
    Fault("t12_runs_folder_is_a_file", "a file in the place of the runs",
          (*TRAIN, "--runs-dir", "my.yaml"), "my.yaml", code=1),
)  # fmt: skip

FAULTS = (*RESUMPTIONS, *DAMAGES, *HOSTILE, *RUNNING, *CONFIGS, *TEXTS, *SAMPLES)


def _edit(folder: Path, old: str, new: str) -> None:
    path = folder / RUN / "resolved.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.count(f"  {old}\n") == 1, old
    path.write_text(text.replace(f"  {old}\n", f"  {new}\n"), encoding="utf-8")


def _older_record(step: Path) -> None:
    forge(step, "state.json", lambda state: state | {"text": "0" * 64})
    _manifest(step, {"format": 2})


def _reschedule(folder: Path) -> None:
    """Make the run one with a cosine schedule, which its checkpoints say too."""
    _edit(folder, "schedule: constant", "schedule: cosine")
    for step in checkpoints_of(folder / RUN).glob("step-*"):
        _config_of(step, b"schedule: constant", b"schedule: cosine")


def _remove_checkpoints(run: Path) -> None:
    checkpoints_of(run).rename(run / "elsewhere")
    checkpoints_of(run).mkdir()


def _alone(step: Path) -> Path:
    """The last checkpoint, the older ones put away: training would go on from them."""
    run = step.parent.parent
    at = last(run)
    for other in step.parent.glob("step-*"):
        if other != at:
            other.rename(run / other.name)
    return at


def _link(path: Path) -> None:
    """Put a link to a file that must not change in the place of something in a run."""
    victim = path.parent / "mine"
    victim.write_text("mine", encoding="utf-8")
    _remove(path)
    path.symlink_to(victim)


def _pipe(path: Path) -> None:
    """Put a pipe, which nobody writes to, in its place."""
    _remove(path)
    os.mkfifo(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _whole_numbers(step: Path) -> None:
    """Turn the tensors of the state into whole numbers."""
    at = _alone(step)
    tensors = load((at / "state.safetensors").read_bytes())
    whole = {name: array.astype(np.int64) for name, array in tensors.items()}
    seal(at, state_safetensors=save(whole))


def _drop(step: Path, prefix: str) -> None:
    """Take tensors out of the state."""
    at = _alone(step)
    held = load((at / "state.safetensors").read_bytes())
    kept = {name: array for name, array in held.items() if not name.startswith(prefix)}
    assert len(kept) < len(held), prefix
    seal(at, state_safetensors=save(kept))


def _manifest(step: Path, change: dict) -> None:
    facts = json.loads((step / "manifest.json").read_text(encoding="utf-8")) | change
    write_manifest(step, facts)


def _ngrams() -> bytes:
    ids, counts = np.array([10**6], dtype=np.int64), np.ones(1, dtype=np.uint32)
    return save({"keys.1": ids, "counts.1": counts})


def _drop_ngrams(step: Path) -> None:
    files = json.loads((step / "manifest.json").read_text(encoding="utf-8"))["files"]
    _manifest(step, {"files": {k: v for k, v in files.items() if k != "ngrams.safetensors"}})


def _object_array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([print], dtype=object), allow_pickle=True)
    return file.getvalue()
