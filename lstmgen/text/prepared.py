"""A text as ids on disk, made once and found again by its content.

One pass cuts the text into provisional numbers, which go to a temporary file
as they come; then the split is chosen, the training part counted, and the
numbers become ids. So memory holds one block and an entry per different
word, however long the text is. The folder's name is a hash of the files'
bytes and of every setting that shapes the ids, never of a path or a time, and the
format of the folder.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.errors import CheckpointError, DataError, StorageError, printable
from lstmgen.text.reading import count_control, find_files, normalise, read_blocks
from lstmgen.text.spacing import Kind
from lstmgen.text.tokenizer import VERSION, Tokenizer
from lstmgen.text.vocabulary import (
    STORY,
    UNKNOWN,
    Vocabulary,
    build_vocabulary,
    from_json,
    listed_vocabulary,
    read_list,
    with_stems,
)

Ids = NDArray[np.uint32]
Progress = Callable[[int, int], None]  # bytes done, bytes in all

FORMAT = 5  # of the folder; part of its name
SMALLEST_VALIDATION = 20  # tokens; a shorter held-out part says nothing
PIECE = 1 << 20  # ids turned at a time
LINES = "train.lines"
_MARK = np.iinfo(np.uint32).max  # stands for <story> among provisional numbers


@dataclass(frozen=True)
class TextSettings:
    """Everything but the text itself that shapes the ids."""

    train: str | list[str]
    valid: str | list[str] | None = None
    valid_fraction: float = 0.1
    tokenizer: Kind = "word"
    lowercase: bool = False
    vocabulary_size: int | None = None
    min_count: int = 1
    vocabulary: str | None = None
    entries: tuple[str, ...] | None = None  # instead of the text's own words, or of a file


@dataclass(frozen=True)
class Part:
    """One part of the text: its ids, ``<story>`` first, and its size.

    Attributes:
        ids: memory-mapped, 1-D.
        tokens: all tokens, ``<story>`` not counted.
        unknown: tokens without an entry of their own.
        characters: of the text, all tokens.
        unknown_characters: of the tokens that are unknown.
    """

    ids: Ids
    tokens: int
    unknown: int
    characters: int
    unknown_characters: int


@dataclass(frozen=True)
class Corpus:
    """A prepared text.

    Attributes:
        line_ends: of the training part: the place behind each line end in ``train.ids``,
            memory-mapped, 1-D.
        file_starts: where each file of the training part begins in ``train.ids``.
    """

    train: Part
    valid: Part | None
    vocabulary: Vocabulary
    line_ends: NDArray[np.int64]
    file_starts: tuple[int, ...]
    fingerprint: str
    files: int
    notices: tuple[str, ...] = field(default=())


def prepare(settings: TextSettings, *, folder: Path, progress: Progress | None = None) -> Corpus:
    """The ids of a text, made now or found under ``folder``.

    Args:
        settings: where the text is and how it is read.
        folder: where prepared texts are kept (``<runs-dir>/.prepared``).
        progress: called now and then with bytes done and bytes in all.

    Raises:
        DataError: where a text cannot be read, is too short or changes meanwhile.
        StorageError: where the ids cannot be written.
    """
    train = find_files(settings.train, key="data.train")
    valid = [] if settings.valid is None else find_files(settings.valid, key="data.valid")
    listed = None if settings.vocabulary is None else read_list(Path(settings.vocabulary))
    listed = listed if settings.entries is None else list(settings.entries)
    fingerprint = _fingerprint(settings, train, valid, listed)
    home = folder / f"{fingerprint[:32]}-{FORMAT}"
    try:
        return _load(home, fingerprint=fingerprint, files=len(train))
    except (OSError, ValueError, KeyError, TypeError, CheckpointError):
        pass  # not made yet, or damaged: make it
    try:
        shutil.rmtree(home, ignore_errors=True)
        _make(settings, train, valid, listed, home=home, progress=progress)
    except OSError as error:
        raise StorageError(
            f"{printable(folder)}: the prepared text cannot be written ({error.strerror})"
        ) from error
    if _fingerprint(settings, train, valid, listed) != fingerprint:
        shutil.rmtree(home, ignore_errors=True)
        raise DataError("the text was changed while it was read. Try again when it is whole")
    return _load(home, fingerprint=fingerprint, files=len(train))


def encode_files(
    sources: str | list[str], vocabulary: Vocabulary, *, kind: Kind, lowercase: bool, key: str
) -> Part:
    """A text by a vocabulary that exists already, in memory (for ``evaluate --text``)."""
    paths = find_files(sources, key=key)
    tokenizer = Tokenizer(kind)
    with tempfile.TemporaryFile() as file:
        total, _, _ = _number(paths, tokenizer, lowercase, file, None, _Counted(None, 0))
        if total == len(paths):
            raise DataError(f"{key}: the text is empty")
        file.seek(0)
        numbers = np.frombuffer(file.read(), dtype=np.uint32)
    part, ids = _turn([numbers], _table(tokenizer, vocabulary), tokenizer, vocabulary)
    return Part(ids=np.concatenate(list(ids)), **part())


def keep_stdin(folder: Path) -> Path:
    """Copy standard input to a file named by its content, so that it can be read again."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".making-", dir=folder)
    with os.fdopen(handle, "w+b") as file, open(0, "rb", closefd=False) as stdin:
        shutil.copyfileobj(stdin, file)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Path(name).rename(folder / f"stdin-{digest[:16]}.txt")


