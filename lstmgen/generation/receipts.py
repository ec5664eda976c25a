"""Receipts: files from which another process reproduces the same text."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lstmgen import __version__
from lstmgen.config.loader import override_sample
from lstmgen.config.schema import SampleConfig
from lstmgen.errors import ConfigError, LstmgenError, StorageError, UsageError, printable
from lstmgen.generation.load import load_generator
from lstmgen.generation.sample_results import Result, generate_samples, sample_json
from lstmgen.safe_files import write_output

MAX_SIZE = 256 << 20  # bytes; a million words with their alternatives have about as many
FORMAT = 2  # 1: with beams, no_repeat_ngram: null meant that any n-gram may be repeated
BEFORE = {  # what receipts without these keys meant
    "hard_limit": True,
    "balance_quotes": False,
    "cache_last_word": True,
    "best_of": 1,
    "ngram_weight": 0.0,
    "pair_penalty": 0.0,
}


class _ReceiptPart(BaseModel):
    """Part of a receipt; other keys of the file are information only."""

    model_config = ConfigDict(frozen=True, strict=True)


class _Checkpoint(_ReceiptPart):
    path: str
    step: int
    digest: str


class _Sample(_ReceiptPart):
    text: str


class Receipt(_ReceiptPart):
    """The keys of a receipt that a replay needs."""

    receipt: Literal[1, 2]  # up to FORMAT
    lstmgen: str
    numpy: str
    checkpoint: _Checkpoint
    cue: str
    seed: int = Field(ge=0, lt=2**63)
    settings: dict[str, Any]
    samples: list[_Sample] = Field(min_length=1, max_length=10_000)


def check_receipt_path(path: Path) -> None:
    """Check, before generating, that a receipt can be written.

    Raises:
        UsageError: if the path is no file in an existing folder.
    """
    if not path.name or path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"--receipt {printable(path)}: name a file in an existing folder")


def write_receipt(path: Path, result: Result) -> None:
    """Write a receipt.

    Raises:
        StorageError: if it cannot be written.
    """
    receipt = {
        "receipt": FORMAT,
        "lstmgen": __version__,
        "numpy": np.__version__,
        "checkpoint": {
            "path": str(result.checkpoint.path.absolute()),
            "step": result.checkpoint.step,
            "digest": result.checkpoint.digest,
            "init_from": result.checkpoint.read_origin().get("init_from"),
        },
        "cue": result.cue,
        "seed": result.seed,
        "settings": result.settings.model_dump(exclude={"cues"}),
        "samples": [sample_json(result, k) for k in range(len(result.samples))],
    }
    try:
        write_output(path, (json.dumps(receipt, indent=1) + "\n").encode())
    except OSError as error:
        raise StorageError(
            f"--receipt {printable(path)}: cannot be written ({error.strerror})"
        ) from error


def replay_receipt(path: Path, *, run: Path | None, runs: Path) -> tuple[Result, list[str]]:
    """Regenerate the text recorded in a receipt.

    Args:
        run: a run or step folder to use instead of the one in the receipt.

    Returns:
        The samples, equal to the recorded ones, and the versions that differ nevertheless.

    Raises:
        UsageError: if the file is not a receipt, or the checkpoint is not the recorded one.
        LstmgenError: if the text differs; the message names what has changed.
    """
    receipt = _read_receipt(path)
    recorded = receipt.checkpoint
    generator, checkpoint = load_generator(run or Path(recorded.path), runs, copies=True)
    if checkpoint.digest != recorded.digest:
        raise UsageError(
            f"{printable(path)}: the checkpoint has changed: it was {recorded.digest[:16]}, "
            f"step {recorded.step}, and {printable(checkpoint.path)} is {checkpoint.digest[:16]}, "
            f"step {checkpoint.step}. Name the right one: lstmgen generate RUN --replay FILE"
        )
    changes = [
        f"{name} was {old} and is now {new}"
        for name, old, new in (
            ("lstmgen", receipt.lstmgen, __version__),
            ("numpy", receipt.numpy, np.__version__),
        )
        if old != new
    ]
    settings = override_sample(SampleConfig(), _current_settings(receipt))
    samples, seed = len(receipt.samples), receipt.seed
    result = generate_samples(
        generator, checkpoint, receipt.cue, settings, samples=samples, seed=seed
    )
    for number, sample in enumerate(receipt.samples):
        if result.text(number) != sample.text:
            reason = "; ".join(changes) or (
                "the checkpoint and the versions are the same, so the machine's arithmetic or the "
                "receipt has changed"
            )
            raise LstmgenError(f"{printable(path)}: the text of sample {number} differs: {reason}")
    return result, changes


def _current_settings(receipt: Receipt) -> dict[str, Any]:
    """The settings of a receipt, with what they meant when it was written."""
    settings = BEFORE | receipt.settings
    if receipt.receipt == 1 and settings.get("no_repeat_ngram") is None:
        settings["no_repeat_ngram"] = 0
    return settings


def _read_receipt(path: Path) -> Receipt:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIZE + 1)
        if len(data) > MAX_SIZE:
            raise UsageError(
                f"--replay {printable(path)}: has more than {MAX_SIZE:,} bytes, so it is not a "
                "receipt. Name a file written by --receipt"
            )
        receipt = Receipt.model_validate_json(data)
        override_sample(SampleConfig(), receipt.settings)
    except OSError as error:
        raise UsageError(f"--replay {printable(path)}: {error.strerror}") from None
    except ValidationError:
        raise UsageError(
            f"--replay {printable(path)}: is not a receipt. Name a file written by --receipt"
        ) from None
    except ConfigError as error:
        raise UsageError(f"--replay {printable(path)}: {error}") from None
    return receipt
