"""One checkpoint is one folder, written whole or not at all, read with suspicion.

    checkpoints/index.json            which step is best, which is last
    checkpoints/step-N/manifest.json  format, size and SHA-256 of every file below, own digest
                       model.safetensors state.safetensors state.json
                       config.yaml vocabulary.json tokenizer.json
                       origin.json: names of the texts, and the model that it started from
                       copy_index.safetensors: where there is one, a hard link to the run's

A folder is made as ``.step-N.tmp``, every file and the folder itself flushed to
the disk, and renamed; then the index is replaced in the same way; only then are
old folders deleted. So at any instant the index names complete checkpoints.
Nothing in them is a pickle, a path, a time or a host name: equal runs make equal
bytes, and a checkpoint from a stranger can at worst be refused. Reading for
generation needs no torch.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmgen.errors import CheckpointError, DamagedError, StorageError, printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[np.generic]]

FORMAT = 3  # 2: with copy_index.safetensors; 3: with origin.json
MODEL, STATE, PROGRESS = "model.safetensors", "state.safetensors", "state.json"
CONFIG, VOCABULARY, TOKENIZER = "config.yaml", "vocabulary.json", "tokenizer.json"
COPY_INDEX = "copy_index.safetensors"
ORIGIN = "origin.json"
FILES = (MODEL, STATE, PROGRESS, CONFIG, VOCABULARY, TOKENIZER, ORIGIN)
LARGEST_JSON = 512 << 20  # bytes
LARGEST_INDEX = 1 << 16  # bytes


@dataclass(frozen=True)
class Index:
    """Which steps of a run to look at."""

    best: int
    last: int


@dataclass(frozen=True)
class SharedFile:
    """A file of the run that every checkpoint holds too, by a hard link."""

    path: Path
    size: int
    sha256: str


def write_shared(path: Path, arrays: "Arrays") -> SharedFile:
    """Write a file for all checkpoints of a run, unless it is there already.

    Raises:
        StorageError: where the disk does not take it.
    """
    from safetensors.numpy import save

    data = save(dict(arrays))
    digest = hashlib.sha256(data).hexdigest()
    try:
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            temporary = path.with_name(f".{path.name}.tmp")
            _write_durably(temporary, data)
            temporary.replace(path)
            _flush_folder(path.parent)
    except OSError as error:
        raise _storage_error(path, len(data), error) from error
    return SharedFile(path, len(data), digest)


def step_folder(checkpoints: Path, step: int) -> Path:
    """Where a step's checkpoint is."""
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
    copy_index: SharedFile | None = None,
) -> Path:
    """Write a complete checkpoint and return its folder.

    Args:
        checkpoints: the run's folder of checkpoints.
        model: what generation needs. state: what a resumption needs beside it.
        progress: counters and positions, as JSON.
        origin: what it was trained on, and from which model on.
        copy_index: the training words, where they are kept.

    Raises:
        StorageError: where the disk does not take it; older checkpoints are untouched.
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
    manifest = _manifest(step, contents, copy_index)
    try:
        checkpoints.mkdir(exist_ok=True)  # not its parents: a run that was removed stays so
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        for name, data in {**contents, "manifest.json": manifest}.items():
            _write_durably(temporary / name, data)
        if copy_index is not None:
            _link(copy_index.path, temporary / COPY_INDEX)
        _flush_folder(temporary)
        if final.exists():  # a run that went back to an older step writes it anew
            shutil.rmtree(final)
        temporary.rename(final)
        _flush_folder(checkpoints)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        size = sum(map(len, contents.values()))
        raise _storage_error(final, size, error) from error
    return final


def export_checkpoint(found: "Checkpoint", target: Path, *, half: bool) -> int:
    """Copy what generation and another training need of a checkpoint to a folder of its own.

    Args:
        target: must not be there yet.
        half: keep the weights in float16, half the size.

    Returns:
        Bytes that were written.

    Raises:
        StorageError: where it cannot be written. CheckpointError: where a weight is too large
            for float16.
    """
    from safetensors.numpy import save

    names = (MODEL, CONFIG, VOCABULARY, TOKENIZER, ORIGIN, COPY_INDEX)
    contents = {name: found.read(name) for name in names if name in found.files}
    if half:
        halves = {name: _halved(w, found, name) for name, w in found.read_tensors(MODEL).items()}
        contents[MODEL] = save(halves)
    contents["manifest.json"] = _manifest(found.step, contents, None)
    temporary = target.with_name(f".{target.name}.tmp-{os.getpid()}")
    try:
        temporary.mkdir(parents=True)
        for name, data in contents.items():
            _write_durably(temporary / name, data)
        _flush_folder(temporary)
        temporary.rename(target)
        _flush_folder(target.parent)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise _storage_error(target, sum(map(len, contents.values())), error) from error
    return sum(map(len, contents.values()))


def _halved(weight: "NDArray[np.generic]", found: "Checkpoint", name: str) -> "NDArray[np.float16]":
    import numpy as np

    with np.errstate(over="ignore"):
        half = np.asarray(weight, np.float16)
    if not np.isfinite(half).all():
        raise CheckpointError(
            f"{printable(found.path)}: {name} has values above 65,504, which float16 cannot hold. "
            "Export it with --full"
        )
    return half


def _manifest(step: int, contents: Mapping[str, bytes], copy_index: SharedFile | None) -> bytes:
    """What a manifest says of a checkpoint's files."""
    files = {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in contents.items()
    }
    if copy_index is not None:
        files[COPY_INDEX] = {"size": copy_index.size, "sha256": copy_index.sha256}
    facts = {"format": FORMAT, "step": step, "files": files}
    return _json({**facts, "digest": _digest(facts)})


