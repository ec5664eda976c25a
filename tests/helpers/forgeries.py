"""Files of a run that were changed by somebody who knows the format.

Each kind of change is drawn from a seed, so that a case can be repeated. A checkpoint's manifest
is made true of its changed files, as its digests would otherwise refuse them all.
"""

import copy
import json
import os
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from lstmgen.runs import checkpoint
from tests.helpers.scenes import checkpoints_of, seal, write_manifest

ODD_NUMBERS = (
    -1, 0, 1, 2, -(2**31), 2**31, 2**53 + 1, 2**63, -(2**63), 2**70, 10**40, 0.5, 1.5, -0.0, 1e-300,
    1e308, -1e308, float("nan"), float("inf"), -float("inf"),
)  # fmt: skip
ODD_TEXTS = (
    "", " ", "x", "\x1b[2J", "\u202e", "\ud800", "\x00", "nan", "../../x", "/dev/zero", "é" * 300,
    "x" * 200_000, "[red]", "{}", "word", "<unk>", "<story>",
)  # fmt: skip
DTYPES = ("f2", "f4", "f8", "i1", "i8", "u1", "u4", "u8", "bool")


@dataclass(frozen=True)
class Change:
    """What was done to a file.

    Attributes:
        words: for the message of a failed test.
        strict: whether nobody may use the changed value: a wrong kind, shape or file.
    """

    words: str
    strict: bool


Draw = Callable[[random.Random, Path], Change]


def change_json(rng: random.Random, value: Any) -> tuple[Any, Change]:
    """A JSON value with one place changed."""
    holder = {"": copy.deepcopy(value)}
    places = list(_places(holder))
    parent, key = rng.choice(places)
    old = parent[key]
    way = rng.randrange(8)
    if way == 0 and isinstance(parent, dict) and parent is not holder:
        del parent[key]
        return holder[""], Change(f"without {key!r}", strict=False)
    if way == 1 and isinstance(old, dict):
        old[rng.choice(("x", "format", "step", "sampling", "\x1b[2J", "\ud800"))] = rng.choice(
            (1, "x", [], {})
        )
        return holder[""], Change(f"a key more in {key!r}", strict=False)
    if way == 2 and isinstance(old, list) and old:
        changed = rng.choice((old[:-1], old[::-1], old * 2, old[:1], [old], []))
        parent[key] = changed
        return holder[""], Change(f"a list of another order or length: {key!r}", strict=False)
    new = _odd_value(rng)
    parent[key] = new
    strict = _kind(old) != _kind(new) and None not in (old, new)
    return holder[""], Change(f"{key!r}: {old!r:.60} became {new!r:.60}", strict=strict)


def _odd_value(rng: random.Random) -> Any:
    if rng.random() < 0.45:
        return rng.choice(ODD_NUMBERS)
    if rng.random() < 0.5:
        return rng.choice(ODD_TEXTS)
    nested: Any = []
    for _ in range(rng.choice((1, 40, 900))):
        nested = [nested]
    return rng.choice((None, True, False, [], {}, [1, "x", None], {"x": 1}, nested, [{}] * 2000))


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__


def _places(value: Any) -> Any:
    """Each place of a JSON value, as its container and its key; of long lists only some."""
    keys: Any = ()
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = range(len(value)) if len(value) < 10 else (0, 1, len(value) // 2, len(value) - 1)
    for key in keys:
        yield value, key
        yield from _places(value[key])


def change_tensors(rng: random.Random, data: bytes) -> tuple[bytes, Change]:
    """A safetensors file with one tensor changed, or with a header that lies."""
    tensors = dict(load(data))
    name = rng.choice(sorted(tensors))
    old = tensors[name]
    way = rng.randrange(9)
    if way == 0:
        del tensors[name]
        return save(tensors), Change(f"without {name}", strict=True)
    if way == 1:
        tensors[rng.choice(("x", "layers.9.bias", "\x1b[2J", "names"))] = np.ones(3, "f4")
        return save(tensors), Change("a tensor more", strict=False)
    if way == 2:
        other = np.dtype(rng.choice(DTYPES))
        tensors[name] = old.astype(other)
        # Weights may be halves, as `export` writes them.
        strict = other not in ("f2", old.dtype)
        return save(tensors), Change(f"{name}: {old.dtype} became {other}", strict)
    if way == 3:
        shapes = [old[:-1], old[None], np.concatenate([old, old]), old.reshape(-1)[:0]]
        changed = rng.choice([old.ravel(), *shapes] if old.ndim else [old[None], old[None, None]])
        tensors[name] = np.ascontiguousarray(changed)
        return save(tensors), Change(f"{name}: {old.shape} became {changed.shape}",
                                     strict=old.shape != changed.shape)  # fmt: skip
    if way in (4, 5, 6) and old.size:
        flat = old.ravel().copy()
        place, number = rng.randrange(len(flat)), rng.choice(ODD_NUMBERS)
        with np.errstate(all="ignore"):
            if old.dtype.kind == "f":
                flat[place] = number if abs(number) < 1e39 or number != number else np.inf
            elif old.dtype.kind in "iu":
                limits = np.iinfo(old.dtype)
                whole = 0 if number != number else max(limits.min, min(limits.max, number))
                flat[place] = int(whole)
        tensors[name] = flat.reshape(old.shape)
        return save(tensors), Change(f"{name}[{place}] became {flat[place]}", strict=False)
    return _change_header(rng, data)


def _change_header(rng: random.Random, data: bytes) -> tuple[bytes, Change]:
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    changed, change = change_json(rng, header)
    text = json.dumps(changed, ensure_ascii=True).encode()
    claimed = rng.choice((len(text), len(text), 2**40, 0, len(data)))
    forged = struct.pack("<Q", claimed) + text + data[8 + size :]
    try:
        valid = {n: t.tolist() for n, t in load(forged).items()}
        same = repr(valid) == repr({n: t.tolist() for n, t in load(data).items()})
    except (SafetensorError, ValueError, TypeError, KeyError, OverflowError):
        same = False
    return forged, Change(f"header: {change.words}, size {claimed}", strict=not same)


def change_bytes(rng: random.Random, data: bytes) -> tuple[bytes, Change]:
    """Bytes cut, exchanged or added."""
    way = rng.randrange(6)
    if way == 0:
        size = rng.randrange(len(data) + 1)
        return data[:size], Change(f"cut to {size} bytes", strict=False)
    if way == 1:
        return b"", Change("empty", strict=False)
    if way == 2:
        junk = rng.choice((b"\xff\xfe" * 50, b"\x00" * 1000, b"[" * 100_000, b"{" * 9, b"null",
                           b'"' + b"x" * 3_000_000, b"1e999", b"9" * 6000))  # fmt: skip
        return junk, Change(f"{junk[:10]!r} and so on in its place", strict=False)
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 5))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed), Change("some bytes exchanged", strict=False)


