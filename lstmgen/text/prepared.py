"""A text as ids on disk, prepared once and looked up by its content.

One pass writes provisional token numbers to a temporary file; then the split is chosen, the
training part counted, and the numbers become ids. So memory holds one block and one entry per
distinct word, whatever the length of the text. The folder's name is a hash of the files' bytes
and of every setting that affects the ids, never of a path or a time, and the folder's format.
"""

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmgen.config.schema import DataConfig
from lstmgen.errors import CheckpointError, DataError, printable
from lstmgen.safe_files import UMASK, read_plain
from lstmgen.text import unfinished
from lstmgen.text.corpus import Corpus, Part, Progress
from lstmgen.text.documents import ENDOFTEXT
from lstmgen.text.encodings import EncodingError
from lstmgen.text.finding import Found, find_files
from lstmgen.text.numbering import (
    MARK,
    BoundaryFiles,
    ByteCounter,
    IdTable,
    NumberCounts,
    write_numbers,
)
from lstmgen.text.reading import find_problem, normalize
from lstmgen.text.style import learn_style
from lstmgen.text.tags import file_tags, is_tag
from lstmgen.text.tokenizer import FINGERPRINT, Tokenizer
from lstmgen.text.vocabulary import (
    STORY,
    UNKNOWN,
    Vocabulary,
    build_vocabulary,
    check_listed,
    from_json,
    listed_vocabulary,
    read_list,
    with_stems,
)

FORMAT = 7  # of the folder; part of its name
SETTINGS = ("valid_fraction", "tokenizer", "lowercase", "vocabulary_size", "min_count")
LATER_SETTINGS = ("encoding", "documents", "strip_gutenberg", "tags")  # hashed where they are set
MIN_VALIDATION = 20  # tokens; a shorter held-out part is not informative
CHUNK = 1 << 20  # numbers converted at a time
NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
NEEDED = (2, 8)  # bytes on the disk for each byte of a text, read as words and as characters
LINES, META = "train.lines", "meta.json"
MAX_META = 512 << 20  # bytes; most of them are the vocabulary


def prepare(
    data: DataConfig,
    *,
    folder: Path,
    entries: tuple[str, ...] | None = None,
    progress: Progress | None = None,
    expected: str | None = None,
) -> Corpus:
    """The ids of a text, prepared now or cached under ``folder``.

    In a folder of another user, or on a read-only disk, nothing is cached.

    Args:
        folder: cache of prepared texts (``<runs-dir>/.prepared``).
        entries: a vocabulary to use instead of the text's own words or a file's.
        expected: the fingerprint of the only text that may be cached. Another one, which
            somebody else's config may name, is prepared in a temporary folder.

    Raises:
        DataError: a text cannot be read, is too short, or changes during reading.
        StorageError: the ids cannot be written.
    """
    train = find_files(data.train or "", key="data.train")
    valid = Found([]) if data.valid is None else find_files(data.valid, key="data.valid")
    listed = None if data.vocabulary is None else read_list(Path(data.vocabulary))
    listed = listed if entries is None else list(entries)
    source = _Source(data, train.files, valid.files, listed, from_model=entries is not None)
    fingerprint = source.fingerprint()
    if expected not in (None, fingerprint):
        return _prepare_elsewhere(data, entries, progress)
    home = folder / f"{fingerprint[:32]}-{FORMAT}"
    notices = (*train.notices, *valid.notices)
    try:
        return _load(home, fingerprint=fingerprint, files=len(train.files), notices=notices)
    except (OSError, ValueError, KeyError, TypeError, CheckpointError):
        pass  # not prepared yet, or damaged
    try:
        shutil.rmtree(home, ignore_errors=True)
        _write_folder(source, home=home, progress=progress)
    except EncodingError:
        paths = [*source.train, *source.valid]
        problems = [problem for p in paths if (problem := find_problem(p, data.encoding))]
        raise EncodingError(problems, key="data.encoding") from None
    except OSError as error:
        if error.errno in NOT_OURS:
            return _prepare_elsewhere(data, entries, progress)
        size = sum(path.stat().st_size for path in (*train.files, *valid.files))
        needed = NEEDED[data.tokenizer == "character"] * size
        what = f"the prepared text, which needs about {needed:,} bytes,"
        raise unfinished.cannot_write(folder, what, error) from error
    if source.fingerprint() != fingerprint:
        shutil.rmtree(home, ignore_errors=True)
        raise DataError("the text was changed while it was read. Try again when it is complete")
    return _load(home, fingerprint=fingerprint, files=len(train.files), notices=notices)


