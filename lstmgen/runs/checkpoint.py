"""Checkpoints: one folder each, written atomically, and validated when read.

    checkpoints/index.json            the best and the last step
    checkpoints/step-N/manifest.json  format, size and SHA-256 of every file below, own digest;
                                      after training, the chosen sampling settings; the kind of
                                      quantization, for an exported model with quantized weights
                       model.safetensors state.safetensors state.json
                       config.yaml vocabulary.json tokenizer.json
                       origin.json: names of the texts, and the model training started from
                       copy_index.safetensors, ngrams.safetensors (optional): hard links to the
                       run's

A folder is written as ``.step-N.tmp``, its files and itself are fsynced, and it is renamed; then
the index is replaced in the same way; only then are old folders deleted. So at any time the index
refers to complete checkpoints. They contain no pickle, path, time or host name: equal runs write
equal bytes, and an untrusted checkpoint can at worst be rejected. Reading for generation needs no
torch.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmgen.errors import CheckpointError, DamagedError, StorageError, printable
from lstmgen.safe_files import read_plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[np.generic]]

# 2: with copy_index.safetensors; 3: with origin.json; 4: with ngrams and sampling; 5: quantized
FORMAT = 5
FINGERPRINT_FORMAT = 3  # from which on a text's fingerprint is today's
UNQUANTIZED_FORMAT = 4  # of checkpoints that older versions can read
QUANTIZED = ("int8",)  # kinds of quantized weights
MODEL, STATE, PROGRESS = "model.safetensors", "state.safetensors", "state.json"
CONFIG, VOCABULARY, TOKENIZER = "config.yaml", "vocabulary.json", "tokenizer.json"
COPY_INDEX, NGRAMS = "copy_index.safetensors", "ngrams.safetensors"
SHARED = (COPY_INDEX, NGRAMS)  # files of the run that its checkpoints link to
ORIGIN = "origin.json"
FILES = (MODEL, STATE, PROGRESS, CONFIG, VOCABULARY, TOKENIZER, ORIGIN)
MAX_JSON = 512 << 20  # bytes
SIZES = ("window", "stride", "batch_size", "accumulate")  # of a step, in state.json
MAX_COUNT = 2**31
# Files that are small when they are written, and what they may have at most, in bytes.
LARGEST = {CONFIG: 1_000_000, TOKENIZER: 10_000, PROGRESS: 16 << 20, ORIGIN: 64 << 20}
MAX_INDEX, MAX_MANIFEST = 1 << 16, 1 << 20  # bytes


@dataclass(frozen=True)
class Index:
    """The best and the last step of a run."""

    best: int
    last: int

    @property
    def steps(self) -> tuple[int, ...]:
        """Both steps, the best first; one if they are the same."""
        return tuple(dict.fromkeys((self.best, self.last)))


@dataclass(frozen=True)
class SharedFile:
    """A file of the run that all checkpoints share by hard links."""

    path: Path
    size: int
    sha256: str


def write_shared(path: Path, arrays: "Arrays") -> SharedFile:
    """Write a file for all checkpoints of a run, unless it exists already.

    Raises:
        StorageError: the file cannot be written.
    """
    from safetensors.numpy import save

    data = save(dict(arrays))
    digest = hashlib.sha256(data).hexdigest()
    with storage_errors(path, len(data)):
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            _replace_durably(path, data)
    return SharedFile(path, len(data), digest)


def step_folder(checkpoints: Path, step: int) -> Path:
    """The folder of a step's checkpoint."""
    return checkpoints / f"step-{step}"


