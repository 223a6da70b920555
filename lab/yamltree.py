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
MOST_VALUES = 20_000
MOST_DEPTH = 50

Key = str | int
Path = tuple[Key, ...]
Value = dict[str, "Value"] | list["Value"] | str

_Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<bare>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?:(?P<kind>:?-)(?P<default>[^${}]*))?\}|)",
    re.ASCII,
)
"""A dollar sign and what belongs to it; nothing but the sign if that is no form we know."""
_UNPRINTABLE = yaml.reader.Reader.NON_PRINTABLE
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""What no argument, path or message can hold: NUL ends a C string, and a lone surrogate has no UTF-8."""
_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "map", "seq"))
_SHOWN = 60


def shown(text: str) -> str:
    """A text of a file in quotes, for a message: on one line, and cut if it is long."""
    cut = text[:_SHOWN]
    return (f"'{cut}'" if cut.isprintable() else repr(cut)) + ("…" if len(text) > _SHOWN else "")


def plain(text: str) -> str:
    """A name of a file for a message: as it is if it can be, else as `shown`."""
    return text if text.isprintable() and 0 < len(text) <= _SHOWN else shown(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A place in a file, counted from 1."""

    line: int
    column: int


@dataclass(kw_only=True)
class Tree:
    """A file's content. `values` and `keys` say where each value and each mapping's key stands, by path."""

    root: dict[str, Value]
    values: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unread: set[Path] = field(default_factory=set)
    """Values that could not be read because of one of the problems: nothing more is to be said about them."""

    def standing(self, path: Path) -> Path:
        """The path, or the nearest one above it that is in the file."""
        while path and path not in self.keys and path not in self.values:
            path = path[:-1]
        return path

    def key_mark(self, path: Path) -> Mark:
        """Where the key of a value stands, or the nearest thing above it that is in the file."""
        path = self.standing(path)
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
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{plain(part)}" if text else plain(part)
    return text


def problem_at(mark: Mark, path: Path, expected: str, observed: str, hint: str) -> Problem:
    """A problem whose message is one line, whatever names the file has put into it."""
    texts = (
        "".join(one if one.isprintable() else repr(one)[1:-1] for one in text) for text in (expected, observed, hint)
    )
    expected, observed, hint = texts
    return Problem(
        line=mark.line, column=mark.column, key=dotted(path), expected=expected, observed=observed, hint=hint
    )


def parse(text: bytes, *, source: str, variables: Mapping[str, str]) -> Tree:
    """The tree of a file with one mapping in it. `problems` holds faults that leave the rest readable.

    Raises LabFileError for a file that cannot be read at all.
    """
    try:
        decoded = _decode(text)
        node = _compose(decoded)
        _Limits().check(node)
        builder = _Builder(variables)
        root = builder.value(node, ())
    except _FaultError as fault:
        raise LabFileError(source, (fault.problem,)) from None
    if not isinstance(root, dict) and builder.tree.problems:
        raise LabFileError(source, tuple(builder.tree.problems))
    if not isinstance(root, dict):
        what = "a list" if isinstance(root, list) else f"the text {shown(root)}" if root else "an empty file"
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
        raise _fault(1, 1, f"a file of at most {MOST_BYTES // 1024} KiB", "a larger one")
    if b"\0" in text:
        line = text[: text.index(b"\0")].count(b"\n") + 1
        raise _fault(line, 1, "a text file", "a NUL byte", "is it a binary file?")
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        raise _fault(line, 1, "a file in UTF-8", f"the byte 0x{text[error.start]:02x}", "save it as UTF-8") from None
    if found := _UNPRINTABLE.search(decoded):
        before = decoded[: found.start()]
        line, column = before.count("\n") + 1, found.start() - before.rfind("\n")
        raise _fault(line, column, "printable characters", f"the character U+{ord(found[0]):04X}", "remove it")
    return decoded


def _compose(text: str) -> Node:
    try:
        _bound(text)
        documents = list(yaml.compose_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        raise _syntax(text, error) from None
    except yaml.YAMLError as error:
        raise _fault(1, 1, "valid YAML", str(error)) from None
    if not documents:
        raise _fault(1, 1, "a mapping with `networks` and `services`", "an empty file")
    if len(documents) > 1:
        hint = "a lab is one document; put the other into a file of its own"
        raise _FaultError(_problem(documents[1], "", "one document", "a second one after `---`", hint))
    return documents[0]


def _bound(text: str) -> None:
    """Refuse what is too large or too deep before a node of it is made, which costs time and stack.

    Raises yaml.MarkedYAMLError too.
    """
    values = depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.NodeEvent):
            values += 1
            depth += isinstance(event, yaml.CollectionStartEvent)
        mark = event.start_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        if depth > MOST_DEPTH:
            raise _fault(line, column, f"at most {MOST_DEPTH} levels of nesting", "more", "is a bracket not closed?")
        if values > MOST_VALUES:
            raise _fault(line, column, f"at most {MOST_VALUES} values", "more")


