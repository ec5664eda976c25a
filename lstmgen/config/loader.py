"""From a YAML file and ``key=value`` overrides to a checked ``Config``.

Precedence: default < file < environment (``LSTMGEN_DEVICE``) < command line.
Relative paths in a file are relative to the file, those on the command line
to the current directory. All problems are reported at once, each with its line.
"""

import difflib
import glob
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from lstmgen.config import schema, yaml_lines
from lstmgen.config.schema import Config, SampleConfig, Section, all_keys
from lstmgen.config.yaml_lines import Tree
from lstmgen.errors import ConfigError, Problem

LARGEST = 1_000_000  # bytes of a config file
COMMAND_LINE = "command line"

_KINDS = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "list_type": "a list",
    "finite_number": "a finite number",
}


@dataclass(frozen=True)
class LoadedConfig:
    """A checked config and where it came from."""

    config: Config
    path: Path | None  # the file; None for overrides alone
    text: str  # the file as it stands


def load(
    path: Path | None,
    overrides: Sequence[str] = (),
    *,
    environment: Mapping[str, str] | None = None,
    first: Mapping[str, Any] | None = None,
) -> LoadedConfig:
    """Read a config file, apply the overrides, and check the whole.

    Args:
        path: the YAML file, or None to start from the defaults.
        overrides: ``section.key=value``, the value written as YAML.
        environment: where ``LSTMGEN_DEVICE`` is looked up (default: os.environ).
        first: values by section, as a file without lines would give them.

    Raises:
        ConfigError: with every problem found.
    """
    text = "" if path is None else _read(path)
    source = "" if path is None else path.name
    tree = yaml_lines.parse(text, source=source)
    for name, section in (first or {}).items():
        tree.values[name] = dict(section)
    if path is not None:
        _make_absolute(tree.values, folder=path.parent)
    places = {keys: f"{source}:{line}" for keys, line in tree.lines.items()}
    variables = os.environ if environment is None else environment
    if variables.get("LSTMGEN_DEVICE"):
        _put(tree, places, ("train", "device"), variables["LSTMGEN_DEVICE"], "LSTMGEN_DEVICE")
    for override in overrides:
        _override(tree, places, override)
    config = _validate(tree, places)
    return LoadedConfig(config=config, path=path, text=text)


def load_text(text: str, overrides: Sequence[str] = ()) -> LoadedConfig:
    """The defaults for a text that is given without a config, with the overrides.

    Args:
        text: as in ``data.train``, relative to the current directory.
    """
    source = _absolute(text, Path.cwd())
    loaded = load(None, overrides, first={"data": {"train": source}})
    stem = Path(text).stem or Path(source).name
    name = stem if text != "-" and not glob.has_magic(text) else "text"
    return LoadedConfig(
        loaded.config, Path(f"{name}.yaml"), yaml.safe_dump({"data": {"train": source}})
    )


def dump(config: Config, *, portable: bool = False) -> str:
    """Write a config as YAML that loads to the same config.

    Args:
        config: what to write.
        portable: leave out what belongs to one machine (paths and the device),
            as checkpoints want it, and what it was started from.
    """
    values = config.model_dump(mode="json")
    if portable:
        for key in all_keys().values():
            section, _, name = key.name.partition(".")
            if not key.portable:
                values[section].pop(name)
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def from_portable(text: str, *, source: str) -> Config:
    """Read back what ``dump`` wrote; the text is not trusted."""
    tree = yaml_lines.parse(text, source=source)
    return _validate(tree, {keys: f"{source}:{line}" for keys, line in tree.lines.items()})


def override_sample(sample: SampleConfig, values: Mapping[str, object]) -> SampleConfig:
    """The section ``sample`` with what a command line's options say.

    Raises:
        ConfigError: naming the options, ``--top-k`` for ``top_k``.
    """
    try:
        changed = type(sample).model_validate(sample.model_dump() | dict(values))
    except ValidationError as error:
        raise ConfigError(
            [
                Problem(
                    "",
                    option_of(str(e["loc"][0])),
                    _shown(e["input"]),
                    f"must be {_wrong_value(e)}",
                )
                for e in error.errors()
            ]
        ) from None
    conflicts = schema.sample_conflicts(changed)
    if conflicts:
        raise ConfigError(
            [
                Problem("", _with_options(c.keys[0]), str(c.value), _with_options(c.message))
                for c in conflicts
            ]
        )
    return changed