def write_checkpoint(
    checkpoints: Path,
    step: int,
    *,
    model: "Arrays",
    state: "Arrays",
    progress: Mapping[str, Any],
    config: str,
    vocabulary: Mapping[str, Any],
    tokenizer: Mapping[str, Any],
    origin: Mapping[str, Any],
    shared: Sequence[SharedFile] = (),
) -> Path:
    """Write a complete checkpoint and return its folder.

    Args:
        checkpoints: the run's folder of checkpoints.
        model: tensors needed for generation.
        state: further tensors needed to resume training.
        progress: counters and positions, as JSON.
        origin: the training texts, and the model training started from.
        shared: files of the run that this checkpoint links to.

    Raises:
        StorageError: the disk cannot hold it; older checkpoints are untouched.
    """
    from safetensors.numpy import save

    contents = {
        MODEL: save(dict(model)),
        STATE: save(dict(state)),
        PROGRESS: _json(progress),
        CONFIG: config.encode(),
        VOCABULARY: _json(vocabulary),
        TOKENIZER: _json(tokenizer),
        ORIGIN: _json(origin),
    }
    final, temporary = step_folder(checkpoints, step), checkpoints / f".step-{step}.tmp"
    size = sum(map(len, contents.values()))
    contents["manifest.json"] = make_manifest(step, contents, shared)
    with storage_errors(final, size, temporary=temporary):
        checkpoints.mkdir(exist_ok=True)  # not its parents: a deleted run is not recreated
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        for name, data in contents.items():
            write_durably(temporary / name, data)
        for file in shared:
            _link(file.path, temporary / file.path.name)
        fsync_folder(temporary)
        if final.exists():  # a run that resumed from an older step rewrites it
            shutil.rmtree(final)
        temporary.rename(final)
        fsync_folder(checkpoints)
    return final


def add_sampling(folder: Path, sampling: Mapping[str, Any]) -> None:
    """Add chosen sampling settings to the manifest of a checkpoint, or replace them.

    Raises:
        CheckpointError: the checkpoint is missing or damaged.
        StorageError: the disk cannot hold it; the checkpoint is as before.
    """
    before = open_checkpoint(folder)
    files = {name: {"size": s, "sha256": digest} for name, (s, digest) in before.files.items()}
    data = _seal(before.step, files, sampling, before.quantized)
    with storage_errors(folder, len(data)):
        _replace_durably(folder / "manifest.json", data)


def make_manifest(
    step: int,
    contents: Mapping[str, bytes],
    shared: Sequence[SharedFile],
    sampling: Any = None,
    quantized: str | None = None,
) -> bytes:
    """The manifest of a checkpoint with these files."""
    files = {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in contents.items()
    }
    files |= {f.path.name: {"size": f.size, "sha256": f.sha256} for f in shared}
    return _seal(step, files, sampling, quantized)


def _seal(step: int, files: Mapping[str, Any], sampling: Any, quantized: str | None) -> bytes:
    """A manifest with its digest."""
    facts = {"format": FORMAT if quantized else UNQUANTIZED_FORMAT, "step": step, "files": files}
    if sampling is not None:
        facts["sampling"] = sampling
    if quantized is not None:
        facts["quantized"] = quantized
    return _json({**facts, "digest": digest_of(facts)})


def write_index(checkpoints: Path, index: Index) -> None:
    """Replace the index atomically."""
    path = checkpoints / "index.json"
    with storage_errors(path, 64):
        _replace_durably(path, _json({"best": index.best, "last": index.last}))


def delete_old(checkpoints: Path, *, index: Index, keep: int) -> list[str]:
    """Delete all but the best and the newest ``keep`` checkpoints.

    Returns:
        A message for each one that could not be deleted.
    """
    steps = sorted(saved_steps(checkpoints))
    failures = []
    for step in sorted(set(steps) - {index.best, index.last, *steps[-keep:]}):
        old = checkpoints / f".step-{step}.old"
        try:  # renamed first, so that readers never see an incomplete folder
            step_folder(checkpoints, step).rename(old)
            shutil.rmtree(old)
        except OSError as error:
            failures.append(f"step-{step} could not be deleted ({error.strerror})")
    return failures


def clean_up(checkpoints: Path) -> None:
    """Remove incomplete folders of a killed process."""
    for path in (*checkpoints.glob(".step-*.tmp"), *checkpoints.glob(".step-*.old")):
        shutil.rmtree(path, ignore_errors=True)


def saved_steps(checkpoints: Path) -> list[int]:
    """The steps that have a folder."""
    folders = [path for path in checkpoints.glob("step-*") if path.is_dir()]
    matches = [re.fullmatch(r"step-(0|[1-9][0-9]{0,17})", path.name) for path in folders]
    return [int(match[1]) for match in matches if match]