def _prepare_elsewhere(
    data: DataConfig, entries: tuple[str, ...] | None, progress: Progress | None
) -> Corpus:
    """Prepare a text in a temporary folder, whose files stay readable while they are mapped."""
    with tempfile.TemporaryDirectory() as folder:
        return prepare(data, folder=Path(folder), entries=entries, progress=progress)


@dataclass(frozen=True)
class _Source:
    """A text and everything that affects its ids."""

    data: DataConfig
    train: list[Path]
    valid: list[Path]
    listed: list[str] | None  # vocabulary entries, unless they are the text's own words
    from_model: bool  # whether they come from another model rather than a file

    def tags(self) -> tuple[list[str], list[str]]:
        """The tags of the files for training and for validation."""
        if not self.data.tags:
            return [], []
        tags = file_tags(self.train)
        return tags, file_tags(self.valid, known=tags)

    def fingerprint(self) -> str:
        """SHA-256 of the files' bytes and of the settings, independent of paths and times."""
        listed = self.listed
        if self.from_model and listed is not None:  # whether <unk> is an entry depends on the text
            listed = [entry for entry in listed if entry not in (STORY, UNKNOWN)]
        settings = {key: getattr(self.data, key) for key in SETTINGS}
        settings |= self.data.model_dump(include=set(LATER_SETTINGS), exclude_defaults=True)
        paths = {"train": None, "valid": None}
        hashed = paths | settings | {"vocabulary": listed, "entries": self.from_model}
        if self.data.tokenizer == "word":
            hashed["version"] = FINGERPRINT
        if self.data.tags:
            hashed["tag_names"] = self.tags()
        digest = hashlib.sha256(json.dumps(hashed).encode())
        for files in (self.train, self.valid):
            digest.update(b"part")
            for path in files:
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def _write_folder(source: _Source, *, home: Path, progress: Progress | None) -> None:
    """Write the folder under a temporary name, then rename it atomically."""
    home.parent.mkdir(parents=True, exist_ok=True)
    unfinished.sweep(home.parent)
    temporary = Path(tempfile.mkdtemp(prefix=unfinished.prefix(), dir=home.parent))
    try:
        meta = _write_parts(source, folder=temporary, progress=progress)
        meta["digests"] = {path.name: _digest(path) for path in sorted(temporary.iterdir())}
        meta["digest"] = _digest_of(meta)
        (temporary / META).write_text(json.dumps(meta), encoding="utf-8")
        for path in temporary.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        temporary.chmod(0o777 & ~UMASK)  # runs may be shared
        try:
            temporary.rename(home)
        except OSError:
            if not (home / META).is_file():  # else another process wrote the same ids
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_parts(source: _Source, *, folder: Path, progress: Progress | None) -> dict[str, Any]:
    data, tokenizer = source.data, Tokenizer(source.data.tokenizer)
    numbers, ends, lines = folder / "numbers", folder / "ends", folder / LINES
    sizes = [path.stat().st_size for path in source.train + source.valid]
    counter, (tags, valid_tags) = ByteCounter(progress, sum(sizes)), source.tags()
    with numbers.open("wb") as file, ends.open("wb") as splits, lines.open("wb") as newlines:
        train = write_numbers(
            source.train, tokenizer, file, data=data, counter=counter,
            boundaries=BoundaryFiles(splits, newlines), tags=tags,
        )  # fmt: skip
        valid = write_numbers(
            source.valid, tokenizer, file, data=data, counter=counter, tags=valid_tags
        )
    tokens = train.tokens
    if tokens < 2:
        raise DataError(_too_short(data, tokens))
    if source.valid and not valid.tokens:
        raise DataError("data.valid: the text is empty. Leave the key out to hold out words")
    split = train.total
    if not source.valid:
        split = _choose_split(train.total, ends, data.valid_fraction)
    if lines.stat().st_size:  # keep the line ends of the training part
        positions = np.memmap(lines, dtype=np.int64, mode="r")
        os.truncate(lines, 8 * int(np.searchsorted(positions, split, side="right")))
    vocabulary, notice = _vocabulary(source, tokenizer, _chunks(numbers, 0, split))
    table, parts = IdTable(tokenizer, vocabulary), {}
    for name, start, stop in (("train", 0, split), ("valid", split, train.total + valid.total)):
        if start < stop:
            with (folder / f"{name}.ids").open("wb") as file:
                tag = train.tag_at(split) if name == "valid" else None
                for ids in table.convert(_chunks(numbers, start, stop), tag=tag):
                    file.write(ids.tobytes())
            parts[name] = table.sizes
    numbers.unlink()
    ends.unlink()
    if data.tokenizer == "word":
        ids = np.memmap(folder / "train.ids", np.uint32, "c")
        if vocabulary.tags:
            ids = ids[~np.isin(ids, list(vocabulary.tags.values()))]
        vocabulary = replace(
            with_stems(vocabulary, ids), style=learn_style(vocabulary.entries, ids)
        )
    notices = [notice] * bool(notice)
    notices += [*_notices(train, data, key="data.train"), *_notices(valid, data, key="data.valid")]
    unknown = "valid" in parts and parts["valid"]["unknown"] == parts["valid"]["tokens"]
    if unknown and not vocabulary.models_unknown:
        del parts["valid"]
        notices.append("no word of the validation text is known: the last checkpoint is the best")
    elif "valid" not in parts:
        notices.append(_no_validation(data, tokens))
    return {
        "parts": parts,
        "vocabulary": vocabulary.as_json(),
        "notices": notices,
        "file_starts": [start for start in train.starts if start < split],
    }


