"""The checks that an exercise's files declare, and what is said of those that cannot be ones."""

from __future__ import annotations

import pytest

from lab.errors import LabFileError
from lab.grading.checks import declared
from lab.grading.exercise import Exercise, Mistake
from lab.grading.record import Declared

GOOD = '''
import pytest
import a_module_that_there_is_not

def served(): ...

@pytest.mark.check(points=3)
def test_listens(stage):
    """It listens,
    and is reached."""

@pytest.mark.check(points=0, needs=["listens"])
def test_answers(stage):
    """It answers."""
'''
CHECK = '@pytest.mark.check(points=3)\ndef test_listens(stage):\n    """It listens."""\n'


def exercise(points: int = 3, *mistakes: Mistake) -> Exercise:
    """An exercise of so many points."""
    return Exercise(name="x", title="X", lab="nat", files=(), points=points, mistakes=mistakes)


def said(text: str, *, of: Exercise | None = None) -> str:
    """What is said of a file."""
    with pytest.raises(LabFileError) as caught:
        declared({"test_x.py": text.encode()}, of or exercise(), source="x")
    return caught.value.message


def test_checks_are_read_from_the_text() -> None:
    """In their order, with title, points and needs; the module is not imported."""
    found = declared({"test_x.py": GOOD.encode(), "test_y.py": b""}, exercise(), source="x")
    assert [(one.file, one.check) for one in found] == [
        ("test_x.py", Declared(id="listens", title="It listens, and is reached.", points=3)),
        ("test_x.py", Declared(id="answers", title="It answers.", points=0, needs=("listens",))),
    ]


def test_a_check_may_need_one_of_a_file_before() -> None:
    """Files come in the order of their names."""
    second = CHECK.replace("listens", "answers").replace("points=3", 'points=0, needs=["listens"]')
    found = declared({"test_b.py": second.encode(), "test_a.py": CHECK.encode()}, exercise(), source="x")
    assert [one.check.id for one in found] == ["listens", "answers"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def test_x(:\n", "x/test_x.py:1:"),
        ("x = '\0'", "Python"),
        (CHECK.replace('"""It listens."""', "pass"), "expected a docstring, which is the check's title, found none"),
        ("def test_listens(stage):\n    '''T'''\n", "test_listens: expected @pytest.mark.check(points=…), found none"),
        (CHECK.replace("points=3", "3"), "expected @pytest.mark.check(points=…), found pytest.mark.check(3)"),
        (CHECK.replace("points=3", ""), "found pytest.mark.check()"),
        (CHECK.replace("points=3", "points=-1"), "expected points from 0 to 1000"),
        (CHECK.replace("points=3", "points=N"), "expected values that are written out, found points=N"),
        (CHECK.replace("points=3", "points=3, weight=2"), "found weight=2"),
        (CHECK.replace("points=3", "points=3, needs=['listen']"), "names of checks before it, found 'listen'"),
        (CHECK + CHECK, "expected a name for each check, found a second test_listens"),
        (CHECK.replace("test_listens", "test_Listens"), "expected test_ and a check's name"),
        (CHECK.replace("def ", "async def "), "expected a function, found an async one"),
        ("class TestIt:\n    pass\n", "expected checks as functions of the module, found a class"),
        ("@pytest.mark.parametrize('a', [1])\n" + CHECK, "what repeats stands in a loop"),
        (
            "@pytest.mark.skip\n" + CHECK,
            "expected no decorator but @pytest.mark.check(points=…), found pytest.mark.skip",
        ),
    ],
)
def test_what_is_no_check(text: str, expected: str) -> None:
    """It is told with its place, what was expected, and what was found."""
    message = said(text)
    assert expected in message
    assert message.startswith("x/test_x.py:")


def test_a_need_that_is_misspelt() -> None:
    """The check that was meant is named."""
    assert "(did you mean listens?)" in said(
        CHECK + CHECK.replace("test_listens", "test_b").replace("=3", "=3,needs=['listns']")
    )


def test_points_are_those_of_the_exercise() -> None:
    """Their sum stands in exercise.yaml, too."""
    assert said(CHECK, of=exercise(10)) == (
        "x/exercise.yaml:1:1: points: expected the sum of the checks' points, 3, found 10"
    )


def test_an_exercise_has_checks() -> None:
    """One without any would pass everything."""
    assert "expected a file test_*.py with checks, found none" in said("")


def test_wrong_answers_fail_checks_that_there_are() -> None:
    """A name that no check has is told, with the one that was meant."""
    message = said(CHECK, of=exercise(3, Mistake(name="deaf", fails=("listen",))))
    assert "wrong.deaf: expected the name of a check, found listen (did you mean listens?)" in message
