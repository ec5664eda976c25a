"""Receipts: a file by which another process makes the same text again."""

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
from lstmgen.generation.samples import Result, generate_samples, sample_json
from lstmgen.runs.folders import replace_text

FORMAT = 1


class _Read(BaseModel):
    """Part of a receipt: what it holds beside is for people."""

    model_config = ConfigDict(frozen=True, strict=True)


class _Checkpoint(_Read):
    path: str
    step: int
    digest: str


class _Sample(_Read):
    text: str


class Receipt(_Read):
    """What a replay needs of a receipt's file."""

    receipt: Literal[1]  # FORMAT
    lstmgen: str
    numpy: str
    checkpoint: _Checkpoint
    cue: str
    seed: int = Field(ge=0, lt=2**63)
    settings: dict[str, Any]
    samples: list[_Sample] = Field(min_length=1, max_length=10_000)


def check_place(path: Path) -> None:
    """Refuse a place for a receipt before a text is made for it.

    Raises:
        UsageError: where no file can be there.
    """
    if not path.name or path.is_dir() or not path.parent.is_dir():
        raise UsageError(f"--receipt {printable(path)}: name a file in a folder that is there")


def write_receipt(path: Path, result: Result) -> None:
    """Write what ``replay`` needs.

    Raises:
        StorageError: where it cannot be written.
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
        replace_text(path, json.dumps(receipt, indent=1) + "\n")
    except OSError as error:
        raise StorageError(
            f"--receipt {printable(path)}: cannot be written ({error.strerror})"
        ) from error


def replay_receipt(path: Path, *, given: Path | None, runs: Path) -> tuple[Result, list[str]]:
    """Generate again what a receipt tells of.

    Args:
        given: a run or step folder in the place of the one that the receipt names.

    Returns:
        The samples, the same as in the receipt, and what is different all the same.

    Raises:
        UsageError: where it is no receipt, or the checkpoint is another one.
        LstmgenError: where another text came out; it names what has changed.
    """
    receipt = _read_receipt(path)
    was = receipt.checkpoint
    generator, found = load_generator(given or Path(was.path), runs, copies=True)
    if found.digest != was.digest:
        raise UsageError(
            f"{printable(path)}: the checkpoint has changed: it was {was.digest[:16]}, "
            f"step {was.step}, and {printable(found.path)} is {found.digest[:16]}, "
            f"step {found.step}. Name the right one: lstmgen generate RUN --replay FILE"
        )
    changed = [
        f"{name} was {then} and is now {now}"
        for name, then, now in (
            ("lstmgen", receipt.lstmgen, __version__),
            ("numpy", receipt.numpy, np.__version__),
        )
        if then != now
    ]
    settings = override_sample(SampleConfig(), receipt.settings)
    result = generate_samples(
        generator,
        found,
        receipt.cue,
        settings,
        samples=len(receipt.samples),
        seed=receipt.seed,
    )
    texts = [result.text(k) for k in range(len(result.samples))]
    for number, (text, sample) in enumerate(zip(texts, receipt.samples, strict=True)):
        if text != sample.text:
            reason = "; ".join(changed) or "the checkpoint and the versions are the same, so the "
            reason += "" if changed else "machine's arithmetic or the receipt has changed"
            raise LstmgenError(f"{printable(path)}: sample {number} is another text now: {reason}")
    return result, changed


def _read_receipt(path: Path) -> Receipt:
    try:
        receipt = Receipt.model_validate_json(path.read_bytes())
        override_sample(SampleConfig(), receipt.settings)
    except OSError as error:
        raise UsageError(f"--replay {printable(path)}: {error.strerror}") from None
    except ValidationError:
        raise UsageError(
            f"--replay {printable(path)}: is no receipt, as --receipt writes"
        ) from None
    except ConfigError as error:
        raise UsageError(f"--replay {printable(path)}: {error}") from None
    return receipt
