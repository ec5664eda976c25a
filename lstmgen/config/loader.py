"""From a YAML file and ``key=value`` overrides to a checked ``Config``.

Precedence: default < file < environment (``LSTMGEN_DEVICE``) < command line.
Relative paths in a file are relative to the file, those on the command line to the current
directory. All problems are reported at once, each with its line.
"""

import difflib
import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lstmgen.config import schema, yaml_lines
from lstmgen.config.schema import Config, SampleConfig, Section, all_keys
from lstmgen.config.yaml_lines import Tree, error_at
from lstmgen.errors import ConfigError, Problem, counted

MAX_SIZE = 1_000_000  # bytes of a config file
MAX_PROBLEMS = 20  # shown; the others are counted
COMMAND_LINE = "command line"
DEVICE = "LSTMGEN_DEVICE"  # the variable of the environment
SIMILAR, NEARLY_THE_SAME = 0.6, 0.85  # ratios of difflib for suggested keys

Places = dict[tuple[str, ...], str]  # where each key was set, as file:line

_EXPECTED = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "list_type": "a list",
    "finite_number": "a finite number",
}


@dataclass(frozen=True)
class LoadedConfig:
    """A checked config and its file."""

    config: Config
    path: Path | None  # None for overrides alone
    text: str  # contents of the file
    places: Places = field(default_factory=dict)  # where each key was set

    def origin(self, key: str) -> str | None:
        """Where a dotted key was set: ``FILE:LINE``, or a name; None: nowhere, so by default."""
        if not schema.is_set(self.config, key):
            return None
        return _place(tuple(key.split(".")), self.places) or None


def load(
    path: Path | None,
    overrides: Sequence[str] = (),
    *,
    environment: Mapping[str, str] | None = None,
    first: Mapping[str, Any] | None = None,
) -> LoadedConfig:
    """Read a config file, apply the overrides, and check the result.

    Args:
        path: the YAML file, or None to start from the defaults.
        overrides: ``section.key=value``, the value written as YAML.
        environment: in which to look up ``LSTMGEN_DEVICE`` (default: os.environ).
        first: sections that replace those of the file.

    Raises:
        ConfigError: lists all problems.
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
    if variables.get(DEVICE):
        _put(tree, places, ("train", "device"), variables[DEVICE], DEVICE)
    for override in overrides:
        _override(tree, places, override)
    config = _validate(tree, places)
    return LoadedConfig(config=config, path=path, text=text, places=places)


def load_text(text: str, overrides: Sequence[str] = ()) -> LoadedConfig:
    """The defaults for a text without a config, with the overrides applied.

    Args:
        text: as in ``data.train``, relative to the current directory.
    """
    source = _absolute(text, Path.cwd())
    loaded = load(None, overrides, first={"data": {"train": source}})
    stem = Path(text).stem or Path(source).name
    name = stem if text != "-" and not glob.has_magic(text) else "text"
    return LoadedConfig(
        loaded.config, Path(f"{name}.yaml"), yaml_lines.write({"data": {"train": source}})
    )


def load_values(values: Mapping[str, Any], overrides: Sequence[str] = ()) -> LoadedConfig:
    """Check a config given as nested dictionaries, with the overrides applied.

    Args:
        values: sections by name; paths are relative to the current directory.

    Raises:
        ConfigError: lists all problems.
    """
    values = {str(name): section for name, section in values.items()}
    wrong = [name for name, section in values.items() if not isinstance(section, Mapping)]
    if wrong:
        message = "must be a dictionary of keys, such as {'train': {'epochs': 2}}"
        raise ConfigError([Problem("", wrong[0], "", message)])
    sections: dict[str, Any] = {name: _plain(part) for name, part in values.items()}
    _make_absolute(sections, folder=Path.cwd())
    loaded = load(None, overrides, first=sections)
    return LoadedConfig(loaded.config, None, yaml_lines.write(sections))


def _plain(value: Any) -> Any:
    """A copy of nested values, with paths as texts."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def dump(config: Config, *, portable: bool = False) -> str:
    """Write a config as YAML that loads to the same config.

    Args:
        portable: leave out what is specific to one machine (paths and the device) and the
            model that training started from, as in checkpoints.
    """
    values = config.model_dump(mode="json")
    if portable:
        for key in all_keys().values():
            section, _, name = key.name.partition(".")
            if not key.portable:
                values[section].pop(name)
    return yaml_lines.write(values)


def from_portable(text: str, *, source: str) -> Config:
    """Read the output of ``dump``; the text is not trusted."""
    tree = yaml_lines.parse(text, source=source)
    return _validate(tree, {keys: f"{source}:{line}" for keys, line in tree.lines.items()})