def option_of(key: str) -> str:
    """The command line's option for a key of the section ``sample``: ``--top-k`` for ``top_k``."""
    return "--" + key.replace("_", "-")


def _with_options(text: str) -> str:
    return re.sub(r"sample\.(\w+)", lambda found: option_of(found[1]), text)


def _read(path: Path) -> str:
    def refuse(message: str) -> ConfigError:
        return ConfigError([Problem(str(path), "", "", message)])

    if not os.path.exists(path):  # unlike Path.exists it takes a name of any length
        raise refuse("no such config file")
    if path.is_dir():
        raise refuse("is a folder. Name the YAML file in it")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise refuse(f"cannot be read ({error.strerror})") from None
    if len(data) > LARGEST:
        raise refuse(f"is larger than {LARGEST:,} bytes. A config is a page of YAML, not a text")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(
            [Problem(f"{path.name}:{line}", "", "", "not UTF-8. Save the file as UTF-8")]
        ) from None


def _make_absolute(values: dict[str, Any], *, folder: Path) -> None:
    for key in all_keys().values():
        name, _, inner = key.name.partition(".")
        section = values.get(name)
        value = section.get(inner) if isinstance(section, dict) else None
        if not key.path or value is None or not isinstance(section, dict):
            continue
        if value == [None]:  # YAML reads a lone - as a list
            value = section[inner] = "-"
        if isinstance(value, str):
            word = bool(key.names) and "/" not in value
            if not (word and (value in key.names or not os.path.exists(folder / value))):
                section[inner] = _absolute(value, folder)
        elif isinstance(value, list):
            section[inner] = [_absolute(v, folder) if isinstance(v, str) else v for v in value]


def _absolute(value: str, folder: Path) -> str:
    if value in ("", "-"):
        return value
    path = Path(value).expanduser() if value.startswith("~/") else Path(value)
    # The folder's own name is no pattern, nor is a file that is there.
    if glob.has_magic(value) and not os.path.exists(folder / path):
        return os.path.join(glob.escape(os.path.abspath(folder)), path)
    return os.path.abspath(folder / path)


def _override(tree: Tree, places: dict[tuple[str, ...], str], override: str) -> None:
    name, equals, text = override.partition("=")
    keys = tuple(name.strip().split("."))
    if not equals or not all(keys):
        raise ConfigError(
            [Problem(COMMAND_LINE, "", "", f"{override!r}: write key=value, as in train.epochs=5")]
        )
    try:
        value: Any = yaml_lines.parse_value(text, source=COMMAND_LINE)
    except ConfigError:
        value = text  # a shell's *.txt, or a word that the schema will not take
    known = all_keys().get(".".join(keys))
    if known is not None and known.path:
        holder: dict[str, Any] = {keys[0]: {keys[1]: value}}
        _make_absolute(holder, folder=Path.cwd())
        value = holder[keys[0]][keys[1]]
    _put(tree, places, keys, value, COMMAND_LINE)


def _put(
    tree: Tree, places: dict[tuple[str, ...], str], keys: tuple[str, ...], value: Any, place: str
) -> None:
    node: dict[str, Any] = tree.values
    for part in keys[:-1]:
        inner = node.get(part)
        if not isinstance(inner, dict):
            inner = node[part] = {}
        node = inner
    node[keys[-1]] = value
    places[keys] = place


def _validate(tree: Tree, places: dict[tuple[str, ...], str]) -> Config:
    """Validate; strip what is wrong and look again, so that no problem hides another."""
    values: dict[str, Any] = {name: ({} if v is None else v) for name, v in tree.values.items()}
    problems = list(tree.problems)
    stripped: set[str] = set()
    while True:
        try:
            config = Config.model_validate(values)
        except ValidationError as error:
            found = error.errors()
            for loc in sorted({_key_path(e["loc"]) for e in found}, key=len, reverse=True):
                group = [e for e in found if _key_path(e["loc"]) == loc]
                problems += _problems(loc, group, places, stripped)
                stripped.add(".".join(loc))
                _strip(values, loc)
            if any(e["type"] == "value_error" for e in found):
                raise ConfigError(_ordered(problems)) from None
            continue
        if problems:
            raise ConfigError(_ordered(problems))
        return config


