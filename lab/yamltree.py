"""YAML text -> plain nested values, each with the place it stands in the file.

Pure. Every scalar stays the text that was written: YAML 1.1 would read 22:22 as 1342, 010 as 8 and `no` as false,
and each is a trap for whoever writes ports and names. What a text means is decided where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from lab.errors import LabFileError, Problem

MOST_BYTES = 1024 * 1024
MOST_VALUES = 50_000
MOST_DEPTH = 50

Key = str | int
Path = tuple[Key, ...]
Value = dict[str, "Value"] | list["Value"] | str

_Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>[A-Za-z_]\w*)(?:(?P<kind>:?-)(?P<default>[^}]*))?\})")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A place in a file, counted from 1."""

    line: int
    column: int


@dataclass(kw_only=True)
class Tree:
    """A file's content. `values` and `keys` say where each value and each mapping's key stands, by path."""

    root: Value
    values: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def key_mark(self, path: Path) -> Mark:
        """Where the key of a value stands, or the nearest thing above it that is in the file."""
        while path and path not in self.keys and path not in self.values:
            path = path[:-1]
        return self.keys.get(path) or self.values.get(path) or Mark(line=1, column=1)

    def value_mark(self, path: Path) -> Mark:
        """Where a value stands, or the nearest thing above it that is in the file."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path) or Mark(line=1, column=1)


def dotted(path: Path) -> str:
    """A path for people: services.alice.networks[0]."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def parse(text: bytes, *, source: str, variables: Mapping[str, str]) -> Tree:
    """The tree of a file with one mapping in it. `problems` holds faults that leave the rest readable.

    Raises LabFileError for a file that cannot be read at all.
    """
    try:
        node = _compose(_decode(text))
        _Limits().check(node)
        builder = _Builder(variables)
        root = builder.value(node, ())
    except _FaultError as fault:
        raise LabFileError(source, (fault.problem,)) from None
    if not isinstance(root, dict):
        what = "a list" if isinstance(root, list) else f"the text {root[:40]!r}"
        raise LabFileError(source, (_problem(node, "", "a mapping with `networks` and `services`", what),))
    builder.tree.root = root
    return builder.tree


class _FaultError(Exception):
    def __init__(self, problem: Problem) -> None:
        self.problem = problem


def _fault(line: int, column: int, expected: str, observed: str, hint: str = "") -> _FaultError:
    return _FaultError(Problem(line=line, column=column, key="", expected=expected, observed=observed, hint=hint))


def _problem(node: Node, key: str, expected: str, observed: str, hint: str = "") -> Problem:
    mark = node.start_mark
    return Problem(line=mark.line + 1, column=mark.column + 1, key=key, expected=expected, observed=observed, hint=hint)


def _decode(text: bytes) -> str:
    if len(text) > MOST_BYTES:
        raise _fault(1, 1, f"a file of at most {MOST_BYTES // 1024} KiB", f"{len(text) // 1024} KiB")
    if b"\0" in text:
        line = text[: text.index(b"\0")].count(b"\n") + 1
        raise _fault(line, 1, "a text file", "a NUL byte", "is it a binary file?")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        raise _fault(line, 1, "a file in UTF-8", f"the byte 0x{text[error.start]:02x}", "save it as UTF-8") from None


