"""The test_*.py of an exercise -> the checks that they declare, without running any of it. Pure.

A check is a function `test_ID` with a docstring, which is its title, and the marker `check`:

    @pytest.mark.check(points=2, needs=["listens"])
    def test_answers(stage: CheckStage) -> None:
        \"\"\"Each client is told its own address.\"\"\"

What is declared is read from the text and not from what pytest collects, so that every check has its verdict, also if
a module cannot be imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from lab.errors import LabFileError, Problem
from lab.grading.exercise import NAME, NAME_RULE, Exercise
from lab.grading.record import Declared
from lab.text import nearest

PREFIX = "test_"
MARKER = "pytest.mark.check"
MOST_POINTS = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A check, and the file that it stands in."""

    file: str
    check: Declared


def declared(files: Mapping[str, bytes], exercise: Exercise, *, source: str) -> tuple[Found, ...]:
    """The checks of an exercise's files (name -> content), in the order in which they are carried out.

    Raises LabFileError with every problem of the first file that has one; `source` is the exercise's folder.
    """
    found: list[Found] = []
    for name, content in sorted(files.items()):
        reader = _Reader(name, known=[one.check.id for one in found])
        reader.read(content)
        if reader.problems:
            raise LabFileError(f"{source}/{name}", tuple(reader.problems))
        found += [Found(file=name, check=check) for check in reader.checks]
    _whole(found, exercise, source)
    return tuple(found)


def _whole(found: list[Found], exercise: Exercise, source: str) -> None:
    """What concerns all checks and exercise.yaml together. Raises LabFileError."""
    known = {one.check.id for one in found}
    points = sum(one.check.points for one in found)
    problems = []
    if not found:
        problems.append(_problem(1, 1, "", "a file test_*.py with checks", "none"))
    elif points != exercise.points:
        problems.append(_problem(1, 1, "points", f"the sum of the checks' points, {points}", str(exercise.points)))
    for mistake in exercise.mistakes:
        for check in mistake.fails:
            if check not in known:
                near = nearest(check, known)
                hint = f"did you mean {near}?" if near else ""
                problems.append(_problem(1, 1, f"wrong.{mistake.name}", "the name of a check", check, hint))
    if problems:
        raise LabFileError(f"{source}/exercise.yaml", tuple(problems))


def _problem(line: int, column: int, key: str, expected: str, observed: str, hint: str = "") -> Problem:
    return Problem(line=line, column=column, key=key, expected=expected, observed=observed, hint=hint)


class _ProblemError(Exception):
    def __init__(self, node: ast.AST, expected: str, observed: str, hint: str = "") -> None:
        self.node, self.expected, self.observed, self.hint = node, expected, observed, hint


class _Reader:
    """Reads one file."""

    def __init__(self, name: str, *, known: list[str]) -> None:
        self.name = name
        self.known = known
        """checks that stand before this file's"""
        self.checks: list[Declared] = []
        self.problems: list[Problem] = []

    def read(self, content: bytes) -> None:
        """Find its checks and problems."""
        try:
            module = ast.parse(content)
        except SyntaxError as error:
            self.problems.append(_problem(error.lineno or 1, error.offset or 1, "", "Python", error.msg))
            return
        except ValueError as error:  # a NUL
            self.problems.append(_problem(1, 1, "", "Python", str(error)))
            return
        for node in module.body:
            try:
                self._statement(node)
            except _ProblemError as problem:
                line, column = getattr(problem.node, "lineno", 1), getattr(problem.node, "col_offset", 0) + 1
                key = getattr(node, "name", "")
                self.problems.append(_problem(line, column, key, problem.expected, problem.observed, problem.hint))

    def _statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith(PREFIX):
            raise _ProblemError(node, "a function", "an async one")
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            raise _ProblemError(node, "checks as functions of the module", "a class")
        if isinstance(node, ast.FunctionDef) and node.name.startswith(PREFIX):
            self.checks.append(self._check(node))

    def _check(self, node: ast.FunctionDef) -> Declared:
        id_ = node.name.removeprefix(PREFIX)
        if not re.fullmatch(NAME, id_):
            raise _ProblemError(node, f"test_ and a check's name ({NAME_RULE})", node.name)
        if id_ in self._names:
            raise _ProblemError(node, "a name for each check", f"a second {node.name}")
        title = " ".join((ast.get_docstring(node) or "").split())
        if not title:
            raise _ProblemError(node, "a docstring, which is the check's title", "none")
        points, needs = self._marker(node)
        return Declared(id=id_, title=title, points=points, needs=needs)

    @property
    def _names(self) -> list[str]:
        return [*self.known, *(one.id for one in self.checks)]

    def _marker(self, node: ast.FunctionDef) -> tuple[int, tuple[str, ...]]:
        found = None
        for decorator in node.decorator_list:
            if not isinstance(decorator, ast.Call) or ast.unparse(decorator.func) != MARKER:
                hint = (
                    "a check is one function; what repeats stands in a loop"
                    if "parametrize" in _text(decorator)
                    else ""
                )
                raise _ProblemError(decorator, f"no decorator but @{MARKER}(points=…)", _text(decorator), hint)
            found = decorator
        if found is None or found.args:
            raise _ProblemError(found or node, f"@{MARKER}(points=…)", _text(found) if found else "none")
        points, needs = None, []
        for keyword in found.keywords:
            value = self._value(keyword)
            if keyword.arg == "points" and isinstance(value, int) and 0 <= value <= MOST_POINTS:
                points = value
            elif keyword.arg == "needs" and isinstance(value, list | tuple):
                needs = [self._need(keyword, one) for one in value]
            else:
                expected = f"points from 0 to {MOST_POINTS}, and needs: a list of names"
                raise _ProblemError(keyword, expected, _text(keyword))
        if points is None:
            raise _ProblemError(found, f"@{MARKER}(points=…)", _text(found))
        return points, tuple(needs)

    @staticmethod
    def _value(keyword: ast.keyword) -> object:
        try:
            return ast.literal_eval(keyword.value)
        except ValueError:
            raise _ProblemError(keyword, "values that are written out", _text(keyword)) from None

    def _need(self, keyword: ast.keyword, name: object) -> str:
        if isinstance(name, str) and name in self._names:
            return name
        near = nearest(str(name), self._names)
        hint = f"did you mean {near}?" if near else ""
        raise _ProblemError(keyword, "needs that are names of checks before it", repr(name), hint)


def _text(node: ast.AST) -> str:
    return ast.unparse(node)
