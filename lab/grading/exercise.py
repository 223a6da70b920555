"""exercise.yaml -> Exercise, or every problem of the file at once. Pure: the file's content is given.

What an exercise is: a lab, a task, which files are handed in, and what varies from one submission to the next. Its
checks stand in the test_*.py beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lab import yamltree
from lab.errors import LabFileError, Problem
from lab.grading.variants import MOST_HOSTS, Choice, HostAddress, Kind, Number, Word
from lab.readers import described, integer_reader, listed, read_boolean, read_line, read_subnet, wrong
from lab.text import nearest
from lab.yamltree import Tree, problem_at

SECONDS = 20
MOST_SECONDS = 600
FILE_BYTES = 256 * 1024
NAME_RULE = "lower-case letters, digits and _, beginning with a letter"


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedFile:
    """A file that a submission has to have."""

    name: str
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Mistake:
    """A wrong submission that comes along, and the checks that must fail for it."""

    name: str
    fails: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Exercise:
    """A task and what belongs to it."""

    name: str
    title: str
    lab: str
    """a name in compose/, or a path that begins with ./ and is relative to the exercise's folder"""
    files: tuple[AskedFile, ...]
    points: int
    any_language: bool = False
    """whether an executable, or a shell script .sh, may stand in the place of a .py"""
    claims: tuple[str, ...] = ()
    """of the note, that the exercise is about"""
    variables: tuple[tuple[str, Kind], ...] = ()
    seconds: int = SECONDS
    """at most, for each check"""
    hints: tuple[str, ...] = ()
    mistakes: tuple[Mistake, ...] = ()

    @property
    def number(self) -> str:
        """What the name begins with, "" if that is no number."""
        found = re.match(r"\d+", self.name)
        return found[0] if found else ""


def _file_name(value: object) -> str:
    expected = "a file's name: letters, digits, - and _, and an ending"
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}\.[a-z0-9]{1,8}", value):
        raise wrong(expected, value)
    return value


def _variable_name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Z][A-Z0-9_]{0,30}", value):
        raise wrong("a variable's name: capital letters, digits and _", value)
    return value


def _check_name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", value):
        raise wrong(f"a check's name: {NAME_RULE}", value, "the name of its function, without test_")
    return value


def _mistake_name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", value):
        raise wrong(f"a folder of wrong/: {NAME_RULE}", value)
    return value


Line = Annotated[str, BeforeValidator(read_line)]
Points = Annotated[int, BeforeValidator(integer_reader(1, 1000, "a number of points"))]
Whole = Annotated[int, BeforeValidator(integer_reader(0, 999_999_999, "a number"))]
CheckNames = Annotated[list[Annotated[str, BeforeValidator(_check_name)]], BeforeValidator(listed)]
Lines = Annotated[list[Line], BeforeValidator(listed)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, populate_by_name=True)


class _Variable(_Part):
    low: Whole | None = Field(None, alias="from")
    high: Whole | None = Field(None, alias="to")
    subnet: Annotated[Any, BeforeValidator(read_subnet)] = None
    word: Annotated[int, BeforeValidator(integer_reader(3, 20, "a number of letters"))] | None = None
    choice: Lines | None = None


class _Submission(_Part):
    files: dict[Annotated[str, BeforeValidator(_file_name)], Line] = Field(min_length=1)
    any_language: Annotated[bool, BeforeValidator(read_boolean)] = False


class _File(_Part):
    title: Line
    lab: Line
    submission: _Submission
    points: Points
    claims: Lines = []
    variables: dict[Annotated[str, BeforeValidator(_variable_name)], _Variable] = {}
    seconds: Annotated[int, BeforeValidator(integer_reader(1, MOST_SECONDS, "a number of seconds"))] = SECONDS
    hints: Lines = []
    wrong: dict[Annotated[str, BeforeValidator(_mistake_name)], CheckNames] = {}