def _choose_split(total: int, ends: Path, fraction: float) -> int:
    """Start of the validation part: the last ``fraction``, moved back to a line end.

    If a very long line would more than double the held-out part, the split falls inside the
    line instead.
    """
    target = round(total * fraction)
    if target < MIN_VALIDATION:
        return total
    exact = total - target
    positions = np.memmap(ends, dtype=np.int64, mode="r")  # sorted; a search touches few pages
    before = int(np.searchsorted(positions, exact, side="right"))
    start = int(positions[before - 1]) if before else exact
    return start if total - start <= 2 * target and start > 2 else exact


def _vocabulary(
    source: _Source, tokenizer: Tokenizer, chunks: Iterable[NDArray[np.uint32]]
) -> tuple[Vocabulary, str]:
    """Build the vocabulary from the counts of the training part alone; also a notice, or ""."""
    data = source.data
    forms = tokenizer.forms()
    sums = np.zeros(len(forms), dtype=np.int64)
    stories = 0
    for chunk in chunks:
        numbers = chunk[chunk != MARK]
        stories += len(chunk) - len(numbers)
        sums += np.bincount(numbers, minlength=len(forms))
    counts: Counter[str] = Counter()
    for number in np.flatnonzero(sums):
        counts[forms[number]] += int(sums[number])
    counts[STORY] += stories
    notice = ""
    if source.listed is not None:
        normalized = (
            form if is_tag(form) else normalize(form, lowercase=data.lowercase)
            for form in source.listed
        )  # fmt: skip
        forms = [form for form in normalized if form]
        if data.vocabulary is not None and not source.from_model:
            notice = check_listed(Path(data.vocabulary), forms, counts)
        vocabulary = listed_vocabulary(forms, counts)
    else:
        vocabulary = build_vocabulary(
            counts, min_count=data.min_count, vocabulary_size=data.vocabulary_size
        )
    if len(vocabulary) == len(vocabulary.specials):
        raise DataError(
            f"data.min_count = {data.min_count}, data.vocabulary_size = "
            f"{data.vocabulary_size}: no word is left to learn. Keep more words"
        )
    return vocabulary, notice