def _fingerprint(
    settings: TextSettings, train: list[Path], valid: list[Path], listed: list[str] | None
) -> str:
    if settings.entries is not None and listed is not None:  # whether <unk> is one, the text says
        listed = [entry for entry in listed if entry not in (STORY, UNKNOWN)]
    shaping = asdict(settings) | {"train": None, "valid": None, "vocabulary": listed}
    shaping["entries"] = settings.entries is not None
    if settings.tokenizer == "word":
        shaping["version"] = VERSION
    whole = hashlib.sha256(json.dumps(shaping).encode())
    for paths in (train, valid):
        whole.update(b"part")
        for path in paths:
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def _make(
    settings: TextSettings,
    train: list[Path],
    valid: list[Path],
    listed: list[str] | None,
    *,
    home: Path,
    progress: Progress | None,
) -> None:
    """Write the folder beside its place, then move it there in one step."""
    home.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".making-", dir=home.parent))
    try:
        meta = _write_parts(settings, train, valid, listed, folder=temporary, progress=progress)
        (temporary / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
        for path in temporary.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        try:
            temporary.rename(home)
        except OSError:
            if not (home / "meta.json").is_file():  # else somebody else was first: the same ids
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_parts(
    settings: TextSettings,
    train: list[Path],
    valid: list[Path],
    listed: list[str] | None,
    *,
    folder: Path,
    progress: Progress | None,
) -> dict[str, Any]:
    tokenizer = Tokenizer(settings.tokenizer)
    numbers, ends, lines = folder / "numbers", folder / "ends", folder / LINES
    counted = _Counted(progress, sum(path.stat().st_size for path in train + valid))
    with numbers.open("wb") as file, ends.open("wb") as places, lines.open("wb") as newlines:
        total, removed, starts = _number(
            train, tokenizer, settings.lowercase, file, (places, newlines), counted
        )
        held, more, _ = _number(valid, tokenizer, settings.lowercase, file, None, counted)
    if total - len(train) < 2:
        raise DataError(_too_short(settings, total - len(train)))
    if valid and held == len(valid):
        raise DataError("data.valid: the text is empty. Leave the key out to hold out words")
    split = total if valid else _choose_split(total, ends, settings.valid_fraction)
    _cut_lines(lines, split)
    vocabulary = _vocabulary(settings, tokenizer, _pieces(numbers, 0, split), listed)
    table = _table(tokenizer, vocabulary)
    parts, lengths = {}, {}
    for name, start, stop in (("train", 0, split), ("valid", split, total + held)):
        if start < stop:
            describe, ids = _turn(_pieces(numbers, start, stop), table, tokenizer, vocabulary)
            with (folder / f"{name}.ids").open("wb") as file:
                for chunk in ids:
                    file.write(chunk.tobytes())
                lengths[name] = file.tell() // 4
            parts[name] = describe()
    numbers.unlink()
    ends.unlink()
    if settings.tokenizer == "word":
        vocabulary = with_stems(vocabulary, np.memmap(folder / "train.ids", np.uint32, "c"))
    notices = [f"{removed + more:,} control characters were taken out of the text"]
    notices = notices if removed + more else []
    unknown = "valid" in parts and parts["valid"]["unknown"] == parts["valid"]["tokens"]
    if unknown and not vocabulary.models_unknown:
        del parts["valid"]
        notices.append("no word of the validation text is known: the last checkpoint is the best")
    elif "valid" not in parts:
        notices.append(_no_validation(settings, total - len(train)))
    return {
        "parts": parts,
        "lengths": lengths,
        "vocabulary": vocabulary.as_json(),
        "notices": notices,
        "file_starts": [start for start in starts if start < split],
    }


class _Counted:
    """Progress in bytes over several files."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def add(self, size: int) -> None:
        self.done += size
        if self.progress is not None:
            self.progress(min(self.done, self.total), self.total)


def _number(
    paths: Iterable[Path],
    tokenizer: Tokenizer,
    lowercase: bool,
    file: IO[bytes],
    places: tuple[IO[bytes], IO[bytes]] | None,
    counted: _Counted,
) -> tuple[int, int, list[int]]:
    """Write the provisional numbers of files, ``<story>`` before each.

    Args:
        file: takes the numbers, uint32.
        places: the first takes the places after each line end and each ``<story>``,
            the second those after line ends only, int64.

    Returns:
        How many numbers were written, how many control characters were left out, and
        where each file begins among the numbers.
    """
    total, removed = 0, 0
    starts: list[int] = []
    for path in paths:
        np.array([_MARK], dtype=np.uint32).tofile(file)
        if places is not None:
            np.array([total], dtype=np.int64).tofile(places[0])
        starts.append(total)
        total += 1
        tokenizer.restart()
        for block in read_blocks(path):
            removed += count_control(block)
            text = normalise(block, lowercase=lowercase)
            numbers, line_ends = _encode_lines(tokenizer, text)
            numbers.astype(np.uint32).tofile(file)
            for taker in places or ():
                (line_ends + total).astype(np.int64).tofile(taker)
            total += len(numbers)
            counted.add(len(block.encode()))
    return total, removed, starts


def _encode_lines(tokenizer: Tokenizer, text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A block's numbers, and the places after each of its line ends."""
    if tokenizer.kind != "whitespace":
        numbers = tokenizer.encode(text)
        return numbers, tokenizer.line_ends(numbers)
    lines = text.split("\n")
    lengths = np.cumsum([len(line.split()) for line in lines])
    return tokenizer.encode(text), lengths[:-1]


def _choose_split(total: int, ends: Path, fraction: float) -> int:
    """Where validation begins: the last ``fraction``, moved back to a line end.

    A line so long that this would more than double the held-out part is cut
    at the token instead.
    """
    wanted = round(total * fraction)
    if wanted < SMALLEST_VALIDATION:
        return total
    exact = total - wanted
    places = np.memmap(ends, dtype=np.int64, mode="r")  # in order; a search touches few pages
    before = int(np.searchsorted(places, exact, side="right"))
    start = int(places[before - 1]) if before else exact
    return start if total - start <= 2 * wanted and start > 2 else exact


def _cut_lines(lines: Path, split: int) -> None:
    """Keep the line ends of the training part."""
    if lines.stat().st_size:
        places = np.memmap(lines, dtype=np.int64, mode="r")
        os.truncate(lines, 8 * int(np.searchsorted(places, split, side="right")))


def _vocabulary(
    settings: TextSettings,
    tokenizer: Tokenizer,
    pieces: Iterable[NDArray[np.uint32]],
    listed: list[str] | None,
) -> Vocabulary:
    """Count the training part, and it alone."""
    forms = tokenizer.forms()
    sums = np.zeros(len(forms), dtype=np.int64)
    stories = 0
    for piece in pieces:
        known = piece[piece != _MARK]
        stories += len(piece) - len(known)
        sums += np.bincount(known, minlength=len(forms))
    counts: Counter[str] = Counter()
    for number in np.flatnonzero(sums):
        counts[forms[number]] += int(sums[number])
    counts[STORY] += stories
    if listed is not None:
        known = [normalise(form, lowercase=settings.lowercase) for form in listed]
        vocabulary = listed_vocabulary([form for form in known if form], counts)
    else:
        vocabulary = build_vocabulary(
            counts, min_count=settings.min_count, vocabulary_size=settings.vocabulary_size
        )
    if len(vocabulary) == len(vocabulary.specials):
        raise DataError(
            f"data.min_count = {settings.min_count}, data.vocabulary_size = "
            f"{settings.vocabulary_size}: no word is left to learn. Keep more words"
        )
    return vocabulary


def _table(tokenizer: Tokenizer, vocabulary: Vocabulary) -> NDArray[np.uint32]:
    """The id of every provisional number."""
    return np.array([vocabulary.lookup(form) for form in tokenizer.forms()], dtype=np.uint32)


def _turn(
    pieces: Iterable[NDArray[np.uint32]],
    table: NDArray[np.uint32],
    tokenizer: Tokenizer,
    vocabulary: Vocabulary,
) -> tuple[Callable[[], dict[str, int]], Iterator[Ids]]:
    """Numbers to ids, piece by piece; the sizes are known once all is read."""
    lengths = tokenizer.lengths()
    sizes = {"tokens": 0, "unknown": 0, "characters": 0, "unknown_characters": 0}

    def ids() -> Iterator[Ids]:
        first = True
        for piece in pieces:
            if first and (not len(piece) or piece[0] != _MARK):
                yield np.zeros(1, dtype=np.uint32)  # a part begun inside a file opens as one
            first = False
            is_story = piece == _MARK
            numbers = np.where(is_story, 0, piece)
            turned = np.where(is_story, 0, table[numbers])
            unknown = ~is_story & (turned == vocabulary.unknown_id)
            sizes["tokens"] += int(len(piece) - is_story.sum())
            sizes["unknown"] += int(unknown.sum())
            sizes["characters"] += int(lengths[numbers[~is_story]].sum())
            sizes["unknown_characters"] += int(lengths[numbers[unknown]].sum())
            yield turned.astype(np.uint32)

    return lambda: sizes, ids()


def _pieces(path: Path, start: int, stop: int) -> Iterator[NDArray[np.uint32]]:
    """The numbers of a file from ``start`` to ``stop``, read piece by piece."""
    for place in range(start, stop, PIECE):
        yield np.fromfile(path, dtype=np.uint32, count=min(PIECE, stop - place), offset=4 * place)


def _load(home: Path, *, fingerprint: str, files: int) -> Corpus:
    meta = json.loads((home / "meta.json").read_text(encoding="utf-8"))
    parts = {}
    for name, sizes in meta["parts"].items():
        ids = np.memmap(home / f"{name}.ids", dtype=np.uint32, mode="c")
        if len(ids) != meta["lengths"][name]:
            raise ValueError(f"{name}.ids was cut")
        parts[name] = Part(ids=ids, **sizes)
    lines = home / LINES
    line_ends: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
    if lines.stat().st_size:
        line_ends = np.memmap(lines, dtype=np.int64, mode="c")
    return Corpus(
        train=parts["train"],
        line_ends=line_ends,
        file_starts=tuple(map(int, meta["file_starts"])),
        valid=parts.get("valid"),
        vocabulary=from_json(meta["vocabulary"], source=str(home)),
        fingerprint=fingerprint,
        files=files,
        notices=tuple(meta["notices"]),
    )


def _too_short(settings: TextSettings, tokens: int) -> str:
    source = settings.train if isinstance(settings.train, str) else ", ".join(settings.train)
    found = "is empty" if tokens == 0 else "holds one token only"
    return (
        f"data.train = {printable(source)}: the text {found}. "
        "Training needs at least 2 tokens, one to read and one to predict"
    )


def _no_validation(settings: TextSettings, tokens: int) -> str:
    if settings.valid_fraction == 0:
        return "no words are held out (data.valid_fraction: 0): the last checkpoint is the best"
    return (
        f"{tokens:,} tokens are too few to hold {settings.valid_fraction:.0%} of them out: "
        "no validation, the last checkpoint is the best"
    )
