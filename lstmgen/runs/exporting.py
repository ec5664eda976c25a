"""Writing a checkpoint's model to a folder of its own."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def export_checkpoint(source: Checkpoint, target: Path, *, half: bool) -> int:
    """Copy the files needed for generation and fine-tuning to a new folder.

    Args:
        target: must not exist yet.
        half: convert the weights to float16.

    Returns:
        The number of bytes written.

    Raises:
        StorageError: the folder cannot be written.
        CheckpointError: a weight is too large for float16.
    """
    from safetensors.numpy import save

    names = (MODEL, CONFIG, VOCABULARY, TOKENIZER, ORIGIN, *SHARED)
    contents = {name: source.read(name) for name in names if name in source.files}
    if half:
        weights = source.read_tensors(MODEL)
        contents[MODEL] = save({name: _to_half(w, source, name) for name, w in weights.items()})
    contents["manifest.json"] = make_manifest(source.step, contents, (), source.sampling)
    size = sum(map(len, contents.values()))
    temporary = target.with_name(f".{target.name}.tmp-{os.getpid()}")
    with storage_errors(target, size, temporary=temporary):
        temporary.mkdir(parents=True)
        for name, data in contents.items():
            write_durably(temporary / name, data)
        fsync_folder(temporary)
        temporary.rename(target)
        fsync_folder(target.parent)
    return size


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
