"""YAML as people mean it, with the line of every key.

PyYAML's own loader reads ``1e-3`` as a string, ``no`` as a boolean, ``012`` as ten and ``1:30``
as ninety, and silently keeps the last of two equal keys. So only its parser is used here: nodes
are converted by the rules of YAML 1.2, and anchors, tags, further documents and deep nesting,
which no config needs, are errors.
"""

import re
from dataclasses import dataclass, field

import yaml
from yaml.reader import ReaderError

from lstmgen.errors import ConfigError, Problem

Path = tuple[str, ...]
Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]

MAX_DEPTH = 20  # of nested sections; a config needs three

_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, Value] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None, "none": None, "None": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip


TOO_DEEP = "nested too deep for a config"


@dataclass
class Tree:
    """A parsed document: its values, the line of every key, and the problems found."""

    values: dict[str, Value] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class _Loader(yaml.SafeLoader):
    """PyYAML's parser, without anchors and deep nesting."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(
                problem="anchors (&) and aliases (*) are not used in a config. Write the value out",
                problem_mark=event.start_mark,
            )
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=TOO_DEEP, problem_mark=event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def error_at(place: str, message: str, *, key: str = "") -> ConfigError:
    """A ConfigError with one problem."""
    return ConfigError([Problem(place, key, "", message)])


def parse_scalar(text: str) -> Value:
    """The value of a plain (unquoted) scalar: null, a boolean, a number, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text) if len(text) < 400 else text
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return text


class _Dumper(yaml.SafeDumper):
    """Quotes a string that ``parse_scalar`` would read as something else, such as 1e-3."""

    def represent_text(self, text: str) -> yaml.Node:
        """A string as a scalar, quoted where it has to be."""
        style = None if parse_scalar(text) == text else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


def write(value: object, *, flow: bool = False, width: int = 80) -> str:
    """A value as YAML that ``parse`` reads as the same value.

    Args:
        flow: in one line, as far as ``width`` allows.
    """
    return str(
        yaml.dump(
            value, Dumper=_Dumper, sort_keys=False, allow_unicode=True,
            default_flow_style=flow, width=width,
        )
    )  # fmt: skip


def parse(text: str, *, source: str) -> Tree:
    """Parse a YAML document that is one mapping.

    Args:
        source: name of the document in messages, such as a file name.

    Returns:
        The tree; duplicate and invalid keys are among its problems.

    Raises:
        ConfigError: the text is not YAML, or not one mapping.
    """
    tree = Tree()
    root = _compose(text, source=source)
    if root is None:
        return tree
    if not isinstance(root, yaml.MappingNode):
        raise error_at(source, "the file must hold sections such as data: and train:")
    tree.values = _mapping(root, (), tree=tree, source=source)
    return tree


def parse_value(text: str, *, source: str) -> Value:
    """Parse one YAML value, for ``key=value`` on a command line."""
    root = _compose(text, source=source)
    return None if root is None else _value(root, (), tree=Tree(), source=source)


def _compose(text: str, *, source: str) -> yaml.Node | None:
    try:
        node: yaml.Node | None = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}:{mark.line + 1}" if mark else source
        problem = error.problem or "not YAML"
        if "expected a single document" in (error.context or ""):
            problem = "a second document begins here (---). Keep one"
        if "\\t" in problem:
            problem = "a tab indents this line. YAML wants spaces"
        raise error_at(place, problem) from None
    except ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        problem = f"holds a character (U+{int(error.character):04X}) that YAML does not allow"
        raise error_at(f"{source}:{line}", problem) from None
    except yaml.YAMLError as error:
        raise error_at(source, f"not YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise error_at(source, TOO_DEEP) from None
    return node


def _value(node: yaml.Node, path: Path, *, tree: Tree, source: str) -> Value:
    if node.tag.startswith("!") or "python/" in node.tag:
        place = f"{source}:{node.start_mark.line + 1}"
        raise error_at(place, f"tags are not used: {node.tag}", key=".".join(path))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, tree=tree, source=source)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, path, tree=tree, source=source) for item in node.value]
    text = str(node.value)
    quoted = isinstance(node, yaml.ScalarNode) and node.style is not None
    return text if quoted else parse_scalar(text)


def _mapping(node: yaml.MappingNode, path: Path, *, tree: Tree, source: str) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        place = f"{source}:{line}"
        if not isinstance(key_node, yaml.ScalarNode):
            problem = Problem(place, ".".join(path), "", "a key must be a plain word")
            tree.problems.append(problem)
            continue
        inner = (*path, str(key_node.value))
        if inner[-1] in values:
            message = f"duplicate key (first in line {tree.lines[inner]}). Keep one"
            tree.problems.append(Problem(place, ".".join(inner), "", message))
            continue
        tree.lines[inner] = line
        values[inner[-1]] = _value(value_node, inner, tree=tree, source=source)
    return values
