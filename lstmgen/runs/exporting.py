"""Writing a checkpoint's model to a folder of its own, or to a zip file with that folder."""

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lstmgen.config.loader import dump
from lstmgen.config.schema import Config
from lstmgen.errors import CheckpointError, printable
from lstmgen.runs.checkpoint import (
    CONFIG,
    MODEL,
    ORIGIN,
    SHARED,
    TOKENIZER,
    VOCABULARY,
    Checkpoint,
    fsync_folder,
    make_manifest,
    storage_errors,
    write_durably,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ZIP = ".zip"
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # of every entry, so that equal models make equal files
Numbers = Literal["float16", "float32", "int8"]  # how weights are stored; int8: with scales
NEED_TEXT = ("max_copied", "ngram_weight", "pair_penalty")  # keys of ``sample`` that read SHARED


def export_checkpoint(
    source: Checkpoint,
    target: Path,
    *,
    numbers: Numbers,
    training_text: bool = True,
    config: Config | None = None,
) -> int:
    """Write the files needed for generation and fine-tuning to a new folder or zip file.

    Args:
        target: must not exist yet; a zip file if its name ends in ``.zip``.
        numbers: how weights are stored; those that are quantized already remain as they are.
        training_text: include the copy index and the n-grams.
        config: written instead of the checkpoint's own.

    Returns:
        The number of bytes written.

    Raises:
        StorageError: the target cannot be written.
        CheckpointError: a weight is too large for float16.
    """
    from safetensors.numpy import save

    from lstmgen.runs.quantizing import quantize  # numpy

    shared = SHARED if training_text else ()
    names = (MODEL, CONFIG, VOCABULARY, TOKENIZER, ORIGIN, *shared)
    contents = {name: source.read(name) for name in names if name in source.files}
    quantized = source.quantized
    if quantized is None and numbers != "float32":
        weights: Mapping[str, NDArray[Any]] = source.read_tensors(MODEL)
        if numbers == "int8":
            quantized, tensors = numbers, quantize(weights)
        else:
            tensors = {name: _to_half(w, source, name) for name, w in weights.items()}
        contents[MODEL] = save(tensors)
    if config is not None:
        contents[CONFIG] = dump(config, portable=True).encode()
    contents["manifest.json"] = make_manifest(source.step, contents, (), source.sampling, quantized)
    if is_zip(target):
        return write_file(target, _zip(folder_in(target), contents))
    return _write_folder(target, contents)


def is_zip(target: Path) -> bool:
    """Whether a model is exported to a zip file."""
    return target.suffix.lower() == ZIP


def folder_in(target: Path) -> str:
    """The name of the folder in a zip file: that of the file, if it is a plain name."""
    name = target.stem
    plain = name.strip(".") and "\\" not in name and name.isprintable()
    return name if plain else "model"


def without_training_text(config: Config) -> tuple[Config, tuple[str, ...]]:
    """A config without the sampling settings that need the training text; also their names."""
    names = tuple(name for name in NEED_TEXT if getattr(config.sample, name) is not None)
    sample = config.sample.model_copy(update=dict.fromkeys(names))
    return config.model_copy(update={"sample": sample}), names


def write_file(target: Path, data: bytes) -> int:
    """Write a new file atomically; the number of bytes written.

    Raises:
        StorageError: it cannot be written.
    """
    temporary = _temporary(target)
    with storage_errors(target, len(data), temporary=temporary):
        target.parent.mkdir(parents=True, exist_ok=True)
        write_durably(temporary, data)
        temporary.rename(target)
        fsync_folder(target.parent)
    return len(data)


def _write_folder(target: Path, contents: Mapping[str, bytes]) -> int:
    size = sum(map(len, contents.values()))
    temporary = _temporary(target)
    with storage_errors(target, size, temporary=temporary):
        temporary.mkdir(parents=True)
        for name, data in contents.items():
            write_durably(temporary / name, data)
        fsync_folder(temporary)
        temporary.rename(target)
        fsync_folder(target.parent)
    return size


def _zip(folder: str, contents: Mapping[str, bytes]) -> bytes:
    """A zip file with one folder of files, whose bytes depend on nothing else."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in contents.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}", ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, on every system
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return file.getvalue()


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.tmp-{os.getpid()}")


def _to_half(weight: "NDArray[np.generic]", source: Checkpoint, name: str) -> "NDArray[Any]":
    import numpy as np

    with np.errstate(over="ignore"):
        half = np.asarray(weight, np.float16)
    if not np.isfinite(half).all():
        raise CheckpointError(
            f"{printable(source.path)}: {name} has values above 65,504, which float16 cannot "
            "represent. Export it with --full"
        )
    return half