def write_index(checkpoints: Path, index: Index) -> None:
    """Replace the index in one step."""
    temporary = checkpoints / ".index.json.tmp"
    try:
        _write_durably(temporary, _json({"best": index.best, "last": index.last}))
        temporary.replace(checkpoints / "index.json")
        _flush_folder(checkpoints)
    except OSError as error:
        raise _storage_error(checkpoints / "index.json", 64, error) from error


def delete_old(checkpoints: Path, *, index: Index, keep: int) -> list[str]:
    """Delete all but the best and the newest ``keep`` checkpoints.

    Returns:
        What could not be deleted, as sentences.
    """
    steps = sorted(saved_steps(checkpoints))
    spared = {index.best, index.last, *steps[-keep:]}
    failed = []
    for step in steps:
        if step not in spared:
            doomed = checkpoints / f".step-{step}.old"
            try:  # renamed first: a reader finds a folder whole or not at all
                step_folder(checkpoints, step).rename(doomed)
                shutil.rmtree(doomed)
            except OSError as error:
                failed.append(f"step-{step} could not be deleted ({error.strerror})")
    return failed


def clean_up(checkpoints: Path) -> None:
    """Remove what a killed process left half written."""
    for path in (*checkpoints.glob(".step-*.tmp"), *checkpoints.glob(".step-*.old")):
        shutil.rmtree(path, ignore_errors=True)


def saved_steps(checkpoints: Path) -> list[int]:
    """The steps that have a folder; other names are not ours."""
    found = [path for path in checkpoints.glob("step-*") if path.is_dir()]
    names = [re.fullmatch(r"step-(0|[1-9][0-9]{0,17})", path.name) for path in found]
    return [int(name[1]) for name in names if name]


def read_index(checkpoints: Path) -> Index | None:
    """The run's index, None where no checkpoint is complete yet.

    Raises:
        DamagedError: where it is not an index.
    """
    path = checkpoints / "index.json"
    try:
        data = json.loads(_read_limited(checkpoints, path.name, limit=LARGEST_INDEX))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged_index(path, str(error)) from None
    if not isinstance(data, dict) or not all(_is_step(data.get(k)) for k in ("best", "last")):
        raise _damaged_index(path, "it must hold best and last")
    return Index(best=data["best"], last=data["last"])