def _syntax(text: str, error: yaml.MarkedYAMLError) -> _FaultError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.split("\n")
    indented = next((n for n, one in enumerate(lines[:line], 1) if "\t" in one[: len(one) - len(one.lstrip())]), None)
    if indented is not None:
        return _fault(indented, 1, "spaces for indentation", "a tab", "replace each tab by spaces")
    problem, context = error.problem or "", error.context or ""
    begun = f"line {error.context_mark.line + 1}" if error.context_mark else "a line above"
    if "quoted scalar" in context and "found unexpected" in problem and error.context_mark:
        opened = error.context_mark
        return _fault(opened.line + 1, opened.column + 1, "a quote that closes the text which begins here", "none")
    for part, expected, observed, hint in _SYNTAX:
        if part in f"{context}: {problem}":
            end = _rest(lines, line, column)
            if part.startswith("flow ") and re.search(r"[\s,\[{:]\$\{", "".join(lines[line - 1 : line])):
                hint = "put ${…} into quotes: here a brace begins a mapping"
            return _fault(line, column, expected.format(begun=begun), observed.format(end=end), hint)
    return _fault(
        line, column, "valid YAML", f"what its reader calls {problem!r}", "look at this line and the one before"
    )


def _rest(lines: list[str], line: int, column: int) -> str:
    """What stands at a place, for a message."""
    rest = "".join(lines[line - 1 : line])[column - 1 :].strip()
    return shown(rest) if rest else "the end of the line" if line < len(lines) else "the end of the file"


_SYNTAX = (
    (
        "maximum nesting depth",
        f"at most {MOST_DEPTH} levels of nesting",
        "more",
        "is a bracket not closed?",
    ),
    (
        "found undefined alias",
        "an alias (*) of an anchor (&) that stands further up",
        "{end}",
        "the anchor is missing, misspelt or below",
    ),
    (
        "flow sequence",
        "`,` or `]` to go on with or to close the list that begins in {begun}",
        "{end}",
        "is a bracket not closed?",
    ),
    (
        "flow mapping",
        "`,` or `}}` to go on with or to close the mapping that begins in {begun}",
        "{end}",
        "is a bracket not closed?",
    ),
    ("unknown escape", "an escape that YAML knows in a text in double quotes", "{end}", "write \\\\ for a backslash"),
    (
        "mapping values are not allowed",
        "one `key: value` in a line",
        "one more colon: {end}",
        "a value with a colon in it needs quotes; or do this line and the one before it lack a colon or indentation?",
    ),
    ("could not find expected ':'", "`key: value`", "a line without a colon", "look at this line and the one before"),
    (
        "did not find expected key",
        "a key of the mapping that begins in {begun}",
        "{end}",
        "keys of one mapping are indented by the same number of spaces",
    ),
    (
        "did not find expected '-' indicator",
        "a `-` of the list that begins in {begun}",
        "{end}",
        "items of one list are indented by the same number of spaces",
    ),
    ("cannot start any token", "a value", "{end}, with which none can begin", "put it into quotes"),
    ("found duplicate anchor", "each anchor (&) once", "{end}", ""),
    ("block sequence entries are not allowed", "a list on lines of its own, below its key", "{end}", ""),
)
"""What libyaml says -> what was expected, what was observed, what to do. The first that fits is taken."""


