"""A config with the origin of every value, and the table of keys."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.cells import cell_len

from lstmgen.config.loader import DEVICE, LoadedConfig
from lstmgen.config.reference import allowed_values, inline_yaml
from lstmgen.config.schema import Key, all_keys, value_of
from lstmgen.reporting.tables import Table, one_line

COMMENT = 44  # the column of a comment, unless the value is longer


def describe_origins(loaded: LoadedConfig, *, chosen: frozenset[str]) -> dict[str, str]:
    """Where the value of each key comes from.

    Args:
        chosen: keys for which a training may choose another value than the default.
    """
    return {key: _describe(loaded.origin(key), is_open=key in chosen) for key in all_keys()}


def _describe(origin: str | None, *, is_open: bool) -> str:
    if origin is None:
        return "default, or chosen by the size of the text" if is_open else "default"
    return f"environment: {origin}" if origin == DEVICE else one_line(origin)


def annotated_yaml(loaded: LoadedConfig, origins: dict[str, str]) -> str:
    """A config as YAML, with the origin of each value as a comment on its line."""
    lines: list[str] = []
    current: list[str] = []
    for key in all_keys():
        *sections, name = key.split(".")
        for depth, section in enumerate(sections):
            if current[: depth + 1] != sections[: depth + 1]:
                lines.append(f"{'  ' * depth}{section}:")
        current = sections
        line = f"{'  ' * len(sections)}{name}: {inline_yaml(value_of(loaded.config, key))}"
        lines.append(f"{line}{' ' * max(2, COMMENT - cell_len(line))}# {origins[key]}")
    return "\n".join(lines)


def config_json(loaded: LoadedConfig, origins: dict[str, str]) -> dict[str, Any]:
    """A config and the origin of each value, by dotted key."""
    return {"config": loaded.config.model_dump(mode="json"), "origins": origins}


def keys_table(keys: Iterable[Key]) -> Table:
    """Keys with their allowed values, defaults and descriptions."""
    rows = [(row["key"], row["allowed"], row["shown"], row["description"]) for row in _rows(keys)]
    return Table(("key", "allowed", "default", "description"), tuple(rows))


def keys_json(keys: Iterable[Key]) -> list[dict[str, Any]]:
    """The same for programs, with the units apart."""
    rows = list(_rows(keys))
    for row in rows:
        del row["shown"]
    return rows


def _rows(keys: Iterable[Key]) -> Iterator[dict[str, Any]]:
    for key in keys:
        yield {
            "key": key.name,
            "allowed": allowed_values(key).replace("`", ""),
            "unit": key.unit or None,
            "default": key.default,
            "shown": inline_yaml(key.default),
            "description": key.description.replace("`", ""),
        }