def read_index(checkpoints: Path) -> Index | None:
    """The run's index; None if there is no complete checkpoint yet.

    Raises:
        DamagedError: the file is not a valid index.
    """
    path = checkpoints / "index.json"
    try:
        data = json.loads(read_plain(path, limit=MAX_INDEX))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged_index(path, str(error)) from None
    if not isinstance(data, dict) or not all(_is_count(data.get(k)) for k in ("best", "last")):
        raise _damaged_index(path, "it must hold best and last")
    return Index(best=data["best"], last=data["last"])


def _damaged_index(path: Path, reason: str) -> DamagedError:
    return DamagedError(
        f"{printable(path)} is damaged ({printable(reason)}). The checkpoints next to it may be "
        "intact: name one of their folders, or let `lstmgen train --resume` find the newest"
    )


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint folder with its manifest; files are verified as they are read."""

    path: Path
    step: int
    files: dict[str, tuple[int, str]]  # size and SHA-256 by name
    digest: str  # SHA-256 of the manifest, and so of all files
    format: int
    sampling: Any = None  # settings chosen when training ended, not validated; None without any
    quantized: str | None = None  # one of QUANTIZED; None for floats

    def read(self, name: str) -> bytes:
        """A file's verified bytes.

        Raises:
            CheckpointError: the file is missing or has been changed.
        """
        if name not in self.files:
            raise damaged(self.path, f"{name} is not in its manifest")
        size, digest = self.files[name]
        if size > LARGEST.get(name, size):
            raise damaged(self.path, f"{name} is larger than any that lstmgen writes")
        try:
            data = read_plain(self.path / name, limit=size)
        except OSError as error:
            raise damaged(self.path, f"{name}: {error.strerror}") from None
        if len(data) != size:
            raise damaged(self.path, f"{name} has {len(data):,} bytes of {size:,}")
        if hashlib.sha256(data).hexdigest() != digest:
            raise damaged(self.path, f"{name} has been changed")
        return data

    def read_json(self, name: str) -> Any:
        """A JSON file's value."""
        if self.files.get(name, (0, ""))[0] > MAX_JSON:
            raise damaged(self.path, f"{name} is larger than any that lstmgen writes")
        try:
            return json.loads(self.read(name))
        except (ValueError, RecursionError) as error:
            raise damaged(self.path, f"{name} is not JSON ({error})") from None

    def read_counters(self) -> dict[str, Any]:
        """The contents of state.json, of which the sizes of a step are checked.

        Raises:
            CheckpointError: it is no object, or a size is not a whole number in range.
        """
        saved = self.read_json(PROGRESS)
        if not isinstance(saved, dict):
            raise damaged(self.path, f"{PROGRESS} does not hold counters")
        for name in SIZES:
            value = saved.get(name, 1)
            if type(value) is not int or not 1 <= value <= MAX_COUNT:
                raise damaged(self.path, f"{PROGRESS}: {name} is no whole number from 1")
        return saved

    def read_fingerprint(self) -> str:
        """The fingerprint of the training text; empty if it is not recorded, or in an old way."""
        if self.format < FINGERPRINT_FORMAT or PROGRESS not in self.files:
            return ""
        return str(self.read_counters().get("text", ""))

    def read_origin(self) -> dict[str, Any]:
        """The training text and the model that training started from.

        Returns:
            ``texts``, ``tokens`` and ``init_from``; empty if written by an older lstmgen.
        """
        if ORIGIN not in self.files:
            return {}
        origin: dict[str, Any] = self.read_json(ORIGIN)
        if not _is_origin(origin):
            raise damaged(self.path, f"{ORIGIN} is not a record of a training run")
        return origin

    def read_tensors(self, name: str) -> "dict[str, NDArray[np.generic]]":
        """A safetensors file's arrays."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            return dict(load(self.read(name)))
        except (SafetensorError, ValueError, KeyError) as error:
            raise damaged(self.path, f"{name} holds no tensors ({error})") from None


def open_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint's manifest.

    Raises:
        CheckpointError: it is missing or damaged, or was written by a newer lstmgen.
    """
    if not path.is_dir():
        raise CheckpointError(f"{printable(path)}: no such checkpoint folder")
    try:
        manifest = json.loads(read_plain(path / "manifest.json", limit=MAX_MANIFEST))
    except OSError as error:
        raise damaged(path, f"manifest.json: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"manifest.json is not JSON ({error})") from None
    version: Any = manifest.get("format") if isinstance(manifest, dict) else None
    if not _is_count(version):
        raise damaged(path, "manifest.json has no format")
    if version > FORMAT:
        raise CheckpointError(
            f"{printable(path)} was made by a newer lstmgen (format {version}, this one reads "
            f"{FORMAT}). Install a newer lstmgen"
        )
    digest = manifest.pop("digest", None)
    if digest != digest_of(manifest):
        raise damaged(path, "manifest.json has been changed")
    step, files = manifest.get("step"), manifest.get("files")
    if not _is_count(step) or not isinstance(files, dict):
        raise damaged(path, "manifest.json lacks the step or the files")
    entries = {}
    for name, entry in files.items():
        valid = isinstance(entry, dict) and _is_count(entry.get("size"))
        if name not in (*FILES, *SHARED) or not valid or type(entry.get("sha256")) is not str:
            raise damaged(path, f"manifest.json has an invalid entry {name!r}")
        entries[name] = (entry["size"], entry["sha256"])
    quantized = manifest.get("quantized")
    if quantized not in (None, *QUANTIZED):
        raise other_version(path, f"quantized = {quantized}")
    chosen = manifest.get("sampling")
    return Checkpoint(path, step, entries, str(digest), version, chosen, quantized)


def damaged(path: Path, reason: str) -> DamagedError:
    """The error for a checkpoint that cannot be used."""
    return DamagedError(f"checkpoint {printable(path)} is damaged ({printable(reason)})")


def other_version(path: Path, reason: str) -> CheckpointError:
    """The error for an intact checkpoint that this version of lstmgen cannot use."""
    return CheckpointError(
        f"checkpoint {printable(path)} was written by another version of lstmgen "
        f"({printable(reason)}). Use the version that wrote it, or train the model again"
    )


def digest_of(facts: Mapping[str, Any]) -> str:
    """The manifest's own checksum, over a canonical encoding."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _is_origin(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("texts"), list | None):
        return False
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    base = value.get("init_from")
    return (
        all(isinstance(name, str) for name in value.get("texts") or ())
        and (value.get("tokens") is None or _is_count(value["tokens"]))
        and (base is None or _is_base(base))
    )


def _is_base(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("name"), str)
        and isinstance(value.get("digest"), str)
        and _is_origin(value)
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def write_durably(path: Path, data: bytes) -> None:
    """Write a file and flush it to the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _replace_durably(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    write_durably(temporary, data)
    temporary.replace(path)
    fsync_folder(path.parent)


def _link(source: Path, target: Path) -> None:
    """Make a hard link, or a copy on a file system without hard links."""
    try:
        target.hardlink_to(source)
    except OSError:
        write_durably(target, source.read_bytes())


def fsync_folder(path: Path) -> None:
    """Flush a folder's entries to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def storage_errors(path: Path, size: int, *, temporary: Path | None = None) -> Iterator[None]:
    """Convert an OSError to a StorageError that compares the size with the free space.

    Args:
        temporary: an incomplete folder or file to remove first.
    """
    try:
        yield
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()  # an OSError if it is a folder
            shutil.rmtree(temporary, ignore_errors=True)
        problem = f"{printable(path)} cannot be written ({error.strerror})"
        try:
            free = shutil.disk_usage(path.parent).free
        except OSError:
            gone = f"{problem}: {printable(path.parent)} no longer exists"
            raise StorageError(gone) from error
        raise StorageError(
            f"{problem}: needs {size:,} bytes, {free:,} are free. "
            "Checkpoints saved before are intact"
        ) from error
