"""The schema as documentation: the table of docs/config.md, and a commented config."""

import textwrap
from typing import Any, Literal, Union, get_args, get_origin

import yaml

from lstmgen.config.schema import Config, Key, all_keys, value_of

WIDTH = 100  # columns of a commented config


def key_table(schema: type[Config] = Config) -> str:
    """Every key with its default, allowed values and description, as Markdown."""
    lines = ["| key | default | allowed | description |", "|---|---|---|---|"]
    for key in all_keys(schema).values():
        cells = (
            f"`{key.name}`",
            f"`{inline_yaml(key.default)}`",
            allowed_values(key),
            key.description,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def free_on_resume() -> str:
    """The keys that a resumed run may change, as Markdown."""
    names = [f"`{key.name}`" for key in all_keys().values() if key.on_resume == "free"]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def allowed_values(key: Key) -> str:
    """What a key can be set to, in words: ``1 to 100 words or null``."""
    kind = key.field.annotation
    is_union = get_origin(kind) is Union or type(kind).__name__ == "UnionType"
    members: list[Any] = list(get_args(kind)) if is_union else [kind]
    optional = type(None) in members
    texts = [_values(m, key, list(key.field.metadata)) for m in members if m is not type(None)]
    return " or ".join([*texts, "null"] if optional else texts)


def commented_yaml(config: Config, *, head: str) -> str:
    """A config as YAML, with the description and choices of every key as a comment.

    Args:
        head: the comment at the top.
    """
    lines = [f"# {line}" for line in head.splitlines()]
    current: list[str] = []
    for key in all_keys(type(config)).values():
        *sections, name = key.name.split(".")
        for depth, section in enumerate(sections):
            if current[: depth + 1] != sections[: depth + 1]:
                lines += [""] * (depth == 0) + [f"{'  ' * depth}{section}:"]
        current = sections
        indent = "  " * len(sections)
        choices = allowed_values(key) if "`" in allowed_values(key) else ""
        comment = f"{key.description} {choices and f'Allowed: {choices}.'}".replace("`", "")
        width = WIDTH - len(indent) - 2
        wrapped = textwrap.wrap(comment, width, break_on_hyphens=False)
        lines += [f"{indent}# {line}" for line in wrapped]
        lines.append(f"{indent}{name}: {inline_yaml(value_of(config, key.name))}")
    return "\n".join(lines) + "\n"


def _values(kind: Any, key: Key, limits: list[Any]) -> str:
    """One member of a key's type, in words."""
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is list:
        item = get_args(kind)[0]
        limits = list(getattr(item, "__metadata__", ()))  # of an Annotated type
        return f"list of {_values(item.__origin__ if limits else item, key, limits)}"
    if kind is bool:
        return "`true`, `false`"
    if kind is str:
        return "path" if key.path else "text"
    bounds = [bound for limit in limits for bound in getattr(limit, "metadata", [limit])]
    allowed = _range(bounds)
    unit = key.unit.removesuffix("s") if allowed == "at least 1" else key.unit
    return f"{allowed} {unit}".strip()


def _range(bounds: list[Any]) -> str:
    limits = {name: value for bound in bounds for name in ("ge", "gt", "le", "lt")
             if (value := getattr(bound, name, None)) is not None}  # fmt: skip
    low = f"above {_number(limits['gt'])}" if "gt" in limits else _number(limits["ge"])
    if "le" in limits:
        return f"{low} to {_number(limits['le'])}"
    if "lt" in limits:
        return f"{low} to below {_number(limits['lt'])}"
    return low if "gt" in limits else f"at least {low}"


def _number(value: Any) -> str:
    if type(value) is int and value & (value - 1) == 0 and value > 10**9:
        return f"2^{value.bit_length() - 1}"
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def inline_yaml(value: Any) -> str:
    """A value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("...\n").strip()