def change_entry(rng: random.Random, path: Path, outside: Path) -> Change:
    """What is no plain file in the place of one.

    Args:
        outside: a folder with a file ``canary``, to which links lead.
    """
    path.unlink()
    target = rng.choice((None, "pipe", "folder", outside / "canary", outside / "none", outside,
                         path, Path("/dev/zero"), Path("/dev/null")))  # fmt: skip
    if target is None:
        return Change("no file", strict=False)
    if target == "pipe":
        os.mkfifo(path)
    elif target == "folder":
        path.mkdir()
    else:
        path.symlink_to(target)
        return Change(f"a link to {target.name} in its place", strict=target != outside / "none")
    return Change(f"a {target} in its place", strict=True)


def change_text(rng: random.Random, data: bytes) -> tuple[bytes, Change]:
    """A text of lines, such as YAML or CSV, with one line changed."""
    lines = data.decode().split("\n")
    place = rng.randrange(len(lines))
    way = rng.randrange(5)
    if way == 0:
        del lines[place]
    elif way == 1:
        lines.insert(place, rng.choice(lines))
    else:
        cut = max(lines[place].rfind(mark) for mark in ":,")
        odd = rng.choice((str(rng.choice(ODD_NUMBERS)), rng.choice(ODD_TEXTS), "[]", "{}", "*a",
                          "&a [*a]", "!!python/name:os.system", "[" * 500))  # fmt: skip
        lines[place] = lines[place][: cut + 1] + " " * (":" in lines[place]) + odd
    shown = lines[place] if place < len(lines) else ""
    return "\n".join(lines).encode("utf-8", "surrogatepass"), Change(f"line {shown!r:.60}", False)


def change_file(rng: random.Random, path: Path, outside: Path | None) -> Change:
    """A file that no manifest protects, changed in one of all ways.

    Args:
        outside: None for a file that the user names, who may name a link or a pipe.
    """
    if outside is not None and rng.random() < 0.15:
        return change_entry(rng, path, outside)
    data = path.read_bytes()
    if path.suffix == ".json" and rng.random() < 0.75:
        value, change = change_json(rng, json.loads(data))
        path.write_bytes(json.dumps(value).encode())
        return change
    ways = (change_bytes,) if path.suffix in (".ids", ".lines") else (change_text, change_bytes)
    data, change = rng.choice(ways)(rng, data)
    path.write_bytes(data)
    return change


def change_sealed(rng: random.Random, step: Path, name: str, outside: Path) -> Change:
    """A file of a checkpoint, with a manifest that is true of the change."""
    path = step / name
    if rng.random() < 0.08:
        return change_entry(rng, path, outside)
    data = path.read_bytes()
    if path.suffix == ".safetensors" and rng.random() < 0.9:
        data, change = change_tensors(rng, data)
    elif path.suffix == ".json" and rng.random() < 0.9:
        value, change = change_json(rng, json.loads(data))
        data = json.dumps(value).encode()
    elif path.suffix == ".yaml" and rng.random() < 0.9:
        data, change = change_text(rng, data)
    else:
        data, change = change_bytes(rng, data)
    seal(step, **{name.replace(".", "_"): data})
    return change


def change_manifest(rng: random.Random, step: Path, outside: Path) -> Change:
    """A manifest with a digest that is true of it."""
    path = step / "manifest.json"
    if rng.random() < 0.15:
        return change_file(rng, path, outside)
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest.pop("digest")
    value, change = change_json(rng, manifest)
    if isinstance(value, dict):
        write_manifest(step, value)
    else:
        path.write_text(json.dumps(value), encoding="utf-8")
    return change


def steps_of(run: Path) -> list[Path]:
    """The checkpoint folders of a run."""
    return [
        checkpoint.step_folder(checkpoints_of(run), step)
        for step in checkpoint.saved_steps(checkpoints_of(run))
    ]