def _compose(text: str) -> Node:
    try:
        documents = list(yaml.compose_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        raise _syntax(text, error) from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise _fault(line, 1, "printable characters", f"the character U+{ord(str(error.character)):04X}") from None
    except (RecursionError, yaml.YAMLError):
        raise _fault(1, 1, f"at most {MOST_DEPTH} levels of nesting", "more") from None
    if not documents or documents[0] is None:
        raise _fault(1, 1, "a mapping with `networks` and `services`", "an empty file")
    if len(documents) > 1:
        raise _FaultError(_problem(documents[1], "", "one document", "a second one after `---`"))
    return documents[0]


def _syntax(text: str, error: yaml.MarkedYAMLError) -> _FaultError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.splitlines()
    indented = next((n for n, one in enumerate(lines[:line], 1) if "\t" in one[: len(one) - len(one.lstrip())]), None)
    if indented is not None:
        return _fault(indented, 1, "spaces for indentation", "a tab", "replace each tab by spaces")
    reasons = ", ".join(part for part in (error.context, error.problem) if part)
    if "undefined alias" in reasons:
        return _fault(line, column, "an alias (*) of an anchor (&) further up", reasons)
    return _fault(line, column, "valid YAML", reasons or "something else", _syntax_hint(lines, line))


def _syntax_hint(lines: list[str], line: int) -> str:
    here = lines[line - 1] if line <= len(lines) else ""
    if here.count("{") > here.count("}") or here.count("[") > here.count("]"):
        return "a bracket is not closed"
    if here.count('"') % 2 or here.count("'") % 2:
        return "a quote is not closed"
    return "look at the indentation and the colons of this line and the one before it"


class _Limits:
    """Aliases let a few lines stand for millions of values: what a file amounts to is counted before it is built."""

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}
        self.above: list[Node] = []

    def check(self, node: Node) -> int:
        """How many values the node amounts to. Raises if it holds itself, or too many, or is too deep."""
        if any(node is one for one in self.above):
            raise _FaultError(_problem(node, "", "values that end", "an alias to something that it is part of"))
        if len(self.above) >= MOST_DEPTH:
            raise _FaultError(_problem(node, "", f"at most {MOST_DEPTH} levels of nesting", "more"))
        if id(node) in self.sizes:
            return self.sizes[id(node)]
        self.above.append(node)
        size = 1 + sum(self.check(child) for child in _children(node))
        self.above.pop()
        if size > MOST_VALUES:
            raise _FaultError(
                _problem(node, "", f"at most {MOST_VALUES} values", f"{size} with its aliases", "use fewer aliases")
            )
        self.sizes[id(node)] = size
        return size


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, SequenceNode) else []


class _Builder:
    """Makes plain values of nodes and notes where each stands."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.tree = Tree(root="")

    def value(self, node: Node, path: Path) -> Value:
        self.tree.values[path] = Mark(line=node.start_mark.line + 1, column=node.start_mark.column + 1)
        if node.tag.startswith("!") or node.tag.startswith("tag:yaml.org,2002:python"):
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self.problem(node, path, "plain YAML", f"the tag {tag}", "leave the tag out")
        if isinstance(node, MappingNode):
            return self.mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
        assert isinstance(node, ScalarNode)  # YAML has no fourth kind
        return self.scalar(node, path)

    def mapping(self, node: MappingNode, path: Path) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for key_node, value_node in _merged(node):
            if not isinstance(key_node, ScalarNode):
                self.problem(key_node, path, "a name before the colon", "a list or a mapping")
                continue
            key = str(key_node.value)
            here = (*path, key)
            if key in found:
                first = self.tree.keys[here].line
                self.problem(key_node, here, "each key once", f"{key!r} again (first in line {first})")
                continue
            self.tree.keys[here] = Mark(line=key_node.start_mark.line + 1, column=key_node.start_mark.column + 1)
            found[key] = self.value(value_node, here)
        return found

    def scalar(self, node: ScalarNode, path: Path) -> str:
        def substitute(match: re.Match[str]) -> str:
            if match["escaped"]:
                return "$"
            name, kind = match["name"], match["kind"]
            if name in self.variables and (self.variables[name] or kind != ":-"):
                return self.variables[name]
            if kind:
                return match["default"] or ""
            self.problem(node, path, f"a value for the variable {name}", "none", f"write ${{{name}:-default}}")
            return ""

        return _VARIABLE.sub(substitute, str(node.value))

    def problem(self, node: Node, path: Path, expected: str, observed: str, hint: str = "") -> None:
        self.tree.problems.append(_problem(node, dotted(path), expected, observed, hint))


def _merged(node: MappingNode) -> list[tuple[Node, Node]]:
    """The pairs of a mapping with its merge keys (`<<: *base`) carried out; own keys win over merged ones."""
    own = [(key, value) for key, value in node.value if not _is_merge(key)]
    names = {key.value for key, _ in own if isinstance(key, ScalarNode)}
    merged: list[tuple[Node, Node]] = []
    for key, value in node.value:
        if not _is_merge(key):
            continue
        for base in value.value if isinstance(value, SequenceNode) else [value]:
            if not isinstance(base, MappingNode):
                raise _FaultError(_problem(value, "<<", "an alias (*) of a mapping", "something else"))
            for pair in _merged(base):
                if isinstance(pair[0], ScalarNode) and pair[0].value not in names:
                    names.add(pair[0].value)
                    merged.append(pair)
    return own + merged


def _is_merge(key: Node) -> bool:
    return isinstance(key, ScalarNode) and key.value == "<<" and not key.style