def override_sample(sample: SampleConfig, values: Mapping[str, object]) -> SampleConfig:
    """Apply command-line options to the section ``sample``.

    Raises:
        ConfigError: names the options, ``--top-k`` for ``top_k``.
    """

    def problem(key: str, value: str, message: str) -> Problem:
        message = re.sub(r"sample\.(\w+)", lambda match: option_of(match[1]), message)
        return Problem("", option_of(key.removeprefix("sample.")), value, message)

    try:
        changed = type(sample).model_validate(sample.model_dump() | dict(values))
    except ValidationError as error:
        raise ConfigError(
            [
                problem(str(e["loc"][0]), _format_value(e["input"]), f"must be {_expected(e)}")
                for e in error.errors()
            ]
        ) from None
    conflicts = schema.sample_conflicts(changed)
    if conflicts:
        raise ConfigError([problem(c.keys[0], str(c.value), c.message) for c in conflicts])
    return changed


def option_of(key: str) -> str:
    """The command-line option for a key of the section ``sample``: ``--top-k`` for ``top_k``."""
    return "--" + key.replace("_", "-")


def _read(path: Path) -> str:
    if not os.path.exists(path):  # unlike Path.exists, accepts a name of any length
        raise error_at(str(path), "no such config file")
    if path.is_dir():
        raise error_at(str(path), "is a folder. Name the YAML file in it")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise error_at(str(path), f"cannot be read ({error.strerror})") from None
    if len(data) > MAX_SIZE:
        message = f"is larger than {MAX_SIZE:,} bytes. A config is a page of YAML, not a text"
        raise error_at(str(path), message)
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise error_at(f"{path.name}:{line}", "not UTF-8. Save the file as UTF-8") from None


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
            name_like = bool(key.names) and "/" not in value
            if not (name_like and (value in key.names or not os.path.exists(folder / value))):
                section[inner] = _absolute(value, folder)
        elif isinstance(value, list):
            section[inner] = [_absolute(v, folder) if isinstance(v, str) else v for v in value]


def _absolute(value: str, folder: Path) -> str:
    if value in ("", "-"):
        return value
    path = Path(os.path.expanduser(value) if value.startswith("~/") else value)
    # Neither the folder's own name nor an existing file is a pattern.
    if glob.has_magic(value) and not os.path.exists(folder / path):
        return os.path.join(glob.escape(os.path.abspath(folder)), path)
    return os.path.abspath(folder / path)


def _override(tree: Tree, places: Places, override: str) -> None:
    name, equals, text = override.partition("=")
    keys = tuple(name.strip().split("."))
    if not equals or not all(keys):
        message = f"{override!r}: write key=value, as in train.epochs=5"
        raise error_at(COMMAND_LINE, message)
    try:
        value: Any = yaml_lines.parse_value(text, source=COMMAND_LINE)
    except ConfigError:
        value = text  # such as *.txt, or a word that the schema will reject
    known = all_keys().get(".".join(keys))
    if known is not None and known.path:
        values: dict[str, Any] = {keys[0]: {keys[1]: value}}
        _make_absolute(values, folder=Path.cwd())
        value = values[keys[0]][keys[1]]
    _put(tree, places, keys, value, COMMAND_LINE)


def _put(tree: Tree, places: Places, keys: tuple[str, ...], value: Any, place: str) -> None:
    node: dict[str, Any] = tree.values
    for part in keys[:-1]:
        inner = node.get(part)
        if not isinstance(inner, dict):
            inner = node[part] = {}
        node = inner
    node[keys[-1]] = value
    for inside in [known for known in places if known[: len(keys)] == keys]:
        del places[inside]  # of a section that is replaced
    places[keys] = place


def _validate(tree: Tree, places: Places) -> Config:
    """Validate; remove invalid values and repeat, so that no problem hides another."""
    values: dict[str, Any] = {name: ({} if v is None else v) for name, v in tree.values.items()}
    unknown = list(_remove_unknown(values, Config, ()))
    problems = list(tree.problems) + [
        Problem(_place(keys, places), ".".join(keys), _format_value(value), _unknown_key(keys))
        for keys, value in unknown[:MAX_PROBLEMS]
    ]
    removed = {".".join(keys) for keys, _ in unknown}
    while True:
        try:
            config = Config.model_validate(values)
        except ValidationError as error:
            errors = error.errors()
            for keys in sorted({_key_path(e["loc"]) for e in errors}, key=len, reverse=True):
                group = [e for e in errors if _key_path(e["loc"]) == keys]
                problems += _problems(keys, group, places, removed)
                removed.add(".".join(keys))
                _remove(values, keys)
            if any(e["type"] == "value_error" for e in errors):
                raise _error(problems, unknown) from None
            continue
        if problems:
            raise _error(problems, unknown)
        return config


