"""The error tree: who inherits from whom, and which exit code each has."""

from __future__ import annotations

import inspect
import re

import pytest

from lab import errors
from lab.errors import (
    EngineError,
    EngineRefusedError,
    LabError,
    LabFileError,
    NotUpError,
    NoWayInError,
    Problem,
    TakenError,
    UsageError,
)

TREE = re.compile(r"^(?P<indent>[│├└─ ]*)(?P<name>\w+Error) +(?P<code>\d+) ")


def documented() -> dict[str, tuple[str, int]]:
    """The docstring's tree: class -> (parent, exit code)."""
    found: dict[str, tuple[str, int]] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = TREE.match(line)
        if match:
            depth = len(match["indent"]) // 4
            path[depth:] = [match["name"]]
            found[match["name"]] = (path[depth - 1] if depth else "Exception", int(match["code"]))
    return found


def defined() -> dict[str, type[LabError]]:
    """The module's own error classes."""
    return {
        name: kind
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, LabError) and kind.__module__ == errors.__name__
    }


def test_the_tree_is_as_its_docstring_draws_it() -> None:
    """Every class, its parent and its exit code; none is missing on either side."""
    assert {name: (kind.__bases__[0].__name__, kind.exit_code) for name, kind in defined().items()} == documented()
    assert len(documented()) == 13


def test_exit_codes_tell_errors_apart() -> None:
    """Each class has a code of its own, except those that only say more of the same failure; none is a success,
    and none is a code that a shell, an interrupt or a timeout uses."""
    finer = (LabFileError, EngineRefusedError, TakenError, NoWayInError)
    codes = {name: kind.exit_code for name, kind in defined().items() if kind not in finer}
    assert len(set(codes.values())) == len(codes)
    assert [(kind.__base__, kind.exit_code) for kind in finer] == [
        (UsageError, UsageError.exit_code),
        (EngineError, EngineError.exit_code),
        (EngineRefusedError, EngineError.exit_code),
        (NotUpError, NotUpError.exit_code),
    ]
    assert all(0 < code < 64 for code in codes.values())


def problem(line: int, *, key: str = "name", hint: str = "") -> Problem:
    """A fault at a line."""
    return Problem(line=line, column=3, key=key, expected="a name", observed="7", hint=hint)


def test_problems_are_told_in_the_order_of_their_lines() -> None:
    """Each with file, line and column, so that an editor can jump there."""
    error = LabFileError("nat.yaml", (problem(9), problem(2)))
    assert error.message.splitlines() == [
        "nat.yaml:2:3: name: expected a name, found 7",
        "nat.yaml:9:3: name: expected a name, found 7",
    ]


@pytest.mark.parametrize(
    ("key", "hint", "text"),
    [("", "", "expected a name, found 7"), ("a.b", "try b", "a.b: expected a name, found 7 (try b)")],
)
def test_a_problem_says_where_what_and_what_to_try(key: str, hint: str, text: str) -> None:
    """A problem of the whole file has no key, and one without advice no parentheses."""
    assert str(problem(1, key=key, hint=hint)) == text


def test_an_error_keeps_message_and_hint_apart() -> None:
    """The command line prints them on lines of their own, and so does whoever shows the error as text."""
    error = UsageError("expected this, found that", hint="do so")
    assert (error.message, error.hint, str(error)) == (
        "expected this, found that",
        "do so",
        "expected this, found that\nhint: do so",
    )
