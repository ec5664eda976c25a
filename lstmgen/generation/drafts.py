"""Drafts: files that hold a text being written, as plain text or, in ``.json``, with settings."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lstmgen.config.loader import override_sample
from lstmgen.config.schema import SampleConfig
from lstmgen.errors import ConfigError, DataError, StorageError, UsageError, encodable, printable
from lstmgen.safe_files import replace_file
from lstmgen.text.finding import check_readable
from lstmgen.text.reading import read_blocks

# Keys of the section ``sample`` that apply to writing; the rest depends on the checkpoint.
SETTINGS = (
    "temperature", "best_of", "top_k", "top_p", "min_p", "repetition_penalty", "repetition_span",
    "no_repeat_ngram", "banned", "bias", "balance_quotes", "max_copied",
)  # fmt: skip
UNSAVED = ("ngram_weight", "pair_penalty", "tag")
MAX_SIZE = 5_000_000  # bytes; a novel has less than a million


@dataclass(frozen=True)
class Draft:
    """A text, and the settings it was being written with."""

    text: str
    settings: Mapping[str, Any] = field(default_factory=dict)  # some of ``SETTINGS``
    checkpoint: str = ""  # digest; empty if unknown


def read_draft(path: Path) -> Draft:
    """Read a draft; the line end at the end of plain text is not part of it.

    Raises:
        DataError: if the file is missing, not a text, or not what ``write_draft`` writes.
    """
    check_readable(path, key="draft")
    size, name = path.stat().st_size, f"draft = {printable(path)}"
    if size > MAX_SIZE:
        raise DataError(f"{name}: has {size:,} bytes, a draft at most {MAX_SIZE:,}. Split the text")
    if not _holds_settings(path):
        return Draft("".join(read_blocks(path)).removesuffix("\n"))
    try:
        saved: Any = json.loads(path.read_bytes())
        settings = {key: saved[key] for key in SETTINGS if key in saved}
        override_sample(SampleConfig(), settings)
        if not isinstance(saved["text"], str) or not encodable(saved["text"]):
            raise TypeError
    except ConfigError as error:
        raise DataError(f"{name}: {error}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DataError(
            f"{name}: is not a draft saved by /save. A text must not be named .json"
        ) from None
    return Draft(saved["text"], settings, str(saved.get("checkpoint", "")))


def write_draft(path: Path, draft: Draft) -> None:
    """Write a draft; the old file is intact until the new one is complete.

    Raises:
        UsageError: if something other than a plain file has the name.
        StorageError: if the file cannot be written.
    """
    try:
        target = Path(os.path.realpath(path))  # a link stays, its file is replaced
        if os.path.lexists(target) and not target.is_file():
            raise UsageError(
                f"{printable(path)}: is not a plain file, so it is left alone. Choose another name"
            )
        replace_file(target, _contents(path, draft).encode("utf-8", errors="replace"))
    except OSError as error:
        raise StorageError(
            f"{printable(path)}: cannot be written ({error.strerror}). Choose another place"
        ) from None
    except ValueError:  # a NUL character
        raise UsageError(f"{printable(path)}: is not a file name") from None


def _holds_settings(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def _contents(path: Path, draft: Draft) -> str:
    if not _holds_settings(path):
        return draft.text + "\n"
    saved = {"text": draft.text, **draft.settings, "checkpoint": draft.checkpoint}
    return json.dumps(saved, indent=1) + "\n"