def _ordered(problems: list[Problem]) -> list[Problem]:
    def line(problem: Problem) -> tuple[str, int]:
        source, _, number = problem.place.rpartition(":")
        return (source, int(number)) if number.isdigit() else (problem.place, 0)

    return sorted(dict.fromkeys(problems), key=line)


def _key_path(loc: tuple[int | str, ...]) -> tuple[str, ...]:
    """The dotted key of an error, without list positions and names of types."""
    keys: list[str] = []
    section: type[Section] | None = Config
    for part in loc:
        if section is None or not isinstance(part, str):
            break
        keys.append(part)
        field = section.model_fields.get(part)
        section = schema.subsection(field) if field else None
    return tuple(keys)


def _strip(values: dict[str, Any], keys: tuple[str, ...]) -> None:
    node: Any = values
    for part in keys[:-1]:
        node = node.get(part) if isinstance(node, dict) else None
    if isinstance(node, dict) and keys:
        node.pop(keys[-1], None)


def _problems(
    keys: tuple[str, ...],
    errors: Sequence[Any],
    places: Mapping[tuple[str, ...], str],
    stripped: set[str],
) -> list[Problem]:
    kinds = {error["type"] for error in errors}
    if "value_error" in kinds:
        conflicts = [
            conflict
            for error in errors
            if isinstance(error.get("ctx", {}).get("error"), schema.ConflictError)
            for conflict in error["ctx"]["error"].conflicts
        ]
        return [
            Problem(_place(tuple(c.keys[0].split(".")), places), c.keys[0], str(c.value), c.message)
            for c in conflicts
            if not stripped & set(c.keys)
        ]
    value = errors[0]["input"]
    message = (
        _unknown_key(keys)
        if "extra_forbidden" in kinds
        else " or ".join(dict.fromkeys(_wrong_value(e) for e in errors))
    )
    if not message.endswith(("?", ".")) and "extra_forbidden" not in kinds:
        message = f"must be {message}"
    return [Problem(_place(keys, places), ".".join(keys), _shown(value), message)]


def _place(keys: tuple[str, ...], places: Mapping[tuple[str, ...], str]) -> str:
    while keys:
        if keys in places:
            return places[keys]
        keys = keys[:-1]
    return ""


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    if isinstance(value, bool) or value is None:
        text = {True: "true", False: "false", None: "null"}[value]
    return text if len(text) <= 60 else text[:57] + "..."


def _wrong_value(error: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "literal_error":
        return str(context["expected"]).replace("'", "")
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return "a section with keys of its own, each on a line below it"
    if kind == "too_short":
        return "a list with at least one entry, as in [256]"
    limits = {"greater_than_equal": "at least", "greater_than": "more than",
              "less_than_equal": "at most", "less_than": "less than"}  # fmt: skip
    if kind in limits:
        bound = context.get("ge", context.get("gt", context.get("le", context.get("lt"))))
        return f"{limits[kind]} {bound:,}" if type(bound) is int else f"{limits[kind]} {bound:g}"
    return _KINDS.get(kind, str(error["msg"]))


def _unknown_key(keys: tuple[str, ...]) -> str:
    """Say what a key that does not exist was probably meant to be."""
    everything = all_keys()
    name = keys[-1]
    homes = [known for known in everything if known.rpartition(".")[2] == name]
    if homes:
        return f"no such key here. It belongs under {homes[0].rpartition('.')[0]}: ({homes[0]})"
    section: type[Section] = Config
    for part in keys[:-1]:
        section = schema.subsection(section.model_fields[part]) or section
    prefix = "".join(part + "." for part in keys[:-1])
    here = {known: prefix + known for known in section.model_fields}
    anywhere = {known.rpartition(".")[2]: known for known in everything}
    for known in (here, anywhere):
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        if close:
            return f"no such key. Did you mean {known[close[0]]}?"
    return f"no such key. Known here: {', '.join(here)}"