class _Limits:
    """Aliases let a few lines stand for millions of values: what a file amounts to is counted before it is built."""

    def __init__(self) -> None:
        self.counted: dict[int, tuple[int, int]] = {}
        self.above: list[Node] = []

    def check(self, node: Node) -> tuple[int, int]:
        """How many values the node amounts to, on how many levels. Raises if too many, too deep or without end."""
        if any(node is one for one in self.above):
            raise _FaultError(_problem(node, "", "values that end", "an alias to something that it is part of"))
        if id(node) not in self.counted:
            self.above.append(node)
            parts = [self.check(child) for child in _children(node)]
            self.above.pop()
            self.counted[id(node)] = (
                1 + sum(size for size, _ in parts),
                1 + max((depth for _, depth in parts), default=0),
            )
        size, depth = self.counted[id(node)]
        if len(self.above) + depth > MOST_DEPTH + 1:
            raise _FaultError(_problem(node, "", f"at most {MOST_DEPTH} levels of nesting", "more with its aliases"))
        if size > MOST_VALUES:
            expected = f"at most {MOST_VALUES} values"
            raise _FaultError(_problem(node, "", expected, f"{size} with its aliases", "use fewer aliases"))
        return size, depth


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, SequenceNode) else []


class _Builder:
    """Makes plain values of nodes and notes where each stands."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.tree = Tree(root={})

    def value(self, node: Node, path: Path) -> Value:
        self.tree.values[path] = Mark(line=node.start_mark.line + 1, column=node.start_mark.column + 1)
        if node.tag not in _TAGS:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self.problem(node, path, "plain YAML", f"the tag {tag}", "leave the tag out")
            self.tree.unread.update({path} - {()})
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
                what = "a list" if isinstance(key_node, SequenceNode) else "a mapping"
                self.problem(key_node, path, "a name before the colon", what)
                continue
            key = str(key_node.value)
            here = (*path, key)
            if _NO_TEXT.search(key):
                self.problem(key_node, here, "a name before the colon", shown(key))
                continue
            if key in found:
                first = self.tree.keys[here].line
                self.problem(key_node, here, "each key once", f"{shown(key)} again", f"it is in line {first} already")
                continue
            self.tree.keys[here] = Mark(line=key_node.start_mark.line + 1, column=key_node.start_mark.column + 1)
            found[key] = self.value(value_node, here)
        return found

    def scalar(self, node: ScalarNode, path: Path) -> str:
        def substitute(match: re.Match[str]) -> str:
            if match["escaped"]:
                return "$"
            name, kind = match["name"] or match["bare"], match["kind"]
            if name is None:
                hint = "write $$ for a dollar sign; there are ${NAME}, ${NAME:-default} and ${NAME-default}"
                return unread("a variable after `$`", shown(node.value[match.start() :]), hint)
            if name in self.variables and (self.variables[name] or kind != ":-"):
                return self.variables[name]
            if kind:
                return match["default"] or ""
            hint = f"write ${{{name}:-default}}, or $$ for a dollar sign"
            return unread(f"a value for the variable {name}", "none", hint)

        def unread(expected: str, observed: str, hint: str = "") -> str:
            if path not in self.tree.unread:
                self.problem(node, path, expected, observed, hint)
            self.tree.unread.add(path)
            return ""

        text = _VARIABLE.sub(substitute, str(node.value))
        if _NO_TEXT.search(text):
            unread("a text", f"{shown(text)}, which holds a character that no text may")
        return "" if path in self.tree.unread else text

    def problem(self, node: Node, path: Path, expected: str, observed: str, hint: str = "") -> None:
        self.tree.problems.append(_problem(node, dotted(path), expected, observed, hint))


def _merged(node: MappingNode) -> list[tuple[Node, Node]]:
    """The pairs of a mapping with its merge keys (`<<: *base`) carried out; own keys win over merged ones."""
    own = [(key, value) for key, value in node.value if not _is_merge(key)]
    names = {key.value for key, _ in own if isinstance(key, ScalarNode)}
    merged: list[tuple[Node, Node]] = []
    merges = [(key, value) for key, value in node.value if _is_merge(key)]
    if len(merges) > 1:
        hint = "to merge several, write <<: [*first, *second]"
        raise _FaultError(_problem(merges[1][0], "<<", "each key once", "'<<' again", hint))
    for _, value in merges:
        for base in value.value if isinstance(value, SequenceNode) else [value]:
            if not isinstance(base, MappingNode):
                raise _FaultError(_problem(base, "<<", "an alias (*) of a mapping", _kind(base)))
            for pair in _merged(base):
                if isinstance(pair[0], ScalarNode) and pair[0].value not in names:
                    names.add(pair[0].value)
                    merged.append(pair)
    return own + merged


def _is_merge(key: Node) -> bool:
    return isinstance(key, ScalarNode) and key.value == "<<" and not key.style


def _kind(node: Node) -> str:
    return "a list" if isinstance(node, SequenceNode) else f"the text {shown(str(node.value))}"