def _damaged_index(path: Path, reason: str) -> DamagedError:
    return DamagedError(
        f"{printable(path)} is damaged ({printable(reason)}). The checkpoints beside it may be "
        "whole: name one of their folders, or let `lstmgen train --resume` find the newest"
    )


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint folder whose manifest has been read; files are verified as they are read.

    Attributes:
        files: size and SHA-256 by name.
        digest: SHA-256 of the manifest, so of everything.
    """

    path: Path
    step: int
    files: dict[str, tuple[int, str]]
    digest: str

    def read(self, name: str) -> bytes:
        """A file's bytes, as they were written.

        Raises:
            CheckpointError: where the file is missing or is not what was written.
        """
        if name not in self.files:
            raise damaged(self.path, f"{name} is not in its manifest")
        size, digest = self.files[name]
        data = self._bytes(name, limit=size)
        if len(data) != size:
            raise damaged(self.path, f"{name} has {len(data):,} bytes of {size:,}")
        if hashlib.sha256(data).hexdigest() != digest:
            raise damaged(self.path, f"{name} has been changed")
        return data

    def _bytes(self, name: str, *, limit: int) -> bytes:
        try:
            return _read_limited(self.path, name, limit=limit)
        except OSError as error:
            raise damaged(self.path, f"{name}: {error.strerror}") from None

    def read_json(self, name: str) -> Any:
        """A JSON file's value."""
        if self.files.get(name, (0, ""))[0] > LARGEST_JSON:
            raise damaged(self.path, f"{name} is larger than any that lstmgen writes")
        try:
            return json.loads(self.read(name))
        except (ValueError, RecursionError) as error:
            raise damaged(self.path, f"{name} is not JSON ({error})") from None

    def read_origin(self) -> dict[str, Any]:
        """What it says of its training text and of the model that it started from.

        Returns:
            ``texts``, ``tokens`` and ``init_from``; nothing where an older lstmgen wrote it.
        """
        if ORIGIN not in self.files:
            return {}
        origin: dict[str, Any] = self.read_json(ORIGIN)
        if not _is_origin(origin):
            raise damaged(self.path, f"{ORIGIN} is no record of a training")
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
        CheckpointError: where there is none, or it was made by a newer lstmgen.
    """
    if not path.is_dir():
        raise CheckpointError(f"{printable(path)}: no such checkpoint folder")
    try:
        manifest = json.loads(_read_limited(path, "manifest.json", limit=1 << 20))
    except OSError as error:
        raise damaged(path, f"manifest.json: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"manifest.json is not JSON ({error})") from None
    made: Any = manifest.get("format") if isinstance(manifest, dict) else None
    if not _is_step(made):
        raise damaged(path, "manifest.json has no format")
    if made > FORMAT:
        raise CheckpointError(
            f"{printable(path)} was made by a newer lstmgen (format {made}, this one reads "
            f"{FORMAT}). Install a newer lstmgen"
        )
    digest = manifest.pop("digest", None)
    if digest != _digest(manifest):
        raise damaged(path, "manifest.json has been changed")
    step, files = manifest.get("step"), manifest.get("files")
    if not _is_step(step) or not isinstance(files, dict):
        raise damaged(path, "manifest.json lacks the step or the files")
    known = {}
    for name, entry in files.items():
        fits = isinstance(entry, dict) and _is_step(entry.get("size"))
        if name not in (*FILES, COPY_INDEX) or not fits or not isinstance(entry.get("sha256"), str):
            raise damaged(path, f"manifest.json has an odd entry {name!r}")
        known[name] = (entry["size"], entry["sha256"])
    return Checkpoint(path, step, known, str(digest))


def damaged(path: Path, reason: str) -> DamagedError:
    """The error of a checkpoint that cannot be used."""
    return DamagedError(f"checkpoint {printable(path)} is damaged ({printable(reason)})")


def _digest(facts: Mapping[str, Any]) -> str:
    """The manifest's own checksum, over canonical bytes."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _is_origin(value: Any) -> bool:
    """Whether a JSON value is what ``origin.json`` holds: strings that are Unicode, counts."""
    if not isinstance(value, dict) or not isinstance(value.get("texts"), list | None):
        return False
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return False
    strings = all(isinstance(name, str) for name in value.get("texts") or ())
    counts = value.get("tokens") is None or _is_step(value["tokens"])
    base = value.get("init_from")
    named = base is None or (
        isinstance(base, dict)
        and isinstance(base.get("name"), str)
        and isinstance(base.get("digest"), str)
        and _is_origin(base)
    )
    return strings and counts and named


def _is_step(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _read_limited(path: Path, name: str, *, limit: int) -> bytes:
    """Read a file, and one byte more than it may have at the most."""
    # A stranger's pipe or device must not make anybody wait.
    handle = os.open(path / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "not a plain file")
        # By what the file has: a manifest's claim must not allocate memory.
        return file.read(min(limit, facts.st_size) + 1)


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _link(source: Path, target: Path) -> None:
    """A hard link, or a copy where the file system has none."""
    try:
        target.hardlink_to(source)
    except OSError:
        _write_durably(target, source.read_bytes())


def _flush_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _storage_error(path: Path, size: int, error: OSError) -> StorageError:
    told = f"{printable(path)} cannot be written ({error.strerror})"
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError:
        return StorageError(f"{told}: {printable(path.parent)} is not there any more")
    return StorageError(
        f"{told}: needs {size:,} bytes, {free:,} are free. Checkpoints saved before are intact"
    )