def parse(text: bytes, *, source: str, name: str) -> Exercise:
    """The exercise that a file describes; `name` is its folder's. Raises LabFileError with every problem."""
    tree = yamltree.parse(text, source=source, variables={})
    try:
        file = _File.model_validate(tree.root)
    except ValidationError as error:
        problems = [_problem(tree, one) for one in error.errors(include_url=False)]
        raise LabFileError(source, (*tree.problems, *problems)) from None
    problems = list(tree.problems)
    variables = {}
    for variable, part in file.variables.items():
        kind = _kind(part)
        if isinstance(kind, str):
            path = ("variables", variable)
            problems.append(problem_at(tree.value_mark(path), path, kind, _keys(part), _KINDS_HINT))
        else:
            variables[variable] = kind
    if problems:
        raise LabFileError(source, tuple(problems))
    return Exercise(
        name=name,
        title=file.title,
        lab=file.lab,
        files=tuple(AskedFile(name=one, what=what) for one, what in file.submission.files.items()),
        any_language=file.submission.any_language,
        points=file.points,
        claims=tuple(file.claims),
        variables=tuple(variables.items()),
        seconds=file.seconds,
        hints=tuple(file.hints),
        mistakes=tuple(Mistake(name=one, fails=tuple(fails)) for one, fails in file.wrong.items()),
    )


_KINDS_HINT = "{from: LOW, to: HIGH}, {subnet: 192.0.2.0/24, from: 10, to: 99}, {word: LETTERS} or {choice: [A, B]}"


def _keys(part: _Variable) -> str:
    return ", ".join((_Variable.model_fields[one].alias or one) for one in sorted(part.model_fields_set)) or "nothing"


def _kind(part: _Variable) -> Kind | str:
    """What a variable may be; as a text what was expected, if that cannot be told."""
    given = part.model_fields_set
    low, high, subnet = part.low, part.high, part.subnet
    if given == {"word"} and part.word is not None:
        return Word(length=part.word)
    if given == {"choice"} and part.choice:
        return Choice(options=tuple(part.choice))
    if given not in ({"low", "high"}, {"subnet", "low", "high"}) or low is None or high is None:
        return "one kind of variable"
    if low > high:
        return "`from` to be at most `to`"
    if subnet is None:
        return Number(low=low, high=high)
    if low < 1 or high >= min(MOST_HOSTS, subnet.num_addresses - 1):
        return f"host numbers from 1 to {min(MOST_HOSTS, subnet.num_addresses - 1) - 1}"
    return HostAddress(subnet=subnet, low=low, high=high)


def _problem(tree: Tree, error: Mapping[str, Any]) -> Problem:
    path = tuple(one for one in error["loc"] if one != "[key]")
    in_key = "[key]" in error["loc"]
    standing = tree.standing(path)
    kind, context = error["type"], error.get("ctx", {})
    mark = tree.key_mark(standing) if in_key or kind in ("extra_forbidden", "missing") else tree.value_mark(standing)
    if kind == "lab":
        return problem_at(mark, standing, context["expected"], context["observed"], context["hint"])
    if kind == "missing":
        return problem_at(mark, standing, f"the key {path[-1]!r}", "none", "")
    if kind == "extra_forbidden":
        known = _known(path[:-1])
        near = nearest(str(path[-1]), known)
        hint = f"did you mean {near}?" if near else f"there are {', '.join(known)}"
        return problem_at(mark, standing, "a key of an exercise", yamltree.shown(str(path[-1])), hint)
    expected = {"list_type": "a list", "too_short": "at least one"}.get(kind, "a mapping")
    return problem_at(mark, standing, expected, described(error["input"]), "")


def _known(path: tuple[Any, ...]) -> list[str]:
    parts: dict[str, type[_Part]] = {"submission": _Submission, "variables": _Variable}
    part = parts.get(str(path[0]), _File) if path else _File
    return [field.alias or name for name, field in part.model_fields.items()]
