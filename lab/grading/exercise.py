"""exercise.yaml -> Exercise, or every problem of the file at once. Pure: the file's content is given.

What an exercise is: a lab, a task, which files are handed in, and what varies from one submission to the next. Its
checks stand in the test_*.py beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from lab import faults, yamltree
from lab.errors import LabFileError, Problem
from lab.faults import Part
from lab.grading.variants import MOST_HOSTS, Choice, HostAddress, Kind, Number, Word
from lab.readers import integer_reader, listed, name_reader, read_boolean, read_line, read_subnet
from lab.yamltree import Tree, problem_at

SECONDS = 20
MOST_SECONDS = 600
FILE_BYTES = 256 * 1024
NAME = r"[a-z][a-z0-9_]{0,60}"
NAME_RULE = "lower-case letters, digits and _, beginning with a letter"


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedFile:
    """A file that a submission has to have."""

    name: str
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Mistake:
    """A wrong submission that comes along, as far as it differs from the solution, and the checks that it must fail."""

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


_read_file_name = name_reader(
    "a file's name", r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}\.[a-z0-9]{1,8}", "letters, digits, - and _, and an ending"
)
_read_variable_name = name_reader("a variable's name", r"[A-Z][A-Z0-9_]{0,30}", "capital letters, digits and _")
_read_check_name = name_reader("a check's name", NAME, f"its function's without test_: {NAME_RULE}")
_read_mistake_name = name_reader("a folder of wrong/", NAME, NAME_RULE)

Line = Annotated[str, BeforeValidator(read_line)]
Points = Annotated[int, BeforeValidator(integer_reader(1, 1000, "a number of points"))]
Whole = Annotated[int, BeforeValidator(integer_reader(0, 999_999_999, "a number"))]
CheckNames = Annotated[list[Annotated[str, BeforeValidator(_read_check_name)]], BeforeValidator(listed)]
Lines = Annotated[list[Line], BeforeValidator(listed)]


class _Variable(Part):
    low: Whole | None = Field(None, alias="from")
    high: Whole | None = Field(None, alias="to")
    subnet: Annotated[Any, BeforeValidator(read_subnet)] = None
    word: Annotated[int, BeforeValidator(integer_reader(3, 20, "a number of letters"))] | None = None
    choice: Lines | None = None


class _Submission(Part):
    files: dict[Annotated[str, BeforeValidator(_read_file_name)], Line] = Field(
        min_length=1, description="at least one file, each with what it is"
    )
    any_language: Annotated[bool, BeforeValidator(read_boolean)] = False


class _File(Part):
    title: Line
    lab: Line
    submission: _Submission
    points: Points
    claims: Lines = Field(default_factory=list)
    variables: dict[Annotated[str, BeforeValidator(_read_variable_name)], _Variable] = Field(default_factory=dict)
    seconds: Annotated[int, BeforeValidator(integer_reader(1, MOST_SECONDS, "a number of seconds"))] = SECONDS
    hints: Lines = Field(default_factory=list)
    wrong: dict[Annotated[str, BeforeValidator(_read_mistake_name)], CheckNames] = Field(default_factory=dict)


SHAPE = faults.Shape(
    root=_File,
    nouns={_File: "an exercise", _Submission: "a submission", _Variable: "a variable"},
    refused={},
)


def parse(text: bytes, *, source: str, name: str) -> Exercise:
    """The exercise that a file describes; `name` is its folder's. Raises LabFileError with every problem."""
    tree = yamltree.parse(text, source=source, variables={})
    try:
        file = _File.model_validate(tree.root)
    except ValidationError as error:
        raise LabFileError(source, (*tree.problems, *_problems(tree, error))) from None
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
    """What stands in the file, in the order in which the keys are told of."""
    given = [(field.alias or name, getattr(part, name)) for name, field in _Variable.model_fields.items()]
    return ", ".join(f"{key}: {value}" for key, value in given if value is not None) or "nothing"


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


def _problems(tree: Tree, error: ValidationError) -> list[Problem]:
    errors = error.errors(include_url=False)
    near = faults.meant(SHAPE, errors)
    told = [one for one in errors if not faults.is_told(tree, one, near)]
    return [faults.problem_of(tree, SHAPE, one, near.get(one["loc"], "")) for one in told]
