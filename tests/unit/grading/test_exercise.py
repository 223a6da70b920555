"""exercise.yaml: what it says, and what is said of its mistakes."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from lab import faults
from lab.errors import LabFileError
from lab.grading import exercise
from lab.grading.exercise import AskedFile, Exercise, Mistake, parse
from lab.grading.variants import Choice, HostAddress, Number, Word

WHOLE = """
title: Who am I?
lab: nat
submission:
  files: {server.py: the server}
  any_language: true
points: 10
claims: [nat-source]
variables:
  PORT: {from: 20000, to: 29999}
  ADDRESS: {subnet: 203.0.113.0/24, from: 10, to: 99}
  NAME: {word: 6}
  COLOUR: {choice: [red, green]}
seconds: 30
hints: [look at the other side, look again]
wrong:
  says_its_own_name: [tells, tells_all]
"""
LEAST = {"title": "T", "lab": "nat", "submission": "{files: {a.py: it}}", "points": "1"}


def problems(**changed: str) -> str:
    """What is said of the least exercise with other or more keys."""
    text = "".join(f"{key}: {value}\n" for key, value in (LEAST | changed).items() if value)
    with pytest.raises(LabFileError) as caught:
        parse(text.encode(), source="exercise.yaml", name="x")
    return str(caught.value)


def test_everything_that_an_exercise_may_say() -> None:
    """Every key becomes a value of its kind."""
    assert parse(WHOLE.encode(), source="exercise.yaml", name="06-who-am-i") == Exercise(
        name="06-who-am-i",
        title="Who am I?",
        lab="nat",
        files=(AskedFile(name="server.py", what="the server"),),
        any_language=True,
        points=10,
        claims=("nat-source",),
        variables=(
            ("PORT", Number(low=20000, high=29999)),
            ("ADDRESS", HostAddress(subnet=ip_network("203.0.113.0/24"), low=10, high=99)),
            ("NAME", Word(length=6)),
            ("COLOUR", Choice(options=("red", "green"))),
        ),
        seconds=30,
        hints=("look at the other side", "look again"),
        mistakes=(Mistake(name="says_its_own_name", fails=("tells", "tells_all")),),
    )


def test_every_part_has_a_name_for_messages() -> None:
    """Each part of an exercise's file is called something in a message about one of its keys."""
    parts = {one for one in vars(exercise).values() if isinstance(one, type) and issubclass(one, faults.Part)}
    assert parts - {faults.Part} == set(exercise.SHAPE.nouns)


def test_the_number_is_what_the_name_begins_with() -> None:
    """A folder without one has none."""
    numbers = [parse(WHOLE.encode(), source="", name=name).number for name in ("06-who-am-i", "mine")]
    assert numbers == ["06", ""]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"titel": "T", "title": ""},
            "exercise.yaml:4:1: titel: expected a key of an exercise, found 'titel' (did you mean title?)",
        ),
        ({"points": ""}, "exercise.yaml:1:1: points: expected the key 'points', found none"),
        ({"points": "0"}, "points: expected a number of points from 1 to 1000, found '0'"),
        (
            {"submission": "{files: {a.py: it}, langs: x}"},
            "expected a key of a submission, found 'langs' (there are files, any_language)",
        ),
        (
            {"submission": "{files: {}}"},
            "submission.files: expected a mapping, found an empty mapping (at least one file",
        ),
        (
            {"submission": "{files: {../a.py: it}}"},
            "expected a file's name: letters, digits, - and _, and an ending, found '../a.py'",
        ),
        (
            {"variables": "{PORT: {from: 2, to: 1}}"},
            "variables.PORT: expected `from` to be at most `to`, found from: 2, to: 1",
        ),
        (
            {"variables": "{PORT: {word: 5, from: 1}}"},
            "variables.PORT: expected one kind of variable, found from: 1, word: 5",
        ),
        (
            {"variables": "{A: {subnet: 192.0.2.0/24, from: 1, to: 255}}"},
            "variables.A: expected host numbers from 1 to 254",
        ),
        ({"variables": "{port: {word: 5}}"}, "expected a variable's name: capital letters, digits and _, found 'port'"),
        ({"wrong": "{late: [test-x]}"}, "expected a check's name: its function's without test_"),
    ],
)
def test_a_mistake_is_told_with_its_place(changed: dict[str, str], said: str) -> None:
    """What was expected, what was found, and where."""
    assert said in problems(**changed)


def test_all_mistakes_are_told_at_once_and_each_once() -> None:
    """A key that is missing because it is misspelt is no second one."""
    lines = problems(titel="T", title="", points="none", seconds="0").splitlines()
    assert len(lines) == 3