def _remove_unknown(
    values: dict[str, Any], section: type[Section], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Remove the keys that a section does not have, and yield them with their values."""
    for name in list(values):
        field = section.model_fields.get(name)
        inner = field and schema.subsection(field)
        if field is None:
            yield (*path, name), values.pop(name)
        elif inner is not None and isinstance(values[name], dict):
            values[name] = dict(values[name])  # the tree itself stays as it is
            yield from _remove_unknown(values[name], inner, (*path, name))


def _error(problems: list[Problem], unknown: Sequence[tuple[tuple[str, ...], Any]]) -> ConfigError:
    """The first problems by line, and the number of the others."""
    ordered = _by_line(problems)
    more = max(0, len(unknown) - MAX_PROBLEMS) + max(0, len(ordered) - MAX_PROBLEMS)
    shown = ordered[:MAX_PROBLEMS]
    if more:
        shown.append(Problem("", "", "", f"and {counted(more, 'other problem')}"))
    return ConfigError(shown)


def _by_line(problems: list[Problem]) -> list[Problem]:
    def line(problem: Problem) -> tuple[str, int]:
        source, _, number = problem.place.rpartition(":")
        return (source, int(number)) if number.isdigit() else (problem.place, 0)

    return sorted(dict.fromkeys(problems), key=line)


def _key_path(loc: tuple[int | str, ...]) -> tuple[str, ...]:
    """The key of an error, without list positions and type names."""
    keys: list[str] = []
    section: type[Section] | None = Config
    for part in loc:
        if section is None or not isinstance(part, str):
            break
        keys.append(part)
        field = section.model_fields.get(part)
        section = schema.subsection(field) if field else None
    return tuple(keys)


def _remove(values: dict[str, Any], keys: tuple[str, ...]) -> None:
    node: Any = values
    for part in keys[:-1]:
        node = node.get(part) if isinstance(node, dict) else None
    if isinstance(node, dict) and keys:
        node.pop(keys[-1], None)


def _problems(
    keys: tuple[str, ...], errors: Sequence[Any], places: Places, removed: set[str]
) -> list[Problem]:
    types = {error["type"] for error in errors}
    if "value_error" in types:
        conflicts = [
            conflict
            for error in errors
            if isinstance(error.get("ctx", {}).get("error"), schema.ConflictError)
            for conflict in error["ctx"]["error"].conflicts
        ]
        return [
            Problem(_place(tuple(c.keys[0].split(".")), places), c.keys[0], str(c.value), c.message)
            for c in conflicts
            if not removed & set(c.keys)
        ]
    message = " or ".join(dict.fromkeys(_expected(e) for e in errors))
    if not message.endswith(("?", ".")):
        message = f"must be {message}"
    value = _format_value(errors[0]["input"])
    return [Problem(_place(keys, places), ".".join(keys), value, message)]


def _place(keys: tuple[str, ...], places: Places) -> str:
    parents = (keys[:size] for size in range(len(keys), 0, -1))
    return next((places[parent] for parent in parents if parent in places), "")


def _format_value(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    if isinstance(value, bool) or value is None:
        text = {True: "true", False: "false", None: "null"}[value]
    return text if len(text) <= 60 else text[:57] + "..."


def _expected(error: Any) -> str:
    """What a value must be, from pydantic's error."""
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
    return _EXPECTED.get(kind, str(error["msg"]))


def _unknown_key(keys: tuple[str, ...]) -> str:
    """Suggest the key that was probably meant: a similar one here, or nearly the same elsewhere."""
    name, prefix = keys[-1], ""
    section: type[Section] = Config
    for part in keys[:-1]:
        section = schema.subsection(section.model_fields[part]) or section
        prefix += f"{part}."
    elsewhere: dict[str, list[str]] = {}  # full names by the last part
    for known in (*all_keys(), *_subsections(Config, "")):
        elsewhere.setdefault(known.rpartition(".")[2], []).append(known)
    if name in elsewhere:
        places = [f"under {known.rpartition('.')[0]}: ({known})" for known in elsewhere[name]]
        return f"no such key here. It belongs {' or '.join(places)}"
    here = {known: [prefix + known] for known in section.model_fields}
    for candidates, cutoff in ((here, SIMILAR), (elsewhere, NEARLY_THE_SAME)):
        close = difflib.get_close_matches(name, candidates, n=1, cutoff=cutoff)
        if close:
            return f"no such key. Did you mean {' or '.join(candidates[close[0]])}?"
    return f"no such key. Known here: {', '.join(here)}"


def _subsections(section: type[Section], prefix: str) -> Iterator[str]:
    """The names of sections within sections."""
    for name, declared in section.model_fields.items():
        inner = schema.subsection(declared)
        if inner is not None:
            if prefix:
                yield prefix + name
            yield from _subsections(inner, f"{prefix}{name}.")