def _chunks(path: Path, start: int, stop: int) -> Iterator[NDArray[np.uint32]]:
    for place in range(start, stop, CHUNK):
        yield np.fromfile(path, dtype=np.uint32, count=min(CHUNK, stop - place), offset=4 * place)


def _load(home: Path, *, fingerprint: str, files: int, notices: tuple[str, ...]) -> Corpus:
    meta = json.loads(read_plain(home / META, limit=MAX_META))
    if not isinstance(meta, dict) or meta.pop("digest") != _digest_of(meta):
        raise ValueError(f"{META} has been changed")
    for name, digest in meta["digests"].items():
        if _digest(home / name) != digest:
            raise ValueError(f"{name} has been changed")
    parts = {}
    for name, sizes in meta["parts"].items():
        ids = np.memmap(home / f"{name}.ids", dtype=np.uint32, mode="c")
        parts[name] = Part(ids=ids, **sizes)
    lines = home / LINES
    line_ends: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
    if lines.stat().st_size:
        line_ends = np.memmap(lines, dtype=np.int64, mode="c")
    return Corpus(
        train=parts["train"],
        valid=parts.get("valid"),
        vocabulary=from_json(meta["vocabulary"], source=str(home)),
        line_ends=line_ends,
        file_starts=tuple(map(int, meta["file_starts"])),
        fingerprint=fingerprint,
        files=files,
        notices=(*notices, *meta["notices"]),
    )


def _digest(path: Path) -> str:
    """SHA-256 of a file; an OSError if a pipe or a device has its place."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a plain file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of(meta: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(meta).encode()).hexdigest()


def _too_short(data: DataConfig, tokens: int) -> str:
    source = data.train if isinstance(data.train, str) else ", ".join(data.train or ())
    problem = "is empty" if tokens == 0 else "holds one token only"
    return (
        f"data.train = {printable(source)}: the text {problem}. "
        "Training needs at least 2 tokens, one to read and one to predict"
    )


def _notices(counts: NumberCounts, data: DataConfig, *, key: str) -> Iterator[str]:
    """What the user should know about a text that was read."""
    if counts.removed:
        count = f"{counts.removed:,} control character{'s were' if counts.removed > 1 else ' was'}"
        yield f"{key}: {count} removed, and replaced by a space between two letters"
    if counts.misread:
        yield (
            f"{key}: {counts.misread:,} characters, as in {counts.misread_word!a}, look like "
            "Windows-1252 that was once read as Latin-1; they are kept. To repair a file: "
            "iconv -f UTF-8 -t LATIN1 FILE | iconv -f WINDOWS-1252 -t UTF-8"
        )
    if counts.gutenberg and not data.strip_gutenberg:
        yield (
            f"{key}: the header and licence of Project Gutenberg are in the text. To cut them off: "
            "data.strip_gutenberg=true"
        )
    if counts.endoftext and data.documents == "file":
        yield (
            f"{key}: {ENDOFTEXT} stands in the text {counts.endoftext:,} times. If it separates "
            f"documents: data.documents='{ENDOFTEXT}'"
        )


def _no_validation(data: DataConfig, tokens: int) -> str:
    if data.valid_fraction == 0:
        return "no words are held out (data.valid_fraction: 0): the last checkpoint is the best"
    return (
        f"{tokens:,} tokens are too few to hold out {data.valid_fraction:.0%} of them: "
        "no validation, the last checkpoint is the best"
    )
